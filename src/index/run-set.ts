/**
 * A set of small integers kept as runs: which regions of a file have extents.
 *
 * A file written in order is one run, whatever its size; a sparse one has a run for each island.
 */

import type { ByteReader, ByteWriter } from '../shared/bytes.ts';

export class RunSet {
  /** Start and end (exclusive) of each run, ascending, not touching. */
  #bounds: number[] = [];

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  has(value: number): boolean {
    return this.#countBoundsUpTo(value) % 2 === 1;
  }

  add(value: number): void {
    const last = this.#bounds.length - 1;
    if (last > 0 && this.#bounds[last] === value) {
      this.#bounds[last] = value + 1;
      return;
    }
    const index = this.#countBoundsUpTo(value);
    if (index % 2 === 1) return;
    const joinsBefore = index > 0 && this.#bounds[index - 1] === value;
    const joinsAfter = this.#bounds[index] === value + 1;
    if (joinsBefore && joinsAfter) this.#bounds.splice(index - 1, 2);
    else if (joinsBefore) this.#bounds[index - 1] = value + 1;
    else if (joinsAfter) this.#bounds[index] = value;
    else this.#bounds.splice(index, 0, value, value + 1);
  }

  delete(value: number): void {
    const index = this.#countBoundsUpTo(value);
    if (index % 2 === 0) return;
    const start = this.#bounds[index - 1] as number;
    const end = this.#bounds[index] as number;
    if (start === value && end === value + 1) this.#bounds.splice(index - 1, 2);
    else if (start === value) this.#bounds[index - 1] = value + 1;
    else if (end === value + 1) this.#bounds[index] = value;
    else this.#bounds.splice(index, 0, value, value + 1);
  }

  /** The members from `first` up to and including `last`, ascending. */
  *between(first: number, last: number): Generator<number> {
    for (let index = 0; index < this.#bounds.length; index += 2) {
      const from = Math.max(first, this.#bounds[index] as number);
      const to = Math.min(last + 1, this.#bounds[index + 1] as number);
      for (let value = from; value < to; value++) yield value;
    }
  }

  clone(): RunSet {
    const copy = new RunSet();
    copy.#bounds = [...this.#bounds];
    return copy;
  }

  encode(writer: ByteWriter): void {
    writer.u32(this.#bounds.length);
    for (const bound of this.#bounds) writer.u32(bound);
  }

  /** @throws {RangeError} If they are no runs. */
  static decode(reader: ByteReader): RunSet {
    const set = new RunSet();
    const bounds = set.#bounds;
    for (let count = reader.u32(); count > 0; count--) {
      const bound = reader.u32();
      const before = bounds.at(-1);
      if (before !== undefined && bound <= before) throw new RangeError('Runs that do not ascend');
      bounds.push(bound);
    }
    if (bounds.length % 2 !== 0) throw new RangeError('A run without an end');
    return set;
  }

  /** After the last member; 0 of an empty set. */
  get end(): number {
    return this.#bounds.at(-1) ?? 0;
  }

  /** How many bounds are ≤ value: odd means inside a run. */
  #countBoundsUpTo(value: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bounds[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
