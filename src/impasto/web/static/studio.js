// The studio: photograph, stage, tools; what is painted, refined, downloaded.
import { fetchBlob } from './api.js';
import { takePhotograph } from './camera.js';
import { easel } from './easel.js';
import { button, filePicker, h, icon, save } from './element.js';
import { instant } from './instant.js';
import { dropZone, pasteAnywhere } from './intake.js';
import { hush, say, tellProblem } from './notice.js';
import { pair } from './pair.js';
import { canShow, copied } from './photograph.js';
import { refining } from './refine.js';
import { go } from './route.js';
import { onLanguage, span, t } from './texts.js';
import { brushTools } from './brush.js';
import { prepareBatch } from './batch.js';
import { startKnobs } from './knobs.js';
import { startMix } from './mix.js';
import './gallery.js';
import './stage.js';

const SUFFIX = { 'image/jpeg': 'jpg', 'image/png': 'png', 'image/webp': 'webp', 'image/tiff': 'tiff', 'image/avif': 'avif', 'image/gif': 'gif' };

/** The suffix of a file of that type. */
export const suffixOf = (type) => SUFFIX[type] ?? type.split('/').pop() ?? 'png';

const stage = document.querySelector('picture-stage');
let layer = 'instant';
let caption = () => ['', false];

const picker = filePicker({ accept: 'image/*,.heic,.heif,.avif,.tif,.tiff', multiple: true }, (files) => bring(files));
const browse = () => picker.click();

/** Put a photograph on the easel; several are a batch. */
export async function bring(files) {
  if (files.length > 1) {
    prepareBatch(files);
    go('history');
    return;
  }
  caption = () => [t('photograph.opening'), true];
  stage.caption(...caption());
  try {
    await easel.place(await copied(files[0]));
    hush('photograph');
    go('studio');
  } catch (error) {
    caption = () => ['', false];
    stage.caption(...caption());
    tellProblem(error, { name: 'photograph', action: { text: 'photograph.choose', run: browse } });
  }
}

async function camera() {
  const file = await takePhotograph();
  if (file) bring([file]);
}

async function sample() {
  try {
    const answer = await fetch('static/sample.webp');
    bring([new File([await answer.blob()], 'astronaut.webp', { type: 'image/webp' })]);
  } catch (error) {
    tellProblem(error, { name: 'photograph', again: sample });
  }
}

function emptyStage() {
  stage.empty.append(
    h('div', { class: 'welcome' },
      icon('picture'),
      h('p', { class: 'invitation', text: 'welcome' }),
      h('p', { class: 'quiet-text', text: 'welcome.how' }),
      h('div', { class: 'row' },
        button('photograph.browse', 'folder', browse, { class: 'main' }),
        button('camera', 'camera', camera),
        button('photograph.sample', 'picture', sample, { class: 'quiet' })),
      h('p', { class: 'quiet-text small', text: 'welcome.formats' })));
}

const alts = () => [
  t('alt.photograph', { name: easel.photograph?.name ?? '' }),
  t('alt.painted', { name: easel.photograph?.name ?? '', style: easel.title }),
];

/** A button that acts for as long as it is held, by pointer or key. */
function held(element, act) {
  const start = () => act(true);
  const stop = () => act(false);
  element.addEventListener('pointerdown', start);
  for (const end of ['pointerup', 'pointerleave', 'pointercancel', 'blur']) element.addEventListener(end, stop);
  element.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    if (!event.repeat) start();
  });
  element.addEventListener('keyup', stop);
  element.addEventListener('contextmenu', (event) => event.preventDefault());
  return element;
}

const tools = {
  another: button('photograph.another', 'picture', browse, { class: 'quiet' }),
  camera: button('camera', 'camera', camera, { class: 'quiet' }),
  mask: button('mask', 'brush', () => brush(!stage.brush.hidden), { class: 'quiet', 'aria-expanded': 'false', 'aria-controls': 'brushes' }),
  hold: held(button('hold', 'eye', null, { class: 'quiet' }), (on) => stage.hold(on)),
  refine: button('refine', 'refine', () => refine()),
  download: button('download', 'download', () => download(), { class: 'main' }),
};
const layers = h('fieldset', { class: 'segments layers', hidden: true }, h('legend', { class: 'unseen', text: 'layers' }),
  ['instant', 'refined'].map((name) => h('label', { class: 'segment' },
    h('input', { type: 'radio', name: 'layer', value: name, onchange: () => choose(name) }), h('span', { text: `layer.${name}` }))));

/** Close (`true`) or open the mask's brush. */
function brush(close) {
  const room = document.getElementById('brushes');
  if (close) {
    stage.brush.hidden = true;
    tools.mask.focus();
  } else {
    if (!room.children.length) room.append(...brushTools(stage.brush, () => brush(true)));
    choose('instant');
    stage.brush.open();
  }
  room.hidden = close;
  stage.classList.toggle('brushing', !close);
  tools.mask.setAttribute('aria-expanded', String(!close));
}

