// The few knobs: strength, boldness, strokes, size, colours. What else there is is under "More".
import { easel } from './easel.js';
import { h } from './element.js';
import { optionOf } from './options.js';
import { moreSettings } from './more.js';
import { number, onLanguage, percent, t } from './texts.js';

const SIZES = [256, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 3072, 4096, 6144, 8192];

/** A slider with its name, its value as a text, and what it means. */
function slider(name, range, { read, write, text }) {
  const value = h('output', { for: `knob-${name}` });
  const input = h('input', { type: 'range', id: `knob-${name}`, 'aria-describedby': `help-${name}`, ...range() });
  const say = () => {
    value.textContent = text(Number(input.value));
    input.setAttribute('aria-valuetext', value.textContent);
  };
  const move = (moving) => {
    easel.set(name, write(Number(input.value)), moving);
    say();
  };
  input.addEventListener('input', () => move(true));
  input.addEventListener('change', () => move(false));
  const update = () => {
    const { min, max } = range();
    Object.assign(input, { min, max });
    input.value = String(read(easel.get(name)));
    say();
  };
  return {
    update,
    element: h('div', { class: 'knob' },
      h('label', { for: `knob-${name}`, text: `option.${name}` }), value, input,
      h('p', { class: 'help unseen', id: `help-${name}`, text: `help.${name}` })),
  };
}

/** From nothing to all. */
function share(name) {
  return slider(name, () => ({ min: '0', max: '1', step: '0.01' }), { read: (v) => v, write: (v) => v, text: percent });
}

/** Doubling is a step of one. */
function strokes() {
  const range = () => {
    const { minimum, maximum } = optionOf('style_scale');
    return { min: String(Math.log2(minimum)), max: String(Math.log2(maximum)), step: '0.1' };
  };
  return slider('style_scale', range, {
    read: (value) => Math.log2(value),
    write: (step) => Math.round(2 ** step * 1000) / 1000,
    text: (step) => `${number(2 ** step, 2)} ×`,
  });
}

/** Sizes below the photograph's own, which comes last. */
function size() {
  const sizes = () => SIZES.filter((side) => side < (easel.photograph?.longest ?? Infinity));
  return slider('size', () => ({ min: '0', max: String(sizes().length), step: '1' }), {
    read: (value) => {
      const at = value === null ? -1 : sizes().findIndex((side) => side >= value);
      return at < 0 ? sizes().length : at;
    },
    write: (step) => sizes()[step] ?? null,
    text: (step) => (sizes()[step] ? t('pixels', { count: number(sizes()[step]) }) : t('size.own')),
  });
}

function colors() {
  const choices = (optionOf('colors').choices ?? []).map((value) => h('label', { class: 'segment' },
    h('input', { type: 'radio', name: 'colors', value, onchange: () => easel.set('colors', value) }),
    h('span', { text: `colors.${value}` })));
  const element = h('fieldset', { class: 'knob' }, h('legend', { text: 'option.colors' }), h('div', { class: 'segments' }, choices));
  return {
    element,
    update: () => {
      for (const input of element.querySelectorAll('input')) input.checked = input.value === easel.get('colors');
    },
  };
}

export function startKnobs() {
  const knobs = [share('strength'), share('boldness'), strokes(), size(), colors()];
  const update = () => knobs.forEach((knob) => knob.update());
  document.getElementById('knobs').append(...knobs.map(({ element }) => element), moreSettings());
  easel.addEventListener('change', ({ detail }) => {
    // A knob that is being moved knows its value.
    if (!detail.moving && (detail.part === 'settings' || detail.part === 'photograph')) update();
  });
  onLanguage(update);
  update();
}
