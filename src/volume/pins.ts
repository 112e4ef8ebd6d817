/**
 * Revisions that somebody is reading right now.
 *
 * Reading history waits for the disk between finding out where content is and reading it. Whoever reads
 * pins the revision; whoever removes asks, at the moment of removal, and leaves what is pinned for later.
 */

import type { Revision } from '../shared/brands.ts';

export class Pins {
  readonly #counts = new Map<Revision, number>();
  #all = 0;

  /** @returns To be called when the revision is not read any more; again does nothing. */
  add(revision: Revision): () => void {
    this.#counts.set(revision, (this.#counts.get(revision) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const count = (this.#counts.get(revision) ?? 1) - 1;
      if (count > 0) this.#counts.set(revision, count);
      else this.#counts.delete(revision);
    };
  }

  /** Runs what reads a revision. */
  async with<T>(revision: Revision, read: () => Promise<T>): Promise<T> {
    const release = this.add(revision);
    try {
      return await read();
    } finally {
      release();
    }
  }

  /** Runs what reads any revision. */
  async withAll<T>(read: () => Promise<T>): Promise<T> {
    this.#all += 1;
    try {
      return await read();
    } finally {
      this.#all -= 1;
    }
  }

  /** True if a revision from `first` up to and not including `end` is pinned. */
  hasBetween(first: Revision, end: Revision): boolean {
    if (this.#all > 0) return true;
    for (const revision of this.#counts.keys()) {
      if (revision >= first && revision < end) return true;
    }
    return false;
  }
}
