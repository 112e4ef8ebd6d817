/**
 * Files that are open for reading: the least recently used one is closed when there are too many.
 *
 * Why a bound: the limit on descriptors is shared by all sessions of a host.
 */

interface Closable {
  close(): void;
}

class Entry<T> {
  readonly file: T;
  /** How many await it. */
  pins = 0;
  /** It is out of the list, and is closed when nobody awaits it any more. */
  onUnpinned: (() => void) | undefined;

  constructor(file: T) {
    this.file = file;
  }
}

export class OpenFiles<Id extends number, T extends Closable> {
  readonly #open: (id: Id) => T;
  readonly #max: number;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<Id, Entry<T>>();
  #latestId: Id | undefined;
  #latest: Entry<T> | undefined;

  constructor(open: (id: Id) => T, max: number) {
    this.#open = open;
    this.#max = max;
  }

  /** The open file, valid until the caller returns to the event loop or calls again. */
  get(id: Id): T {
    return this.#get(id).file;
  }

  /** Keeps the file open while something awaits it. */
  async withPinned<R>(id: Id, use: (file: T) => Promise<R>): Promise<R> {
    const entry = this.#get(id);
    entry.pins += 1;
    try {
      return await use(entry.file);
    } finally {
      entry.pins -= 1;
      if (entry.pins === 0) entry.onUnpinned?.();
      this.#shrink(this.#max);
    }
  }

  /**
   * Lets go of a file: who asks for it from now on opens it anew.
   *
   * @returns When those who await it have ended and it is closed.
   */
  drop(id: Id): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return Promise.resolve();
    this.#remove(id);
    if (entry.pins === 0) {
      entry.file.close();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      entry.onUnpinned = () => {
        entry.file.close();
        resolve();
      };
    });
  }

  /** Lets go of all that are open now. */
  async dropAll(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((id) => this.drop(id)));
  }

  /** Also those that somebody awaits. */
  closeAll(): void {
    for (const { file } of this.#entries.values()) file.close();
    this.#entries.clear();
    this.#latestId = undefined;
  }

  #get(id: Id): Entry<T> {
    if (id === this.#latestId && this.#latest !== undefined) return this.#latest;
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      this.#shrink(this.#max - 1);
      entry = new Entry(this.#open(id));
    } else {
      this.#entries.delete(id);
    }
    this.#entries.set(id, entry);
    this.#latestId = id;
    this.#latest = entry;
    return entry;
  }

  #remove(id: Id): void {
    this.#entries.delete(id);
    if (id === this.#latestId) this.#latestId = undefined;
  }

  #shrink(count: number): void {
    for (const [id, { file, pins }] of this.#entries) {
      if (this.#entries.size <= count) return;
      if (pins > 0) continue;
      this.#remove(id);
      file.close();
    }
  }
}
