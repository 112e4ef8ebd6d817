/**
 * Values of the index: decoded as they were encoded.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { ActorId, Ino, LogPos, Name, PromiseId, Revision } from '../../src/shared/brands.ts';
import { REGION_BYTES } from '../../src/index/extents.ts';
import {
  InodeRecord,
  decodeActor,
  decodeDentry,
  decodeInode,
  decodeMeta,
  decodePastDentry,
  decodeTimeRecord,
  decodeVersion,
  encodeActor,
  encodeDentry,
  encodeInode,
  encodeInodeHistory,
  encodeMeta,
  encodePastDentry,
  encodeTimeRecord,
  encodeVersion,
} from '../../src/index/records.ts';
import { EPOCH } from '../../src/shared/time.ts';

const u32 = fc.nat(2 ** 31 - 1);
const ino = fc.integer({ min: 1, max: 2 ** 48 - 1 }).map((n) => n as Ino);
const revision = fc.integer({ min: 0, max: 2 ** 48 - 1 }).map((n) => n as Revision);
const actor = u32.map((n) => n as ActorId);
const pos = fc.maxSafeInteger().map((n) => Math.abs(n) as LogPos);
const size = fc.nat(Number.MAX_SAFE_INTEGER);
const time = fc.record({
  sec: fc.integer({ min: -(2 ** 35), max: 2 ** 35 }),
  nsec: fc.nat(999_999_999),
});
const text = fc.uint8Array({ maxLength: 255 }).map((b) => Buffer.from(b).toString('latin1'));
const name = text.map((each) => each as Name);
const piece = fc.record({
  gap: fc.nat(1000),
  length: fc.integer({ min: 1, max: 2 ** 16 }),
  pos,
  skip: fc.nat(100),
  rest: fc.nat(1000),
  crc: u32,
  since: revision,
});

/** Behind one another, as they are in a region. */
const extents = fc.array(piece, { maxLength: 4 }).map((pieces) => {
  let end = 0;
  return pieces.map(({ gap, rest, ...extent }) => {
    const offset = end + gap;
    end = offset + extent.length;
    return { ...extent, offset, chunkLength: extent.skip + extent.length + rest };
  });
});

const attributes = fc.record({
  mode: u32,
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  size,
  atime: time,
  mtime: time,
  ctime: time,
  since: revision,
  contentRevision: revision,
  allocated: size,
  target: fc.option(text, { nil: undefined }),
  tier: fc.nat(4),
  isGone: fc.boolean(),
  xattrs: fc.option(
    fc
      .dictionary(
        text,
        fc.uint8Array({ maxLength: 400 }).map((b) => Buffer.from(b)),
        { maxKeys: 4 },
      )
      .map((each) => new Map(Object.entries(each))),
    { nil: undefined },
  ),
});

const ofLiveOnly = fc.record({
  renewed: fc.option(time, { nil: undefined }),
  isFirstForgotten: fc.boolean(),
  cutRevision: revision,
  cutSize: size,
  extentEnd: size,
  inline: fc.option(extents, { nil: undefined }),
});

const made = fc.record({ ino, born: revision, btime: time, parent: ino, name });

/** Times that are often the same: the encoding leaves those out. */
const sameTimes = fc.record({ a: fc.boolean(), m: fc.boolean(), c: fc.boolean() });

const inodes = fc
  .tuple(made, attributes, ofLiveOnly, sameTimes, fc.array(fc.nat(40), { maxLength: 10 }))
  .map(([start, common, live, same, leaves]) => {
    const inode = new InodeRecord(start.ino, start.born, start.btime, start);
    Object.assign(inode, common, live);
    if (same.a) inode.atime = start.btime;
    if (same.m) inode.mtime = start.btime;
    if (same.c) inode.ctime = inode.mtime;
    for (const leaf of leaves) inode.leaves.add(leaf);
    inode.extentEnd = Math.max(inode.extentEnd, inode.leaves.end * REGION_BYTES);
    return inode;
  });

const plain = (inode: InodeRecord): object => ({
  ...Object.fromEntries(Object.entries(inode)),
  leaves: [...inode.leaves.between(0, 100)],
});

