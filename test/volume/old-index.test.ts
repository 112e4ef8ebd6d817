/**
 * A volume whose index knows what its log has lost, and is of an earlier format: it is brought to the one of
 * today, whole or not at all.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { Level } from 'level';
import { describe, expect, test } from 'vitest';

import { EntryCursor, EVERYTHING } from '../../src/index/entry-cursor.ts';
import { encodeExtents } from '../../src/index/extents.ts';
import { Space, timeKey } from '../../src/index/keys.ts';
import {
  decodeInode,
  decodeMeta,
  decodeVersion,
  encodeInode,
  encodeInodeHistory,
  encodeTimeRecord,
  encodeVersion,
} from '../../src/index/records.ts';
import type { InodeRecord } from '../../src/index/records.ts';
import { sealValue, SEAL_BYTES } from '../../src/index/sealed-value.ts';
import { NO_PROMISE } from '../../src/shared/brands.ts';
import type { ActorId, Ino, LogPos, Name } from '../../src/shared/brands.ts';
import { ByteWriter } from '../../src/shared/bytes.ts';
import { compareTime, EPOCH } from '../../src/shared/time.ts';
import { bytesOf, fsck, SEGMENT_BYTES, slotsOf, work } from '../fsck/workplace.ts';
import { Desk } from './desk.ts';

/** As in src/index/records.ts of format 3. */
const Flag = { MTIME: 1, CTIME: 2, ATIME: 4, TARGET: 8, XATTRS: 16, LEAVES: 32, INLINE: 64 };

function encodeInode3(inode: InodeRecord, isLive: boolean): Buffer {
  const writer = new ByteWriter();
  const flags =
    (compareTime(inode.mtime, inode.btime) === 0 ? 0 : Flag.MTIME) |
    (compareTime(inode.ctime, inode.mtime) === 0 ? 0 : Flag.CTIME) |
    (compareTime(inode.atime, inode.btime) === 0 ? 0 : Flag.ATIME) |
    (inode.target === undefined ? 0 : Flag.TARGET) |
    (inode.xattrs === undefined ? 0 : Flag.XATTRS) |
    (isLive && !inode.leaves.isEmpty ? Flag.LEAVES : 0) |
    (isLive && inode.inline !== undefined ? Flag.INLINE : 0);
  writer.u8(flags).u32(inode.mode).u32(inode.nlink).u32(inode.uid).u32(inode.gid).u32(inode.rdev);
  writer.i53(inode.size).time(inode.btime).u48(inode.born).u48(inode.since);
  writer.u48(inode.contentRevision).i53(inode.allocated);
  if (flags & Flag.MTIME) writer.time(inode.mtime);
  if (flags & Flag.CTIME) writer.time(inode.ctime);
  if (flags & Flag.ATIME) writer.time(inode.atime);
  if (inode.target !== undefined) writer.string(inode.target);
  if (inode.xattrs !== undefined) {
    writer.u16(inode.xattrs.size);
    for (const [name, value] of inode.xattrs) writer.string(name).blob(value);
  }
  writer.u48(inode.parent).string(inode.name);
  if (!isLive) return writer.copy();
  writer.u48(inode.cutRevision).i53(inode.cutSize).i53(inode.extentEnd);
  if (flags & Flag.LEAVES) inode.leaves.encode(writer);
  if (inode.inline !== undefined) encodeExtents(writer, inode.inline, 0);
  return writer.copy();
}

function encodeVersion3(value: Buffer): Buffer {
  const version = decodeVersion(value);
  const writer = new ByteWriter();
  writer.time(version.time).i53(version.size).u32(version.mode);
  writer.u32(version.uid).u32(version.gid).time(version.mtime).u32(version.actor);
  return writer.u8(version.cause).copy();
}

function encodeMeta3(value: Buffer): Buffer {
  const meta = decodeMeta(value);
  if (meta === undefined) throw new Error('No state');
  const writer = new ByteWriter();
  writer.u16(3).string(meta.volumeId).u48(meta.applied).i53(meta.next).i53(meta.answered);
  writer.time(meta.appliedTime).i53(meta.nextIno).i53(meta.nextActor).i53(meta.inodes);
  writer.i53(meta.liveBytes).i53(meta.versions).u32(meta.uncut.length);
  for (const file of meta.uncut) writer.u48(file.ino).u32(file.actor).time(file.since);
  return writer.copy();
}

