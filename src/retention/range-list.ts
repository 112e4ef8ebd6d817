/**
 * Ranges of numbers below 2^32, added in any order and read sorted and joined.
 */

/** Ranges that there is room for at first. */
const FIRST_CAPACITY = 64;

export class RangeList {
  #starts = new Uint32Array(FIRST_CAPACITY);
  #ends = new Uint32Array(FIRST_CAPACITY);
  #count = 0;
  /** INVARIANT: if true, both are ascending. */
  #isSorted = true;

  /** @param end Exclusive. */
  add(start: number, end: number): void {
    if (this.#count === this.#starts.length) this.#makeRoom();
    const at = this.#count;
    if (at > 0 && start < (this.#ends[at - 1] as number)) this.#isSorted = false;
    this.#starts[at] = start;
    this.#ends[at] = end;
    this.#count += 1;
  }

  /** Start and end of each range, ascending; none overlap or touch. */
  get bounds(): Float64Array {
    this.#settle();
    const bounds = new Float64Array(this.#count * 2);
    for (let at = 0; at < this.#count; at++) {
      bounds[at * 2] = this.#starts[at] as number;
      bounds[at * 2 + 1] = this.#ends[at] as number;
    }
    return bounds;
  }

  /** How many numbers are in it. */
  get size(): number {
    this.#settle();
    let size = 0;
    for (let at = 0; at < this.#count; at++) {
      size += (this.#ends[at] as number) - (this.#starts[at] as number);
    }
    return size;
  }

  #makeRoom(): void {
    this.#settle();
    // Most extents of a log join: only what is left then needs more room.
    if (this.#count * 2 < this.#starts.length) return;
    this.#starts = grow(this.#starts);
    this.#ends = grow(this.#ends);
  }

  /**
   * Sorts and joins.
   *
   * Starts and ends are sorted apart: between two ranges of the union there is a place where as many have
   * ended as have begun, and nowhere else.
   */
  #settle(): void {
    const starts = this.#starts;
    const ends = this.#ends;
    if (!this.#isSorted) {
      starts.subarray(0, this.#count).sort();
      ends.subarray(0, this.#count).sort();
      this.#isSorted = true;
    }
    let kept = 0;
    for (let at = 0; at < this.#count; at++) {
      const end = ends[at] as number;
      if (at > 0 && (starts[at] as number) <= (ends[kept - 1] as number)) {
        ends[kept - 1] = end;
        continue;
      }
      starts[kept] = starts[at] as number;
      ends[kept] = end;
      kept += 1;
    }
    this.#count = kept;
  }
}

function grow(numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
