/**
 * What takes room, and what removing would give back, on volumes whose sizes are known.
 */

import { expect, test } from 'vitest';

import { nodeDisk } from '../../src/log/disk.ts';
import { loadZstd } from '../../src/log/zstd.ts';
import { ChunkStore } from '../../src/pack/chunk-store.ts';
import { collectPacks } from '../../src/pack/collect-packs.ts';
import { packSegment } from '../../src/pack/pack-segment.ts';
import { Cleaner } from '../../src/retention/cleaner.ts';
import { findInodesBelow } from '../../src/retention/inodes-below.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import { measureUsage } from '../../src/retention/usage.ts';
import type { Usage, UsageOptions } from '../../src/retention/usage.ts';
import type { ActorId, Ino, Name, Revision } from '../../src/shared/brands.ts';
import { splitPath } from '../../src/shared/names.ts';
import { cloneFileRange } from '../../src/volume/files.ts';
import { Desk, DESK_VOLUME_ID } from '../volume/desk.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const bytes = (length: number, fill = 'a'): Buffer => Buffer.alloc(length, fill);

function measure(desk: Desk, options: Partial<UsageOptions> = {}): Promise<Usage> {
  return measureUsage(desk.volume, {
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    ...options,
  });
}

/** What removing a path with its history would give back. */
async function measureWithout(desk: Desk, path: string): Promise<number> {
  const without = await findInodesBelow(desk.volume, splitPath(path));
  if (without === undefined) throw new Error(`${path} never was`);
  return (await measure(desk, { without })).freedBytes ?? Number.NaN;
}

async function sweep(desk: Desk): Promise<void> {
  await new Sweeper(desk.volume, desk.history, undefined).run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
  });
}

const pace = async (): Promise<void> => undefined;

/** What the worker does, in this thread. */
async function pack(desk: Desk): Promise<void> {
  const { log } = desk.volume;
  const place = { disk: nodeDisk, dir: `${desk.dir}/log`, volumeId: DESK_VOLUME_ID };
  await loadZstd();
  const cleaner = new Cleaner(desk.volume, {
    pack: async (id, alive) => {
      await log.sync();
      const store = ChunkStore.load(place);
      const result = await packSegment({ ...place, id, alive: Array.from(alive), store, pace });
      store.close();
      await log.adoptPacked(id);
      return result;
    },
    collect: (threshold) =>
      collectPacks({
        ...place,
        threshold,
        pace,
        onRewritten: (ids, oldPacks) => log.refreshPacked(ids, oldPacks),
      }),
  });
  await cleaner.clean({ nowMs: desk.clock.ms, isForced: true });
}

function clone(desk: Desk, from: Ino, to: Ino, length: number): void {
  const target = { ino: to, offset: 0, length };
  cloneFileRange(desk.volume, desk.caller, { ino: from, offset: 0 }, target);
}

const actorOf = (desk: Desk): ActorId => desk.caller.actor ?? (0 as ActorId);

test('an empty volume holds nothing, and takes some room', async () => {
  const usage = await measure(await Desk.open());
  expect(usage).toMatchObject({ liveBytes: 0, historyBytes: 0, pinnedBytes: 0 });
  expect(usage).toMatchObject({ reclaimableBytes: 0, inodes: 1, versions: 0 });
  expect(usage.freedBytes).toBeUndefined();
  expect(usage.storedBytes).toBeGreaterThan(0);
});

test('what files hold is live, what they held is history', async () => {
  const desk = await Desk.open();
  desk.save('f', bytes(1000));
  desk.save('f', bytes(300, 'b'));
  desk.save('g', bytes(50));
  const usage = await measure(desk);
  expect(usage).toMatchObject({ liveBytes: 350, historyBytes: 1000, versions: 3, inodes: 3 });
});

test('a file that was overwritten in part shares the rest with its version', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', bytes(1000));
  desk.write(desk.open('f'), bytes(100, 'b'), 400);
  desk.close(ino);
  expect(await measure(desk)).toMatchObject({ liveBytes: 1000, historyBytes: 100 });
});

test('a hole takes no room', async () => {
  const desk = await Desk.open();
  desk.save('f', bytes(10));
  desk.truncate('f', 1 << 30);
  expect(await measure(desk)).toMatchObject({ liveBytes: 10, historyBytes: 0 });
});

test('bytes that two files share count once, and are live as long as one is', async () => {
  const desk = await Desk.open();
  const from = desk.save('f', bytes(1000));
  const to = desk.open('g');
  clone(desk, from, to, 1000);
  desk.close(to);
  expect(desk.volume.state.liveBytes).toBe(2000);
  expect(await measure(desk)).toMatchObject({ liveBytes: 1000, historyBytes: 0 });
  desk.rm('f');
  expect(await measure(desk)).toMatchObject({ liveBytes: 1000, historyBytes: 0 });
  desk.rm('g');
  expect(await measure(desk)).toMatchObject({ liveBytes: 0, historyBytes: 1000 });
});

