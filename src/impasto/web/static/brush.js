// The mask's brush: a canvas over the picture. By keyboard: arrows move the brush, Space paints, Backspace undoes.
import { easel } from './easel.js';
import { button, h, labelled } from './element.js';
import { drawStrokes } from './mask.js';
import { say } from './notice.js';
import { t } from './texts.js';

const LONGEST = 900;
const STEP = 0.02;

/** `<mask-brush>`: paints on the easel's mask while it is shown. */
class MaskBrush extends HTMLElement {
  size = 0.12;
  erase = false;
  #stroke = null;
  #at = [0.5, 0.5];
  #canvas = h('canvas', { tabindex: '0', role: 'application', label: 'mask.canvas' });
  #ring = h('span', { class: 'ring', 'aria-hidden': 'true' });

  connectedCallback() {
    if (this.#canvas.isConnected) return;
    this.append(this.#canvas, this.#ring);
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => this.#up());
    canvas.addEventListener('keydown', (event) => this.#key(event));
    easel.addEventListener('change', ({ detail }) => {
      if (detail.part === 'mask' || detail.part === 'photograph') this.draw();
    });
    new ResizeObserver(() => this.#place()).observe(this);
  }

  /** Start: as large as the picture's proportions ask for. */
  open() {
    const [width, height] = easel.photograph.size;
    const factor = LONGEST / Math.max(width, height);
    this.#canvas.width = Math.max(1, Math.round(width * factor));
    this.#canvas.height = Math.max(1, Math.round(height * factor));
    this.hidden = false;
    this.draw();
    this.#place();
    this.#canvas.focus({ preventScroll: true });
  }

  draw() {
    if (this.hidden) return;
    const strokes = this.#stroke ? [...easel.strokes, this.#stroke] : easel.strokes;
    const context = this.#canvas.getContext('2d');
    const { width, height } = this.#canvas;
    context.clearRect(0, 0, width, height);
    if (!strokes.some((stroke) => !stroke.erase)) return;
    // A veil over what stays as it is. A canvas has no `var()`: the colour comes from the style sheet.
    context.fillStyle = getComputedStyle(this).color;
    context.fillRect(0, 0, width, height);
    drawStrokes(context, strokes, context.fillStyle, true);
  }

  resize(size) {
    this.size = size;
    this.#place();
  }

  undo() {
    if (!easel.strokes.length) return;
    easel.mask(easel.strokes.slice(0, -1));
    say(t('mask.undone'));
  }

  #place() {
    const { width, height } = this.getBoundingClientRect();
    const side = this.size * Math.max(width, height);
    const style = this.#ring.style;
    style.setProperty('width', `${side}px`);
    style.setProperty('height', `${side}px`);
    style.setProperty('transform', `translate(${this.#at[0] * width - side / 2}px, ${this.#at[1] * height - side / 2}px)`);
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((value) => Math.round(value * 1e4) / 1e4);
  }

  #down(event) {
    if (event.button) return;
    event.preventDefault();
    this.#canvas.focus({ preventScroll: true });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#at = this.#point(event);
    this.#stroke = { size: this.size, erase: this.erase, points: [...this.#at] };
    this.draw();
    this.#place();
  }

  #move(event) {
    this.#at = this.#point(event);
    this.#place();
    if (!this.#stroke) return;
    const { points } = this.#stroke;
    const [x, y] = this.#at;
    if (Math.hypot(x - points.at(-2), y - points.at(-1)) < 0.004) return;
    points.push(x, y);
    this.draw();
  }

  #up() {
    if (!this.#stroke) return;
    const stroke = this.#stroke;
    this.#stroke = null;
    easel.mask([...easel.strokes, stroke]);
  }

  #key(event) {
    const by = event.shiftKey ? STEP * 4 : STEP;
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const move = moves[event.key];
    if (move) this.#at = this.#at.map((value, i) => Math.min(1, Math.max(0, value + move[i])));
    else if (event.key === ' ' || event.key === 'Enter') {
      easel.mask([...easel.strokes, { size: this.size, erase: this.erase, points: [...this.#at] }]);
      say(t(this.erase ? 'mask.erased' : 'mask.dabbed'));
    } else if (event.key === 'Backspace' || (event.key === 'z' && (event.ctrlKey || event.metaKey))) this.undo();
    else return;
    event.preventDefault();
    this.#place();
  }
}

customElements.define('mask-brush', MaskBrush);

/** The brush's tools. @param {MaskBrush} brush @param {() => void} done */
export function brushTools(brush, done) {
  const size = h('input', { type: 'range', min: '0.02', max: '0.4', step: '0.01', value: String(brush.size), oninput: () => brush.resize(Number(size.value)) });
  const modes = ['paint', 'erase'].map((mode) => h('label', { class: 'segment' },
    h('input', { type: 'radio', name: 'brush-mode', value: mode, checked: mode === 'paint', onchange: () => { brush.erase = mode === 'erase'; } }),
    h('span', { text: `mask.${mode}` })));
  const undo = button('undo', 'undo', () => brush.undo(), { class: 'quiet' });
  const clear = button('mask.clear', 'trash', () => easel.mask([]), { class: 'quiet' });
  const update = () => {
    undo.disabled = clear.disabled = !easel.strokes.length;
  };
  easel.addEventListener('change', update);
  update();
  return [
    h('p', { class: 'quiet-text lead', text: 'mask.lead' }),
    h('div', { class: 'row' },
      h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen', text: 'mask.mode' }), modes),
      labelled('mask.size', size), undo, clear,
      button('done', 'check', done, { class: 'main' })),
  ];
}
