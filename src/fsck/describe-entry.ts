/**
 * Entries of the index in words: what a key stands for, and in which fields two values differ.
 */

import { ByteReader } from '../shared/bytes.ts';
import type { Ino } from '../shared/brands.ts';
import { nameToText } from '../shared/names.ts';
import { Promised, Space } from '../index/keys.ts';
import {
  decodeCheckpoint,
  decodeDefinition,
  decodeHold,
  decodePastTier,
  decodePolicyRecord,
  decodePurgeRecord,
  decodeReleased,
} from '../index/promised-records.ts';
import {
  decodeActor,
  decodeDentry,
  decodeInode,
  decodeMeta,
  decodePastDentry,
  decodeRegion,
  decodeTimeRecord,
  decodeVersion,
} from '../index/records.ts';

/** As a person reads it: `name "a.txt" in directory 1`. */
export function describeKey(key: Buffer): string {
  try {
    return describe(key);
  } catch {
    return `key ${key.toString('hex')}`;
  }
}

function describe(key: Buffer): string {
  const reader = new ByteReader(key);
  switch (reader.u8()) {
    case Space.INODE:
      return `inode ${reader.u48be()}`;
    case Space.INODE_HISTORY:
      return `inode ${reader.u48be()} until r${reader.u48be()}`;
    case Space.DENTRY: {
      const parent = reader.u48be();
      reader.u48be();
      return `name ${quote(reader.latin1(reader.remaining))} in directory ${parent}`;
    }
    case Space.DENTRY_HISTORY: {
      const parent = reader.u48be();
      const name = quote(reader.latin1(reader.remaining - 7));
      reader.u8();
      return `name ${name} in directory ${parent} until r${reader.u48be()}`;
    }
    case Space.REGION:
      return `extents of inode ${reader.u48be()}, region ${reader.u32be()}`;
    case Space.REGION_HISTORY:
      return `extents of inode ${reader.u48be()}, region ${reader.u32be()}, until r${reader.u48be()}`;
    case Space.VERSION: {
      const ino = reader.u48be();
      return `version r${reader.u48be()} of inode ${ino}`;
    }
    case Space.TIME:
      return `time ${reader.u48be()}`;
    case Space.ACTOR:
      return `actor ${reader.u32be()}`;
    case Space.TIER_HISTORY:
      return `tier of inode ${reader.u48be()} until r${reader.u48be()}`;
    case Space.PROMISED:
      return describePromised(reader);
    case Space.PURGE:
      return `purge of r${reader.u48be()}`;
    case Space.META:
      return 'the state record';
    default:
      return `key ${key.toString('hex')}`;
  }
}

function describePromised(reader: ByteReader): string {
  switch (reader.u8()) {
    case Promised.DEFINITION:
      return `promise ${reader.u32be()}`;
    case Promised.POLICY:
      return `policy from r${reader.u48be()}`;
    case Promised.CHECKPOINT:
      return `checkpoint ${quote(reader.latin1(reader.remaining))}`;
    case Promised.RELEASED:
      return `release of r${reader.u48be()}`;
    default:
      return `hold ${quote(reader.latin1(reader.remaining))}`;
  }
}

const quote = (name: string): string => JSON.stringify(nameToText(name));

/** Which fields of two values of one key differ: `size 5, wanted 7`. */
export function describeDifference(key: Buffer, seen: Buffer, wanted: Buffer): string {
  try {
    const before = flatten(decodeValue(key, seen));
    const after = flatten(decodeValue(key, wanted));
    const names = [...new Set([...before.keys(), ...after.keys()])];
    const differing = names.filter((name) => before.get(name) !== after.get(name));
    return differing
      .slice(0, 4)
      .map((name) => `${name} ${before.get(name)}, wanted ${after.get(name)}`)
      .join('; ');
  } catch {
    return 'its value cannot be read';
  }
}

/** @throws {RangeError} If the value is too short. */
export function decodeValue(key: Buffer, value: Buffer): object {
  const reader = new ByteReader(key);
  switch (reader.u8()) {
    case Space.INODE:
      return decodeInode(reader.u48be() as Ino, value);
    case Space.INODE_HISTORY:
      return decodeInode(reader.u48be() as Ino, value, false);
    case Space.DENTRY:
      return decodeDentry(value);
    case Space.DENTRY_HISTORY:
      return decodePastDentry(value);
    case Space.REGION:
    case Space.REGION_HISTORY:
      reader.u48be();
      return { extents: decodeRegion(value, reader.u32be()) };
    case Space.VERSION:
      return decodeVersion(value);
    case Space.TIME:
      return decodeTimeRecord(value);
    case Space.ACTOR:
      return decodeActor(value);
    case Space.TIER_HISTORY:
      return { tier: decodePastTier(value) };
    case Space.PROMISED:
      return decodePromised(reader.u8(), value);
    case Space.PURGE:
      return decodePurgeRecord(value);
    default:
      return decodeMeta(value) ?? {};
  }
}

function decodePromised(kind: number, value: Buffer): object {
  switch (kind) {
    case Promised.DEFINITION:
      return { definition: decodeDefinition(value) };
    case Promised.POLICY:
      return decodePolicyRecord(value);
    case Promised.CHECKPOINT:
      return decodeCheckpoint(value);
    case Promised.RELEASED:
      return decodeReleased(value);
    default:
      return decodeHold(value);
  }
}

function flatten(value: object): Map<string, string> {
  const fields = Object.entries(value).map(([name, field]) => [name, toText(field)] as const);
  return new Map(fields);
}

function toText(field: unknown): string {
  if (field instanceof Map) return JSON.stringify([...field]);
  return JSON.stringify(field) ?? 'none';
}
