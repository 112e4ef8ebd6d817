/**
 * One thing at a time for each key, in the order of asking.
 */

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Something is under way. */
  get isBusy(): boolean {
    return this.#last.size > 0;
  }

  /** Runs the work when everything asked for before with this key is over. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return mine;
  }
}
