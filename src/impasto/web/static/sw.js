// The service worker: the studio's shell opens without a connection. What the API says is never kept.
// The server fills in its version, so that a new one is taken up.
// One host may have several studios, each below a path of its own.
const BASE = new URL('./', location.href).pathname;
const SHELF = `impasto-shell-{{ version }} ${BASE}`;
const MODULES = [
  'api', 'appearance', 'batch', 'brush', 'camera', 'compare', 'confirm', 'early', 'easel', 'element', 'events', 'gallery', 'grid',
  'history', 'instant', 'intake', 'jobs', 'knobs', 'lens', 'losscurve', 'main', 'mask', 'mix', 'more', 'notice', 'options',
  'orders', 'pair', 'photograph', 'progress', 'refine', 'route', 'session', 'stage', 'status', 'store', 'studio', 'styles', 'texts', 'train',
];
const SHELL = [
  '', 'manifest.webmanifest', 'static/studio.css', 'static/icons.svg', 'static/icon.svg', 'static/icon-192.png', 'static/sample.webp',
  ...['en', 'pt', 'zh'].map((language) => `static/texts/${language}.json`),
  ...MODULES.map((name) => `static/${name}.js`),
].map((path) => BASE + path);

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const shelf = await caches.open(SHELF);
    await shelf.addAll(SHELL.map((path) => new Request(path, { cache: 'no-cache' })));
    await self.skipWaiting();
  })());
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    // Those of earlier versions, of which the first had no path in their names. The host's other pages keep theirs.
    const old = /^impasto-shell-\S+( .*)?$/;
    for (const name of await caches.keys()) {
      const [found, path = ` ${BASE}`] = name.match(old) ?? [];
      if (found && path === ` ${BASE}` && name !== SHELF) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

/** From the network, so that all files are of one version; from the shelf without one. */
async function answer(request, path) {
  const shelf = await caches.open(SHELF);
  try {
    const fresh = await fetch(request, { cache: 'no-cache' });
    if (fresh.ok && fresh.type === 'basic') await shelf.put(path, fresh.clone());
    return fresh;
  } catch (error) {
    const old = await shelf.match(path);
    if (old) return old;
    throw error;
  }
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || !url.pathname.startsWith(BASE)) return;
  const path = url.pathname.slice(BASE.length);
  const shown = /^v1\/styles\/[^/]+\/(thumbnail|swatch)$/.test(path);
  if (path === '' || path === 'manifest.webmanifest' || path.startsWith('static/') || shown) {
    event.respondWith(answer(request, url.pathname));
  }
});
