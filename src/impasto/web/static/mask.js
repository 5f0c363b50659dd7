// A mask as strokes, so that any of them can be undone, and as the picture that the server wants.
import { canvasBlob, fit } from './photograph.js';

const LONGEST = 1024;

/**
 * @typedef {object} Stroke
 * @property {number} size diameter, as a share of the picture's longest side
 * @property {boolean} erase
 * @property {number[]} points x and y in turn, 0..1 of width and height
 */

/**
 * Draw strokes on a canvas in a colour, over what is there; what is erased is clear. A `veil` is the other way round.
 * @param {Stroke[]} strokes
 */
export function drawStrokes(context, strokes, color, veil = false) {
  const { width, height } = context.canvas;
  context.lineCap = context.lineJoin = 'round';
  for (const { size, erase, points } of strokes) {
    context.globalCompositeOperation = erase !== veil ? 'destination-out' : 'source-over';
    context.fillStyle = context.strokeStyle = color;
    context.lineWidth = size * Math.max(width, height);
    context.beginPath();
    context.moveTo(points[0] * width, points[1] * height);
    // A point alone is a line to itself, which round caps make a dot.
    for (let i = 0; i < points.length; i += 2) context.lineTo(points[i] * width, points[i + 1] * height);
    context.stroke();
  }
  context.globalCompositeOperation = 'source-over';
}

/** White where the style applies, black elsewhere, with soft edges; `null` without strokes. @returns {Promise<Blob|null>} */
export async function maskBlob(strokes, size) {
  if (!strokes.some((stroke) => !stroke.erase)) return null;
  const [width, height] = fit(size, LONGEST);
  const sharp = layer(width, height);
  drawStrokes(sharp, strokes, '#fff');
  // Down and up again softens the edge by a few pixels in every browser.
  const soft = layer(Math.ceil(width / 6), Math.ceil(height / 6));
  soft.drawImage(sharp.canvas, 0, 0, soft.canvas.width, soft.canvas.height);
  const mask = layer(width, height);
  mask.fillStyle = '#000';
  mask.fillRect(0, 0, width, height);
  mask.drawImage(soft.canvas, 0, 0, width, height);
  return canvasBlob(mask.canvas, 'image/png');
}

function layer(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  return context;
}
