/**
 * Goes through a range of an index entry by entry, waiting only where a batch ends.
 */

import type { Index, ScanOptions } from './index.ts';

export interface KeyRange {
  readonly gte: Buffer;
  readonly lt: Buffer;
}

export const EVERYTHING: KeyRange = { gte: Buffer.from([0]), lt: Buffer.from([0xff]) };

export const spaceRange = (space: number): KeyRange => ({
  gte: Buffer.from([space]),
  lt: Buffer.from([space + 1]),
});

export type CursorOptions = Pick<ScanOptions, 'onDamaged' | 'snapshot'>;

/** For a checker, or whoever only tells. */
const PASS_OVER: CursorOptions = { onDamaged: () => undefined };

export class EntryCursor {
  readonly #batches: AsyncGenerator<[Buffer, Buffer][]>;
  #entries: [Buffer, Buffer][] = [];
  #at = -1;
  /** True behind the last entry: key and value are then those of none. */
  isDone = false;
  key: Buffer = Buffer.alloc(0);
  value: Buffer = Buffer.alloc(0);

  /**
   * Before the first entry.
   *
   * @param options By default what is damaged is passed over. Who removes what is not found must not: without
   *   `onDamaged` it is INDEX_CORRUPT.
   */
  constructor(index: Index, range: KeyRange, options = PASS_OVER) {
    this.#batches = index.scanBatches({ ...range, ...options });
  }

  /** Goes to the next entry of the batch. @returns False if it has none: fill() then goes to it. */
  step(): boolean {
    this.#at += 1;
    const entry = this.#entries[this.#at];
    if (entry === undefined) return false;
    [this.key, this.value] = entry;
    return true;
  }

  async fill(): Promise<void> {
    if (this.isDone) return;
    const next = await this.#batches.next();
    if (next.done === true) {
      this.isDone = true;
      return;
    }
    this.#entries = next.value;
    this.#at = -1;
    // All of a batch may have been damaged.
    if (!this.step()) await this.fill();
  }

  async next(): Promise<void> {
    if (!this.step()) await this.fill();
  }

  /** For whoever stops before the end. */
  async close(): Promise<void> {
    await this.#batches.return(undefined);
  }
}
