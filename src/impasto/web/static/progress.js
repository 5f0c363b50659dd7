// How far a job is, as a bar and a sentence.
import { h } from './element.js';
import { counted, number, percent, span, t } from './texts.js';
import { doneItems, isFinal } from './jobs.js';

/** What a job is doing, as a sentence. */
export function progressText(job) {
  if (job.cancelling && !isFinal(job)) return t('state.cancelling');
  if (job.state === 'queued') {
    return job.position > 0 ? counted('state.position', job.position) : t('state.queued');
  }
  if (job.state !== 'running') return t(`state.${job.state}`);
  const items = job.items?.length ?? 0;
  const parts = [];
  if (items > 1) parts.push(t('progress.items', { done: number(doneItems(job).length), count: number(items) }));
  else if (job.steps) parts.push(t('progress.steps', { step: number(job.step ?? 0), steps: number(job.steps) }));
  else parts.push(percent(job.progress ?? 0));
  if (job.seconds_left) parts.push(t('progress.left', { time: span(Math.ceil(job.seconds_left)) }));
  return parts.join(' · ');
}

/** A bar that follows a job: `update(job)`. */
export function progressBar(label) {
  const bar = h('progress', { max: '1', label });
  const text = h('p', { class: 'progress-text' });
  return {
    element: h('div', { class: 'progress' }, bar, text),
    update(job) {
      const items = job.items?.length ?? 0;
      const share = job.progress ?? (items > 1 ? doneItems(job).length / items : 0);
      // Without a value the bar tells that nobody knows yet.
      if (job.state === 'queued') bar.removeAttribute('value');
      else bar.value = isFinal(job) ? 1 : share;
      text.textContent = progressText(job);
    },
  };
}
