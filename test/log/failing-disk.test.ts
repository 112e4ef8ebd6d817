/**
 * A disk that is full or fails: an append that throws has left nothing, one that returned stays.
 */

import { describe, expect, test } from 'vitest';

import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import type { Log } from '../../src/log/log.ts';
import {
  DIR,
  SEGMENT_0,
  appendOne,
  appendRecords,
  dataOf,
  failureOf,
  openLog,
  revisionsOf,
  upTo,
} from './fixture.ts';
import { MemoryDisk, systemError } from './memory-disk.ts';

/** Takes at most a few bytes at a time. */
class SlowDisk extends MemoryDisk {
  override write(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): number {
    return super.write(fd, buffer, offset, Math.min(length, 11), position);
  }
}

function errnoOf(action: () => unknown): number {
  try {
    action();
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
  return 0;
}

async function seenAfterKill(disk: MemoryDisk): Promise<number[]> {
  disk.kill();
  disk.room = Infinity;
  disk.onCall = () => {};
  const { log, seen } = await openLog(disk);
  await log.close();
  return revisionsOf(seen);
}

describe('a full disk', () => {
  for (const [code, errno] of [
    ['ENOSPC', Errno.ENOSPC],
    ['EDQUOT', Errno.EDQUOT],
  ] as const) {
    test(`fails an append with ${code} and keeps nothing of it, however much had room`, async () => {
      for (let room = 0; room < 56 + 8 + 4 + 40; room += 3) {
        const disk = new MemoryDisk();
        const { log } = await openLog(disk, { create: true });
        appendRecords(log, { first: 1, last: 3 });
        const { head, lastTime } = log;
        const { length } = disk.bytesOf(SEGMENT_0);
        disk.room = room;
        disk.roomError = code;
        expect(errnoOf(() => appendOne(log, 4, dataOf(4, 40)))).toBe(errno);
        expect(log).toMatchObject({ head, lastTime, lastRevision: 3, readOnly: undefined });
        expect(disk.bytesOf(SEGMENT_0).length).toBe(length);
        disk.room = Infinity;
        appendOne(log, 4, dataOf(4, 41));
        expect(await seenAfterKill(disk)).toEqual([1, 2, 3, 4]);
      }
    });
  }

  test('fails an append that needs a new segment, and leaves no file', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    appendRecords(log, { first: 1, last: 2 });
    disk.room = 30;
    expect(errnoOf(() => appendOne(log, 3, dataOf(3, 100)))).toBe(Errno.ENOSPC);
    expect([...disk.files.keys()]).toEqual([SEGMENT_0, `${DIR}/synced`]);
    disk.room = Infinity;
    appendOne(log, 3, dataOf(3, 100));
    expect(log.segments().length).toBe(2);
    expect(await seenAfterKill(disk)).toEqual([1, 2, 3]);
  });

  test('that keeps a begun segment from being removed is gone on with when there is room', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    appendRecords(log, { first: 1, last: 2 });
    disk.room = 30;
    disk.onCall = (call) => {
      if (call === 'remove') throw systemError('EIO', 'unlink');
    };
    expect(errnoOf(() => appendOne(log, 3, dataOf(3, 100)))).toBe(Errno.ENOSPC);
    disk.room = Infinity;
    disk.onCall = () => {};
    appendOne(log, 3, dataOf(3, 100));
    expect(log.segments().length).toBe(2);
    expect(await seenAfterKill(disk)).toEqual([1, 2, 3]);
  });

  test('makes no log, and leaves no file', async () => {
    const disk = new MemoryDisk();
    disk.room = 40;
    expect((await failureOf(openLog(disk, { create: true }))).code).toBe('NO_SPACE');
    expect([...disk.files.keys()]).toEqual([]);
    expect(disk.openCount).toBe(0);
  });
});

