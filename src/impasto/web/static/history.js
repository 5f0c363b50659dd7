// History: the jobs that the server keeps.
import { asSentence, fetchBlob, place } from './api.js';
import { confirmed } from './confirm.js';
import { easel } from './easel.js';
import { button, h, icon, labelled, save } from './element.js';
import { doneItems, isFinal, jobs } from './jobs.js';
import { tell, tellProblem, say } from './notice.js';
import { orderOf, photographOf } from './orders.js';
import { pair } from './pair.js';
import { progressBar } from './progress.js';
import { go, here, onView } from './route.js';
import { styles } from './styles.js';
import { suffixOf } from './studio.js';
import { ago, counted, onLanguage, span, t, when } from './texts.js';
import { useStyle } from './train.js';

const SHOWN = 5;
const STATES = ['', 'queued', 'running', 'done', 'partial', 'failed', 'cancelled'];

/** @type {Map<string, ReturnType<typeof card>>} */ const cards = new Map();
let before = null;
let loaded = false;

const room = document.getElementById('past');
const list = h('ul', { class: 'jobs' });
const more = button('history.more', null, () => load(true), { class: 'quiet', hidden: true });
const empty = h('p', { class: 'plain', hidden: true, text: 'history.empty' });
const filter = h('select', {});

const isTraining = (job) => job.kind === 'train-style';
const attempt = (work, again) => work.catch((error) => tellProblem(error, { name: 'history', again }));

/** What a job was made of: this browser's memory, else what the server tells. */
async function knownOrder(job) {
  const order = await orderOf(job.id);
  return order ?? { kind: job.kind, photograph: null, name: job.kind === 'stylize' ? (job.items?.[0]?.name ?? '') : '', chosen: stylesOf(job), settings: job.settings ?? {}, strokes: [] };
}

function stylesOf(job) {
  const named = job.styles ?? (job.kind === 'grid' ? (job.items ?? []).map(({ name }) => ({ name, weight: 1 })) : []);
  return named.filter(({ name }) => name && styles.find(name)).map(({ name, weight }) => ({ key: name, weight }));
}

function titleOf(job, order) {
  if (isTraining(job)) return job.settings.title || job.settings.name;
  const titles = order.chosen.map(({ key }) => styles.title(key));
  if (job.kind === 'grid') return [order.name, counted('styles.count', job.items?.length ?? titles.length)].filter(Boolean).join(' · ');
  if (job.kind === 'batch') return [counted('photographs', job.items?.length ?? 0), titles.join(' + ')].filter(Boolean).join(' · ');
  return [order.name, titles.join(' + ')].filter(Boolean).join(' · ') || t('kind.stylize');
}

