// Build elements. Texts are always text, never markup.
import { t } from './texts.js';

const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'selected', 'open', 'indeterminate', 'src']);
const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element with attributes and children. Besides attributes: `onclick` and the like add a listener; `text`, `label`,
 * `tip` and `hint` name a text, for the content, `aria-label`, `title` and `placeholder`, and follow the language.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node|string|null|false|Array)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  // The value of a range or a select depends on what comes before it, so it is set last.
  for (const [name, value] of Object.entries(attributes)) if (name !== 'value') set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  if ('value' in attributes) set(element, 'value', attributes.value);
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name === 'text') {
    element.dataset.text = value;
    element.textContent = t(value);
  } else if (name === 'label') {
    element.dataset.label = value;
    element.setAttribute('aria-label', t(value));
  } else if (name === 'tip') {
    element.dataset.tip = value;
    element.title = t(value);
  } else if (name === 'hint') {
    element.dataset.hint = value;
    element.placeholder = t(value);
  } else if (PROPERTIES.has(name)) element[name] = value;
  else element.setAttribute(name, value === true ? '' : value);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** One of the drawings of icons.svg, for the eye only. */
export function icon(name) {
  return svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `static/icons.svg#${name}` }));
}

/** A button with a drawing and a text. @param {string} text key of its text */
export function button(text, drawing, onclick, attributes = {}) {
  return h('button', { type: 'button', onclick, ...attributes }, drawing && icon(drawing), h('span', { text }));
}

/** A button with a drawing alone; its text is its label and tip. */
export function tool(text, drawing, onclick, attributes = {}) {
  return h('button', { type: 'button', class: 'tool', label: text, tip: text, onclick, ...attributes }, icon(drawing));
}

/** A control with its label before it. @param {HTMLElement} control */
export function labelled(text, control, ...more) {
  return h('label', { class: 'field' }, h('span', { class: 'name', text }), control, ...more);
}

/** Ask for files. @param {{accept?: string, multiple?: boolean, capture?: string}} attributes */
export function filePicker(attributes, onfiles) {
  const input = h('input', { type: 'file', hidden: true, tabindex: '-1', 'aria-hidden': 'true', ...attributes });
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = '';
    if (files.length) onfiles(files);
  });
  return input;
}

/** Save a blob or a URL as a file. */
export function save(source, name) {
  const url = typeof source === 'string' ? source : URL.createObjectURL(source);
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the blob after the click returns.
  if (typeof source !== 'string') setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