test('a rollback shares what it brings back', async () => {
  const desk = await Desk.open();
  desk.save('f', bytes(1000));
  const to = desk.volume.state.revision;
  desk.save('f', bytes(300, 'b'));
  await desk.history.rollback({ path: ['f' as Name], to, actor: actorOf(desk) });
  expect(await measure(desk)).toMatchObject({ liveBytes: 1000, historyBytes: 300 });
});

test('a first region that became small again does not count twice', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  for (let at = 0; at < 20; at++) desk.write(ino, bytes(10), at * 5000);
  await desk.volume.flushed();
  desk.close(ino);
  desk.truncate('f', 10);
  await desk.volume.flushed();
  expect(await measure(desk)).toMatchObject({ liveBytes: 10, historyBytes: 190 });
});

test('what only a checkpoint keeps is pinned', async () => {
  const desk = await Desk.open();
  const pledges = new Pledges(desk.volume);
  desk.save('f', bytes(1000));
  await pledges.addCheckpoint('before', { actor: actorOf(desk) });
  desk.save('f', bytes(300, 'b'));
  desk.save('f', bytes(20, 'c'));
  // The tier still keeps all of it.
  expect(await measure(desk)).toMatchObject({ historyBytes: 1300, pinnedBytes: 0 });
  desk.clock.ms += 40 * DAY_MS;
  expect(await measure(desk)).toMatchObject({ historyBytes: 1300, pinnedBytes: 1000 });
  await sweep(desk);
  expect(await measure(desk)).toMatchObject({ historyBytes: 1000, pinnedBytes: 1000 });
  pledges.removeCheckpoint('before', actorOf(desk));
  expect(await measure(desk)).toMatchObject({ historyBytes: 1000, pinnedBytes: 0 });
  // For the grace.
  desk.clock.ms += 3_600_000;
  await sweep(desk);
  expect(await measure(desk)).toMatchObject({ liveBytes: 20, historyBytes: 0 });
});

test('what a hold keeps is pinned once, also if a checkpoint keeps it too', async () => {
  const desk = await Desk.open();
  const pledges = new Pledges(desk.volume);
  desk.save('d', bytes(1000));
  await pledges.addCheckpoint('before', { actor: actorOf(desk) });
  const target = { ino: desk.ino('d'), revision: 0 as Revision, path: 'd' };
  pledges.addHold({ name: 'audit', reason: 'a test', target }, actorOf(desk));
  desk.rm('d');
  desk.clock.ms += 400 * DAY_MS;
  expect(await measure(desk)).toMatchObject({ historyBytes: 1000, pinnedBytes: 1000 });
});

test('what left a directory that is held is pinned as what stayed in it', async () => {
  const desk = await Desk.open();
  const pledges = new Pledges(desk.volume);
  desk.mkdir('d');
  desk.save('d/stays', bytes(1000));
  desk.save('d/leaves', bytes(300));
  desk.save('other', bytes(20));
  const target = { ino: desk.ino('d'), revision: 0 as Revision, path: 'd' };
  pledges.addHold({ name: 'audit', reason: 'a test', target }, actorOf(desk));
  desk.mv('d/leaves', 'leaves');
  for (const path of ['d/stays', 'leaves', 'other']) desk.rm(path);
  desk.clock.ms += 400 * DAY_MS;
  expect(await measure(desk)).toMatchObject({ historyBytes: 1320, pinnedBytes: 1300 });
  await sweep(desk);
  expect(await measure(desk)).toMatchObject({ historyBytes: 1300, pinnedBytes: 1300 });
});

test('a removed tree is history until its promise is over, then reclaimable', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  desk.mkdir('d/e');
  desk.save('d/f', bytes(1000));
  desk.save('d/e/g', bytes(500));
  for (const path of ['d/f', 'd/e/g']) desk.rm(path);
  desk.rmdir('d/e');
  desk.rmdir('d');
  expect(await measure(desk)).toMatchObject({ historyBytes: 1500, reclaimableBytes: 0 });
  desk.clock.ms += 40 * DAY_MS;
  await sweep(desk);
  expect(await measure(desk)).toMatchObject({ historyBytes: 0, reclaimableBytes: 1500 });
});

test('packing gives back what is reclaimable, and nothing else', async () => {
  const desk = await Desk.open();
  desk.save('kept', bytes(2000, 'k'));
  desk.save('gone', bytes(70_000, 'g'));
  desk.rm('gone');
  desk.clock.ms += 40 * DAY_MS;
  await sweep(desk);
  expect(await measure(desk)).toMatchObject({ liveBytes: 2000, reclaimableBytes: 70_000 });
  await pack(desk);
  desk.save('later', bytes(30));
  const usage = await measure(desk);
  expect(usage).toMatchObject({ liveBytes: 2030, historyBytes: 0, reclaimableBytes: 0 });
});

