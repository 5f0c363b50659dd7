// Before and after: what the compare view shows.

/** Event `change`. */
class Pair extends EventTarget {
  /** @type {{before: string, after: string, ratio: number, title: string}|null} */ now = null;

  /** @param {{before: string, after: string, ratio: number, title: string}|null} pair */
  show(pair) {
    this.now = pair;
    this.dispatchEvent(new Event('change'));
  }
}

export const pair = new Pair();
