// Refining: an iterative job from what stands on the easel, watched while it runs.
import { ask, asSentence, fetchBlob, place } from './api.js';
import { easel } from './easel.js';
import { button, h } from './element.js';
import { isFinal, jobs, resultOf } from './jobs.js';
import { say, tell, tellProblem } from './notice.js';
import { remember } from './orders.js';
import { progressBar } from './progress.js';
import { keep, kept } from './store.js';
import { onLanguage, t } from './texts.js';
import './losscurve.js';

const BETWEEN_PREVIEWS = 600;

/** Events `picture` (detail: `{url, done}`), `left`: there is nothing refined any more. */
class Refining extends EventTarget {
  job = null;
  url = '';
  done = false;
  #sending = false;
  #fetching = false;
  #bar;
  #curve;
  #room;
  #buttons = {};

  /** @param {HTMLElement} room where to show it */
  open(room) {
    this.#room = room;
    this.#bar = progressBar('refine.progress');
    this.#curve = h('loss-curve');
    this.#buttons = {
      keep: button('refine.keep', 'keep', () => this.#tell('keep')),
      cancel: button('refine.cancel', 'close', () => this.#tell('cancel'), { class: 'quiet' }),
      close: button('close', 'check', () => this.hide(), { class: 'quiet' }),
    };
    room.append(h('h3', { text: 'refine.heading' }), this.#bar.element, this.#curve, h('div', { class: 'row' }, Object.values(this.#buttons)));
    jobs.addEventListener('job', ({ detail }) => {
      if (detail.id === this.job?.id) this.#update(detail);
    });
    jobs.addEventListener('gone', ({ detail }) => {
      if (detail === this.job?.id) this.leave();
    });
    jobs.addEventListener('progress', ({ detail: { job, message } }) => {
      if (job.id !== this.job?.id) return;
      this.#curve.push({ step: message.step, loss: message.loss, losses: message.losses });
      this.#update(job);
      if (message.preview !== false) this.#preview();
    });
    onLanguage(() => this.job && this.#bar.update(this.job));
  }

  get running() {
    return this.#sending || Boolean(this.job && !isFinal(this.job));
  }

  /** Refine what stands on the easel now. */
  async start() {
    if (this.#sending || !easel.photograph) return;
    this.#sending = true;
    this.#forget();
    this.#room.hidden = false;
    this.#bar.update({ state: 'queued' });
    this.#show();
    try {
      const order = { kind: 'stylize', name: easel.photograph.name, ...easel.order() };
      const job = await jobs.start(await easel.refineForm());
      await remember(job.id, { ...order, settings: { ...order.settings, engine: 'iterative' } });
      keep('refining', { job: job.id, photograph: order.photograph });
      this.#sending = false;
      this.job = job;
      this.#update(job);
    } catch (error) {
      this.#sending = false;
      this.leave();
      tellProblem(error, { name: 'refine', again: () => this.start() });
    }
  }

  /** Find the job of before a reload again. */
  async resume() {
    const last = kept('refining');
    if (!last || last.photograph !== easel.photograph?.id) return;
    try {
      this.job = await jobs.refresh(last.job);
    } catch (problem) {
      if (problem.status === 404) keep('refining', null);
      return;
    }
    if (['failed', 'cancelled'].includes(this.job.state)) {
      this.#forget();
      return;
    }
    this.#room.hidden = isFinal(this.job);
    const trace = await ask(place(this.job.id, '/trace'), { quiet: true }).catch(() => null);
    this.#curve.fill(trace?.steps ?? []);
    this.#update(this.job);
    this.#preview();
  }

  hide() {
    this.#room.hidden = true;
  }

  /** Have nothing refined any more; a job that runs goes on, and is found in History. */
  leave() {
    const ran = this.running;
    this.#forget();
    this.hide();
    this.dispatchEvent(new Event('left'));
    if (ran) tell(t('refine.goes.on'));
  }

  #forget() {
    if (this.url.startsWith('blob:')) URL.revokeObjectURL(this.url);
    Object.assign(this, { job: null, url: '', done: false });
    this.#curve.fill([]);
    keep('refining', null);
  }

  #show() {
    const running = this.running;
    this.#buttons.keep.hidden = this.#buttons.cancel.hidden = !running;
    this.#buttons.close.hidden = running;
    // There is nothing to keep before the first step.
    this.#buttons.keep.disabled = this.job?.state !== 'running' || Boolean(this.job.keep || this.job.cancelling);
    this.#buttons.cancel.disabled = !this.job || Boolean(this.job.cancelling);
  }

  #update(job) {
    const ended = isFinal(job) && !this.done;
    this.job = job;
    this.#bar.update(job);
    this.#show();
    if (!ended) return;
    if (job.state === 'done') this.#finish(job);
    else if (job.state === 'cancelled') {
      say(t('state.cancelled'));
      this.leave();
    } else {
      const told = job.error ?? job.items?.[0]?.error;
      this.leave();
      tell(`${asSentence(told?.message ?? told?.detail ?? t('state.failed'))} ${t('remedy.refine')}`, { name: 'refine', error: true, action: { text: 'again', run: () => this.start() } });
    }
  }

  async #finish(job) {
    this.done = true;
    this.#show();
    try {
      const { blob } = await fetchBlob(resultOf(job) ?? place(job.id, '/result'));
      if (this.job?.id !== job.id) return;
      this.#picture(blob, true);
      say(t('refine.done'));
    } catch (error) {
      this.done = false;
      tellProblem(error, { name: 'refine', again: () => this.#finish(job) });
    }
  }

  async #preview() {
    if (this.#fetching || this.done || this.job?.state !== 'running') return;
    this.#fetching = true;
    const { id } = this.job;
    try {
      const { blob } = await fetchBlob(place(id, '/preview'), { quiet: true, cache: 'no-store' });
      if (this.job?.id === id && !this.done) this.#picture(blob, false);
    } catch {
      // None yet, or the next one will come.
    }
    setTimeout(() => { this.#fetching = false; }, BETWEEN_PREVIEWS);
  }

  #picture(blob, done) {
    const old = this.url;
    this.url = URL.createObjectURL(blob);
    this.blob = done ? blob : null;
    this.dispatchEvent(new CustomEvent('picture', { detail: { url: this.url, done } }));
    // The old one may still be on show until the new one is decoded.
    if (old) setTimeout(() => URL.revokeObjectURL(old), 2000);
  }

  async #tell(deed) {
    try {
      await jobs.tell(this.job.id, deed);
    } catch (error) {
      tellProblem(error, { name: 'refine', again: () => this.#tell(deed) });
    }
  }
}

export const refining = new Refining();
