/**
 * What a volume committed for one operation, and the model's word on what it should have been.
 *
 * The model names each record in order; one too many, one too few or another kind is a difference.
 */

import type { Ino, Revision } from '../../src/shared/brands.ts';
import type { Time } from '../../src/shared/time.ts';
import type { CutCause } from '../../src/volume/cut-cause.ts';
import type { Event } from '../../src/volume/events.ts';

export interface Committed {
  readonly revision: Revision;
  readonly time: Time;
  readonly actor: number;
  readonly event: Event;
}

/** The volume and the model do not agree. */
export class Difference extends Error {
  override readonly name = 'Difference';
}

/** What the model says that an operation fails with. */
export class ModelError extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

export class Steps {
  readonly #committed: readonly Committed[];
  readonly #onDefine: (committed: Committed) => void;
  #at = 0;

  /** @param onDefine Called for a promise that gets its number, in front of the first cut that names it. */
  constructor(committed: readonly Committed[], onDefine: (committed: Committed) => void) {
    this.#committed = committed;
    this.#onDefine = onDefine;
  }

  /** The next record, without taking it. */
  peek(): Committed | undefined {
    const next = this.#committed[this.#at];
    return next?.event.kind === 'define' ? this.#committed[this.#at + 1] : next;
  }

  take(...kinds: Event['kind'][]): Committed {
    const next = this.peek();
    if (next === undefined || !kinds.includes(next.event.kind)) {
      throw new Difference(`Wanted ${kinds.join(' or ')}, the volume committed: ${this.#tell()}`);
    }
    const first = this.#committed[this.#at];
    if (first !== undefined && first !== next) {
      this.#onDefine(first);
      this.#at += 1;
    }
    this.#at += 1;
    return next;
  }

  /** Promises that get a number for what comes in the last record, which is not among these. */
  takeDefines(): void {
    for (const committed of this.#committed.slice(this.#at)) {
      if (committed.event.kind !== 'define') break;
      this.#onDefine(committed);
      this.#at += 1;
    }
  }

  takeCut(ino: Ino, cause: CutCause): Committed {
    const next = this.take('cut');
    const { event } = next;
    if (event.kind !== 'cut' || event.ino !== ino || event.cause !== cause) {
      this.#at -= 1;
      throw new Difference(`Wanted a cut of ${ino} (${cause}), got: ${this.#tell()}`);
    }
    return next;
  }

  takeUnchanged(ino: Ino): Committed {
    const next = this.take('unchanged');
    if (next.event.kind !== 'unchanged' || next.event.ino !== ino) {
      this.#at -= 1;
      throw new Difference(`Wanted "unchanged" of ${ino}, got: ${this.#tell()}`);
    }
    return next;
  }

  end(): void {
    if (this.peek() !== undefined)
      throw new Difference(`Committed and not expected: ${this.#tell()}`);
  }

  #tell(): string {
    const left = this.#committed.slice(this.#at).map(({ revision, event }) => {
      return `r${revision} ${JSON.stringify(event)}`;
    });
    return left.length === 0 ? 'nothing' : left.join(', ');
  }
}
