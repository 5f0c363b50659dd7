// Views by the URL's hash: #studio, #compare, #grid, #grid/JOB, #history, #status.
const VIEWS = ['studio', 'compare', 'grid', 'history', 'status'];
const listeners = new Set();

/** @returns {{view: string, job: string|null}} */
export function here() {
  const [view, job] = location.hash.slice(1).split('/');
  return { view: VIEWS.includes(view) ? view : 'studio', job: job ? decodeURIComponent(job) : null };
}

export const go = (view, job = null) => {
  location.hash = job ? `${view}/${encodeURIComponent(job)}` : view;
};

/** Call `listener({view, job})` whenever another view is shown. */
export const onView = (listener) => listeners.add(listener);

let shown = null;

function show() {
  const place = here();
  const moved = shown !== null && shown !== place.view;
  shown = place.view;
  for (const view of VIEWS) document.getElementById(`view-${view}`).hidden = view !== place.view;
  for (const link of document.querySelectorAll('.views a')) {
    if (link.hash === `#${place.view}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.body.dataset.view = place.view;
  if (moved) {
    window.scrollTo(0, 0);
    document.getElementById(`${place.view}-heading`).focus({ preventScroll: true });
  }
  listeners.forEach((listener) => listener(place));
}

export function startRoute() {
  window.addEventListener('hashchange', show);
  show();
}
