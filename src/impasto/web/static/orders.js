// What was asked for, by job: the server keeps results, this browser what they were made of.
import { drop, keys, kept, put, take } from './store.js';

const KEPT = 60;

/**
 * @typedef {object} Order
 * @property {'stylize'|'grid'|'batch'} kind
 * @property {string|null} photograph id of the picture in this browser
 * @property {string} name of the photograph
 * @property {{key: string, weight: number}[]} chosen of a grid: one for each item
 * @property {object} settings
 * @property {object[]} strokes
 */

/** @param {string} job @param {Order} order */
export const remember = (job, order) => put('orders', job, { ...order, at: Date.now() });

/** @returns {Promise<Order|null>} */
export const orderOf = (job) => take('orders', job);

/** The photograph of an order; `null` where this browser no longer has it. @returns {Promise<File|null>} */
export const photographOf = async (order) => (order?.photograph ? take('pictures', order.photograph) : null);

/** Forget all but the latest orders, and the pictures that nothing refers to. */
export async function prune() {
  const orders = await Promise.all((await keys('orders')).map(async (id) => ({ id, ...(await take('orders', id)) })));
  orders.sort((a, b) => b.at - a.at);
  await Promise.all(orders.slice(KEPT).map(({ id }) => drop('orders', id)));
  const used = new Set([kept('photograph'), ...kept('paintings', []), ...orders.slice(0, KEPT).map((order) => order.photograph)]);
  await Promise.all((await keys('pictures')).filter((id) => !used.has(id)).map((id) => drop('pictures', id)));
}
