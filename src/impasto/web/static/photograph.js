// A photograph as the page needs it: the file as it came, its size, a URL to show, and small copies to send.
import { Problem, fetchBlob } from './api.js';
import { newId } from './store.js';
import { t } from './texts.js';

/** Longest side of the copy that is sent while knobs move, in pixels. */
export const SMALL = 512;

const SHOWN = /^image\/(png|jpeg|webp|gif|avif|bmp)$/;
const CLEAR = /^image\/(png|webp|gif|avif|tiff)$/;
const PICTURE = /\.(jpe?g?|jfif|png|webp|tiff?|gif|bmp|avif|hei[cf]|hif)$/i;

/** Whether browsers show files of that type. */
export const canShow = (type) => SHOWN.test(type);

/** Whether a file may be a picture, by its type and name; the server looks at its bytes. */
export const mayBePicture = (file) => file.type.startsWith('image/') || (!file.type && (PICTURE.test(file.name) || !file.name.includes('.')));

/** Width and height with the longest side at most `longest`. */
export function fit([width, height], longest) {
  const factor = Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))];
}

/** A canvas as a file's bytes. @returns {Promise<Blob>} */
export const canvasBlob = (canvas, type, quality = 0.9) =>
  new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Problem({ code: 'no_canvas' }))), type, quality);
  });

function drawn(source, size) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = size;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, ...size);
  return canvas;
}

function hasAlpha(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

/** What this browser cannot decode (TIFF, HEIC) the server develops: strength 0 gives the photograph back. */
async function developed(file, style) {
  const form = new FormData();
  form.append('content', file, file.name);
  form.append('style', style);
  form.append('strength', '0');
  form.append('format', 'jpeg');
  return (await fetchBlob('v1/stylize', { method: 'POST', body: form })).blob;
}

export class Photograph {
  /**
   * Raises {@link Problem} where the file is not a picture.
   * @param {File} file
   * @param {{id?: string, style: string}} how `style` is any style of the gallery, for what must be developed
   */
  static async of(file, { id = newId(), style }) {
    if (!mayBePicture(file)) throw new Problem({ code: 'not_a_picture', detail: t('problem.not_a_picture', { name: file.name }) });
    let shown = file;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      shown = await developed(file, style);
      bitmap = await createImageBitmap(shown);
    }
    const photograph = new Photograph();
    const size = [bitmap.width, bitmap.height];
    const canvas = drawn(bitmap, fit(size, SMALL));
    bitmap.close();
    const alpha = shown === file && CLEAR.test(file.type) && hasAlpha(canvas);
    const small = await canvasBlob(canvas, alpha ? 'image/png' : 'image/jpeg');
    return Object.assign(photograph, { id, file, name: file.name, size, alpha, small, smallSize: [canvas.width, canvas.height], url: URL.createObjectURL(shown) });
  }

  get longest() {
    return Math.max(...this.size);
  }

  /** The name without its suffix. */
  get stem() {
    return this.name.replace(/\.[^.]*$/, '') || 'photograph';
  }

  close() {
    URL.revokeObjectURL(this.url);
  }
}

/** A copy with the short side at most `short`; the file itself where the browser cannot decode it. @returns {Promise<Blob>} */
export async function scaledDown(file, short) {
  try {
    const bitmap = await createImageBitmap(file);
    const size = [bitmap.width, bitmap.height];
    const canvas = drawn(bitmap, fit(size, (Math.max(...size) * short) / Math.min(...size)));
    bitmap.close();
    return await canvasBlob(canvas, 'image/jpeg');
  } catch {
    return file;
  }
}

/** A small picture of a file, as a URL; empty where the browser cannot decode it. */
export async function thumbnail(file, longest = 256) {
  try {
    const bitmap = await createImageBitmap(file);
    const side = Math.min(bitmap.width, bitmap.height);
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = Math.min(longest, side);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return URL.createObjectURL(await canvasBlob(canvas, 'image/jpeg'));
  } catch {
    return '';
  }
}

/** A copy of a file in memory, so that it can still be sent when the one on disk has moved. */
export async function copied(file) {
  try {
    return new File([await file.arrayBuffer()], file.name || 'photograph', { type: file.type });
  } catch {
    throw new Problem({ code: 'unreadable', detail: t('problem.unreadable', { name: file.name }) });
  }
}