describe('an inode', () => {
  test('is refused when it has regions behind its last extent', () => {
    const inode = new InodeRecord(5 as Ino, 1 as Revision, EPOCH, {
      parent: 1 as Ino,
      name: 'a' as Name,
    });
    inode.extentEnd = REGION_BYTES;
    inode.leaves.add(1);
    expect(() => decodeInode(inode.ino, Buffer.from(encodeInode(inode)))).toThrow(RangeError);
  });

  test('is decoded as it was encoded', () => {
    fc.assert(
      fc.property(inodes, (inode) => {
        expect(plain(decodeInode(inode.ino, Buffer.from(encodeInode(inode))))).toEqual(
          plain(inode),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('of the past has the attributes, and nothing that only the live one has', () => {
    fc.assert(
      fc.property(inodes, (inode) => {
        const past = decodeInode(inode.ino, Buffer.from(encodeInodeHistory(inode)), false);
        const fresh = new InodeRecord(inode.ino, inode.born, inode.btime, inode);
        const { cutRevision, cutSize, extentEnd, inline, leaves, renewed, isFirstForgotten } =
          fresh;
        const live = { cutRevision, cutSize, extentEnd, inline, renewed, isFirstForgotten };
        const wanted = { ...plain(inode), ...live };
        expect(plain(past)).toEqual({ ...wanted, leaves: [...leaves.between(0, 100)] });
      }),
    );
  });

  test('that was just made costs less than 200 bytes', () => {
    const at = { sec: 1_800_000_000, nsec: 5 };
    const place = { parent: 1 as Ino, name: 'a-file-name.txt' as Name };
    const inode = new InodeRecord(5 as Ino, 9 as Revision, at, place);
    expect(encodeInode(inode).length).toBeLessThan(200);
  });
});

describe('other values', () => {
  test('dentries are decoded as they were encoded', () => {
    const dentries = fc.record({ ino, type: fc.nat(0xffff), since: revision });
    fc.assert(
      fc.property(dentries, actor, (dentry, removedBy) => {
        expect(decodeDentry(Buffer.from(encodeDentry(dentry)))).toEqual(dentry);
        const past = decodePastDentry(Buffer.from(encodePastDentry(dentry, removedBy)));
        expect(past).toEqual({ ...dentry, removedBy });
      }),
    );
  });

  test('versions are decoded as they were encoded', () => {
    const versions = fc.record({
      time,
      size,
      mode: u32,
      uid: u32,
      gid: u32,
      mtime: time,
      actor,
      cause: fc.nat(255),
      promise: u32.map((n) => n as PromiseId),
    });
    fc.assert(
      fc.property(versions, (version) => {
        expect(decodeVersion(Buffer.from(encodeVersion(version)))).toEqual(version);
      }),
    );
  });

  test('times and actors are decoded as they were encoded', () => {
    const label = fc.option(text, { nil: undefined });
    const actors = fc.record({
      uid: u32,
      gid: u32,
      pid: u32,
      command: text,
      label,
      identity: label,
    });
    fc.assert(
      fc.property(fc.record({ revision, pos }), actors, (record, each) => {
        expect(decodeTimeRecord(Buffer.from(encodeTimeRecord(record)))).toEqual(record);
        expect(decodeActor(Buffer.from(encodeActor(each)))).toEqual(each);
      }),
    );
  });

  test('an actor of format 1 is read, and has no identity', () => {
    const old = { uid: 1, gid: 2, pid: 3, command: 'sh', label: 'me', identity: undefined };
    const bytes = Buffer.from(encodeActor(old));
    // has identity u8 and its length u16, which it does not have.
    expect(decodeActor(bytes.subarray(0, -3))).toEqual(old);
  });

  test('the state record is decoded as it was encoded, and not when it is of another format', () => {
    const metas = fc.record({
      volumeId: fc.constant('0123456789abcdef0123456789abcdef'),
      applied: revision,
      next: pos,
      answered: pos,
      appliedTime: time,
      nextIno: size,
      nextActor: u32,
      inodes: size,
      liveBytes: size,
      historyBytes: size,
      versions: size,
      horizon: revision,
      horizonTime: time,
      purgeDigest: fc.constantFrom('', 'ab'.repeat(32)),
      uncut: fc.array(fc.record({ ino, actor, since: time }), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(metas, (meta) => {
        const bytes = Buffer.from(encodeMeta(meta));
        expect(decodeMeta(bytes)).toEqual(meta);
        bytes[0] = (bytes[0] ?? 0) ^ 0xff;
        expect(decodeMeta(bytes)).toBeUndefined();
      }),
    );
  });
});
