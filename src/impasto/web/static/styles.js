// The styles to choose from: the server's gallery, and paintings that were dropped in here.
import { Problem, ask, post, remove } from './api.js';
import { mayBePicture, thumbnail } from './photograph.js';
import { drop, keep, kept, newId, put, take } from './store.js';
import { t } from './texts.js';

const MINE = 'painting:';

/**
 * @typedef {object} Style
 * @property {string} key a gallery style's name, or `painting:ID`
 * @property {string} title
 * @property {string} by
 * @property {string} year
 * @property {string} thumbnail a URL, or empty
 * @property {string} [swatch] a URL: its texture alone
 * @property {string} [about] a line on the work
 * @property {string} [place] where it hangs
 * @property {string} [also] what it is found by besides: movement and aliases
 * @property {boolean} own whether it can be removed
 * @property {string} [network] a network of its own
 * @property {File} [file] of a painting that lives in this browser alone
 */

/** Event `change`: the list is another. */
class Styles extends EventTarget {
  /** @type {Style[]} */ gallery = kept('gallery', []);
  /** @type {Style[]} */ paintings = [];

  /** @returns {Style[]} */
  get all() {
    return [...this.paintings, ...this.gallery];
  }

  /** @returns {Style|null} */
  find(key) {
    return this.all.find((style) => style.key === key) ?? null;
  }

  title(key) {
    return this.find(key)?.title ?? key.replaceAll('-', ' ');
  }

  /** What a pastiche in that style is called in file names. */
  slug(key) {
    return key.startsWith(MINE) ? slugOf(this.title(key)) : key;
  }

  async load() {
    const answer = await ask('v1/styles');
    this.gallery = answer.styles.map(({ name, title, own, thumbnail: url, ...facts }) => ({
      key: name,
      title: title || name.replaceAll('-', ' '),
      by: facts.artist ?? facts.by ?? '',
      year: String(facts.date ?? facts.year ?? ''),
      own: Boolean(own),
      thumbnail: here(url),
      swatch: here(facts.swatch),
      about: facts.about,
      place: facts.place,
      also: [facts.movement, ...(facts.aliases ?? [])].join(' '),
      network: facts.network,
    }));
    this.gallery.sort((a, b) => Number(b.own) - Number(a.own));
    keep('gallery', this.gallery);
    this.#changed();
  }

  /** Bring back the paintings of earlier visits. */
  async restore() {
    for (const id of kept('paintings', [])) {
      const file = await take('pictures', id);
      if (file) this.paintings.push(await painting(id, file));
    }
    this.#changed();
  }

  /** Take in a painting, or a style card. Raises {@link Problem} for anything else. @returns {Promise<string>} its key */
  async add(file) {
    if (!mayBePicture(file) && !isCard(file)) {
      throw new Problem({ code: 'not_a_picture', detail: t('problem.not_a_picture', { name: file.name }) });
    }
    const id = newId();
    await put('pictures', id, file);
    const style = await painting(id, file);
    this.paintings.unshift(style);
    this.#keep();
    return style.key;
  }

  /** Save a painting on the server, where it becomes a style of the gallery. @returns {Promise<string>} its name */
  async publish(key) {
    const style = this.find(key);
    const form = new FormData();
    form.append('name', this.freeName(style.title));
    form.append('title', style.title);
    form.append('picture', style.file, style.file.name);
    const answer = await post('v1/styles', form);
    await this.load();
    await this.remove(key);
    return answer?.name ?? form.get('name');
  }

  /** Forget a painting, or delete an own style on the server. */
  async remove(key) {
    if (!key.startsWith(MINE)) {
      await remove(`v1/styles/${encodeURIComponent(key)}`);
      await this.load();
      return;
    }
    const at = this.paintings.findIndex((style) => style.key === key);
    if (at < 0) return;
    const [gone] = this.paintings.splice(at, 1);
    if (gone.thumbnail.startsWith('blob:')) URL.revokeObjectURL(gone.thumbnail);
    this.#keep();
    await drop('pictures', key.slice(MINE.length));
  }

  /** What a style of that title may be called. */
  freeName(title) {
    const name = slugOf(title);
    const taken = new Set(this.gallery.map((style) => style.key));
    let free = name;
    for (let i = 2; taken.has(free); i += 1) free = `${name}-${i}`;
    return free;
  }

  #keep() {
    keep('paintings', this.paintings.map((style) => style.key.slice(MINE.length)));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

const isCard = (file) => file.name.endsWith('.style');
const titleOf = (name) => name.replace(/\.[^.]*$/, '').replace(/[_-]+/g, ' ').trim() || t('painting');

async function painting(id, file) {
  const facts = { key: `${MINE}${id}`, title: titleOf(file.name), by: '', year: '', own: true, file };
  if (!isCard(file)) return { ...facts, thumbnail: await thumbnail(file), card: false };
  try {
    const card = JSON.parse(await file.text());
    const picture = card.thumbnail ? `data:image/webp;base64,${card.thumbnail}` : '';
    return { ...facts, title: card.title || card.name || facts.title, by: card.artist ?? '', year: card.date ?? '', thumbnail: picture, card: true };
  } catch {
    return { ...facts, thumbnail: '', card: true };
  }
}

/** An address of the API as the page reaches it: a proxy may have both below a path that the server does not know. */
const here = (url) => (url ? url.slice(url.lastIndexOf('/v1/') + 1) : '');

/** A style's name made of any text: small letters and digits in words joined by "-". */
function slugOf(text) {
  const plain = text.normalize('NFKD').toLowerCase().replace(/[\u0300-\u036f]/g, '').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
  return plain.slice(0, 48).replace(/-+$/, '') || 'painting';
}

export const styles = new Styles();
