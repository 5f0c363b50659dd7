// The stage: the picture as large as the window allows, or a place to bring one.
import { h } from './element.js';
import './brush.js';

/** Small pictures are not blown up beyond this. */
const ENLARGED = 3;

/** `<picture-stage>`: the photograph under what was painted, the brush above; `hold` shows the photograph. */
class PictureStage extends HTMLElement {
  #under = h('img', { class: 'under', alt: '' });
  #over = h('img', { class: 'over', alt: '' });
  #sheet = h('div', { class: 'sheet' });
  #frame = h('div', { class: 'frame' });
  #caption = h('p', { class: 'caption' });
  foot = h('div', { class: 'foot' }, this.#caption);
  brush = h('mask-brush', { hidden: true });
  empty = h('div', { class: 'empty' });

  connectedCallback() {
    if (this.#frame.isConnected) return;
    this.#sheet.append(this.#under, this.#over, this.brush);
    this.#frame.append(this.#sheet);
    this.append(this.empty, this.#frame, this.foot);
    this.#frame.hidden = true;
    this.#over.hidden = true;
  }

  /** Show another photograph. @param {import('./photograph.js').Photograph} photograph */
  place(photograph, alt) {
    const [width, height] = photograph.size;
    this.style.setProperty('--ratio', String(width / height));
    this.#sheet.style.setProperty('--limit', `${width * ENLARGED}px`);
    this.#under.src = photograph.url;
    this.#under.alt = alt;
    this.#over.hidden = true;
    this.empty.hidden = true;
    this.#frame.hidden = false;
  }

  /** Show what was painted, when it is decoded, so that nothing flashes. */
  async show(url, alt) {
    const next = new Image();
    next.src = url;
    await next.decode().catch(() => {});
    this.#over.src = url;
    this.#over.alt = alt;
    this.#over.hidden = false;
    return [next.naturalWidth, next.naturalHeight];
  }

  describe(under, over) {
    this.#under.alt = under;
    this.#over.alt = over;
  }

  /** Show the photograph instead, for as long as it is held. */
  hold(held) {
    this.#sheet.classList.toggle('held', held);
  }

  caption(text, busy = false) {
    if (this.#caption.textContent !== text) this.#caption.textContent = text;
    this.classList.toggle('busy', busy);
  }
}

customElements.define('picture-stage', PictureStage);
