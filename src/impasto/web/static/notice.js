// Messages: said politely, shown in a corner, each with a way out.
import { Problem } from './api.js';
import { button, h, icon, tool } from './element.js';

const shown = new Map();
const SECONDS = 7;

/** Say something to those who listen, and show nothing. */
export function say(text) {
  const voice = document.getElementById('voice');
  // The same text again would not be read again.
  voice.textContent = voice.textContent === text ? `${text}\u00a0` : text;
}

/**
 * Show a message. One of the same `name` takes its place. Errors stay until they are closed.
 * @param {string} text
 * @param {{name?: string, error?: boolean, action?: {text: string, run: () => void}|null}} how
 */
export function tell(text, { name = text, error = false, action = null } = {}) {
  hush(name);
  for (const [other, { note }] of [...shown]) if (note.querySelector('p').textContent === text) hush(other);
  const close = () => hush(name);
  const note = h('div', { class: error ? 'notice error' : 'notice' },
    icon(error ? 'warning' : 'check'),
    h('p', {}, text),
    action && button(action.text, null, () => {
      close();
      action.run();
    }, { class: 'link' }),
    tool('close', 'close', close));
  document.getElementById('notices').append(note);
  say(text);
  shown.set(name, { note, timer: error || action ? 0 : setTimeout(close, SECONDS * 1000) });
}

/** Take a message away. */
export function hush(name) {
  const old = shown.get(name);
  if (!old) return;
  clearTimeout(old.timer);
  old.note.remove();
  shown.delete(name);
}

/**
 * Show an error as a sentence with a way out.
 * @param {unknown} error
 * @param {{name?: string, again?: () => void, action?: {text: string, run: () => void}}} way
 */
export function tellProblem(error, { name = 'problem', again, action } = {}) {
  if (error?.name === 'AbortError') return;
  const problem = error instanceof Problem ? error : new Problem({ code: 'unexpected', detail: String(error?.message ?? error) });
  if (!(error instanceof Problem)) console.error(error);
  const way = action ?? (again && problem.passing ? { text: 'again', run: again } : null);
  tell(problem.sentence, { name, error: true, action: way });
}
