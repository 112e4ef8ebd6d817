/**
 * The values of the index that tell what is promised, and what was removed: encoded and decoded side by side.
 */

import type { ActorId, Ino, LogPos, Revision } from '../shared/brands.ts';
import { ByteReader, ByteWriter } from '../shared/bytes.ts';
import type { Time } from '../shared/time.ts';

const scratch = new ByteWriter(4096);

/** What held for files without a tier of their own, from one revision to another. */
export interface PolicyRecord {
  /** The revision at which another one took its place; 0 while it holds. */
  readonly to: Revision | 0;
  /** See TIER_NUMBERS. */
  readonly sessionTier: number;
  /** The policy itself, as src/policy writes it. */
  readonly text: string;
}

export function encodePolicyRecord(record: PolicyRecord): Buffer {
  scratch.reset().u48(record.to).u8(record.sessionTier).blob(Buffer.from(record.text));
  return scratch.view();
}

export function decodePolicyRecord(value: Uint8Array): PolicyRecord {
  const reader = new ByteReader(value);
  const to = reader.u48() as Revision;
  return { to, sessionTier: reader.u8(), text: reader.blob().toString() };
}

/** A named revision that is kept. */
export interface CheckpointRecord {
  readonly at: Revision;
  /** When the name was given, and by whom. */
  readonly time: Time;
  readonly actor: ActorId;
}

export const encodeCheckpoint = (record: CheckpointRecord): Buffer =>
  scratch.reset().u48(record.at).time(record.time).u32(record.actor).view();

export function decodeCheckpoint(value: Uint8Array): CheckpointRecord {
  const reader = new ByteReader(value);
  const at = reader.u48() as Revision;
  return { at, time: reader.time(), actor: reader.u32() as ActorId };
}

/** A named reason why something may not expire. */
export interface HoldRecord {
  readonly reason: string;
  /** 0: the whole session. */
  readonly ino: Ino | 0;
  /** 0: all revisions. */
  readonly revision: Revision | 0;
  /** As it was given. */
  readonly path: string;
  readonly time: Time;
  readonly actor: ActorId;
}

export function encodeHold(record: HoldRecord): Buffer {
  scratch.reset().blob(Buffer.from(record.reason)).u48(record.ino).u48(record.revision);
  scratch.blob(Buffer.from(record.path)).time(record.time).u32(record.actor);
  return scratch.view();
}

export function decodeHold(value: Uint8Array): HoldRecord {
  const reader = new ByteReader(value);
  const reason = reader.blob().toString();
  const ino = reader.u48() as Ino;
  const revision = reader.u48() as Revision;
  const path = reader.blob().toString();
  return { reason, ino, revision, path, time: reader.time(), actor: reader.u32() as ActorId };
}

/** The definition of a promise. */
export const encodeDefinition = (text: string): Buffer =>
  scratch.reset().blob(Buffer.from(text)).view();

export const decodeDefinition = (value: Uint8Array): string =>
  new ByteReader(value).blob().toString();

/** The tier that an inode had until a revision. */
export const encodePastTier = (tier: number): Buffer => scratch.reset().u8(tier).view();

export const decodePastTier = (value: Uint8Array): number => new ByteReader(value).u8();

/** Where the record of a purge is, and what the audit chain was after it. */
export interface PurgeRecord {
  readonly pos: LogPos;
  readonly time: Time;
  readonly actor: ActorId;
  /** SHA-256 as hex. */
  readonly digest: string;
  readonly versions: number;
  readonly bytes: number;
}

export function encodePurgeRecord(record: PurgeRecord): Buffer {
  scratch.reset().i53(record.pos).time(record.time).u32(record.actor).string(record.digest);
  return scratch.u32(record.versions).i53(record.bytes).view();
}

export function decodePurgeRecord(value: Uint8Array): PurgeRecord {
  const reader = new ByteReader(value);
  const pos = reader.i53() as LogPos;
  const time = reader.time();
  const actor = reader.u32() as ActorId;
  return { pos, time, actor, digest: reader.string(), versions: reader.u32(), bytes: reader.i53() };
}
