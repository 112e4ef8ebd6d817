/**
 * What retention keeps is what the cleaner keeps: no byte that a version or moment needs is given up, and
 * nothing else stays.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { findLiveness } from '../../src/retention/liveness.ts';
import { RangeList } from '../../src/retention/range-list.ts';
import { offsetOf, segmentOf } from '../../src/log/segment.ts';
import type { LogPos, SegmentId } from '../../src/shared/brands.ts';
import { makeCleaner } from './packing.ts';
import { World } from './world.ts';
import { Workload } from './workload.ts';

const SEED = Number(process.env['SESSFS_RETENTION_SEED'] ?? 7);
const ROUNDS = Number(process.env['SESSFS_RETENTION_ROUNDS'] ?? 25);

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** What contents that are there need of the log, against what liveness says. */
async function compareLiveness(world: World): Promise<void> {
  const needed = new Map<SegmentId, RangeList>();
  for (const { pos, end } of await world.listNeeded()) {
    const id = segmentOf(pos as LogPos);
    const list = needed.get(id) ?? new RangeList();
    needed.set(id, list);
    list.add(offsetOf(pos as LogPos), offsetOf(pos as LogPos) + end - pos);
  }
  const { all } = await findLiveness(world.volume);
  expect(tell(all)).toEqual(tell(needed));
}

const tell = (lists: ReadonlyMap<SegmentId, RangeList>): (readonly [number, readonly number[]])[] =>
  [...lists].map(([id, list]) => [id, [...list.bounds]] as const).toSorted(([a], [b]) => a - b);

test('after each sweep exactly what is kept is alive', async () => {
  const world = await World.make({ segmentBytes: 1 << 20 });
  const work = new Workload(world, SEED);
  for (let round = 0; round < ROUNDS; round++) {
    for (let day = 0; day < 1 + work.below(20); day++) await work.day(work.below(5));
    await world.sweep();
    await compareLiveness(world);
  }
  expect(world.chronicle.purges).toBeGreaterThan(ROUNDS / 4);
});

test('with real packing between sweeps every byte that is kept is there', async () => {
  console.log(`SESSFS_RETENTION_SEED=${SEED} SESSFS_RETENTION_ROUNDS=${ROUNDS}`);
  const world = await World.make({ segmentBytes: 1 << 20 });
  const totals = { missingBytes: 0, segments: 0 };
  world.makeCleaner = (volume) => makeCleaner(volume, totals);
  const work = new Workload(world, SEED + 1);
  for (let round = 0; round < ROUNDS; round++) {
    for (let day = 0; day < 1 + work.below(20); day++) await work.day(work.below(5));
    await world.sweep();
    await world.compareContents();
    if (round % 6 === 0) await world.compareMoments(world.listMoments(2, work.random));
    if (round % 12 === 5) await world.compareCopy({ withIndex: false });
    if (round % 12 === 11) await world.reopen();
  }
  expect(totals.missingBytes).toBe(0);
  expect(totals.segments).toBeGreaterThan(ROUNDS / 2);
});