function refine() {
  layer = 'refined';
  refining.start();
  update();
}

function choose(name) {
  layer = name;
  if (name === 'instant' && instant.painted) showInstant(instant.painted);
  if (name === 'refined' && refining.url) showRefined(refining.url, refining.done);
  update();
}

function update() {
  const ready = Boolean(easel.photograph);
  document.body.classList.toggle('photographed', ready);
  document.getElementById('tools').hidden = !ready;
  tools.refine.disabled = refining.running;
  tools.mask.classList.toggle('on', easel.strokes.length > 0);
  tools.download.disabled = layer === 'refined' && !refining.done;
  layers.hidden = !refining.job;
  for (const input of layers.querySelectorAll('input')) input.checked = input.value === layer;
}

function compare(after) {
  const { photograph } = easel;
  pair.show({ before: photograph.url, after, ratio: photograph.size[0] / photograph.size[1], title: easel.title });
}

async function showInstant(painted) {
  const [width, height] = await stage.show(painted.url, alts()[1]);
  if (painted !== instant.painted || layer !== 'instant') return;
  compare(painted.url);
  const facts = () => [t('size.text', { width, height }), painted.seconds && span(painted.seconds), painted.model];
  caption = () => (painted.full ? [facts().filter(Boolean).join(' · '), false] : [t('caption.small'), true]);
  stage.caption(...caption());
  if (painted.full) say(t('painted', { style: easel.title }));
}

async function showRefined(url, done) {
  const [width, height] = await stage.show(url, alts()[1]);
  if (url !== refining.url || layer !== 'refined') return;
  compare(url);
  caption = () => (done ? [`${t('layer.refined')} · ${t('size.text', { width, height })}`, false] : [t('caption.refining'), true]);
  stage.caption(...caption());
}

/** The full picture in the format asked for, as a file. */
async function download() {
  tools.download.disabled = true;
  try {
    const blob = layer === 'refined' && refining.done ? refining.blob : await wanted();
    save(blob, `${easel.fileName}.${suffixOf(blob.type)}`);
    say(t('downloaded'));
  } catch (error) {
    tellProblem(error, { name: 'download', again: download });
  }
  update();
}

async function wanted() {
  const format = easel.get('format');
  const type = format ? `image/${format}` : easel.photograph.file.type;
  // What cannot be shown was painted as JPEG for the eye.
  if (!canShow(type)) return (await fetchBlob('v1/stylize', { method: 'POST', body: await easel.fullForm() })).blob;
  return (await instant.whenFull()).blob;
}

function placed() {
  if (!stage.brush.hidden) brush(true);
  if (refining.job) refining.leave();
  layer = 'instant';
  stage.place(easel.photograph, alts()[0]);
  pair.show(null);
  update();
}

export async function startStudio() {
  emptyStage();
  document.getElementById('tools').append(
    h('div', { class: 'row' }, tools.another, tools.camera, tools.mask),
    h('div', { class: 'row' }, tools.hold, tools.refine, tools.download), picker);
  stage.foot.append(layers);
  startMix();
  startKnobs();
  refining.open(document.getElementById('refining'));

  dropZone(document.body, bring);
  pasteAnywhere(bring);
  easel.addEventListener('change', ({ detail }) => {
    if (detail.part === 'photograph') placed();
    else if (layer === 'refined') choose('instant');
    update();
  });
  instant.addEventListener('start', ({ detail: full }) => {
    if (layer !== 'instant') return;
    caption = () => [full ? t('caption.full') : t('caption.small'), true];
    stage.caption(...caption());
  });
  instant.addEventListener('painted', ({ detail }) => {
    hush('instant');
    if (layer === 'instant') showInstant(detail);
    update();
  });
  instant.addEventListener('wait', () => {
    caption = () => [t('caption.busy'), true];
    stage.caption(...caption());
  });
  instant.addEventListener('problem', ({ detail }) => {
    caption = () => [t('caption.failed'), false];
    stage.caption(...caption());
    const aboutFile = [413, 415].includes(detail.status) || detail.code === 'broken_picture';
    tellProblem(detail, { name: 'instant', again: () => instant.again(), action: aboutFile ? { text: 'photograph.choose', run: browse } : undefined });
  });
  refining.addEventListener('picture', ({ detail }) => {
    if (layer === 'refined') showRefined(detail.url, detail.done);
    update();
  });
  refining.addEventListener('left', () => choose('instant'));
  onLanguage(() => {
    stage.caption(...caption());
    if (easel.photograph) stage.describe(...alts());
  });
  update();
  await easel.restore().catch((error) => tellProblem(error, { name: 'photograph' }));
  layer = 'refined';
  await refining.resume();
  if (!refining.job) layer = 'instant';
  update();
}
