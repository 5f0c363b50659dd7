// The loss by step, drawn.
import { svg, h } from './element.js';
import { number, onLanguage, t } from './texts.js';

const WIDTH = 240;
const HEIGHT = 44;
const EDGE = 4;

/** `<loss-curve>`: give it points with `push` or `fill`. Logarithmic upwards, since losses fall fast and then slowly. */
class LossCurve extends HTMLElement {
  /** @type {{step: number, loss: number}[]} */ #points = [];
  #line = svg('path', { class: 'line', 'vector-effect': 'non-scaling-stroke' });
  #graph = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
    svg('path', { class: 'floor', d: `M0 ${HEIGHT - 0.5}H${WIDTH}`, 'vector-effect': 'non-scaling-stroke' }), this.#line);
  #text = h('p', { class: 'quiet-text' });

  connectedCallback() {
    if (this.#graph.isConnected) return;
    this.append(this.#graph, this.#text);
    onLanguage(() => this.#draw());
    this.#draw();
  }

  /** @param {{step: number, loss?: number, losses?: Record<string, number>}[]} steps */
  fill(steps) {
    this.#points = [];
    steps.forEach((step) => this.#add(step));
    this.#draw();
  }

  push(step) {
    if (this.#add(step)) this.#draw();
  }

  #add({ step, loss, losses }) {
    const total = loss ?? Object.values(losses ?? {}).reduce((sum, value) => sum + value, 0);
    if (!Number.isFinite(step) || !(total > 0)) return false;
    const last = this.#points.at(-1);
    if (last && step < last.step) this.#points = [];
    if (last && step === last.step) last.loss = total;
    else this.#points.push({ step, loss: total });
    return true;
  }

  #draw() {
    const points = this.#points;
    this.hidden = points.length < 2;
    if (this.hidden) return;
    const logs = points.map(({ loss }) => Math.log(loss));
    const [low, high] = [Math.min(...logs), Math.max(...logs)];
    const [first, last] = [points[0], points.at(-1)];
    const x = (step) => ((step - first.step) / (last.step - first.step || 1)) * WIDTH;
    const y = (log) => EDGE + (1 - (log - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
    this.#line.setAttribute('d', points.map(({ step }, i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(logs[i]).toFixed(1)}`).join(''));
    const text = t('loss.text', { first: number(first.loss, 3), last: number(last.loss, 3) });
    this.#graph.setAttribute('aria-label', text);
    this.#text.textContent = text;
  }
}

customElements.define('loss-curve', LossCurve);
