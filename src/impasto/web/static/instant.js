// The instant result, kept in step with the easel: a small one while knobs move, the full one when they rest.
import { Problem, fetchBlob } from './api.js';
import { easel } from './easel.js';
import { events } from './events.js';
import { canShow } from './photograph.js';

const WAIT = 120;
const REST = 500;
const TRIES = 5;

/**
 * @typedef {object} Painted
 * @property {Blob} blob
 * @property {string} url
 * @property {boolean} full whether it is of full size
 * @property {string|null} model
 * @property {number|null} seconds
 */

/** Events `start` (detail: full or not), `painted` (detail: {@link Painted}), `problem` (detail: the Problem), `wait`. */
class Instant extends EventTarget {
  /** @type {Painted|null} */ painted = null;
  #timer = 0;
  #rest = 0;
  #flight = null;
  #moving = false;
  #latency = 0;
  #began = 0;
  #fresh = false;
  #waiting = [];

  constructor() {
    super();
    easel.addEventListener('change', ({ detail }) => {
      if (detail.part === 'photograph') this.#forget();
      this.#moved(detail.moving);
    });
    window.addEventListener('online', () => this.again());
    // The server is back, or was not there when this was asked for.
    events.addEventListener('hello', () => this.busy || this.again());
  }

  get busy() {
    return Boolean(this.#timer || this.#flight);
  }

  /** Paint once more, after a problem. */
  again() {
    if (easel.photograph && !this.#fresh) this.#moved(false);
  }

  /** The full picture, once it is there. @returns {Promise<Painted>} */
  async whenFull() {
    if (this.#fresh) return this.painted;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.busy) this.#moved(false);
    });
  }

  #forget() {
    if (this.painted) URL.revokeObjectURL(this.painted.url);
    this.painted = null;
    this.#fresh = false;
    this.#settle('reject', new DOMException('another photograph', 'AbortError'));
  }

  #moved(moving) {
    if (!easel.photograph) return;
    this.#moving = moving;
    this.#fresh = false;
    clearTimeout(this.#rest);
    // No sooner than small ones come back, or none would be seen while a knob is dragged.
    this.#timer ||= setTimeout(() => this.#go(), Math.max(WAIT, Math.min(this.#latency, 1000)));
  }

  #go() {
    this.#timer = 0;
    // What had to be aborted would have taken longer still.
    if (this.#flight && this.#moving) this.#latency = Math.max(this.#latency, (performance.now() - this.#began) * 1.5);
    this.#flight?.abort();
    this.#flight = null;
    const small = easel.photograph.size.join() !== easel.photograph.smallSize.join();
    if (small) this.#small();
    else this.#full();
  }

  async #small() {
    const landed = await this.#fly(false, async () => easel.previewForm());
    if (!landed) return;
    this.#latency = performance.now() - this.#began;
    if (this.#timer) return;
    // A knob that is held still rests as well.
    if (this.#moving) this.#rest = setTimeout(() => this.#full(), REST);
    else this.#full();
  }

  #full() {
    const { photograph } = easel;
    const asked = easel.get('format');
    const own = asked ? `image/${asked}` : photograph.file.type;
    return this.#fly(true, () => easel.fullForm(canShow(own) ? null : 'jpeg'));
  }

  /** One request, the only one in flight. @returns {Promise<boolean>} whether it landed */
  async #fly(full, make, tries = TRIES) {
    const flight = new AbortController();
    this.#flight?.abort();
    this.#flight = flight;
    this.#began = performance.now();
    this.dispatchEvent(new CustomEvent('start', { detail: full }));
    try {
      const body = await make();
      if (flight.signal.aborted) return false;
      const { blob, headers } = await fetchBlob('v1/stylize', { method: 'POST', body, signal: flight.signal });
      if (flight !== this.#flight) return false;
      if (!canShow(blob.type)) throw new Problem({ code: 'not_shown' });
      this.#flight = null;
      this.#show({ blob, full, model: headers.get('Impasto-Model'), seconds: Number.parseFloat(headers.get('Impasto-Seconds')) || null });
      return true;
    } catch (error) {
      if (error.name === 'AbortError' || flight !== this.#flight) return false;
      this.#flight = null;
      if (error.status === 429 && tries > 1) return this.#wait(error, full, make, tries - 1);
      this.#settle('reject', error);
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
      return false;
    }
  }

  /** The server is busy: come back when it says. */
  async #wait(problem, full, make, tries) {
    const flight = new AbortController();
    this.#flight = flight;
    this.dispatchEvent(new CustomEvent('wait', { detail: problem }));
    await new Promise((resolve) => setTimeout(resolve, Math.min(problem.retryAfter ?? 2, 30) * 1000));
    return flight === this.#flight ? this.#fly(full, make, tries) : false;
  }

  #show(painted) {
    if (this.painted) URL.revokeObjectURL(this.painted.url);
    this.painted = { ...painted, url: URL.createObjectURL(painted.blob) };
    // What has moved since then waits for the timer, and whoever wants the full picture waits for that one.
    this.#fresh = painted.full && !this.#timer;
    this.dispatchEvent(new CustomEvent('painted', { detail: this.painted }));
    if (this.#fresh) this.#settle('resolve', this.painted);
  }

  #settle(how, value) {
    for (const each of this.#waiting.splice(0)) each[how](value);
  }
}

export const instant = new Instant();
