/**
 * Syncing: shared by those who ask at the same time, and never said to cover more than it does.
 */

import { describe, expect, test } from 'vitest';

import { appendOne, appendRecords, openLog, revisionsOf, timeOf, upTo } from './fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

interface Gate {
  readonly promise: Promise<void>;
  readonly open: () => void;
}

function makeGate(): Gate {
  const opens: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => {
    opens.push(resolve);
  });
  return { promise, open: () => opens[0]?.() };
}

describe('Log.sync', () => {
  test('asks the disk for nothing when there is nothing new', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    await log.sync();
    const { syncs } = disk;
    await Promise.all([log.sync(), log.sync()]);
    expect(disk.syncs).toBe(syncs);
    await log.close();
    expect(disk.syncs).toBe(syncs);
  });

  test('shares one fdatasync between all who come while another is under way', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    const gate = makeGate();
    disk.syncGate = gate.promise;
    const before = disk.syncs;
    const first = log.sync();
    const rest = upTo(10, 2).map((revision) => {
      appendOne(log, revision);
      return log.sync();
    });
    gate.open();
    await first;
    expect(log.durableRevision).toBe(1);
    await Promise.all(rest);
    expect(disk.syncs).toBe(before + 2);
    expect(log.durableRevision).toBe(10);
    expect(log.durableTime).toEqual(timeOf(10));
    await log.close();
  });

  test('covers the name of a segment that the last process made', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    appendRecords(log, { first: 1, last: 2 });
    await log.sync();
    appendRecords(log, { first: 3, last: 3, dataBytes: 200 });
    expect(log.segments().length).toBe(2);
    disk.kill();
    const before = disk.directorySyncs;
    const again = await openLog(disk);
    await again.log.sync();
    expect(disk.directorySyncs).toBe(before + 1);
    await again.log.close();
  });

  test('does not count what was appended while it was under way', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    const gate = makeGate();
    disk.syncGate = gate.promise;
    const sync = log.sync();
    appendOne(log, 2);
    gate.open();
    await sync;
    expect(log.durableRevision).toBe(1);
    disk.losePower(() => false);
    expect(revisionsOf((await openLog(disk)).seen)).toEqual([1]);
  });

  test('covers the segments that were sealed since the last one', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    appendRecords(log, { first: 1, last: 20 });
    expect(log.segments().length).toBeGreaterThan(5);
    await log.sync();
    disk.losePower(() => false);
    expect(revisionsOf((await openLog(disk)).seen)).toEqual(upTo(20));
  });

  test('covers the directory when there are new segments, and only then', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    const before = disk.directorySyncs;
    appendOne(log, 1);
    await log.sync();
    expect(disk.directorySyncs).toBe(before);
    appendRecords(log, { first: 2, last: 12 });
    await log.sync();
    expect(disk.directorySyncs).toBe(before + 1);
    await log.close();
  });

  test('covers a segment that is sealed while it is under way by the next one', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    appendOne(log, 1);
    const gate = makeGate();
    disk.syncGate = gate.promise;
    const first = log.sync();
    appendRecords(log, { first: 2, last: 12 });
    const second = log.sync();
    gate.open();
    await Promise.all([first, second]);
    disk.losePower(() => false);
    expect(revisionsOf((await openLog(disk)).seen)).toEqual(upTo(12));
  });

  test('covers what an earlier process left in the page cache', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true, segmentBytes: 300 });
    appendRecords(log, { first: 1, last: 12 });
    disk.kill();
    const { log: again } = await openLog(disk, { segmentBytes: 300 });
    expect(again.durableRevision).toBe(0);
    await again.sync();
    expect(again.durableRevision).toBe(12);
    disk.losePower(() => false);
    expect(revisionsOf((await openLog(disk)).seen)).toEqual(upTo(12));
  });

  test('comes first when the log is closed, and nothing can be appended after', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    await Promise.all([log.sync(), log.close()]);
    await log.close();
    expect(() => appendOne(log, 2)).toThrow('The log is closed');
    disk.losePower(() => false);
    expect(revisionsOf((await openLog(disk)).seen)).toEqual([1]);
  });
});

describe('Log.syncLagMs', () => {
  test('is 0 when everything is on disk, and grows from the first append that is not', async () => {
    const { log } = await openLog(new MemoryDisk(), { create: true });
    expect(log.syncLagMs).toBe(0);
    appendOne(log, 1);
    const lag = log.syncLagMs;
    expect(lag).toBeGreaterThan(0);
    appendOne(log, 2);
    expect(log.syncLagMs).toBeGreaterThan(lag);
    await log.sync();
    expect(log.syncLagMs).toBe(0);
    await log.close();
  });

  test('counts from what came while a sync was under way, once that is over', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    const gate = makeGate();
    disk.syncGate = gate.promise;
    const sync = log.sync();
    const beforeMs = performance.now();
    appendOne(log, 2);
    const sinceMs = performance.now() - beforeMs;
    expect(log.syncLagMs).toBeGreaterThan(sinceMs);
    gate.open();
    await sync;
    expect(log.syncLagMs).toBeGreaterThan(0);
    expect(log.syncLagMs).toBeLessThanOrEqual(performance.now() - beforeMs);
    await log.sync();
    expect(log.syncLagMs).toBe(0);
    await log.close();
  });
});
