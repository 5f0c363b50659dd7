// The key: asked for once, exchanged for a cookie, kept nowhere.
import { button, h } from './element.js';
import { keep, kept } from './store.js';
import { t } from './texts.js';

let key = '';
let asking = null;
let refused = 0;

/** Called after a key was accepted. @type {Set<() => void>} */
export const onKey = new Set();

/** The header that carries the key, until the page is reloaded; the cookie does from then on. */
export const bearer = () => (key ? { Authorization: `Bearer ${key}` } : {});

/** Ask for a key, once for all who need it. @returns {Promise<boolean>} whether one was accepted */
export function askForKey() {
  // Who has just said no is not asked again by the next request in line.
  if (Date.now() - refused < 3000) return Promise.resolve(false);
  asking ??= dialog().finally(() => {
    asking = null;
  });
  return asking;
}

async function exchange(wanted) {
  const answer = await fetch('v1/session', {
    method: 'POST',
    credentials: 'same-origin',
    headers: { Authorization: `Bearer ${wanted}` },
  });
  if (answer.status === 401 || answer.status === 403) return 'key.wrong';
  return answer.ok ? '' : 'key.trouble';
}

/** Whether a key was given in this browser. */
export const isKeyed = () => kept('keyed', false);

/** Forget the key: the cookie goes, and the page begins again. */
export async function forgetKey() {
  await fetch('v1/session', { method: 'DELETE', credentials: 'same-origin' });
  keep('keyed', null);
  location.reload();
}

function dialog() {
  return new Promise((resolve) => {
    const input = h('input', { type: 'password', id: 'key', autocomplete: 'current-password', required: true, spellcheck: 'false', 'aria-describedby': 'key-trouble' });
    const trouble = h('p', { class: 'trouble', id: 'key-trouble', role: 'status' });
    let accepted = false;
    const check = async (event) => {
      event.preventDefault();
      const wanted = input.value.trim();
      if (!wanted) return;
      const wrong = await exchange(wanted).catch(() => 'problem.unreachable');
      if (wrong) {
        trouble.textContent = t(wrong);
        input.select();
        return;
      }
      key = wanted;
      keep('keyed', true);
      accepted = true;
      box.close();
    };
    const box = h('dialog', { class: 'box', 'aria-labelledby': 'key-heading' },
      h('form', { onsubmit: check },
        h('h2', { id: 'key-heading', text: 'key.heading' }),
        h('p', { text: 'key.lead' }),
        h('label', { class: 'field', for: 'key' }, h('span', { class: 'name', text: 'key.label' }), input),
        trouble,
        h('div', { class: 'row end' },
          button('cancel', null, () => box.close(), { class: 'quiet' }),
          h('button', { type: 'submit', class: 'main', text: 'key.enter' }))));
    box.addEventListener('close', () => {
      box.remove();
      if (!accepted) refused = Date.now();
      resolve(accepted);
      if (accepted) onKey.forEach((listener) => listener());
    });
    document.body.append(box);
    box.showModal();
  });
}
