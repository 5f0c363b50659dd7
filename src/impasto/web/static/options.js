// The settings, as the server describes them: defaults and bounds live there.
import { ask } from './api.js';

// What the knobs need before the server has answered.
let list = [
  { name: 'strength', type: 'float', default: 1, minimum: 0, maximum: 1 },
  { name: 'boldness', type: 'float', default: 0.5, minimum: 0, maximum: 1 },
  { name: 'style_scale', type: 'float', default: 1, minimum: 0.25, maximum: 4 },
  { name: 'size', type: 'int', default: null, minimum: 16, maximum: 32768 },
  { name: 'colors', type: 'str', default: 'style', choices: ['style', 'keep', 'match'] },
  { name: 'steps', type: 'int', default: 20, minimum: 0, maximum: 100_000, group: 'iterative' },
];

const listeners = new Set();

export const options = () => list;
/** Call `listener` when the server's own list has come. */
export const onOptions = (listener) => listeners.add(listener);
export const optionOf = (name) => list.find((option) => option.name === name) ?? null;
export const defaultOf = (name) => optionOf(name)?.default ?? null;
export const isIterative = (name) => optionOf(name)?.group === 'iterative';

export async function loadOptions() {
  const answer = await ask('v1/options');
  const found = Array.isArray(answer) ? answer : answer.options;
  if (!Array.isArray(found) || !found.length) return;
  list = found;
  listeners.forEach((listener) => listener());
}
