// The server's HTTP API.
import { askForKey, bearer } from './session.js';
import { known, t } from './texts.js';

const LOOK = 500;

/** Where a job is, or what belongs to it: as all addresses, seen from the page, which may lie below a path. */
export const place = (id, rest = '') => `v1/jobs/${encodeURIComponent(id)}${rest}`;

/** An error as a sentence and a way out. `code` is the server's, or `offline`, `unreachable`, `not_a_picture`. */
export class Problem extends Error {
  /** @param {{code: string, detail?: string, status?: number, retryAfter?: number|null}} facts */
  constructor({ code, detail, status = 0, retryAfter = null }) {
    super(detail || t(`problem.${code}`));
    Object.assign(this, { code, status, retryAfter });
  }

  /** What happened and what to do, as sentences. */
  get sentence() {
    const remedy = [`remedy.${this.code}`, `remedy.${this.status}`].find(known) ?? 'remedy.other';
    return `${this.message} ${t(remedy)}`;
  }

  /** Whether the same again may succeed. */
  get passing() {
    return ['offline', 'unreachable'].includes(this.code) || [401, 429, 502, 503, 504].includes(this.status);
  }
}

/** The server's words, which begin small and end without a stop, as a sentence. */
export function asSentence(text) {
  const trimmed = text.trim();
  const ended = /[.!?。！？]$/.test(trimmed) ? trimmed : `${trimmed}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

async function problemOf(answer) {
  let document = {};
  try {
    document = await answer.json();
  } catch {
    // No problem document: the status alone must do.
  }
  const after = Number.parseFloat(answer.headers.get('Retry-After') ?? '');
  const code = document.code ?? document.type?.split(':').pop() ?? `status_${answer.status}`;
  const detail = typeof document.detail === 'string' ? document.detail : document.title;
  // What is said of keys is meant for programs; the page has words of its own.
  const told = answer.status === 401 ? t('problem.unauthorized') : detail ? asSentence(detail) : (known(`problem.${code}`) ? t(`problem.${code}`) : t('problem.status', { status: answer.status }));
  return new Problem({ code, detail: told, status: answer.status, retryAfter: Number.isFinite(after) ? after : null });
}

/**
 * Call the API and give the answer, where it is a good one. Where a key is needed, the page asks for it and calls again,
 * unless `quiet`. Raises {@link Problem}, and `AbortError` where `signal` says so.
 * @param {string} path
 * @param {{method?: string, body?: BodyInit, headers?: Record<string, string>, signal?: AbortSignal, quiet?: boolean}} order
 * @returns {Promise<Response>}
 */
export async function call(path, { quiet = false, ...order } = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { credentials: 'same-origin', ...order, headers: { ...bearer(), ...order.headers } });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem({ code: navigator.onLine === false ? 'offline' : 'unreachable' });
    }
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401 || quiet || !(await askForKey())) throw problem;
  }
}

/** The answer's JSON; `null` where it has none. */
export async function ask(path, order = {}) {
  const answer = await call(path, { ...order, headers: { Accept: 'application/json', ...order.headers } });
  return answer.status === 204 ? null : answer.json();
}

/** What would have taken too long became a job: its picture, once it is there. Who gives up removes the job. */
async function painted(id, signal) {
  try {
    for (;;) {
      const job = await ask(place(id), { signal });
      if (job.state === 'done') return await call(place(id, '/result/0'), { signal });
      if (job.error || job.state === 'cancelled') throw new Problem({ code: job.error?.code ?? 'cancelled', detail: job.error && asSentence(job.error.message) });
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  } catch (error) {
    if (error.name === 'AbortError') remove(place(id)).catch(() => {});
    throw error;
  }
}

/** A blob, aborted by `signal` even while its bytes arrive. @returns {Promise<{blob: Blob, headers: Headers, status: number}>} */
export async function fetchBlob(path, order = {}) {
  let answer = await call(path, order);
  if (answer.status === 202) answer = await painted((await answer.json()).id, order.signal);
  try {
    return { blob: await answer.blob(), headers: answer.headers, status: answer.status };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({ code: 'unreachable' });
  }
}

export const post = (path, body, order = {}) => ask(path, { method: 'POST', body, ...order });
export const remove = (path) => ask(path, { method: 'DELETE' });