function card(first) {
  let job = first;
  let order = { chosen: [], settings: {}, name: '' };
  const title = h('h3', {});
  const facts = h('p', { class: 'quiet-text' });
  const state = h('span', { class: 'state' });
  const pictures = h('div', { class: 'pictures' });
  const trouble = h('p', { class: 'trouble', hidden: true });
  const bar = progressBar('history.progress');
  const zip = h('a', { class: 'button', download: `impasto-${job.id}.zip` }, icon('download'), h('span', { text: 'zip' }));
  const deeds = {
    use: button('train.use', 'easel', () => useStyle(job)),
    open: button('history.open', 'grid', () => go('grid', job.id)),
    compare: button('view.compare', 'split', () => compare(job, order), { class: 'quiet' }),
    download: button('download', 'download', () => download(job, order)),
    again: button('history.again', 'edit', () => again(job, order), { class: 'quiet' }),
    retry: button('history.retry', 'again', () => act('retry')),
    keep: button('refine.keep', 'keep', () => act('keep')),
    cancel: button('cancel', 'close', () => act('cancel'), { class: 'quiet' }),
    remove: button('delete', 'trash', () => drop(), { class: 'quiet' }),
  };
  const act = (deed) => attempt(jobs.tell(job.id, deed), () => act(deed));
  const drop = async () => {
    if (!(await confirmed(t('history.delete.question', { title: title.textContent }), 'delete'))) return;
    await attempt(jobs.remove(job.id), drop);
  };
  let drawn = '';

  function thumbs() {
    const done = doneItems(job);
    const key = done.map((item) => item.index).slice(0, SHOWN).join() + done.length;
    if (key === drawn) return;
    drawn = key;
    pictures.replaceChildren(...done.slice(0, SHOWN).map((item) => h('img', {
      src: item.result ?? place(job.id, `/result/${item.index}`), alt: '', loading: 'lazy', decoding: 'async',
    })), done.length > SHOWN ? h('span', { class: 'rest' }, `+${done.length - SHOWN}`) : '',
    done.length ? '' : h('span', { class: 'none' }, icon('picture')));
  }

  /** How a training looks so far. */
  function sample() {
    drawn = '0';
    pictures.replaceChildren(h('img', { src: place(job.id, `/preview?${job.step}`), alt: t('train.sample') }));
  }

  function update(next = job) {
    job = next;
    title.textContent = titleOf(job, order);
    state.textContent = t(isTraining(job) && job.state === 'running' ? 'train.running' : `state.${job.state}`);
    state.dataset.state = job.state;
    const took = job.started && job.finished ? (when(job.finished) - when(job.started)) / 1000 : null;
    const engine = job.settings?.engine ?? order.settings.engine ?? 'instant';
    facts.textContent = [t(`kind.${job.kind}`), !isTraining(job) && t(`layer.${engine === 'iterative' ? 'refined' : 'instant'}`), ago(job.created), took && span(took),
      isFinal(job) && job.expires && t('history.expires', { when: ago(job.expires) })].filter(Boolean).join(' · ');
    const failed = (job.items ?? []).filter((item) => item.state === 'failed');
    const told = job.error ?? failed[0]?.error;
    trouble.hidden = !told;
    const name = !job.error && job.kind !== 'stylize' && failed[0] ? `${failed[0].name}: ` : '';
    trouble.textContent = told ? [name + asSentence(told.message ?? told.detail ?? ''), failed.length > 1 && counted('history.failed', failed.length)].filter(Boolean).join(' ') : '';
    bar.element.hidden = isFinal(job);
    bar.update(job);
    const [ended, some] = [isFinal(job), doneItems(job).length > 0];
    deeds.open.hidden = job.kind !== 'grid';
    deeds.compare.hidden = job.kind !== 'stylize' || job.state !== 'done' || !order.photograph;
    deeds.download.hidden = job.kind !== 'stylize' || job.state !== 'done';
    zip.hidden = job.kind === 'stylize' || isTraining(job) || !ended || !some;
    zip.href = place(job.id, '/result');
    deeds.again.hidden = !ended || isTraining(job);
    deeds.use.hidden = !isTraining(job) || job.state !== 'done' || !styles.find(job.settings.name);
    deeds.retry.hidden = !['partial', 'failed', 'cancelled'].includes(job.state);
    deeds.keep.hidden = job.state !== 'running' || (engine !== 'iterative' && !isTraining(job));
    deeds.keep.disabled = Boolean(job.keep);
    deeds.cancel.hidden = ended;
    deeds.cancel.disabled = Boolean(job.cancelling);
    deeds.remove.hidden = !ended;
    thumbs();
  }

  /** The order may be remembered only after the first word of its job. */
  async function recall() {
    order = await knownOrder(job);
    drawn = '';
    update();
  }

  update();
  recall();
  return {
    element: h('li', {}, h('article', { class: 'job' }, pictures,
      h('div', { class: 'about' }, h('div', { class: 'row' }, title, state), facts, trouble, bar.element,
        h('div', { class: 'row deeds' }, deeds.use, deeds.open, deeds.download, zip, deeds.compare, deeds.again, deeds.keep, deeds.retry, deeds.cancel, deeds.remove)))),
    update(next, message) {
      update(next);
      if (message?.preview && isTraining(job)) sample();
      else if (!order.at && !isTraining(job)) recall();
    },
    get created() {
      return when(job.created)?.getTime() ?? 0;
    },
  };
}

