/**
 * Inodes as they were, remembered: a listing with attributes asks for each of them several times
 * (attributes, then each extended attribute that `ls -l` looks for), and each time is a seek on disk.
 *
 * Rule: only what is immutable is here: an inode at a revision.
 */

import type { History, Node } from '../history/store.ts';
import type { Ino, Revision } from '../shared/brands.ts';

/** As many as one reader has in hand at a time; each is below 1 KiB without extended attributes. */
const MAX_REMEMBERED = 4096;

export class PastInodes {
  readonly #history: Pick<History, 'findNode'>;
  readonly #remembered = new Map<string, Promise<Node | undefined>>();

  constructor(history: Pick<History, 'findNode'>) {
    this.#history = history;
  }

  find(ino: Ino, at: Revision): Promise<Node | undefined> {
    const key = `${ino}@${at}`;
    const known = this.#remembered.get(key);
    if (known !== undefined) return known;
    const node = this.#history.findNode(ino, at);
    this.#remembered.set(key, node);
    // A failure is not remembered: the next request asks again.
    node.catch(() => this.#remembered.delete(key));
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
    return node;
  }
}
