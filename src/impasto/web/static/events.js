// What happens on the server, as it happens: one EventSource for all tabs of the browser.
// A browser has six connections for a server, and a stream keeps one: each tab with its own would leave none to work with.

// One host may have several studios, each below a path of its own.
const NAME = `impasto-events ${new URL('.', document.baseURI).pathname}`;
const KINDS = ['hello', 'job', 'progress'];
const FIRST_WAIT = 2000;
const LONGEST_WAIT = 30_000;

/** Events `hello`, `job`, `progress` (with the message's JSON as `detail`), and `connection`. */
class Events extends EventTarget {
  #channel = new BroadcastChannel(NAME);
  #source = null;
  #begun = false;
  #wait = FIRST_WAIT;
  #timer = 0;
  connected = false;

  constructor() {
    super();
    this.#channel.addEventListener('message', ({ data }) => this.#heard(data));
  }

  open() {
    if (this.#source || !navigator.locks) {
      this.#listen();
      return;
    }
    this.#channel.postMessage({ kind: this.#begun ? 'open' : 'who' });
    if (this.#begun) return;
    this.#begun = true;
    // Who has the lock listens for all, as long as its page is there; then the next in line.
    navigator.locks.request(NAME, () => {
      this.#listen();
      return new Promise(() => {});
    });
  }

  /** From another tab. */
  #heard({ kind, detail, connected }) {
    if (this.#source) {
      if (kind === 'open') this.#listen();
      // A tab that has just come: for it, all is new.
      if (kind === 'who' && this.connected) this.#channel.postMessage({ kind: 'here', connected: true });
      return;
    }
    if (kind === 'connection') this.#mark(connected);
    if (kind === 'here' && !this.connected) {
      this.#mark(true);
      this.dispatchEvent(new CustomEvent('hello', { detail: {} }));
    }
    if (KINDS.includes(kind)) {
      this.#mark(true);
      this.dispatchEvent(new CustomEvent(kind, { detail }));
    }
  }

  #listen() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const source = new EventSource('v1/events');
    this.#source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        const detail = read(message.data);
        this.#mark(true);
        this.#channel.postMessage({ kind, detail });
        this.dispatchEvent(new CustomEvent(kind, { detail }));
      });
    }
    source.addEventListener('open', () => this.#mark(true));
    source.addEventListener('error', () => {
      this.#mark(false);
      // The browser comes back by itself, with Last-Event-ID, unless the server answered with an error.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#timer = setTimeout(() => this.#listen(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    });
  }

  #mark(connected) {
    if (connected) this.#wait = FIRST_WAIT;
    if (connected === this.connected) return;
    this.connected = connected;
    if (this.#source) this.#channel.postMessage({ kind: 'connection', connected });
    this.dispatchEvent(new Event('connection'));
  }
}

function read(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

export const events = new Events();