const inoOf = (key: Buffer): Ino => key.readUIntBE(1, 6) as Ino;

function asFormat3(key: Buffer, value: Buffer): Buffer {
  switch (key[0]) {
    case Space.INODE:
      return encodeInode3(decodeInode(inoOf(key), value), true);
    case Space.INODE_HISTORY:
      return encodeInode3(decodeInode(inoOf(key), value, false), false);
    case Space.VERSION:
      return encodeVersion3(value);
    case Space.META:
      return encodeMeta3(value);
    default:
      return value;
  }
}

function asFormat4(key: Buffer, value: Buffer): Buffer {
  if (key[0] !== Space.META) return value;
  const changed = Buffer.from(value);
  changed.writeUInt16LE(4);
  return changed;
}

/** What format 3 does not say. */
function withoutNews(key: Buffer, value: Buffer): Buffer {
  if (key[0] === Space.VERSION) {
    return encodeVersion({ ...decodeVersion(value), promise: NO_PROMISE });
  }
  if (key[0] !== Space.INODE && key[0] !== Space.INODE_HISTORY) return value;
  const isLive = key[0] === Space.INODE;
  const inode = decodeInode(inoOf(key), value, isLive);
  inode.isRestored = false;
  return isLive ? encodeInode(inode) : encodeInodeHistory(inode);
}

type Convert = (key: Buffer, value: Buffer) => Buffer;

/** @param harm Bytes that one value is to have instead, seal and all. */
async function rewriteIndex(dir: string, convert: Convert, harm?: (key: Buffer) => boolean) {
  const db = new Level<Buffer, Buffer>(join(dir, 'index'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  });
  for (const [key, sealed] of await db.iterator().all()) {
    const value = convert(key, sealed.subarray(0, sealed.length - SEAL_BYTES));
    const copy = Buffer.from(sealValue(key, value));
    if (harm?.(key) === true) copy[0] = (copy[0] ?? 0) ^ 1;
    await db.put(key, copy);
  }
  await db.close();
}

const asItIs: Convert = (_key, value) => value;

async function dump(desk: Desk, convert: Convert = asItIs): Promise<Map<string, string>> {
  await desk.volume.flushed();
  const entries = new Map<string, string>();
  const all = new EntryCursor(desk.volume.index, EVERYTHING);
  for (await all.next(); !all.isDone; await all.next()) {
    if (all.key[0] === Space.BATCH) continue;
    entries.set(all.key.toString('hex'), convert(all.key, all.value).toString('hex'));
  }
  return entries;
}

function markIrreplaceable(dir: string): void {
  const text = JSON.stringify({ indexIsIrreplaceable: true }, undefined, 1);
  fs.writeFileSync(join(dir, 'damaged.json'), text);
}

/** A bit of everything that an index of format 3 could say. */
async function fill(desk: Desk): Promise<void> {
  work(desk, 30);
  const spread = desk.open('spread');
  for (let at = 0; at < 20; at++) desk.write(spread, bytesOf(at, 10), at * 500_000);
  desk.close(spread);
  // Written again as it was: the newest version is not the last cut.
  for (let time = 0; time < 2; time++) desk.save('same', 'the same');
  desk.save('same, then other', 'a');
  desk.save('same, then other', 'a');
  await desk.volume.cuts.settled();
  desk.mv('same', 'moved');
  // Of the past that is known of the last cut only.
  desk.write(desk.open('same, then other'), 'not cut');
  desk.save('back', 'one');
  const to = desk.volume.state.revision;
  desk.save('back', 'other');
  const actor = desk.caller.actor ?? (0 as ActorId);
  await desk.history.rollback({ path: ['back' as Name], to, actor });
  await desk.volume.cuts.settled();
  desk.save('last', '1');
}

