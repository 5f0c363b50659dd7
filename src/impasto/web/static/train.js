// Train: a painting gets a network of its own, by a job that takes its minutes.
import { easel } from './easel.js';
import { button, filePicker, h, labelled } from './element.js';
import { dropZone } from './intake.js';
import { isFinal, jobs } from './jobs.js';
import { hush, tell } from './notice.js';
import { mayBePicture, scaledDown } from './photograph.js';
import { go } from './route.js';
import { styles } from './styles.js';
import { counted, t } from './texts.js';

const MOST = 300;
const SHORT_SIDE = 640;
const learning = new Set();

/** Ask what to learn on and for how long, and begin. @param {import('./styles.js').Style} style a painting of this browser */
export function train(style) {
  let photos = [];
  const choose = (files) => {
    photos = files.filter(mayBePicture).slice(0, MOST);
    count.textContent = counted('photographs', photos.length);
    trouble.textContent = '';
  };
  const picker = filePicker({ accept: 'image/*', multiple: true }, choose);
  const count = h('span', { role: 'status' });
  const name = h('input', { type: 'text', required: true, maxlength: '200', autocomplete: 'off', value: style.title });
  const minutes = h('input', { type: 'number', inputmode: 'numeric', min: '1', max: '120', step: 'any', required: true, value: '20' });
  const trouble = h('p', { class: 'trouble', role: 'status' });
  const start = h('button', { type: 'submit', class: 'main', text: 'train.start' });
  const begin = async (event) => {
    event.preventDefault();
    trouble.textContent = t(photos.length ? 'train.sending' : 'train.none');
    if (!photos.length) return;
    start.disabled = true;
    try {
      const form = new FormData();
      const told = { kind: 'train-style', name: styles.freeName(name.value), title: name.value.trim(), minutes: minutes.value };
      for (const [field, value] of Object.entries(told)) form.set(field, value);
      for (const photo of photos) form.append('content', await scaledDown(photo, SHORT_SIDE), photo.name);
      form.append('style', style.file, style.file.name);
      await jobs.start(form);
      box.close();
      tell(t('train.started'), { name: 'train', action: { text: 'view.history', run: () => go('history') } });
    } catch (error) {
      trouble.textContent = error.sentence ?? String(error);
    }
    start.disabled = false;
  };
  const box = h('dialog', { class: 'box', 'aria-labelledby': 'train-heading' }, h('form', { onsubmit: begin },
    h('h2', { id: 'train-heading', text: 'train' }),
    h('p', { text: 'train.lead' }),
    h('div', { class: 'row' }, button('train.photos', 'folder', () => picker.click()), count, picker),
    h('p', { class: 'quiet-text', text: 'train.photos.help' }),
    labelled('train.name', name), labelled('train.minutes', minutes), trouble,
    h('div', { class: 'row end' }, button('cancel', null, () => box.close(), { class: 'quiet' }), start)));
  dropZone(box, choose);
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
}

/** Choose the style that a job made. */
export function useStyle({ settings }) {
  hush('train');
  easel.choose(settings.name);
  go('studio');
}

// Whatever page it was begun on: once it is done, its style is there.
jobs.addEventListener('job', async ({ detail: job }) => {
  if (job.kind !== 'train-style') return;
  if (!isFinal(job)) learning.add(job.id);
  else if (learning.delete(job.id) && job.state === 'done') {
    await styles.load().catch(() => {});
    tell(t('train.done', { title: job.settings.title || job.settings.name }), { name: 'train', action: { text: 'train.use', run: () => useStyle(job) } });
  }
});
