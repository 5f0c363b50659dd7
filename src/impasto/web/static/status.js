// Status: models, workers, queue, health.
import { ask } from './api.js';
import { button, h } from './element.js';
import { tellProblem } from './notice.js';
import { here, onView } from './route.js';
import { forgetKey, isKeyed } from './session.js';
import { known, number, onLanguage, span, t } from './texts.js';

const EVERY = 4000;
const room = document.getElementById('machine');
let timer = 0;
let last = null;

const word = (group, name) => (known(`${group}.${name}`) ? t(`${group}.${name}`) : String(name).replaceAll('_', ' '));

/** A memory size, such as "412 MB". */
function bytes(count) {
  const [value, unit] = count < 1e9 ? [count / 1e6, 'megabyte'] : [count / 1e9, 'gigabyte'];
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, maximumFractionDigits: unit === 'gigabyte' ? 1 : 0 }).format(value);
}

function value(name, found) {
  if (typeof found === 'boolean') return t(found ? 'yes' : 'no');
  if (name === 'pid') return String(found);
  if (typeof found === 'number') return /bytes|rss|memory/.test(name) ? bytes(found) : /seconds|uptime/.test(name) ? span(found) : number(found, 2);
  return found === null || found === undefined ? '–' : typeof found === 'object' ? Object.values(found).join(', ') : String(found);
}

/** A table of records; columns are those that a record has, as long as they are plain. */
function table(caption, records, columns) {
  const some = columns.filter((name) => records.some((record) => record[name] !== undefined));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {},
      h('caption', { class: 'unseen' }, caption),
      h('thead', {}, h('tr', {}, some.map((name) => h('th', { scope: 'col' }, word('column', name))))),
      h('tbody', {}, records.map((record) => h('tr', {}, some.map((name, i) => {
        const text = ['state', 'lane', 'kind'].includes(name) ? word(name, record[name]) : value(name, record[name]);
        return h(i ? 'td' : 'th', i ? {} : { scope: 'row' }, text);
      }))))));
}

const figures = (entries) => h('dl', { class: 'figures' }, entries.map(([name, found]) => h('div', {},
  h('dt', {}, word('figure', name)), h('dd', {}, value(name, found)))));

const part = (heading, ...children) => h('section', {}, h('h3', {}, t(heading)), ...children);
const records = (found) => (Array.isArray(found) ? found : Object.entries(found ?? {}).map(([name, facts]) => ({ name, ...(typeof facts === 'object' ? facts : { state: facts }) })));

function draw() {
  if (!last) return;
  const { status, ready, problem } = last;
  if (problem) {
    room.replaceChildren(h('p', { class: 'health', 'data-state': 'failed', role: 'status' }, t('status.unreachable'), ' ', problem.sentence));
    return;
  }
  const workers = records(status.workers);
  const models = records(status.models).map((model) => (typeof model === 'string' ? { name: model } : model));
  const queue = Object.entries({ ...(status.jobs ?? status.queue), waiting: status.waiting }).filter(([, found]) => typeof found === 'number');
  room.replaceChildren(
    h('p', { class: 'health', 'data-state': ready ? 'done' : 'queued' }, t(ready ? 'status.ready' : 'status.starting')),
    part('status.queue', figures(queue)),
    part('status.workers', workers.length
      ? table(t('status.workers'), workers, ['name', 'pid', 'lane', 'state', 'rss', 'tasks', 'restarts'])
      : h('p', { class: 'quiet-text' }, t('status.no.workers'))),
    part('status.models', table(t('status.models'), models, ['name', 'identity', 'version', 'kind', 'licence', 'license', 'active'])),
    part('status.about', figures([['version', status.version ?? document.documentElement.dataset.version],
      ...Object.entries(status).filter(([name, found]) => !['version', 'ready', 'waiting'].includes(name) && ['string', 'number', 'boolean'].includes(typeof found))]),
      isKeyed() && button('key.forget', 'key', () => forgetKey().catch(tellProblem))));
}

async function load() {
  clearTimeout(timer);
  if (here().view !== 'status') return;
  if (!document.hidden || !last) {
    try {
      const [status, ready] = await Promise.all([ask('v1/status', { quiet: Boolean(last) }), fetch('readyz').then((answer) => answer.ok, () => false)]);
      last = { status, ready };
    } catch (problem) {
      last = { problem };
    }
    // Whoever is at a button or a table there is left alone.
    if (!room.contains(document.activeElement)) draw();
  }
  timer = setTimeout(load, EVERY);
}

export function startStatus() {
  onView(load);
  onLanguage(draw);
  load();
}