/** @returns Where it is, and what its index says to whoever opens it. */
async function makeVolume(
  convert = withoutNews,
): Promise<{ dir: string; before: Map<string, string> }> {
  const desk = await Desk.open();
  await fill(desk);
  // Not from the log: gone with an index that is made anew.
  const moment = { revision: desk.volume.state.revision, pos: 0 as LogPos };
  desk.volume.index.put(timeKey(EPOCH), encodeTimeRecord(moment));
  await desk.leave();
  const { dir } = desk;
  markIrreplaceable(dir);
  const copy = fs.mkdtempSync(`${dir}-copy`);
  fs.cpSync(dir, copy, { recursive: true });
  const before = await dump(await Desk.open({ dir: copy }), convert);
  return { dir, before };
}

const index = (dir: string, end = ''): string => join(dir, `index${end}`);

describe('an index that cannot be made anew', () => {
  test('of format 3 is brought to that of today, and the volume goes on', async () => {
    const { dir, before } = await makeVolume();
    await rewriteIndex(dir, asFormat3);
    const desk = await Desk.open({ dir });
    expect(desk.volume.indexProblem).toBeUndefined();
    expect(await dump(desk, withoutNews)).toEqual(before);
    expect(desk.volume.state.historyBytes).toBeGreaterThan(0);
    expect(await desk.contents('moved')).toEqual(['the same']);
    expect(fs.readdirSync(dir).toSorted()).toEqual(['damaged.json', 'index', 'log']);
    desk.save('more', 'more');
    await desk.leave();
    const again = await Desk.open({ dir });
    expect(await again.contents('more')).toEqual(['more']);
  });

  test('of format 4 is brought to that of today', async () => {
    const { dir, before } = await makeVolume(asItIs);
    await rewriteIndex(dir, asFormat4);
    const desk = await Desk.open({ dir });
    expect(await dump(desk)).toEqual(before);
  });

  test.each<[string, (dir: string) => void]>([
    [
      'while it is written',
      (dir) => fs.cpSync(index(dir), index(dir, '.new'), { recursive: true }),
    ],
    [
      'between two renames',
      (dir) => {
        fs.renameSync(index(dir), index(dir, '.old'));
        fs.mkdirSync(index(dir, '.new'));
      },
    ],
  ])('is brought there once more after a kill %s', async (_when, kill) => {
    const { dir, before } = await makeVolume();
    await rewriteIndex(dir, asFormat3);
    kill(dir);
    const desk = await Desk.open({ dir });
    expect(await dump(desk, withoutNews)).toEqual(before);
    expect(fs.readdirSync(dir).toSorted()).toEqual(['damaged.json', 'index', 'log']);
  });

  test('is left as it is if a value of it is damaged', async () => {
    const { dir } = await makeVolume();
    await rewriteIndex(dir, asFormat3, (key) => key[0] === Space.VERSION);
    for (let time = 0; time < 2; time++) {
      await expect(Desk.open({ dir })).rejects.toMatchObject({
        code: 'INDEX_CORRUPT',
        message: expect.stringContaining('its checksum fails'),
      });
    }
    expect(fs.existsSync(index(dir, '.new'))).toBe(false);
  });
});

test('an index of format 3 that follows from the log is made anew', async () => {
  const { dir } = await makeVolume();
  fs.rmSync(join(dir, 'damaged.json'));
  await rewriteIndex(dir, asFormat3);
  const desk = await Desk.open({ dir });
  expect(desk.volume.indexProblem).toContain('another format');
});

test('a check of a volume that was repaired finds its index of format 3 as good as it was', async () => {
  const desk = await Desk.open({ segmentBytes: SEGMENT_BYTES });
  await fill(desk);
  // Both are of the past, which the log still tells of.
  for (const path of ['back', 'moved']) desk.save(path, 'superseded');
  for (let i = 0; i < 30; i++) desk.save('later', bytesOf(i, 4000));
  await desk.leave();
  const { dir } = desk;
  fs.rmSync(slotsOf(dir).at(-2)?.path ?? '');
  await fsck(dir, { repair: true });
  const known = fs.readFileSync(join(dir, 'damaged.json'), 'utf8');
  expect(known).toContain('"indexIsIrreplaceable": true');
  await rewriteIndex(dir, asFormat3);
  const { problems } = await fsck(dir);
  // This log is of today, and says what its versions were promised.
  const isOfToday = /^Index: version .* promise 0, wanted 1$/;
  expect(problems.filter(({ message }) => !isOfToday.test(message))).toEqual([]);
  expect(await (await Desk.open({ dir })).contents('back')).toContain('superseded');
});
