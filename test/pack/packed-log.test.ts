/**
 * A log with packed segments: everything that is alive reads as before, what is not fails, and records,
 * chain and replay are the same.
 */

import { describe, expect, test } from 'vitest';

import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import type { LogPos, SegmentId } from '../../src/shared/brands.ts';
import type { Log } from '../../src/log/log.ts';
import { offsetOf, segmentOf } from '../../src/log/segment.ts';
import { MemoryDisk } from '../log/memory-disk.ts';
import {
  DIR,
  appendEvent,
  makeRandom,
  openPackLog,
  pack,
  randomBytes,
  rangesIn,
  replayed,
  writeRecord,
} from './fixture.ts';
import type { Written } from './fixture.ts';

/** Some hundred records in segments of 300 KB: files, events without data, data without a file. */
function fill(log: Log, seed: number): Written[] {
  const random = makeRandom(seed);
  const written: Written[] = [];
  for (let i = 0; i < 150; i++) {
    const length = random() % (i % 10 === 0 ? 200_000 : 9000);
    const data = randomBytes(length, i % 3 === 0 ? random() % 4 : random());
    if (i % 7 === 0) appendEvent(log, 3, Buffer.from(`event ${i}`));
    else if (i % 11 === 0) written.push({ pos: appendEvent(log, 9, Buffer.from('x'), data), data });
    else written.push(writeRecord(log, 2 + (random() % 9), data, i));
  }
  return written.filter(({ data }) => data.length > 0);
}

/** Parts of what was written, and what is left. */
function dropSome(written: readonly Written[], seed: number): Written[] {
  const random = makeRandom(seed);
  return written.flatMap(({ pos, data }) => {
    const from = random() % 3 === 0 ? random() % data.length : 0;
    const to = random() % 3 === 0 ? from + (random() % (data.length - from)) : data.length;
    if (random() % 4 === 0 || to === from) return [];
    return [{ pos: (pos + from) as LogPos, data: data.subarray(from, to) }];
  });
}

function errnoOf(action: () => unknown): number | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
  return undefined;
}

async function expectReadable(log: Log, written: readonly Written[]): Promise<void> {
  for (const { pos, data } of written) {
    const into = Buffer.alloc(data.length + 2);
    log.readSync(pos, into, 1, data.length);
    expect(into.subarray(1, -1).equals(data)).toBe(true);
    expect((await log.read(pos, data.length)).equals(data)).toBe(true);
    const half = Math.floor(data.length / 2);
    log.readSync((pos + half) as LogPos, into, 0, data.length - half);
    expect(into.subarray(0, data.length - half).equals(data.subarray(half))).toBe(true);
  }
}

async function recordsOf(log: Log): Promise<string[]> {
  const seen: string[] = [];
  for await (const record of log.scan(0 as LogPos)) {
    seen.push(JSON.stringify({ ...record, payload: record.payload.toString('hex') }));
  }
  return seen;
}

const sealedIds = (log: Log): SegmentId[] =>
  log
    .segments()
    .filter(({ sealed }) => sealed)
    .map(({ id }) => id);

async function packAll(log: Log, disk: MemoryDisk, alive: readonly Written[]): Promise<void> {
  for (const id of sealedIds(log)) {
    const result = await pack(log, disk, { id, alive: rangesIn(id, alive) });
    expect(result.missingBytes).toBe(0);
  }
}

