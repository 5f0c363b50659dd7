// The gallery: styles to choose from, with a search box, and a place for the user's own paintings.
import { easel } from './easel.js';
import { button, filePicker, h, icon, tool } from './element.js';
import { confirmed } from './confirm.js';
import { copied } from './photograph.js';
import { dropZone } from './intake.js';
import { keep, kept } from './store.js';
import { say, tell, tellProblem } from './notice.js';
import { styles } from './styles.js';
import { counted, onLanguage, t } from './texts.js';
import { train } from './train.js';

const plain = (text) => text.normalize('NFKD').replace(/[\u0300-\u036f]/g, '').toLowerCase();

const image = (src, side, name) => h('img', { src, alt: '', class: name, loading: 'lazy', decoding: 'async', width: side, height: side });

/** `<style-gallery>`: one stop for Tab; arrows move, Enter chooses. */
class StyleGallery extends HTMLElement {
  #search = h('input', { type: 'search', label: 'styles.search', hint: 'styles.search', autocomplete: 'off', spellcheck: 'false' });
  #list = h('ul', { class: 'thumbs', label: 'styles.list' });
  #none = h('p', { class: 'quiet-text', hidden: true, text: 'styles.none' });
  #several = h('input', { type: 'checkbox', role: 'switch' });
  #buttons = new Map();

  connectedCallback() {
    if (this.#list.isConnected) return;
    const picker = filePicker({ accept: 'image/*,.style', multiple: true }, (files) => this.#add(files));
    this.#several.checked = kept('several', false) || easel.chosen.length > 1;
    this.#several.addEventListener('change', () => keep('several', this.#several.checked));
    this.closest('.shelf').querySelector('.row').append(h('label', { class: 'switch' }, this.#several, h('span', { text: 'styles.several' })));
    this.append(
      h('div', { class: 'finder' },
        h('span', { class: 'search' }, icon('search'), this.#search),
        button('styles.add', 'plus', () => picker.click(), { class: 'quiet', tip: 'styles.add.help' }), picker),
      this.#list, this.#none);
    this.#search.addEventListener('input', () => this.#filter());
    this.#list.addEventListener('keydown', (event) => this.#key(event));
    dropZone(this.closest('.shelf'), (files) => this.#add(files));
    styles.addEventListener('change', () => this.#render());
    easel.addEventListener('change', ({ detail }) => {
      if (detail.part === 'styles') this.#mark();
    });
    onLanguage(() => this.#render());
    this.#render();
  }

  async #add(files) {
    for (const file of files) {
      try {
        const key = await styles.add(await copied(file));
        easel.choose(key, this.#several.checked);
        this.#list.scrollTo({ left: 0, top: 0 });
        say(t('styles.added', { title: styles.title(key) }));
      } catch (error) {
        tellProblem(error);
      }
    }
  }

  #render() {
    const focused = [...this.#buttons].find(([, each]) => each === document.activeElement)?.[0];
    this.#buttons.clear();
    this.#list.replaceChildren(...styles.all.map((style) => this.#item(style)));
    this.#mark();
    this.#filter();
    if (focused) this.#buttons.get(focused)?.focus();
    else this.#reveal();
  }

  /** Scroll to the chosen style, and nothing but the list. */
  #reveal() {
    const chosen = this.#buttons.get(easel.chosen[0].key)?.parentElement;
    if (!chosen) return;
    this.#list.scrollTo({ left: chosen.offsetLeft - this.#list.offsetLeft - 40, top: chosen.offsetTop - this.#list.offsetTop - 40 });
  }

  #item(style) {
    const choose = h('button', {
      type: 'button',
      class: 'thumb',
      onclick: (event) => easel.choose(style.key, this.#several.checked || event.ctrlKey || event.metaKey || event.shiftKey),
    },
    h('span', { class: 'shown' },
      style.thumbnail ? image(style.thumbnail, '96') : h('span', { class: 'blank' }, icon('picture')),
      style.swatch && image(style.swatch, '32', 'swatch')),
    h('span', { class: 'title' }, style.title),
    style.by && h('span', { class: 'by' }, style.by),
    style.network && h('span', { class: 'by', text: 'styles.network' }));
    const work = [style.title, style.by, style.year].filter(Boolean).join(', ');
    if (style.by) choose.title = [work, style.about, style.place].filter(Boolean).join('\n');
    this.#buttons.set(style.key, choose);
    return h('li', {}, choose, style.own && h('span', { class: 'own' },
      style.file && !style.card && [tool('train', 'refine', () => train(style)),
        tool('styles.publish', 'keep', ({ currentTarget }) => this.#publish(style, currentTarget))],
      tool('styles.remove', 'trash', () => this.#remove(style))));
  }

  async #publish(style, pressed) {
    pressed.disabled = true;
    tell(t('styles.publishing', { title: style.title }), { name: 'publish' });
    try {
      const name = await styles.publish(style.key);
      if (easel.chosen.some((each) => each.key === style.key)) easel.choose(name);
      tell(t('styles.published', { title: style.title }), { name: 'publish' });
    } catch (error) {
      tellProblem(error, { name: 'publish', again: () => this.#publish(style, pressed) });
    }
    pressed.disabled = false;
  }

  async #remove(style) {
    if (!(await confirmed(t('styles.remove.question', { title: style.title }), 'delete'))) return;
    try {
      await styles.remove(style.key);
      easel.tidy();
      say(t('styles.removed', { title: style.title }));
      this.#search.focus();
    } catch (error) {
      tellProblem(error, { again: () => this.#remove(style) });
    }
  }

  #mark() {
    const chosen = new Set(easel.chosen.map(({ key }) => key));
    for (const [key, each] of this.#buttons) each.setAttribute('aria-pressed', String(chosen.has(key)));
    this.#rove();
  }

  #shown() {
    return [...this.#buttons.values()].filter((each) => !each.parentElement.hidden);
  }

  /** One of them is reached by Tab: the chosen one, else the first. */
  #rove(target) {
    const shown = this.#shown();
    const stop = target ?? shown.find((each) => each.getAttribute('aria-pressed') === 'true') ?? shown[0];
    for (const each of this.#buttons.values()) each.tabIndex = each === stop ? 0 : -1;
  }

  #filter() {
    const words = plain(this.#search.value).split(/\s+/).filter(Boolean);
    for (const style of styles.all) {
      const about = plain(`${style.key} ${style.title} ${style.by} ${style.year} ${style.also ?? ''}`);
      this.#buttons.get(style.key).parentElement.hidden = !words.every((word) => about.includes(word));
    }
    const count = this.#shown().length;
    this.#none.hidden = count > 0 || !styles.all.length;
    if (words.length) say(counted('styles.found', count));
    this.#rove();
  }

  #key(event) {
    const shown = this.#shown();
    const at = shown.indexOf(document.activeElement);
    if (at < 0) return;
    const columns = shown.filter((each) => each.offsetTop === shown[0].offsetTop).length || 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined || !shown[to]) return;
    event.preventDefault();
    this.#rove(shown[to]);
    shown[to].focus();
  }
}

customElements.define('style-gallery', StyleGallery);
