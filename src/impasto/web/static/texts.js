// What the page says, in three languages.
import { keep, kept } from './store.js';

const LANGUAGES = ['en', 'pt', 'zh'];
const TAGS = { en: 'en', pt: 'pt', zh: 'zh-Hans' };
let english = {};
let own = {};
const listeners = new Set();

export let language = 'en';

/** The text of that key, with `{name}` filled in. An unknown key is its own text. */
export function t(key, values = {}) {
  const text = own[key] ?? english[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Whether there is such a text. */
export const known = (key) => key in own || key in english;

/** `key.one` or `key.other`, by the language's rule, with `{count}` filled in. */
export function counted(key, count, values = {}) {
  const rule = new Intl.PluralRules(language).select(count);
  const chosen = known(`${key}.${rule}`) ? `${key}.${rule}` : `${key}.other`;
  return t(chosen, { count: number(count), ...values });
}

/** @param {number} value */
export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: 0 }).format(value);

/** @param {number} share 0..1 */
export const percent = (share) => new Intl.NumberFormat(language, { style: 'percent' }).format(share);

/** A span of time, such as "14 s" or "3 min". @param {number} seconds */
export function span(seconds) {
  const [value, unit] = seconds < 90 ? [seconds, 'second'] : seconds < 5400 ? [seconds / 60, 'minute'] : [seconds / 3600, 'hour'];
  const digits = unit === 'second' && value < 10 ? (value < 1 ? 2 : 1) : 0;
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }).format(value);
}

/** A moment, such as "5 minutes ago". @param {string|number} moment ISO 8601, or seconds since 1970 */
export function ago(moment) {
  const at = when(moment);
  if (!at) return '';
  const seconds = (at.getTime() - Date.now()) / 1000;
  const steps = [[60, 'second', 1], [3600, 'minute', 60], [86400, 'hour', 3600], [Infinity, 'day', 86400]];
  const [, unit, length] = steps.find(([below]) => Math.abs(seconds) < below);
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(Math.round(seconds / length), unit);
}

/** @param {string|number|null} moment @returns {Date|null} */
export function when(moment) {
  if (moment === null || moment === undefined) return null;
  const at = new Date(typeof moment === 'number' ? moment * 1000 : moment);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** Fill in everything below `root` that names its text. */
export function translate(root) {
  for (const element of root.querySelectorAll('[data-text]')) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll('[data-label]')) element.setAttribute('aria-label', t(element.dataset.label));
  for (const element of root.querySelectorAll('[data-tip]')) element.title = t(element.dataset.tip);
  for (const element of root.querySelectorAll('[data-hint]')) element.placeholder = t(element.dataset.hint);
}

/** Call `listener` whenever the language changes. */
export const onLanguage = (listener) => listeners.add(listener);

/** The language asked for before, else the browser's, else English. */
function preferred() {
  const wanted = [kept('language'), ...(navigator.languages ?? [])].filter(Boolean).map((tag) => tag.slice(0, 2));
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? 'en';
}

async function read(name) {
  const answer = await fetch(`static/texts/${name}.json`);
  if (!answer.ok) throw new Error(`no texts in ${name}`);
  return answer.json();
}

/** Speak a language: load its texts, set `<html lang>`, fill in the page. */
export async function speak(name = preferred(), chosen = false) {
  if (!Object.keys(english).length) english = await read('en').catch(() => ({}));
  own = name === 'en' ? english : await read(name).catch(() => english);
  language = name;
  if (chosen) keep('language', name);
  document.documentElement.lang = TAGS[name];
  translate(document);
  listeners.forEach((listener) => listener());
}

// Whoever says anything waits for this: modules that import this one run after it.
await speak();
