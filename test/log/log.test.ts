/**
 * The log on a disk that works: what was appended is read, replayed and scanned as it was.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';

import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';

import type { ActorId, LogPos, Revision } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { Log } from '../../src/log/log.ts';
import { DATA_CHUNK_BYTES, PAYLOAD_MAX_BYTES } from '../../src/log/record.ts';
import {
  DIR,
  VOLUME,
  appendOne,
  appendRecords,
  dataOf,
  openLog,
  revisionsOf,
  timeOf,
  toSeen,
  upTo,
} from './fixture.ts';
import type { Seen } from './fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

function failToApply(): void {
  throw new RangeError('a bug');
}

async function scanAll(log: Log, from: LogPos, to?: LogPos): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const record of log.scan(from, to)) seen.push(toSeen(record));
  return seen;
}

describe('Log.append', () => {
  test('gives the place of the data, which reads back as it was', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 20_000 }), (data) => {
        const pos = appendOne(log, log.lastRevision + 1, data);
        const into = Buffer.alloc(data.length + 3);
        log.readSync(pos, into, 3, data.length);
        expect(into.subarray(3)).toEqual(Buffer.from(data));
      }),
      { numRuns: 50 },
    );
    await log.close();
  });

  test('gives the place of the record when there is no data', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true });
    const head = log.head;
    expect(appendOne(log, 1)).toBe(head);
    expect(log.recordPos).toBe(head);
    expect(appendOne(log, 2, Buffer.alloc(0))).toBe(log.recordPos);
    await log.close();
  });

  test('tells the checksum of each chunk of the data', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true });
    const data = dataOf(1, 2 * DATA_CHUNK_BYTES + 5);
    appendOne(log, 1, data);
    expect(log.chunkCrcs).toEqual([
      crc32(data.subarray(0, DATA_CHUNK_BYTES)),
      crc32(data.subarray(DATA_CHUNK_BYTES, 2 * DATA_CHUNK_BYTES)),
      crc32(data.subarray(2 * DATA_CHUNK_BYTES)),
    ]);
    appendOne(log, 2);
    expect(log.chunkCrcs).toEqual([]);
    await log.close();
  });

  test('never goes back in time', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    const header = { unique: 0, actor: 0 as ActorId, type: 1 };
    const none = Buffer.alloc(0);
    log.append({ ...header, revision: 1 as Revision, time: { sec: 2000, nsec: 5 } }, none, 0);
    log.append({ ...header, revision: 2 as Revision, time: { sec: 2000, nsec: 4 } }, none, 0);
    expect(log.lastTime).toEqual({ sec: 2000, nsec: 5 });
    await log.close();
    const again = await openLog(disk);
    expect(again.log.lastTime).toEqual({ sec: 2000, nsec: 5 });
    await again.log.close();
  });

  test('writes only the first bytes of the payload, as many as it was told', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    const header = { unique: 0, actor: 0 as ActorId, type: 1, time: timeOf(1) };
    log.append({ ...header, revision: 1 as Revision }, Buffer.from('abcdef'), 3);
    expect((await scanAll(log, 0 as LogPos)).map((each) => each.payload)).toEqual(['abc']);
    await log.close();
  });

  test('refuses a record that is too large, and goes on', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true });
    const header = { unique: 0, actor: 0 as ActorId, type: 1, time: timeOf(1) };
    const before = log.head;
    expect(() =>
      log.append({ ...header, revision: 1 as Revision }, Buffer.alloc(1), PAYLOAD_MAX_BYTES + 1),
    ).toThrow(expect.objectContaining({ errno: Errno.EFBIG }));
    expect(log.head).toBe(before);
    appendOne(log, 1);
    expect(log.lastRevision).toBe(1);
    await log.close();
  });
});

describe('Log.open', () => {
  test('replays every record in order, from the first or from any head', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 1000 });
    const heads: LogPos[] = [log.head];
    for (const revision of upTo(40)) {
      appendOne(log, revision, revision % 3 === 0 ? dataOf(revision, revision * 20) : undefined);
      heads.push(log.head);
    }
    expect(log.segments().length).toBeGreaterThan(5);
    await log.close();
    for (const [applied, from] of heads.entries()) {
      const { log: again, seen } = await openLog(disk, { from });
      expect(revisionsOf(seen)).toEqual(upTo(40, applied + 1));
      expect(again.lastRevision).toBe(40);
      expect(again.lastTime).toEqual(timeOf(40));
      expect(again.head).toBe(heads.at(-1));
      await again.close();
    }
  });

  test('goes on where the last process stopped', async () => {
    const disk = new MemoryDisk();
    for (const round of [0, 1, 2, 3]) {
      const { log, seen } = await openLog(disk, { create: true, segmentBytes: 700 });
      expect(revisionsOf(seen)).toEqual(upTo(round * 5));
      appendRecords(log, { first: round * 5 + 1, last: round * 5 + 5, dataBytes: 50 });
      await log.close();
    }
    expect(disk.openCount).toBe(0);
  });

  test('makes no log unless it is told to', async () => {
    await expect(openLog(new MemoryDisk())).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
  });

  test('refuses a place where no record ends', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendRecords(log, { first: 1, last: 3 });
    const head = log.head;
    await log.close();
    for (const from of [head - 1, head + 1, head + 2 ** 32, 200] as LogPos[]) {
      await expect(openLog(disk, { from })).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
    }
    expect(disk.openCount).toBe(0);
  });

  test('lets go of every file when what replays fails', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendRecords(log, { first: 1, last: 3 });
    await log.close();
    await expect(openLog(disk, { onRecord: failToApply })).rejects.toThrow('a bug');
    expect(disk.openCount).toBe(0);
  });
});

describe('segments', () => {
  test('are sealed when the next record does not fit, and a larger one has its own', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 1000 });
    appendOne(log, 1);
    appendOne(log, 2, dataOf(2, 5000));
    appendOne(log, 3);
    expect(log.segments().map(({ sealed, bytes }) => [sealed, bytes > 1000])).toEqual([
      [true, false],
      [true, true],
      [false, false],
    ]);
    expect(log.bytes).toBe(log.segments().reduce((sum, { bytes }) => sum + bytes, 0));
    await log.close();
    const { log: again, seen } = await openLog(disk);
    expect(revisionsOf(seen)).toEqual([1, 2, 3]);
    expect(again.bytes).toBe(log.bytes);
    await again.close();
  });

  test('fill up before the next one begins', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true, segmentBytes: 2000 });
    appendRecords(log, { first: 1, last: 100 });
    for (const { sealed, bytes } of log.segments()) {
      expect(bytes).toBeGreaterThan(sealed ? 1900 : 0);
      expect(bytes).toBeLessThanOrEqual(2000);
    }
    await log.close();
  });
});

describe('Log.scan', () => {
  test('gives the records between any two places', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true, segmentBytes: 500 });
    const positions = appendRecords(log, { first: 1, last: 30, dataBytes: 20 });
    const all = await scanAll(log, 0 as LogPos);
    expect(revisionsOf(all)).toEqual(upTo(30));
    for (const [a, from] of positions.entries()) {
      expect(revisionsOf(await scanAll(log, from))).toEqual(upTo(30, a + 1));
      const to = positions[a + 5];
      const last = to === undefined ? 30 : a + 5;
      expect(revisionsOf(await scanAll(log, from, to))).toEqual(upTo(last, a + 1));
    }
    await log.close();
  });

  test('refuses a record that does not hold, by file and offset', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    const positions = appendRecords(log, { first: 1, last: 5 });
    const bad = Number(positions[2]);
    disk.flipBit(`${DIR}/00000000.seg`, bad + 60);
    await expect(scanAll(log, 0 as LogPos)).rejects.toThrow(
      new RegExp(`00000000.seg": offset ${bad}: a record whose checksum fails`),
    );
    await log.close();
  });
});

describe('reading data', () => {
  test('fails with EIO beyond the end, asynchronously as well', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true });
    const pos = appendOne(log, 1, dataOf(1, 100));
    expect((await log.read(pos, 100)).equals(dataOf(1, 100))).toBe(true);
    expect(() => log.readSync(pos, Buffer.alloc(101), 0, 101)).toThrow(
      expect.objectContaining({ errno: Errno.EIO }),
    );
    await expect(log.read(pos, 101)).rejects.toMatchObject({ errno: Errno.EIO });
    await expect(log.read((pos + 2 ** 32) as LogPos, 1)).rejects.toMatchObject({
      errno: Errno.EIO,
    });
    await log.close();
  });

  test('works over more segments than are kept open, many at a time', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 200 });
    const places = upTo(80).map((revision) => appendOne(log, revision, dataOf(revision, 100)));
    await log.sync();
    const read = await Promise.all(places.map((pos) => log.read(pos, 100)));
    for (const [index, bytes] of read.entries()) expect(bytes).toEqual(dataOf(index + 1, 100));
    const into = Buffer.alloc(100);
    for (const [index, pos] of places.entries()) {
      log.readSync(pos, into, 0, 100);
      expect(into).toEqual(dataOf(index + 1, 100));
    }
    expect(disk.openCount).toBeLessThanOrEqual(34);
    await log.close();
    expect(disk.openCount).toBe(0);
  });
});

describe('a log on a real disk', () => {
  const made: string[] = [];
  afterEach(() => {
    for (const dir of made.splice(0)) fs.rmSync(dir, { recursive: true });
  });

  test('costs less than 1 MiB when it is new, and keeps what it is given', async () => {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sessfs-log-'));
    made.push(root);
    const dir = path.join(root, 'volume', 'log');
    const base = { dir, volumeId: VOLUME, clock: { now: () => timeOf(0) }, segmentBytes: 300_000 };
    const log = await Log.open({ ...base, create: true, onRecord: () => {} });
    const used = fs.readdirSync(dir).map((name) => fs.statSync(path.join(dir, name)).blocks * 512);
    expect(used.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(1024 * 1024);
    const places = upTo(20).map((revision) => appendOne(log, revision, dataOf(revision, 200_000)));
    await log.close();
    const seen: Seen[] = [];
    const again = await Log.open({
      ...base,
      onRecord: (record) => {
        seen.push(toSeen(record));
      },
    });
    expect(revisionsOf(seen)).toEqual(upTo(20));
    for (const [index, pos] of places.entries()) {
      expect((await again.read(pos, 200_000)).equals(dataOf(index + 1, 200_000))).toBe(true);
    }
    await again.close();
    expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
    expect(fs.statSync(path.join(dir, '00000000.seg')).mode & 0o777).toBe(0o600);
  });
});
