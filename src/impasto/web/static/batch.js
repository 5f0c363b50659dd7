// Batch: many photographs in the style that stands in the studio, as one job.
import { easel } from './easel.js';
import { button, filePicker, h, icon, tool } from './element.js';
import { dropZone } from './intake.js';
import { jobs } from './jobs.js';
import { tell, tellProblem } from './notice.js';
import { isIterative } from './options.js';
import { remember } from './orders.js';
import { copied, mayBePicture } from './photograph.js';
import { counted, onLanguage, t } from './texts.js';

const NAMED = 3;

/** What is to be painted, each with the reason why it could not be sent, if any. @type {{file: File, trouble: string}[]} */
let entries = [];
let render = () => {};
const list = h('ul', { class: 'names', label: 'batch.files' });

const isZip = (file) => file.name.toLowerCase().endsWith('.zip');

const some = (names) => names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ' …' : '');
const leftOut = (names) => counted('batch.left', names.length, { names: some(names) });

/** Put photographs into the batch. Others are left out, with a word. */
export function prepareBatch(more) {
  const isGood = (file) => mayBePicture(file) || isZip(file);
  entries = [...entries, ...more.filter(isGood).map((file) => ({ file, trouble: '' }))];
  const others = more.filter((file) => !isGood(file));
  if (others.length) tell(leftOut(others.map(({ name }) => name)), { name: 'batch' });
  render();
}

/** The files' copies, of those that can still be read; the others are told why not. */
async function readable() {
  const found = [];
  for (const entry of entries) {
    try {
      // One that has moved on the disk would take the whole upload with it.
      found.push({ entry, file: await copied(entry.file) });
      entry.trouble = '';
    } catch (problem) {
      entry.trouble = problem.message;
    }
  }
  return found;
}

async function paint(start) {
  start.disabled = true;
  try {
    const sent = await readable();
    if (sent.length) await send(sent);
  } catch (error) {
    tellProblem(error, { name: 'batch', again: () => paint(start) });
  }
  render();
}

async function send(sent) {
  const form = new FormData();
  form.set('kind', 'batch');
  for (const { file } of sent) form.append('content', file, file.name);
  easel.addStyles(form);
  easel.addSettings(form, (name) => !isIterative(name));
  const job = await jobs.start(form);
  await remember(job.id, { ...easel.order(), kind: 'batch', photograph: null, strokes: [], name: sent[0].file.name });
  entries = entries.filter((entry) => !sent.some((each) => each.entry === entry));
  const left = (job.left_out ?? []).map(({ name }) => name);
  const started = counted('batch.started', job.items.filter(({ state }) => state !== 'failed').length);
  const failed = job.items.filter(({ state }) => state === 'failed').map(({ name }) => name);
  const words = [started, failed.length && t('batch.broken', { names: some(failed) }), left.length && leftOut(left)];
  tell(words.filter(Boolean).join(' '), { name: 'batch' });
}

/** One file of the list, with a way out of it. */
function row(entry) {
  const name = entry.file.name;
  const remove = tool('batch.remove', 'close', () => {
    entries = entries.filter((other) => other !== entry);
    render();
    list.querySelector('button')?.focus();
  });
  remove.setAttribute('aria-label', t('batch.remove.name', { name }));
  return h('li', {}, h('span', {}, name), h('span', { class: 'trouble' }, entry.trouble), remove);
}

export function startBatch() {
  const picker = filePicker({ accept: 'image/*,.zip', multiple: true }, prepareBatch);
  const summary = h('p', {});
  const start = button('batch.start', 'stack', () => paint(start), { class: 'main' });
  const clear = button('batch.clear', 'close', () => {
    entries = [];
    render();
  }, { class: 'quiet' });
  const room = document.getElementById('batch');
  room.append(h('section', { class: 'drop', 'aria-labelledby': 'batch-heading' },
    icon('stack'),
    h('div', {}, h('h3', { id: 'batch-heading', text: 'batch' }), summary),
    h('div', { class: 'row' }, button('batch.choose', 'folder', () => picker.click()), clear, start, picker),
    list));
  dropZone(room, prepareBatch);
  const summarise = () => {
    summary.textContent = entries.length ? t('batch.ready', { count: counted('photographs', entries.length), style: easel.title }) : t('batch.lead');
  };
  render = () => {
    summarise();
    list.replaceChildren(...entries.map(row));
    list.hidden = start.hidden = clear.hidden = !entries.length;
    start.disabled = false;
  };
  easel.addEventListener('change', summarise);
  onLanguage(() => render());
  render();
}
