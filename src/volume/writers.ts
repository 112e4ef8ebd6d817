/**
 * Who has which inode open for writing: how many open files may write to each.
 *
 * The kernel counts its open files and never tells: OPEN, CREATE and RELEASE are counted here. A table
 * that outlives the process lets the next server know what a close means.
 *
 * INVARIANT: a call with the `unique` of the call before it changes nothing and returns the same. A
 * request that is sent again, because its answer was lost, was counted already; and it is always the
 * last one that was: a server counts while it carries a request out, and one request at a time.
 */

import type { Ino } from '../shared/brands.ts';

/** `unique` is that of the request, without the resend bit; 0 is nobody's, and is always counted. */
export interface WriterTable {
  /**
   * How many open files may write to the inode.
   *
   * A table that is crowded does not know whose some open files are: as long as one of them is open, it says
   * 1 of every inode that it does not hold, as if somebody did.
   */
  get(ino: Ino): number;
  /** One more. A table that is full forgets of which inode. */
  add(ino: Ino, unique: number): void;
  /** One less. @returns How many are left; 0 also for an inode that the table does not hold. */
  remove(ino: Ino, unique: number): number;
  /** A new connection: nothing is open. */
  clear(): void;
}

/** In this process only: after a restart it knows nobody, and the first close of a file counts as its last. */
export class MemoryWriters implements WriterTable {
  readonly #counts = new Map<Ino, number>();
  #lastUnique = 0;
  #lastLeft = 0;

  get(ino: Ino): number {
    return this.#counts.get(ino) ?? 0;
  }

  add(ino: Ino, unique: number): void {
    if (unique !== 0 && unique === this.#lastUnique) return;
    this.#lastUnique = unique;
    this.#counts.set(ino, this.get(ino) + 1);
  }

  remove(ino: Ino, unique: number): number {
    if (unique !== 0 && unique === this.#lastUnique) return this.#lastLeft;
    this.#lastUnique = unique;
    this.#lastLeft = Math.max(0, this.get(ino) - 1);
    if (this.#lastLeft === 0) this.#counts.delete(ino);
    else this.#counts.set(ino, this.#lastLeft);
    return this.#lastLeft;
  }

  clear(): void {
    this.#counts.clear();
    this.#lastUnique = 0;
  }
}
