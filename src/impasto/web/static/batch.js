// Batch: many photographs in the style that stands in the studio, as one job.
import { easel } from './easel.js';
import { button, filePicker, h, icon } from './element.js';
import { dropZone } from './intake.js';
import { jobs } from './jobs.js';
import { tell, tellProblem } from './notice.js';
import { isIterative } from './options.js';
import { remember } from './orders.js';
import { mayBePicture } from './photograph.js';
import { counted, onLanguage, t } from './texts.js';

/** @type {File[]} */ let files = [];
let render = () => {};

/** Put photographs into the batch. Others are left out, with a word. */
export function prepareBatch(more) {
  const zips = more.filter((file) => file.name.toLowerCase().endsWith('.zip'));
  const good = [...more.filter(mayBePicture), ...zips];
  files = [...files, ...good];
  if (good.length < more.length) tell(counted('batch.left', more.length - good.length), { name: 'batch' });
  render();
}

async function paint(start) {
  start.disabled = true;
  try {
    const form = new FormData();
    form.set('kind', 'batch');
    for (const file of files) form.append('content', file, file.name);
    easel.addStyles(form);
    easel.addSettings(form, (name) => !isIterative(name));
    const count = files.length;
    const job = await jobs.start(form);
    await remember(job.id, { ...easel.order(), kind: 'batch', photograph: null, strokes: [], name: files[0].name });
    files = [];
    tell(counted('batch.started', count), { name: 'batch' });
  } catch (error) {
    tellProblem(error, { name: 'batch', again: () => paint(start) });
  }
  render();
}

export function startBatch() {
  const picker = filePicker({ accept: 'image/*,.zip', multiple: true }, prepareBatch);
  const summary = h('p', {});
  const names = h('p', { class: 'quiet-text names' });
  const start = button('batch.start', 'stack', () => paint(start), { class: 'main' });
  const clear = button('batch.clear', 'close', () => {
    files = [];
    render();
  }, { class: 'quiet' });
  const room = document.getElementById('batch');
  room.append(h('section', { class: 'drop', 'aria-labelledby': 'batch-heading' },
    icon('stack'),
    h('div', {}, h('h3', { id: 'batch-heading', text: 'batch' }), summary, names),
    h('div', { class: 'row' }, button('batch.choose', 'folder', () => picker.click()), clear, start, picker)));
  dropZone(room, prepareBatch);
  render = () => {
    const some = files.length > 0;
    summary.textContent = some ? t('batch.ready', { count: counted('photographs', files.length), style: easel.title }) : t('batch.lead');
    names.textContent = files.slice(0, 8).map((file) => file.name).join(', ') + (files.length > 8 ? ' …' : '');
    names.hidden = start.hidden = clear.hidden = !some;
    start.disabled = false;
  };
  easel.addEventListener('change', () => render());
  onLanguage(() => render());
  render();
}
