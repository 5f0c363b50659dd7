// Zoom and pan: wheel, pinch, drag, double click, or keys.

const MOST = 16;
const STEP = 1.5;

/** Sets `--scale`, `--x` and `--y` (pixels) on an element. Event `change`. */
export class Lens extends EventTarget {
  scale = 1;
  #x = 0;
  #y = 0;
  #pointers = new Map();

  /** @param {HTMLElement} element what is looked at; its pictures transform themselves by the variables */
  constructor(element) {
    super();
    this.element = element;
    element.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.zoom(2 ** (-event.deltaY / (event.deltaMode ? 12 : 300)), this.#from(event));
    }, { passive: false });
    element.addEventListener('pointerdown', (event) => this.#down(event));
    element.addEventListener('pointermove', (event) => this.#move(event));
    for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, (event) => this.#pointers.delete(event.pointerId));
    element.addEventListener('dblclick', (event) => (this.scale > 1 ? this.fit() : this.zoom(2.5, this.#from(event))));
    element.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.#apply()).observe(element);
  }

  fit() {
    this.scale = 1;
    this.#x = this.#y = 0;
    this.#apply();
  }

  in() {
    this.zoom(STEP);
  }

  out() {
    this.zoom(1 / STEP);
  }

  /** Zoom by a factor about a point, given from the middle. */
  zoom(factor, [x, y] = [0, 0]) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const by = scale / this.scale;
    this.#x = x - (x - this.#x) * by;
    this.#y = y - (y - this.#y) * by;
    this.scale = scale;
    this.#apply();
  }

  pan(x, y) {
    this.#x += x;
    this.#y += y;
    this.#apply();
  }

  /** A point of an event from the middle of the pane it is in. */
  #from(event) {
    const box = (event.target.closest?.('.pane') ?? this.element).getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  #down(event) {
    if (event.target.matches?.('input')) return;
    this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.element.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    if (!other) {
      this.pan(now[0] - last[0], now[1] - last[1]);
      return;
    }
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    const box = this.element.getBoundingClientRect();
    const middle = [(now[0] + other[0]) / 2 - box.left - box.width / 2, (now[1] + other[1]) / 2 - box.top - box.height / 2];
    this.zoom(apart(now) / apart(last), middle);
    this.pan((now[0] - last[0]) / 2, (now[1] - last[1]) / 2);
  }

  #key(event) {
    if (event.target !== this.element) return;
    const deeds = {
      '+': () => this.in(), '=': () => this.in(), '-': () => this.out(), 0: () => this.fit(),
      ArrowLeft: () => this.pan(40, 0), ArrowRight: () => this.pan(-40, 0), ArrowUp: () => this.pan(0, 40), ArrowDown: () => this.pan(0, -40),
    };
    const deed = deeds[event.key];
    if (!deed || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    deed();
  }

  #apply() {
    const pane = this.element.querySelector('.pane') ?? this.element;
    const [right, below] = [(pane.clientWidth * (this.scale - 1)) / 2, (pane.clientHeight * (this.scale - 1)) / 2];
    this.#x = Math.min(right, Math.max(-right, this.#x));
    this.#y = Math.min(below, Math.max(-below, this.#y));
    const { style } = this.element;
    style.setProperty('--scale', String(this.scale));
    style.setProperty('--x', `${this.#x}px`);
    style.setProperty('--y', `${this.#y}px`);
    this.dispatchEvent(new Event('change'));
  }
}
