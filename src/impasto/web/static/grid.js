// Grid: one photograph in many styles, as one job; each cell appears when it is done.
import { asSentence, place } from './api.js';
import { easel } from './easel.js';
import { button, h, icon, labelled } from './element.js';
import { doneItems, isFinal, jobs } from './jobs.js';
import { say, tellProblem } from './notice.js';
import { orderOf, photographOf, remember } from './orders.js';
import { progressBar } from './progress.js';
import { isIterative } from './options.js';
import { go, here, onView } from './route.js';
import { keep, kept } from './store.js';
import { styles } from './styles.js';
import { counted, number, onLanguage, t, translate } from './texts.js';

const SIDES = [512, 768, 1024, 1536, 2048, 0];

let job = null;
let order = null;
let cells = [];
const left = new Set(kept('grid-left', []));

const plan = document.getElementById('plan');
const room = document.getElementById('cells');
const bar = progressBar('grid.progress');
const side = h('select', {});
const start = button('grid.start', 'grid', () => paint(), { class: 'main' });
const wanted = () => styles.all.filter(({ key }) => !left.has(key));

const heading = h('p', { class: 'lead' });
const cancel = button('cancel', 'close', () => jobs.tell(job.id, 'cancel').catch(tellProblem), { class: 'quiet' });
const zip = h('a', { class: 'button', download: 'impasto-grid.zip' }, icon('download'), h('span', { text: 'zip' }));
const list = h('ul', { class: 'cells', label: 'grid.cells' });

function planner() {
  const photograph = h('div', { class: 'model' });
  const choose = h('ul', { class: 'checks', label: 'grid.styles' });
  const count = h('span', {});
  const set = (some) => {
    left.clear();
    if (!some) styles.all.forEach(({ key }) => left.add(key));
    changed();
  };
  const changed = () => {
    keep('grid-left', [...left]);
    fill();
  };
  const fill = () => {
    const picture = easel.photograph;
    photograph.replaceChildren(picture
      ? h('img', { src: picture.url, alt: t('alt.photograph', { name: picture.name }) })
      : h('p', { class: 'quiet-text', text: 'grid.empty' }));
    count.textContent = counted('grid.count', wanted().length);
    start.disabled = !picture || !wanted().length;
    for (const input of choose.querySelectorAll('input')) input.checked = !left.has(input.value);
  };
  const render = () => {
    choose.replaceChildren(...styles.all.map(({ key, title }) => h('li', {}, h('label', {},
      h('input', {
        type: 'checkbox',
        value: key,
        onchange: ({ target }) => {
          if (target.checked) left.delete(key);
          else left.add(key);
          changed();
        },
      }), h('span', {}, title)))));
    const chosen = side.value || '768';
    side.replaceChildren(...SIDES.map((value) => h('option', { value: String(value) }, value ? t('pixels', { count: number(value) }) : t('size.own'))));
    side.value = chosen;
    fill();
  };
  plan.append(photograph, h('div', { class: 'choices' },
    h('details', {}, h('summary', {}, icon('sliders'), count),
      h('div', { class: 'row' }, button('all', null, () => set(true), { class: 'quiet' }), button('none', null, () => set(false), { class: 'quiet' })),
      choose),
    h('div', { class: 'row' }, labelled('grid.side', side), start, button('photograph.another', 'picture', () => go('studio'), { class: 'quiet' }))));
  styles.addEventListener('change', render);
  easel.addEventListener('change', fill);
  onLanguage(render);
  render();
}

async function paint() {
  start.disabled = true;
  try {
    const chosen = wanted().map(({ key }) => ({ key, weight: 1 }));
    const { photograph } = easel;
    const form = new FormData();
    form.set('kind', 'grid');
    form.append('content', photograph.file, photograph.name);
    for (const each of chosen) easel.addStyles(form, [each]);
    easel.addSettings(form, (name) => !isIterative(name));
    const mask = await easel.maskFile();
    if (mask) form.append('mask', mask, 'mask.png');
    // Small cells in strokes as large as the full picture's.
    const longest = Number(side.value);
    if (longest && longest < photograph.longest) form.set('resize', String(longest));
    const begun = await jobs.start(form);
    await remember(begun.id, { ...easel.order(), kind: 'grid', name: photograph.name, chosen });
    go('grid', begun.id);
  } catch (error) {
    tellProblem(error, { name: 'grid', again: paint });
  }
  start.disabled = false;
}