describe('a log with packed segments', () => {
  for (const seed of [1, 2, 3]) {
    test(`reads what is alive, and nothing else (seed ${seed})`, async () => {
      const disk = new MemoryDisk();
      const log = await openPackLog(disk, { create: true, segmentBytes: 300_000 });
      const written = fill(log, seed);
      log.seal();
      const records = await recordsOf(log);
      const { head } = log;
      const alive = dropSome(written, seed);
      await packAll(log, disk, alive);
      expect(disk.list(DIR).filter((name) => name.endsWith('.seg')).length).toBe(1);
      await expectReadable(log, alive);
      expect(await recordsOf(log)).toEqual(records);
      const gone = written.filter((each) =>
        alive.every(
          ({ pos, data }) => each.pos + each.data.length <= pos || each.pos >= pos + data.length,
        ),
      );
      expect(gone.length).toBeGreaterThan(5);
      for (const { pos, data } of gone) {
        expect(errnoOf(() => log.readSync(pos, Buffer.alloc(data.length), 0, data.length))).toBe(
          Errno.EIO,
        );
        await expect(log.read(pos, data.length)).rejects.toThrow('was removed by cleaning');
      }
      await log.close();
      expect(disk.openCount).toBe(0);

      const again = await openPackLog(disk);
      expect(replayed().length).toBe(records.length);
      expect(again.head).toBe(head);
      await expectReadable(again, alive);
      expect(await recordsOf(again)).toEqual(records);
      expect(again.bytes).toBe(again.segments().reduce((sum, { bytes }) => sum + bytes, 0));
      const files = [...disk.files].filter(([name]) => /seg|map|pack/.test(name));
      expect(again.storedBytes).toBe(files.reduce((sum, [, { bytes }]) => sum + bytes.length, 0));

      const less = dropSome(alive, seed + 100);
      await packAll(again, disk, less);
      await expectReadable(again, less);
      expect(await recordsOf(again)).toEqual(records);
      await again.close();
      expect(disk.openCount).toBe(0);
    });
  }

  test('is replayed from any record', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true, segmentBytes: 100_000 });
    fill(log, 4);
    log.seal();
    const ends: LogPos[] = [];
    for await (const record of log.scan(0 as LogPos)) ends.push(record.end);
    await packAll(log, disk, []);
    await log.close();
    for (const [index, from] of ends.entries()) {
      if (index % 9 !== 0) continue;
      const again = await openPackLog(disk, { from });
      expect(replayed().length).toBe(ends.length - index - 1);
      await again.close();
    }
  });

  test('goes on behind a packed segment whose successor a power cut took', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    const written = [writeRecord(log, 2, randomBytes(1000, 1))];
    await log.sync();
    const next = log.seal();
    const id = (next - 1) as SegmentId;
    await pack(log, disk, { id, alive: rangesIn(id, written) });
    disk.kill();
    disk.setBytes(`${DIR}/00000001.seg`, Buffer.alloc(0));
    const again = await openPackLog(disk);
    expect(again.head).toBe(next * 2 ** 32 + 128);
    written.push(writeRecord(again, 2, randomBytes(1000, 2)));
    await again.close();
    const last = await openPackLog(disk);
    expect(replayed().length).toBe(2);
    await expectReadable(last, written);
    await last.close();
  });

  test('tells which segments are packed, and what they take', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    expect(log.seal()).toBe(0);
    const written = writeRecord(log, 2, Buffer.alloc(100_000, 'same'));
    expect(log.seal()).toBe(1);
    expect(log.seal()).toBe(1);
    const id = segmentOf(written.pos);
    const result = await pack(log, disk, { id, alive: rangesIn(id, [written]) });
    expect(result).toMatchObject({ aliveBytes: 100_000, missingBytes: 0 });
    expect(result.newBytes).toBeLessThan(1000);
    expect(log.isPacked(id)).toBe(true);
    const [first, second] = log.segments();
    expect(first).toMatchObject({ isPacked: true, sealed: true, bytes: result.logicalBytes });
    expect(first?.storedBytes).toBe(result.storedBytes);
    expect(second).toMatchObject({ isPacked: false, sealed: false });
    await log.close();
  });

  test('keeps what is left of a packed segment when more is asked for, and says so', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    const { pos, data } = writeRecord(log, 2, randomBytes(50_000, 1));
    log.seal();
    const id = segmentOf(pos);
    const start = offsetOf(pos);
    await pack(log, disk, { id, alive: [start + 10_000, start + 20_000] });
    const result = await pack(log, disk, { id, alive: [start, start + 50_000] });
    expect(result).toMatchObject({ aliveBytes: 10_000, missingBytes: 40_000, newBytes: 0 });
    await expectReadable(log, [
      { pos: (pos + 10_000) as LogPos, data: data.subarray(10_000, 20_000) },
    ]);
    await log.close();
  });

  test('leaves a segment alone whose content is damaged', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    const written = writeRecord(log, 2, randomBytes(50_000, 1));
    log.seal();
    const id = segmentOf(written.pos);
    disk.flipBit(`${DIR}/00000000.seg`, offsetOf(written.pos) + 777);
    const alive = rangesIn(id, [written]);
    await expect(pack(log, disk, { id, alive })).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
    expect(disk.list(DIR).toSorted()).toEqual(['00000000.seg', '00000001.seg', 'synced']);
    await log.close();
    expect(disk.openCount).toBe(0);
  });
});

describe('a reader', () => {
  test('goes on while the segment is packed, packed again, and packed away', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    const written = Array.from({ length: 12 }, (_, i) =>
      writeRecord(log, 2 + i, randomBytes(40_000, i)),
    );
    log.seal();
    const state = { isOver: false };
    const read = async (index: number): Promise<number> => {
      let reads = 0;
      for (; !state.isOver || reads === 0; reads++) {
        const { pos, data } = written[(index + reads) % written.length] ?? { pos: 0, data: index };
        if (typeof data === 'number') throw new Error('nothing was written');
        expect((await log.read(pos as LogPos, data.length)).equals(data)).toBe(true);
      }
      return reads;
    };
    const readers = [0, 4, 8].map(read);
    const scanned = recordsOf(log);
    for (let round = 0; round < 3; round++) {
      await pack(log, disk, { id: 0 as SegmentId, alive: rangesIn(0 as SegmentId, written) });
    }
    state.isOver = true;
    expect(Math.min(...(await Promise.all(readers)))).toBeGreaterThan(0);
    expect((await scanned).length).toBe(12);
    await log.close();
    expect(disk.openCount).toBe(0);
  });
});
