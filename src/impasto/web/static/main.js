// The studio's door: what was here before, then what the server has.
import { startAppearance } from './appearance.js';
import { startBatch } from './batch.js';
import { startCompare } from './compare.js';
import { easel } from './easel.js';
import { events } from './events.js';
import { startGrid } from './grid.js';
import { startHistory } from './history.js';
import { hush, tellProblem } from './notice.js';
import { loadOptions } from './options.js';
import { prune } from './orders.js';
import { startRoute } from './route.js';
import { onKey } from './session.js';
import { startStatus } from './status.js';
import { startStudio } from './studio.js';
import { styles } from './styles.js';
import { onLanguage, t } from './texts.js';

/** What the page needs of the server; asked for again when the connection comes back. */
let loaded = false;

async function load() {
  try {
    await Promise.all([styles.load(), loadOptions()]);
    loaded = true;
    easel.tidy();
    hush('load');
  } catch (error) {
    tellProblem(error, { name: 'load', again: load });
  }
}

const loadOnce = () => {
  if (!loaded) load();
};

function tellConnection() {
  const place = document.getElementById('connection');
  const update = () => {
    const state = navigator.onLine === false ? 'offline' : events.connected ? '' : 'apart';
    place.dataset.state = state;
    place.textContent = state ? t(`connection.${state}`) : '';
  };
  events.addEventListener('connection', update);
  window.addEventListener('online', update);
  window.addEventListener('offline', update);
  onLanguage(update);
  // The first connection takes a moment, which is nothing to tell.
  setTimeout(update, 3000);
}

function workOffline() {
  if ('serviceWorker' in navigator) navigator.serviceWorker.register('sw.js').catch(() => {});
}

startAppearance();
startRoute();
await styles.restore();
await load();
tellConnection();
events.addEventListener('hello', loadOnce);
events.open();
onKey.add(() => {
  loadOnce();
  events.open();
});
startCompare();
startBatch();
startGrid();
startHistory();
startStatus();
await startStudio();
document.body.dataset.ready = '';
prune();
workOffline();