const styleOf = (item) => order?.chosen?.[item.index]?.key ?? item.name;

function cell(item) {
  const key = styleOf(item);
  const title = styles.title(key);
  const picture = h('span', { class: 'picture' });
  const open = h('button', { type: 'button', class: 'cell', disabled: true, onclick: () => proceed(key) }, picture, h('span', { class: 'title' }, title));
  const note = h('p', { class: 'trouble', hidden: true });
  let shown = '';
  return {
    element: h('li', {}, open, note),
    update({ state, result, error }) {
      if (state === shown) return;
      shown = state;
      open.dataset.state = state;
      open.disabled = state !== 'done';
      open.setAttribute('aria-label', t(`grid.cell.${state}`, { title }));
      if (state === 'done') picture.replaceChildren(h('img', { src: result ?? place(job.id, `/result/${item.index}`), alt: '', loading: 'lazy', decoding: 'async' }));
      else {
        const small = styles.find(key)?.thumbnail;
        picture.replaceChildren(small ? h('img', { src: small, alt: '', class: 'faint' }) : icon('picture'));
      }
      note.hidden = state !== 'failed';
      note.textContent = error ? asSentence(error.message ?? error.detail ?? '') : '';
    },
  };
}

/** Go on with one cell's style in the studio. */
async function proceed(key) {
  const file = await photographOf(order);
  try {
    if (file && order.photograph !== easel.photograph?.id) await easel.place(file, order.photograph);
    easel.adopt({ chosen: [{ key, weight: 1 }], settings: order?.settings ?? easel.settings, strokes: order?.strokes ?? easel.strokes });
    go('studio');
  } catch (error) {
    tellProblem(error);
  }
}

function draw() {
  if (!job) return;
  const items = job.items ?? [];
  if (cells.length !== items.length) {
    cells = items.map(cell);
    list.replaceChildren(...cells.map(({ element }) => element));
  }
  items.forEach((item, i) => cells[i].update(item));
  bar.update(job);
  bar.element.hidden = isFinal(job);
  heading.textContent = `${order?.name ?? ''}${order?.name ? ' · ' : ''}${t('progress.items', { done: number(doneItems(job).length), count: number(items.length) })}`;
  cancel.hidden = isFinal(job);
  cancel.disabled = Boolean(job.cancelling);
  zip.hidden = !isFinal(job) || !doneItems(job).length;
  zip.href = place(job.id, '/result');
}

async function open(id) {
  if (job?.id === id) return;
  try {
    order = await orderOf(id);
    job = await jobs.refresh(id);
    cells = [];
    room.replaceChildren(h('div', { class: 'row spread' }, heading, h('div', { class: 'row' }, cancel, zip)), bar.element, list);
    translate(room);
    keep('grid', id);
    draw();
  } catch (error) {
    job = null;
    keep('grid', null);
    room.replaceChildren();
    if (error.status !== 404) tellProblem(error, { name: 'grid', again: () => open(id) });
    else if (here().job) go('grid');
  }
}

export function startGrid() {
  planner();
  jobs.addEventListener('job', ({ detail }) => {
    if (detail.id !== job?.id) return;
    const ended = !isFinal(job) && isFinal(detail);
    job = detail;
    draw();
    if (ended) say(counted('grid.done', doneItems(job).length));
  });
  jobs.addEventListener('progress', ({ detail }) => {
    if (detail.job.id === job?.id) bar.update(detail.job);
  });
  jobs.addEventListener('gone', ({ detail }) => {
    if (detail !== job?.id) return;
    job = null;
    keep('grid', null);
    room.replaceChildren();
  });
  const arrive = ({ view, job: id }) => {
    const last = id ?? kept('grid');
    if (view === 'grid' && last) open(last);
  };
  onView(arrive);
  styles.addEventListener('change', () => {
    cells = [];
    draw();
  });
  onLanguage(() => {
    cells = [];
    draw();
  });
  arrive(here());
}
