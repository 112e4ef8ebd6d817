/**
 * What is promised in a volume as a whole: definitions, policies, checkpoints, holds.
 *
 * Few, and all in memory. Changed only by apply; the same is in the index, under Space.PROMISED.
 */

import type { PromiseId, Revision } from '../shared/brands.ts';
import type { Index } from '../index/index.ts';
import {
  definitionKey,
  policyKey,
  Promised,
  promisedNameKey,
  releasedKey,
  Space,
} from '../index/keys.ts';
import {
  decodeCheckpoint,
  decodeDefinition,
  decodeHold,
  decodePolicyRecord,
  decodeReleased,
  encodeCheckpoint,
  encodeDefinition,
  encodeHold,
  encodePolicyRecord,
  encodeReleased,
} from '../index/promised-records.ts';
import type {
  CheckpointRecord,
  HoldRecord,
  PolicyRecord,
  ReleasedRecord,
} from '../index/promised-records.ts';
import type { Moment } from './apply.ts';
import type { CheckpointEvent, DefineEvent, HoldEvent, PolicyEvent } from './promise-events.ts';

/** A policy and when it held. */
export interface PastPolicy extends PolicyRecord {
  readonly since: Revision;
}

/** What was released is known for so long, in seconds: no grace that anybody needs is longer. */
const RELEASED_MAX_AGE_SEC = 30 * 24 * 3600;
/** A program that makes and removes checkpoints all the time must not fill the memory. */
const RELEASED_MAX_COUNT = 1000;

/** Space byte and kind: what stands before the rest of a key. */
const KEY_AT = 2;

/** The revision at which a whole tree was kept by what was released, if it was. */
export function findMoment(record: ReleasedRecord): Revision | undefined {
  if (record.kind === 'checkpoint') return record.kept.at;
  const { ino, revision } = record.kept;
  return ino === 0 && revision !== 0 ? revision : undefined;
}

export class Promises {
  readonly definitions = new Map<PromiseId, string>();
  readonly #idByText = new Map<string, PromiseId>();
  /** Oldest first; the last one holds now. */
  readonly policies: PastPolicy[] = [];
  readonly checkpoints = new Map<string, CheckpointRecord>();
  readonly holds = new Map<string, HoldRecord>();
  /** What was released lately, by the revision of its release, oldest first. */
  readonly released = new Map<Revision, ReleasedRecord>();
  /**
   * Goes up with each change: what was derived from the rest is then out of date. Not with a release: what
   * was kept before goes on to be kept for now, and a sweep that is under way may go on.
   */
  generation = 0;

  /** Reads what an index that was just opened holds. */
  async load(index: Index): Promise<void> {
    for await (const [key, value] of index.scanPrefix(Buffer.from([Space.PROMISED]))) {
      const name = key.toString('latin1', KEY_AT);
      switch (key[1]) {
        case Promised.DEFINITION:
          this.#define(key.readUInt32BE(KEY_AT) as PromiseId, decodeDefinition(value));
          break;
        case Promised.POLICY:
          this.policies.push({
            since: key.readUIntBE(KEY_AT, 6) as Revision,
            ...decodePolicyRecord(value),
          });
          break;
        case Promised.CHECKPOINT:
          this.checkpoints.set(name, decodeCheckpoint(value));
          break;
        case Promised.HOLD:
          this.holds.set(name, decodeHold(value));
          break;
        case Promised.RELEASED:
          this.released.set(key.readUIntBE(KEY_AT, 6) as Revision, decodeReleased(value));
          break;
        default:
          break;
      }
    }
  }

  get policy(): PastPolicy | undefined {
    return this.policies.at(-1);
  }

  findId(text: string): PromiseId | undefined {
    return this.#idByText.get(text);
  }

  get nextId(): PromiseId {
    return (this.definitions.size + 1) as PromiseId;
  }

  applyDefine(index: Index, { id, text }: DefineEvent): void {
    this.#define(id, text);
    index.put(definitionKey(id), encodeDefinition(text));
  }

  applyPolicy(index: Index, at: Moment, { sessionTier, text }: PolicyEvent): void {
    const before = this.policies.pop();
    if (before !== undefined && before.since !== at.revision) {
      const past = { ...before, to: at.revision };
      this.policies.push(past);
      index.put(policyKey(past.since), encodePolicyRecord(past));
    }
    const present = { since: at.revision, to: 0 as const, sessionTier, text };
    this.policies.push(present);
    index.put(policyKey(at.revision), encodePolicyRecord(present));
    this.generation += 1;
  }

  applyCheckpoint(index: Index, moment: Moment, { name, at }: CheckpointEvent): void {
    const key = promisedNameKey(Promised.CHECKPOINT, name);
    if (at === undefined) {
      const kept = this.checkpoints.get(name);
      this.checkpoints.delete(name);
      index.delete(key);
      const releasedAt = moment.time;
      if (kept !== undefined) {
        this.#release(index, moment, { kind: 'checkpoint', name, releasedAt, kept });
      }
      return;
    }
    const record = { at, time: moment.time, actor: moment.actor };
    this.checkpoints.set(name, record);
    index.put(key, encodeCheckpoint(record));
    this.generation += 1;
  }

  applyHold(index: Index, at: Moment, { name, reason, target }: HoldEvent): void {
    const key = promisedNameKey(Promised.HOLD, name);
    if (target === undefined) {
      const kept = this.holds.get(name);
      this.holds.delete(name);
      index.delete(key);
      const releasedAt = at.time;
      if (kept !== undefined) this.#release(index, at, { kind: 'hold', name, releasedAt, kept });
      return;
    }
    const record = { ...target, reason, time: at.time, actor: at.actor };
    this.holds.set(name, record);
    index.put(key, encodeHold(record));
    this.generation += 1;
  }

  /** Every revision at which the whole tree is kept, ascending; not those that were released. */
  listPinned(): Revision[] {
    const pinned = new Set<Revision>();
    for (const { at } of this.checkpoints.values()) pinned.add(at);
    for (const { ino, revision } of this.holds.values()) {
      if (ino === 0 && revision !== 0) pinned.add(revision);
    }
    return [...pinned].toSorted((a, b) => a - b);
  }

  /** Notes what was released, and forgets what was long ago: by the records' own times, as in each replay. */
  #release(index: Index, { revision }: Moment, record: ReleasedRecord): void {
    this.released.set(revision, record);
    index.put(releasedKey(revision), encodeReleased(record));
    const oldestSec = record.releasedAt.sec - RELEASED_MAX_AGE_SEC;
    for (const [at, { releasedAt }] of this.released) {
      if (this.released.size <= RELEASED_MAX_COUNT && releasedAt.sec >= oldestSec) return;
      this.released.delete(at);
      index.delete(releasedKey(at));
    }
  }

  #define(id: PromiseId, text: string): void {
    this.definitions.set(id, text);
    this.#idByText.set(text, id);
  }
}
