// What survives a reload: small things in localStorage, pictures and orders in IndexedDB.

/** Small JSON values. Where the browser keeps nothing (private windows), they last as long as the page. */
const memory = new Map();

/** @param {string} name @param {any} otherwise */
export function kept(name, otherwise = null) {
  try {
    const text = localStorage.getItem(`impasto.${name}`);
    return text === null ? (memory.get(name) ?? otherwise) : JSON.parse(text);
  } catch {
    return memory.get(name) ?? otherwise;
  }
}

/** @param {string} name @param {any} value `null` forgets it */
export function keep(name, value) {
  memory.set(name, value);
  try {
    if (value === null) localStorage.removeItem(`impasto.${name}`);
    else localStorage.setItem(`impasto.${name}`, JSON.stringify(value));
  } catch {
    // Full or forbidden; memory has it.
  }
}

/** A new id for a picture. Not `randomUUID`, which plain http does not have. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const SHELVES = ['pictures', 'orders'];
const fallback = { pictures: new Map(), orders: new Map() };
let opening;

function open() {
  opening ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open('impasto', 1);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => SHELVES.forEach((shelf) => request.result.createObjectStore(shelf));
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = request.onblocked = () => resolve(null);
  });
  return opening;
}

/** Run one request on a shelf; `null` where the browser refuses. */
async function ask(shelf, mode, act) {
  const database = await open();
  if (!database) return null;
  return new Promise((resolve) => {
    try {
      const request = act(database.transaction(shelf, mode).objectStore(shelf));
      request.onsuccess = () => resolve(request.result ?? null);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}

/** @param {'pictures'|'orders'} shelf @param {string} key @returns {Promise<any>} `null` where it is not there */
export async function take(shelf, key) {
  return fallback[shelf].get(key) ?? (await ask(shelf, 'readonly', (at) => at.get(key)));
}

/** @param {'pictures'|'orders'} shelf @param {string} key @param {any} value */
export async function put(shelf, key, value) {
  if ((await ask(shelf, 'readwrite', (at) => at.put(value, key))) === null) fallback[shelf].set(key, value);
}

/** @param {'pictures'|'orders'} shelf @param {string} key */
export async function drop(shelf, key) {
  fallback[shelf].delete(key);
  await ask(shelf, 'readwrite', (at) => at.delete(key));
}

/** @param {'pictures'|'orders'} shelf @returns {Promise<string[]>} */
export async function keys(shelf) {
  return [...new Set([...((await ask(shelf, 'readonly', (at) => at.getAllKeys())) ?? []), ...fallback[shelf].keys()])];
}