describe('short writes', () => {
  test('are gone on with until the record is whole', async () => {
    const disk = new SlowDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 1000 });
    appendRecords(log, { first: 1, last: 4, dataBytes: 300 });
    const big = dataOf(5, 9000);
    const pos = appendOne(log, 5, big);
    expect((await log.read(pos, big.length)).equals(big)).toBe(true);
    expect(await seenAfterKill(disk)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('a failing disk', () => {
  test('makes the log read-only, with a sentence, and it can still be read', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    const pos = appendOne(log, 1, dataOf(1, 10));
    disk.room = 20;
    disk.roomError = 'EIO';
    expect(errnoOf(() => appendOne(log, 2))).toBe(Errno.EIO);
    expect(log.readOnly).toMatch(/^The log takes no more changes: EIO/);
    disk.room = Infinity;
    expect(errnoOf(() => appendOne(log, 2))).toBe(Errno.EIO);
    expect((await log.read(pos, 10)).equals(dataOf(1, 10))).toBe(true);
    await log.close();
    expect(disk.openCount).toBe(0);
    expect(await seenAfterKill(disk)).toEqual([1]);
  });

  test('that cannot take a torn record back makes the log read-only', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    disk.room = 20;
    disk.onCall = (call) => {
      if (call === 'truncate') throw systemError('EIO', 'ftruncate');
    };
    expect(errnoOf(() => appendOne(log, 2))).toBe(Errno.ENOSPC);
    disk.room = Infinity;
    expect(log.readOnly).toContain('take back a torn record');
    expect(errnoOf(() => appendOne(log, 2))).toBe(Errno.EIO);
    expect(await seenAfterKill(disk)).toEqual([1]);
  });

  test('fails every sync from then on, and durable says no more than was', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    await log.sync();
    appendOne(log, 2);
    disk.onCall = (call) => {
      if (call === 'syncData') throw systemError('EIO', 'fdatasync');
    };
    const failures = await Promise.allSettled([log.sync(), log.sync(), log.sync()]);
    for (const failure of failures) {
      expect(failure).toMatchObject({ status: 'rejected', reason: { errno: Errno.EIO } });
    }
    disk.onCall = () => {};
    await expect(log.sync()).rejects.toMatchObject({ errno: Errno.EIO });
    expect(log.durableRevision).toBe(1);
    expect(log.readOnly).toContain('sync the log');
    await log.close();
    expect(disk.openCount).toBe(0);
  });

  test('whose sync failed has those records written again by the next process', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 400 });
    appendRecords(log, { first: 1, last: 4 });
    await log.sync();
    appendRecords(log, { first: 5, last: 12 });
    disk.onCall = (call) => {
      if (call === 'syncData') throw systemError('EIO', 'fdatasync');
    };
    await expect(log.sync()).rejects.toMatchObject({ errno: Errno.EIO });
    disk.onCall = () => {};
    disk.kill();
    // As the kernel has it then: what was written is there to be read, and is taken for clean.
    for (const file of disk.files.values()) file.pending = [];
    const next = await openLog(disk);
    expect(revisionsOf(next.seen)).toEqual(upTo(12));
    await next.log.sync();
    expect(next.log.durableRevision).toBe(12);
    disk.losePower(() => false);
    const last = await openLog(disk);
    expect(revisionsOf(last.seen)).toEqual(upTo(12));
    await last.log.close();
  });

  test('at any one call loses nothing that was acknowledged and adds nothing that was not', async () => {
    for (let failing = 0, isOver = false; !isOver; failing++) {
      const disk = new MemoryDisk();
      let calls = 0;
      disk.onCall = (call) => {
        if (calls++ === failing) throw systemError('EIO', call);
      };
      const acknowledged = await tryLife(disk);
      isOver = calls <= failing;
      expect({ failing, open: disk.openCount }).toEqual({ failing, open: 0 });
      const seen = acknowledged === undefined ? undefined : await seenAfterKill(disk);
      expect({ failing, seen }).toEqual({ failing, seen: acknowledged });
    }
  });
});

/** @returns The revisions that were acknowledged; undefined if the log did not open. */
async function tryLife(disk: MemoryDisk): Promise<number[] | undefined> {
  let log: Log;
  try {
    ({ log } = await openLog(disk, { create: true, segmentBytes: 500 }));
  } catch {
    return undefined;
  }
  let last = 0;
  for (const step of upTo(20)) {
    try {
      appendOne(log, last + 1, step % 4 === 0 ? dataOf(step, 100) : undefined);
      last += 1;
      if (step % 7 === 0) await log.sync();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
    }
  }
  await log.close().catch(() => {});
  return upTo(last);
}
