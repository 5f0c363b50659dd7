// The chosen styles: one with its painter, several with their weights.
import { easel } from './easel.js';
import { h, tool } from './element.js';
import { styles } from './styles.js';
import { onLanguage, percent, t } from './texts.js';

const LEAST = 0.05;

export function startMix() {
  const room = document.getElementById('mix');
  let rows = [];

  function one() {
    const { key } = easel.chosen[0];
    const style = styles.find(key);
    const about = [style?.by, style?.year].filter(Boolean).join(', ');
    return h('div', { class: 'chosen' }, h('strong', {}, styles.title(key)), about && h('span', {}, about),
      style?.about && h('p', {}, style.about), style?.place && h('p', {}, style.place));
  }

  function row({ key, weight }) {
    const title = styles.title(key);
    const share = h('output', {});
    const slider = h('input', { type: 'range', min: String(LEAST), max: '1', step: '0.05', value: String(weight), 'aria-label': t('mix.weight', { title }) });
    slider.addEventListener('input', () => easel.weigh(key, Number(slider.value), true));
    slider.addEventListener('change', () => easel.weigh(key, Number(slider.value)));
    const leave = h('span', {}, tool('mix.leave', 'close', () => easel.choose(key, true)));
    leave.firstChild.setAttribute('aria-label', t('mix.leave.label', { title }));
    return { key, slider, share, element: h('div', { class: 'weight' }, h('span', { class: 'name' }, title), share, slider, leave) };
  }

  function render() {
    rows = easel.chosen.length > 1 ? easel.chosen.map(row) : [];
    room.replaceChildren(...(rows.length ? rows.map(({ element }) => element) : [one()]));
    shares();
  }

  function shares() {
    const total = easel.chosen.reduce((sum, { weight }) => sum + weight, 0);
    rows.forEach(({ share, slider }, i) => {
      share.textContent = percent(easel.chosen[i].weight / total);
      slider.setAttribute('aria-valuetext', share.textContent);
    });
  }

  easel.addEventListener('change', ({ detail }) => {
    if (detail.part !== 'styles') return;
    const same = rows.length && rows.map(({ key }) => key).join() === easel.chosen.map(({ key }) => key).join();
    if (same) shares();
    else render();
  });
  styles.addEventListener('change', render);
  onLanguage(render);
  render();
}
