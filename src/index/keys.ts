/**
 * The keys of the index: one prefix byte a key space, then numbers big-endian, so that order is meaning.
 *
 * What is live has one key; what was superseded at revision `to` has a key that ends in `to`. The value
 * says from which revision it held. "As of revision N" is therefore one seek: the first key with to > N.
 * Layouts: FORMAT.md. Every function here writes into one shared writer; the result is valid until the
 * next call.
 */

import type { ActorId, Ino, Name, PromiseId, Revision } from '../shared/brands.ts';
import { ByteWriter } from '../shared/bytes.ts';
import type { Time } from '../shared/time.ts';

export const Space = {
  INODE: 0x69,
  INODE_HISTORY: 0x49,
  DENTRY: 0x64,
  DENTRY_HISTORY: 0x44,
  REGION: 0x65,
  REGION_HISTORY: 0x45,
  VERSION: 0x76,
  TIME: 0x74,
  ACTOR: 0x61,
  HASH: 0x78,
  TIER_HISTORY: 0x54,
  PROMISED: 0x70,
  PURGE: 0x75,
  BATCH: 0x6e,
  META: 0x6d,
} as const;

const writer = new ByteWriter(1024);

const start = (space: number): ByteWriter => writer.reset().u8(space);

export const inodeKey = (ino: Ino): Buffer => start(Space.INODE).u48be(ino).view();

export const inodeHistoryKey = (ino: Ino, to: number): Buffer =>
  start(Space.INODE_HISTORY).u48be(ino).u48be(to).view();

export const dentryKey = (parent: Ino, hash: number, name: string): Buffer =>
  start(Space.DENTRY).u48be(parent).u48be(hash).latin1(name).view();

/** NUL ends the name: no name has one, so that a name's history is contiguous. */
export const dentryHistoryKey = (parent: Ino, name: string, to: number): Buffer =>
  start(Space.DENTRY_HISTORY).u48be(parent).latin1(name).u8(0).u48be(to).view();

export const dentryHistoryDirKey = (parent: Ino): Buffer =>
  start(Space.DENTRY_HISTORY).u48be(parent).view();

export const regionKey = (ino: Ino, region: number): Buffer =>
  start(Space.REGION).u48be(ino).u32be(region).view();

/** @param sequence Tells apart what one revision removed from a region in several steps. */
export const regionHistoryKey = (ino: Ino, region: number, to: number, sequence: number): Buffer =>
  start(Space.REGION_HISTORY).u48be(ino).u32be(region).u48be(to).u32be(sequence).view();

/** Prefix, ino; region; to; sequence. */
export const regionOfHistoryKey = (key: Buffer): number => key.readUInt32BE(1 + 6);
export const revisionOfHistoryKey = (key: Buffer): number => key.readUIntBE(1 + 6 + 4, 6);

export const versionKey = (ino: Ino, revision: Revision | number): Buffer =>
  start(Space.VERSION).u48be(ino).u48be(revision).view();

export const timeKey = (time: Time): Buffer =>
  start(Space.TIME).u48be(Math.max(0, time.sec)).u32be(time.nsec).view();

export const actorKey = (id: ActorId): Buffer => start(Space.ACTOR).u32be(id).view();

export const hashKey = (ino: Ino, revision: Revision): Buffer =>
  start(Space.HASH).u48be(ino).u48be(revision).view();

export const tierHistoryKey = (ino: Ino, to: number): Buffer =>
  start(Space.TIER_HISTORY).u48be(ino).u48be(to).view();

/** What is promised in the volume as a whole: one small range, read when it is opened. */
export const Promised = {
  DEFINITION: 0x64,
  POLICY: 0x70,
  CHECKPOINT: 0x63,
  HOLD: 0x68,
  RELEASED: 0x72,
} as const;

export const definitionKey = (id: PromiseId): Buffer =>
  start(Space.PROMISED).u8(Promised.DEFINITION).u32be(id).view();

export const policyKey = (since: Revision): Buffer =>
  start(Space.PROMISED).u8(Promised.POLICY).u48be(since).view();

/** @param kind Promised.CHECKPOINT or HOLD. */
export const promisedNameKey = (kind: number, name: string): Buffer =>
  start(Space.PROMISED).u8(kind).latin1(name).view();

/** @param at The revision of the release. */
export const releasedKey = (at: Revision): Buffer =>
  start(Space.PROMISED).u8(Promised.RELEASED).u48be(at).view();

export const purgeKey = (revision: Revision | number): Buffer =>
  start(Space.PURGE).u48be(revision).view();

/** Of the last batch that was written: see FORMAT.md, «Batches». */
export const batchKey = (number: number): Buffer => start(Space.BATCH).u48be(number).view();

export const metaKey = (name: string): Buffer => start(Space.META).latin1(name).view();

/** The first key after every key with this prefix. */
export function prefixEnd(prefix: Uint8Array): Buffer {
  const end = Buffer.from(prefix);
  for (let index = end.length - 1; index >= 0; index--) {
    const byte = end[index] as number;
    if (byte < 0xff) {
      end[index] = byte + 1;
      return end.subarray(0, index + 1);
    }
  }
  return Buffer.from([0xff]);
}

/**
 * A name's place in its directory's order: 48 bits, stable, well spread.
 *
 * Directories are read in this order, so that a cookie means the same place for ever, also when the
 * server was replaced in the middle of a listing (as the hash order of ext4).
 */
export function hashName(name: Name | string): number {
  let a = 0x811c9dc5;
  let b = 0x41c6ce57;
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a, 0x85ebca6b);
  b = Math.imul(b, 0xc2b2ae35);
  return ((a ^ (a >>> 16)) >>> 0) * 0x10000 + ((b ^ (b >>> 15)) & 0xffff);
}
