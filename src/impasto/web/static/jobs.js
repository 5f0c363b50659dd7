// The jobs that the page knows of, kept up to date by events.
import { ask, place, post, remove } from './api.js';
import { events } from './events.js';

const FINAL = new Set(['done', 'partial', 'failed', 'cancelled']);
const POLL = 4000;
const REFRESH = 150;

/** Whether a job has come to its end. */
export const isFinal = (job) => FINAL.has(job.state);
export const resultOf = (job, index = 0) => job.items?.[index]?.result ?? null;
export const doneItems = (job) => (job.items ?? []).filter((item) => item.state === 'done');

/** Events `job` (detail: the job), `gone` (detail: its id), `progress` (detail: job and the message), `again`. */
class Jobs extends EventTarget {
  #known = new Map();
  #due = new Map();

  constructor() {
    super();
    events.addEventListener('job', ({ detail }) => this.#heard(detail));
    events.addEventListener('progress', ({ detail }) => this.#moved(detail));
    events.addEventListener('hello', () => this.#again());
    setInterval(() => {
      if (!events.connected && !document.hidden) this.#again();
    }, POLL);
  }

  get(id) {
    return this.#known.get(id) ?? null;
  }

  /** Take over what the server said of a job. */
  learn(job) {
    const merged = { ...this.#known.get(job.id), ...job };
    this.#known.set(job.id, merged);
    this.dispatchEvent(new CustomEvent('job', { detail: merged }));
    return merged;
  }

  async refresh(id) {
    return this.learn(await ask(place(id), { quiet: true }));
  }

  /** @returns {Promise<{jobs: object[], next: string|null}>} */
  async list({ state = '', before = null, limit = 24 } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (state) query.set('state', state);
    if (before) query.set('before', before);
    const page = await ask(`v1/jobs?${query}`);
    return { jobs: (page.jobs ?? []).map((job) => this.learn(job)), next: page.next ?? null };
  }

  /** @param {FormData} form @returns {Promise<object>} the new job */
  async start(form, signal) {
    return this.learn(await post('v1/jobs', form, { signal }));
  }

  /** @param {'cancel'|'keep'|'retry'} deed */
  async tell(id, deed) {
    const job = await post(place(id, `/${deed}`));
    const learned = job?.id ? this.learn(job) : await this.refresh(id);
    // Asked for once is enough.
    return deed === 'keep' ? this.learn({ ...learned, keep: true }) : learned;
  }

  async remove(id) {
    await remove(place(id));
    this.#forget(id);
  }

  #forget(id) {
    this.#known.delete(id);
    this.dispatchEvent(new CustomEvent('gone', { detail: id }));
  }

  #heard(message) {
    const { id, job, ...rest } = message;
    const name = id ?? job;
    if (!name) return;
    if (message.state === 'deleted' || message.kind === 'deleted') {
      this.#forget(name);
      return;
    }
    // Events are short: what they leave out is asked for, a few events at once.
    if (message.items?.length) this.learn({ ...rest, id: name });
    else this.#refreshSoon(name);
  }

  #refreshSoon(id) {
    if (this.#due.has(id)) return;
    this.#due.set(id, setTimeout(async () => {
      this.#due.delete(id);
      try {
        await this.refresh(id);
      } catch (problem) {
        if (problem.status === 404) this.#forget(id);
      }
    }, REFRESH));
  }

  #moved(message) {
    const id = message.id ?? message.job;
    const job = this.#known.get(id);
    if (!job || isFinal(job)) return;
    const told = {};
    for (const name of ['step', 'steps', 'seconds_left', 'losses', 'position']) if (name in message) told[name] = message[name];
    if (message.progress !== undefined || message.done !== undefined) told.progress = message.progress ?? message.done;
    const merged = { ...job, state: 'running', ...told };
    this.#known.set(id, merged);
    this.dispatchEvent(new CustomEvent('progress', { detail: { job: merged, message } }));
  }

  #again() {
    for (const job of this.#known.values()) if (!isFinal(job)) this.#refreshSoon(job.id);
    this.dispatchEvent(new Event('again'));
  }
}

export const jobs = new Jobs();
