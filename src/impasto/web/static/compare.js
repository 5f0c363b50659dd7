// Compare: the photograph and what was painted, under one slider or side by side.
import { button, h, tool } from './element.js';
import { Lens } from './lens.js';
import { pair } from './pair.js';
import { go } from './route.js';
import { keep, kept } from './store.js';
import { onLanguage, percent, t } from './texts.js';

/** `<before-after>`: a native range input moves the edge between two pictures. */
class BeforeAfter extends HTMLElement {
  #before = h('img', { alt: '', draggable: 'false' });
  #after = h('img', { alt: '', draggable: 'false' });
  #names = ['compare.before', 'compare.after'].map((text) => h('span', { class: 'tag', text }));
  #range = h('input', { type: 'range', class: 'edge', min: '0', max: '100', step: '0.5', value: '50', label: 'compare.edge' });
  lens = null;

  connectedCallback() {
    if (this.lens) return;
    this.append(
      h('div', { class: 'pane before' }, this.#before, this.#names[0]),
      h('div', { class: 'pane after' }, this.#after, this.#names[1]),
      h('span', { class: 'line', 'aria-hidden': 'true' }), this.#range);
    Object.assign(this, { tabIndex: 0 });
    this.setAttribute('role', 'group');
    this.#range.addEventListener('input', () => this.#split());
    this.lens = new Lens(this);
    this.#split();
    onLanguage(() => this.#split());
  }

  /** @param {{before: string, after: string, ratio: number, title: string}} shown */
  show({ before, after, ratio, title }) {
    this.style.setProperty('--ratio', String(ratio));
    this.#before.src = before;
    this.#after.src = after;
    this.#before.alt = t('compare.before');
    this.#after.alt = title;
    this.setAttribute('aria-label', t('compare.picture', { title }));
  }

  #split() {
    const value = Number(this.#range.value);
    this.style.setProperty('--edge', `${value}%`);
    this.#range.setAttribute('aria-valuetext', t('compare.value', { share: percent(value / 100) }));
  }
}

customElements.define('before-after', BeforeAfter);

export function startCompare() {
  const room = document.getElementById('pair');
  const view = h('before-after');
  const frame = h('div', { class: 'frame' }, view);
  const empty = h('div', { class: 'plain', hidden: true },
    h('p', { text: 'compare.empty' }), button('compare.go', 'easel', () => go('studio'), { class: 'main' }));
  room.append(frame, h('p', { class: 'quiet-text hint', text: 'compare.hint' }), empty);

  const lens = document.getElementById('lens');
  const side = h('input', { type: 'checkbox', role: 'switch' });
  side.checked = kept('side-by-side', false);
  const arrange = () => view.classList.toggle('side', side.checked);
  side.addEventListener('change', () => {
    keep('side-by-side', side.checked);
    arrange();
    view.lens.fit();
  });
  const scale = h('output', {});
  lens.append(
    h('label', { class: 'switch' }, side, h('span', { text: 'compare.side' })),
    tool('zoom.out', 'minus', () => view.lens.out()), scale, tool('zoom.in', 'plus', () => view.lens.in()),
    tool('zoom.fit', 'fit', () => view.lens.fit()));
  arrange();

  const show = () => {
    frame.hidden = !pair.now;
    room.querySelector('.hint').hidden = !pair.now;
    lens.hidden = !pair.now;
    empty.hidden = Boolean(pair.now);
    if (pair.now) view.show(pair.now);
  };
  const zoomed = () => {
    scale.textContent = percent(view.lens.scale);
  };
  view.lens.addEventListener('change', zoomed);
  pair.addEventListener('change', show);
  onLanguage(() => {
    zoomed();
    show();
  });
  zoomed();
  show();
}
