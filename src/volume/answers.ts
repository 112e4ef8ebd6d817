/**
 * Which requests were carried out, and how far back in the log one may stand whose answer was never sent.
 *
 * A server that dies leaves requests unanswered that it may have carried out: the kernel sends them again
 * to its successor. Each record holds the `unique` of its request, and a request leaves one such record
 * at most: what stands here is answered from the state, what does not is carried out.
 *
 * A rollback is no request: what the kernel knows of what it changed is owed a notification instead, and
 * a successor tells the kernel again.
 *
 * INVARIANT: every request whose record stands before `oldestOwed` has been answered, and the kernel told
 * of every rollback.
 */

import type { LogRecord } from '../log/record.ts';
import type { Ino, LogPos, Name, Revision } from '../shared/brands.ts';
import type { BatchEvent, Event } from './events.ts';

/** What is needed to answer a request that was carried out; the rest is in the state. */
export interface CarriedOut {
  /** What was made, linked or changed; 0 where the answer does not tell. */
  readonly ino: Ino;
  /** How many bytes were written or copied. */
  readonly length: number;
}

/** What a rollback changed, as its record says it. */
export interface Restored {
  readonly revision: Revision;
  readonly inodes: ReadonlySet<Ino>;
  readonly names: readonly { readonly parent: Ino; readonly name: Name }[];
}

/**
 * Some 100 MB, and more than a server does while one answer waits for the disk. Only an index that is
 * made anew from all of the log meets more: then the newest are kept.
 */
const MAX_COLLECTED = 1_000_000;

const NOTHING: CarriedOut = { ino: 0 as Ino, length: 0 };

export class Answers {
  readonly #collected = new Map<number, CarriedOut>();
  #restored: Restored[] = [];
  /** After which the connection's records come; undefined once nothing is sent again any more. */
  #since: Revision | undefined;
  /** From where on a predecessor may owe answers. */
  #inherited: LogPos | undefined;
  /** Places of records whose answers wait for the disk. */
  readonly #owed = new Set<{ readonly from: LogPos }>();

  /** Collects from now on what the records of a predecessor say. */
  begin(since: Revision, from: LogPos): void {
    this.#since = since;
    this.#inherited = from;
  }

  get isCollecting(): boolean {
    return this.#since !== undefined;
  }

  note(record: LogRecord, event: Event): void {
    const { unique, revision, dataLength } = record;
    if (this.#since === undefined || revision <= this.#since) return;
    if (unique === 0) {
      if (event.kind === 'batch') this.#restored.push(restoredBy(event, revision));
      return;
    }
    this.#collected.set(unique, carriedOut(event, dataLength));
    if (this.#collected.size <= MAX_COLLECTED) return;
    for (const oldest of this.#collected.keys()) {
      this.#collected.delete(oldest);
      return;
    }
  }

  /** @param unique Without the resend bit. */
  find(unique: number): CarriedOut | undefined {
    return this.#collected.get(unique);
  }

  /**
   * What a predecessor may not have told the kernel of, oldest first.
   *
   * @returns `told` is to be called once the kernel was told; until then a successor would tell it again.
   */
  takeRestored(): { readonly restored: readonly Restored[]; readonly told: () => void } {
    const restored = this.#restored;
    this.#restored = [];
    const from = restored.length === 0 ? undefined : this.#inherited;
    return { restored, told: from === undefined ? () => undefined : this.owe(from) };
  }

  /** Nothing will be sent again. */
  end(): void {
    this.#collected.clear();
    this.#since = undefined;
    this.#inherited = undefined;
  }

  /**
   * The records from a place on belong to a request that is not answered yet, or to a rollback that the
   * kernel was not told of.
   *
   * @returns To be called when that is done.
   */
  owe(from: LogPos): () => void {
    const debt = { from };
    this.#owed.add(debt);
    return () => void this.#owed.delete(debt);
  }

  /** @param next Where the log goes on: nothing before it is owed if nothing else is known. */
  oldestOwed(next: LogPos): LogPos {
    // They are in the order of their places.
    for (const { from } of this.#owed) return minPos(from, this.#inherited ?? from);
    return this.#inherited ?? next;
  }
}

const minPos = (a: LogPos, b: LogPos): LogPos => (a < b ? a : b);

function restoredBy({ events }: BatchEvent, revision: Revision): Restored {
  const inodes = new Set<Ino>();
  const names: { parent: Ino; name: Name }[] = [];
  for (const part of events) {
    if (part.kind === 'restore' || part.kind === 'link') inodes.add(part.ino);
    if (part.kind === 'unlink' || part.kind === 'link') names.push(part);
    if (part.kind === 'make' && part.parent !== 0) names.push({ ...part, parent: part.parent });
  }
  return { revision, inodes, names: names.map(({ parent, name }) => ({ parent, name })) };
}

function carriedOut(event: Event, dataLength: number): CarriedOut {
  switch (event.kind) {
    case 'write':
      // What was folded in from before it was not written by the request.
      return { ino: event.ino, length: dataLength - (event.offset - event.start) };
    case 'clone':
      return { ino: event.ino, length: event.length };
    case 'make':
    case 'link':
    case 'setattr':
      return { ino: event.ino, length: 0 };
    default:
      return NOTHING;
  }
}
