/**
 * Remembers answers about the past for as long as nothing changes: walking through `.versions` asks the
 * same of a name for every entry below it.
 */

import type { Revision } from '../shared/brands.ts';

const MAX_ANSWERS = 256;

export class Memo<T> {
  readonly #revisionNow: () => Revision;
  readonly #answers = new Map<string, Promise<T>>();
  #revision: Revision | undefined;

  constructor(revisionNow: () => Revision) {
    this.#revisionNow = revisionNow;
  }

  get(key: string, find: () => Promise<T>): Promise<T> {
    const revision = this.#revisionNow();
    if (revision !== this.#revision || this.#answers.size >= MAX_ANSWERS) {
      this.#answers.clear();
      this.#revision = revision;
    }
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = find();
      this.#answers.set(key, answer);
      // A failure is not an answer.
      answer.catch(() => this.#answers.delete(key));
    }
    return answer;
  }
}