async function download(job, order) {
  try {
    const { blob } = await fetchBlob(job.items?.[0]?.result ?? place(job.id, '/result'));
    const stem = (order.name || job.items?.[0]?.name || 'pastiche').replace(/\.[^.]*$/, '');
    save(blob, `${[stem, ...order.chosen.map(({ key }) => styles.slug(key))].join('.').slice(0, 80)}.${suffixOf(blob.type)}`);
  } catch (error) {
    tellProblem(error, { name: 'history', again: () => download(job, order) });
  }
}

/** Set the studio as it was for a job, to run it again with changes. */
async function again(job, order) {
  try {
    const file = await photographOf(order);
    if (file && order.photograph !== easel.photograph?.id) await easel.place(file, order.photograph);
    const { engine: _, ...settings } = order.settings;
    const chosen = order.chosen.length && job.kind !== 'grid' ? order.chosen : easel.chosen;
    easel.adopt({ chosen, settings, strokes: order.strokes ?? [] });
    if (!file) tell(t(job.kind === 'batch' ? 'history.again.batch' : 'history.again.missing'), { name: 'history' });
    if (job.kind === 'stylize') go('studio');
    if (job.kind === 'grid') go('grid');
  } catch (error) {
    tellProblem(error, { name: 'history' });
  }
}

async function compare(job, order) {
  const file = await photographOf(order);
  const item = job.items[0];
  if (!file) {
    tell(t('history.again.missing'), { name: 'history' });
    return;
  }
  pair.show({ before: URL.createObjectURL(file), after: item.result ?? place(job.id, '/result'), ratio: (item.width || 1) / (item.height || 1), title: titleOf(job, order) });
  go('compare');
}

/** Put a job's card where it belongs: the newest first. */
function put(job) {
  const wanted = !filter.value || filter.value === job.state;
  let there = cards.get(job.id);
  if (!wanted) {
    drop(job.id);
    return;
  }
  if (there) there.update(job);
  else {
    there = card(job);
    cards.set(job.id, there);
    const next = [...cards.values()].filter((each) => each !== there && each.created < there.created).sort((a, b) => b.created - a.created)[0];
    list.insertBefore(there.element, next?.element ?? null);
  }
  empty.hidden = cards.size > 0;
}

function drop(id) {
  cards.get(id)?.element.remove();
  cards.delete(id);
  empty.hidden = !loaded || cards.size > 0;
}

async function load(further = false) {
  try {
    const page = await jobs.list({ state: filter.value, before: further ? before : null });
    loaded = true;
    if (!further) for (const id of [...cards.keys()]) if (!page.jobs.some((job) => job.id === id)) drop(id);
    page.jobs.forEach(put);
    before = page.next;
    more.hidden = !before;
    empty.hidden = cards.size > 0;
    if (further) say(counted('history.count', cards.size));
  } catch (error) {
    tellProblem(error, { name: 'history', again: () => load(further) });
  }
}

export function startHistory() {
  const states = () => {
    const value = filter.value;
    filter.replaceChildren(...STATES.map((state) => h('option', { value: state }, t(state ? `state.${state}` : 'history.all'))));
    filter.value = value;
  };
  states();
  filter.addEventListener('change', () => load());
  document.getElementById('filter').append(labelled('history.show', filter));
  room.append(list, empty, more);
  jobs.addEventListener('job', ({ detail }) => {
    if (loaded) put(detail);
  });
  jobs.addEventListener('progress', ({ detail }) => cards.get(detail.job.id)?.update(detail.job, detail.message));
  jobs.addEventListener('gone', ({ detail }) => drop(detail));
  jobs.addEventListener('again', () => {
    if (here().view === 'history') load();
  });
  styles.addEventListener('change', () => cards.forEach((each) => each.update()));
  onLanguage(() => {
    states();
    cards.forEach((each) => each.update());
  });
  const arrive = ({ view }) => {
    if (view === 'history') load();
  };
  onView(arrive);
  arrive(here());
}
