/**
 * The values of the index that tell what is promised, and what was removed: encoded and decoded side by side.
 */

import type { ActorId, Ino, LogPos, Revision } from '../shared/brands.ts';
import { ByteReader, ByteWriter } from '../shared/bytes.ts';
import type { Time } from '../shared/time.ts';
import { Promised } from './keys.ts';

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
  writeCheckpoint(scratch.reset(), record).view();

export const decodeCheckpoint = (value: Uint8Array): CheckpointRecord =>
  readCheckpoint(new ByteReader(value));

const writeCheckpoint = (writer: ByteWriter, record: CheckpointRecord): ByteWriter =>
  writer.u48(record.at).time(record.time).u32(record.actor);

function readCheckpoint(reader: ByteReader): CheckpointRecord {
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

export const encodeHold = (record: HoldRecord): Buffer => writeHold(scratch.reset(), record).view();

export const decodeHold = (value: Uint8Array): HoldRecord => readHold(new ByteReader(value));

function writeHold(writer: ByteWriter, record: HoldRecord): ByteWriter {
  writer.blob(Buffer.from(record.reason)).u48(record.ino).u48(record.revision);
  return writer.blob(Buffer.from(record.path)).time(record.time).u32(record.actor);
}

function readHold(reader: ByteReader): HoldRecord {
  const reason = reader.blob().toString();
  const ino = reader.u48() as Ino;
  const revision = reader.u48() as Revision;
  const path = reader.blob().toString();
  return { reason, ino, revision, path, time: reader.time(), actor: reader.u32() as ActorId };
}

/** A checkpoint that was removed, or a hold that was released: it still counts for the policy's grace. */
export type ReleasedRecord = {
  readonly name: string;
  /** When that was. */
  readonly releasedAt: Time;
} & (
  | { readonly kind: 'checkpoint'; readonly kept: CheckpointRecord }
  | { readonly kind: 'hold'; readonly kept: HoldRecord }
);

export function encodeReleased(record: ReleasedRecord): Buffer {
  const { kind, name, releasedAt, kept } = record;
  scratch.reset().u8(kind === 'checkpoint' ? Promised.CHECKPOINT : Promised.HOLD);
  scratch.string(name).time(releasedAt);
  const writer = kind === 'checkpoint' ? writeCheckpoint(scratch, kept) : writeHold(scratch, kept);
  return writer.view();
}

export function decodeReleased(value: Uint8Array): ReleasedRecord {
  const reader = new ByteReader(value);
  const kind = reader.u8();
  const what = { name: reader.string(), releasedAt: reader.time() };
  return kind === Promised.CHECKPOINT
    ? { ...what, kind: 'checkpoint', kept: readCheckpoint(reader) }
    : { ...what, kind: 'hold', kept: readHold(reader) };
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
