// What stands on the easel: the photograph, the styles chosen, the settings, the mask. It survives a reload.
import { maskBlob } from './mask.js';
import { defaultOf, isIterative, optionOf } from './options.js';
import { Photograph, SMALL } from './photograph.js';
import { keep, kept, put, take } from './store.js';
import { styles } from './styles.js';

const FIRST_STYLE = 'starry-night';
/** Settings that have no say in a small preview. */
const FINISH = new Set(['format', 'quality', 'bits', 'resize', 'keep_metadata']);
const STYLE_SCALE = [0.25, 4];

/** Event `change`, detail `{part: 'photograph'|'styles'|'settings'|'mask', moving: boolean}`. */
class Easel extends EventTarget {
  /** @type {Photograph|null} */ photograph = null;
  /** @type {{key: string, weight: number}[]} */ chosen = kept('chosen', [{ key: FIRST_STYLE, weight: 1 }]);
  /** What differs from the defaults, by name. */ settings = kept('settings', {});
  /** @type {import('./mask.js').Stroke[]} */ strokes = kept('strokes', []);
  /** Longest side to refine at, in pixels; 0 for the photograph's own. */ refineSide = kept('refine-side', 768);
  #mask = { strokes: null, blob: null };

  /** Bring back the photograph of the last visit. */
  async restore() {
    const id = kept('photograph');
    const file = id && (await take('pictures', id));
    if (file) await this.place(file, id);
  }

  /** Put a photograph on the easel. Raises {@link import('./api.js').Problem} where it is none. */
  async place(file, id) {
    const style = styles.gallery[0]?.key ?? FIRST_STYLE;
    const photograph = await Photograph.of(file, { id, style });
    this.photograph?.close();
    this.photograph = photograph;
    if (kept('photograph') !== photograph.id) {
      this.strokes = [];
      keep('strokes', null);
      keep('photograph', photograph.id);
      await put('pictures', photograph.id, file);
    }
    this.#changed('photograph');
  }

  /** Choose a style: alone, or with `several` in or out of the mix. The last one stays. */
  choose(key, several = false) {
    const there = this.chosen.some((each) => each.key === key);
    if (!several) this.chosen = [{ key, weight: 1 }];
    else if (!there) this.chosen = [...this.chosen, { key, weight: 1 }];
    else if (this.chosen.length > 1) this.chosen = this.chosen.filter((each) => each.key !== key);
    this.#keepChosen(false);
  }

  weigh(key, weight, moving = false) {
    this.chosen = this.chosen.map((each) => (each.key === key ? { key, weight } : each));
    this.#keepChosen(moving);
  }

  /** Leave out what is no longer there. */
  tidy() {
    if (!styles.gallery.length) return;
    const left = this.chosen.filter(({ key }) => styles.find(key));
    if (left.length === this.chosen.length) return;
    this.chosen = left.length ? left : [{ key: styles.find(FIRST_STYLE) ? FIRST_STYLE : styles.gallery[0].key, weight: 1 }];
    this.#keepChosen(false);
  }

  get(name) {
    return this.settings[name] ?? defaultOf(name);
  }

  /** Set one setting; its default, or `null`, takes it back. */
  set(name, value, moving = false) {
    const { [name]: _, ...rest } = this.settings;
    this.settings = value === null || value === defaultOf(name) ? rest : { ...rest, [name]: value };
    keep('settings', this.settings);
    this.#changed('settings', moving);
  }

  /** Take over a whole order: styles, settings and mask. */
  adopt({ chosen = this.chosen, settings = {}, strokes = [] }) {
    Object.assign(this, { chosen, strokes });
    this.settings = Object.fromEntries(Object.entries(settings).filter(([name]) => optionOf(name)));
    keep('settings', this.settings);
    keep('strokes', strokes);
    this.tidy();
    this.#keepChosen(false);
    this.#changed('settings');
  }

  mask(strokes) {
    this.strokes = strokes;
    keep('strokes', strokes);
    this.#changed('mask');
  }

  refineAt(side) {
    this.refineSide = side;
    keep('refine-side', side);
  }

  /** What makes the pastiche what it is, to be remembered with a job. */
  order() {
    return { photograph: this.photograph?.id ?? null, chosen: this.chosen, settings: this.settings, strokes: this.strokes };
  }

  /** The chosen styles' titles, as one text. */
  get title() {
    return this.chosen.map(({ key }) => styles.title(key)).join(' + ');
  }

  /** What the pastiche's file is called, without its suffix. */
  get fileName() {
    return `${this.photograph.stem}.${this.chosen.map(({ key }) => styles.slug(key)).join('-').slice(0, 60)}`;
  }

  /** The form of a small preview. */
  async previewForm() {
    const { photograph } = this;
    const form = await this.#form(photograph.small, photograph.name, (name) => !FINISH.has(name) && !isIterative(name));
    this.#workAt(form, SMALL);
    form.set('format', photograph.alpha ? 'webp' : 'jpeg');
    return form;
  }

  /** The form of the picture at full size. @param {string|null} format instead of the one asked for */
  async fullForm(format = null) {
    const form = await this.#form(this.photograph.file, this.photograph.name, (name) => !isIterative(name));
    if (format) {
      form.set('format', format);
      form.delete('bits');
    }
    return form;
  }

  /** The form of an iterative job. */
  async refineForm() {
    const form = await this.#form(this.photograph.file, this.photograph.name, () => true);
    form.set('kind', 'stylize');
    form.set('engine', 'iterative');
    if (this.refineSide) this.#workAt(form, this.refineSide);
    return form;
  }

  /** Add styles with their weights to a form. */
  addStyles(form, chosen = this.chosen) {
    for (const { key, weight } of chosen) {
      const { file } = styles.find(key) ?? {};
      if (file) form.append('style', file, file.name);
      else form.append('style', key);
      if (chosen.length > 1) form.append('weight', String(weight));
    }
  }

  /** Add the settings for which `wanted(name)` to a form. */
  addSettings(form, wanted) {
    for (const [name, value] of Object.entries(this.settings)) if (wanted(name)) form.set(name, String(value));
  }

  async #form(content, name, wanted) {
    const form = new FormData();
    form.append('content', content, name);
    this.addStyles(form);
    this.addSettings(form, wanted);
    const mask = await this.maskFile();
    if (mask) form.append('mask', mask, 'mask.png');
    return form;
  }

  /**
   * Stylise with the longest side at most `side`, in strokes that look as at full size: going half of the way, by the
   * root, came nearest to it where that was measured.
   */
  #workAt(form, side) {
    const own = this.get('size') ?? this.photograph.longest;
    if (own <= side) return;
    const scale = this.get('style_scale') * Math.sqrt(side / own);
    form.set('size', String(side));
    form.set('style_scale', Math.min(Math.max(scale, STYLE_SCALE[0]), STYLE_SCALE[1]).toFixed(4));
  }

  async maskFile() {
    if (this.#mask.strokes !== this.strokes) {
      this.#mask = { strokes: this.strokes, blob: await maskBlob(this.strokes, this.photograph.size) };
    }
    return this.#mask.blob;
  }

  #keepChosen(moving) {
    keep('chosen', this.chosen);
    this.#changed('styles', moving);
  }

  #changed(part, moving = false) {
    this.dispatchEvent(new CustomEvent('change', { detail: { part, moving } }));
  }
}

export const easel = new Easel();
