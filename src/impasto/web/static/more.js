// "More": every other setting, as the server describes it.
import { easel } from './easel.js';
import { button, h, icon } from './element.js';
import { onOptions, options } from './options.js';
import { counted, known, onLanguage, t } from './texts.js';

/** Settings that have a knob of their own, or that the studio or the server sees to. */
const ELSEWHERE = new Set(['engine', 'strength', 'boldness', 'size', 'style_scale', 'colors', 'max_pixels', 'preview_every']);
const WHOLE = new Set(['int', 'integer']);
const NUMBERS = new Set(['int', 'integer', 'float', 'number']);
const FLAGS = new Set(['bool', 'boolean']);
const SIDES = [384, 512, 768, 1024, 1536, 0];

const words = (name) => name.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase());

function control(option, id) {
  const help = { id, 'aria-describedby': `${id}-help` };
  const { name } = option;
  const given = () => easel.settings[name];
  if (FLAGS.has(option.type)) {
    const input = h('input', { type: 'checkbox', ...help });
    input.addEventListener('change', () => easel.set(name, input.checked));
    return { input, update: () => { input.checked = Boolean(easel.get(name)); } };
  }
  if (option.choices?.length) {
    const blank = option.default === null && h('option', { value: '', text: 'more.default' });
    const input = h('select', help, blank, option.choices.map((value) => h('option', { value }, value)));
    input.addEventListener('change', () => easel.set(name, input.value || null));
    return { input, update: () => { input.value = easel.get(name) ?? ''; } };
  }
  const isNumber = NUMBERS.has(option.type);
  const input = h('input', isNumber
    ? { type: 'number', inputmode: 'decimal', min: option.minimum, max: option.maximum, step: WHOLE.has(option.type) ? '1' : 'any', ...help }
    : { type: 'text', autocomplete: 'off', spellcheck: 'false', ...help });
  input.placeholder = option.default === null ? t('more.default') : String(option.default);
  input.addEventListener('change', () => {
    const wrong = !input.checkValidity();
    input.setAttribute('aria-invalid', String(wrong));
    if (wrong) {
      input.reportValidity();
      return;
    }
    const text = input.value.trim();
    easel.set(name, text === '' ? null : isNumber ? Number(text) : text);
  });
  return {
    input,
    update: () => {
      input.value = given() ?? '';
      input.placeholder = option.default === null ? t('more.default') : String(option.default);
      input.removeAttribute('aria-invalid');
    },
  };
}

function row(option) {
  const id = `more-${option.name}`;
  const { input, update } = control(option, id);
  const name = h('span', { class: 'name' });
  const help = h('p', { class: 'help', id: `${id}-help` });
  const say = () => {
    name.textContent = known(`option.${option.name}`) ? t(`option.${option.name}`) : words(option.name);
    const unit = option.unit && (known(`unit.${option.unit}`) ? t(`unit.${option.unit}`) : option.unit);
    const text = known(`help.${option.name}`) ? t(`help.${option.name}`) : option.help;
    help.textContent = unit ? `${text} (${unit})` : text;
    update();
  };
  say();
  return { say, option, element: h('div', { class: input.type === 'checkbox' ? 'more-row check' : 'more-row' }, h('label', { for: id }, name), input, help) };
}

function refineSide() {
  const input = h('select', { id: 'refine-side', 'aria-describedby': 'refine-side-help' });
  const fill = () => {
    input.replaceChildren(...SIDES.map((side) => h('option', { value: String(side) }, side ? t('pixels', { count: side }) : t('size.own'))));
    input.value = String(easel.refineSide);
  };
  input.addEventListener('change', () => easel.refineAt(Number(input.value)));
  fill();
  onLanguage(fill);
  return h('div', { class: 'more-row' },
    h('label', { for: 'refine-side', class: 'name', text: 'refine.side' }), input,
    h('p', { class: 'help', id: 'refine-side-help', text: 'refine.side.help' }));
}

/** The folded part of the panel. */
export function moreSettings() {
  let rows = [];
  const count = h('span', { class: 'count' });
  const reset = button('more.reset', 'undo', () => easel.adopt({ strokes: easel.strokes }), { class: 'quiet' });
  const side = refineSide();
  const element = h('details', { class: 'more' }, h('summary', {}, icon('sliders'), h('span', { text: 'more' }), count), reset);
  const update = () => {
    rows.forEach(({ say }) => say());
    const changed = rows.filter(({ option }) => option.name in easel.settings).length;
    count.textContent = changed ? counted('more.changed', changed) : '';
    reset.disabled = !Object.keys(easel.settings).length;
  };
  const render = () => {
    rows = options().filter(({ name }) => !ELSEWHERE.has(name)).map(row);
    const of = (group) => rows.filter(({ option }) => (option.group || '') === group).map((each) => each.element);
    for (const old of element.querySelectorAll('fieldset')) old.remove();
    reset.before(...[...new Set(rows.map(({ option }) => option.group || ''))].map((group) => h('fieldset', {},
      h('legend', group ? { text: `group.${group}` } : { text: 'group.all' }),
      group === 'iterative' && side,
      of(group))));
    update();
  };
  easel.addEventListener('change', ({ detail }) => {
    if (detail.part === 'settings' && !detail.moving) update();
  });
  onLanguage(update);
  onOptions(render);
  render();
  element.addEventListener('toggle', () => {
    // In a panel that scrolls by itself; the page stays where it is.
    const panel = element.closest('.settings');
    if (element.open) panel.scrollTop += element.getBoundingClientRect().top - panel.getBoundingClientRect().top;
  });
  return element;
}