test('what is packed stays reclaimable until it is packed anew', async () => {
  const desk = await Desk.open();
  desk.save('kept', bytes(2000, 'k'));
  desk.save('gone', bytes(70_000, 'g'));
  await pack(desk);
  desk.rm('gone');
  desk.clock.ms += 40 * DAY_MS;
  await sweep(desk);
  expect(await measure(desk)).toMatchObject({ liveBytes: 2000, reclaimableBytes: 70_000 });
  await pack(desk);
  expect(await measure(desk)).toMatchObject({ liveBytes: 2000, reclaimableBytes: 0 });
});

test('a path gives back what nobody shares with it', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  const shared = desk.save('d/shared', bytes(1000));
  desk.save('d/own', bytes(500));
  desk.save('d/own', bytes(30, 'b'));
  const copy = desk.open('copy');
  clone(desk, shared, copy, 600);
  desk.close(copy);
  expect(await measureWithout(desk, 'd')).toBe(500 + 30 + 400);
  expect(await measureWithout(desk, 'd/own')).toBe(530);
  expect(await measureWithout(desk, 'd/shared')).toBe(400);
  expect(await measureWithout(desk, 'copy')).toBe(0);
});

test('a path gives back what was removed from it, and what it replaced', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  desk.save('d/f', bytes(1000));
  desk.save('d/f.tmp', bytes(200));
  desk.mv('d/f.tmp', 'd/f');
  desk.rm('d/f');
  desk.rmdir('d');
  expect(await measureWithout(desk, 'd')).toBe(1200);
  expect(await measureWithout(desk, 'd/f')).toBe(1200);
});

test('what was moved away, or has a name elsewhere, stays', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  desk.mkdir('d/sub');
  desk.save('d/moved', bytes(1000));
  desk.save('d/linked', bytes(200));
  desk.save('d/sub/deep', bytes(40));
  desk.save('d/twice', bytes(7));
  desk.ln('d/twice', 'd/again');
  desk.ln('d/linked', 'linked');
  desk.mv('d/moved', 'moved');
  desk.mv('d/sub', 'sub');
  expect(await measureWithout(desk, 'd')).toBe(7);
  expect(await measureWithout(desk, 'd/twice')).toBe(0);
  expect(await measureWithout(desk, '')).toBe(1247);
});

test('what was removed from a directory after it was moved is not of its old place', async () => {
  const desk = await Desk.open();
  desk.mkdir('a');
  desk.save('a/early', bytes(1000));
  desk.rm('a/early');
  desk.save('a/late', bytes(200));
  desk.mv('a', 'b');
  desk.rm('b/late');
  expect(await measureWithout(desk, 'b')).toBe(1200);
  const below = await findInodesBelow(desk.volume, splitPath('a/late'));
  expect(below).toEqual(await findInodesBelow(desk.volume, splitPath('b/late')));
  desk.rmdir('b');
  desk.mkdir('b');
  expect(await findInodesBelow(desk.volume, splitPath('never'))).toBeUndefined();
});

test('shortening gives back what no other reason keeps', async () => {
  const desk = await Desk.open();
  const pledges = new Pledges(desk.volume);
  desk.save('f', bytes(1000, '1'));
  await pledges.addCheckpoint('first', { actor: actorOf(desk) });
  desk.save('f', bytes(200, '2'));
  desk.clock.ms += 10 * DAY_MS;
  desk.save('f', bytes(30, '3'));
  desk.clock.ms += 10 * DAY_MS;
  desk.save('f', bytes(4, '4'));
  // The daily versions are kept for 30 days.
  expect(await measure(desk, { shortenedToMs: 40 * DAY_MS })).toMatchObject({ freedBytes: 0 });
  expect(await measure(desk, { shortenedToMs: 5 * DAY_MS })).toMatchObject({ freedBytes: 200 });
  desk.clock.ms += 6 * DAY_MS;
  expect(await measure(desk, { shortenedToMs: 5 * DAY_MS })).toMatchObject({ freedBytes: 230 });
});

test('what is written while it is measured does not count', async () => {
  const desk = await Desk.open();
  desk.save('f', bytes(1000));
  let pauses = 0;
  const usage = await measure(desk, {
    pause: async () => {
      pauses += 1;
      desk.save(`other ${pauses}`, bytes(77));
      desk.save('f', bytes(500));
      await desk.volume.flushed();
    },
  });
  expect(pauses).toBeGreaterThan(0);
  expect(usage.liveBytes + usage.historyBytes).toBe(1000);
  expect(usage.reclaimableBytes).toBe(0);
});
