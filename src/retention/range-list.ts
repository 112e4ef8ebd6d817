/**
 * Ranges of numbers below 2^32, added in any order and read sorted and joined.
 */

/** Ranges that there is room for at first. */
const FIRST_CAPACITY = 64;

export class RangeList {
  #bounds = new Float64Array(FIRST_CAPACITY * 2);
  #count = 0;
  #isSorted = true;

  /** @param end Exclusive. */
  add(start: number, end: number): void {
    if (this.#count * 2 === this.#bounds.length) this.#makeRoom();
    const at = this.#count * 2;
    if (at > 0 && start < (this.#bounds[at - 1] as number)) this.#isSorted = false;
    this.#bounds[at] = start;
    this.#bounds[at + 1] = end;
    this.#count += 1;
  }

  /** Start and end of each range, ascending; none overlap or touch. A view, valid until the next add. */
  get bounds(): Float64Array {
    this.#settle();
    return this.#bounds.subarray(0, this.#count * 2);
  }

  /** How many numbers are in it. */
  get size(): number {
    const { bounds } = this;
    let size = 0;
    for (let at = 0; at < bounds.length; at += 2) {
      size += (bounds[at + 1] as number) - (bounds[at] as number);
    }
    return size;
  }

  #makeRoom(): void {
    this.#settle();
    // Most extents of a log join: only what is left then needs more room.
    if (this.#count * 4 < this.#bounds.length) return;
    const larger = new Float64Array(this.#bounds.length * 2);
    larger.set(this.#bounds);
    this.#bounds = larger;
  }

  #settle(): void {
    if (!this.#isSorted) this.#sort();
    this.#isSorted = true;
    let kept = 0;
    const bounds = this.#bounds;
    for (let at = 0; at < this.#count * 2; at += 2) {
      const start = bounds[at] as number;
      const end = bounds[at + 1] as number;
      const last = kept * 2 - 1;
      if (kept > 0 && start <= (bounds[last] as number)) {
        if (end > (bounds[last] as number)) bounds[last] = end;
        continue;
      }
      bounds[kept * 2] = start;
      bounds[kept * 2 + 1] = end;
      kept += 1;
    }
    this.#count = kept;
  }

  /** By the start. */
  #sort(): void {
    const order = new Uint32Array(this.#count).map((_, index) => index);
    const bounds = this.#bounds;
    order.sort((a, b) => (bounds[a * 2] as number) - (bounds[b * 2] as number));
    const sorted = new Float64Array(bounds.length);
    for (const [at, from] of order.entries()) {
      sorted[at * 2] = bounds[from * 2] as number;
      sorted[at * 2 + 1] = bounds[from * 2 + 1] as number;
    }
    this.#bounds = sorted;
  }
}
