/**
 * Years of work on a volume with real content, with sweeps now and then: at each of them exactly what was
 * promised is there, with its bytes, and the rest says that it was removed.
 *
 * SESSFS_RETENTION_SEED, SESSFS_RETENTION_DAYS and SESSFS_RETENTION_STEPS (at most, on a day) repeat or
 * lengthen a run; they are printed.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { DAY_MS, HOUR_MS } from './ladders.ts';
import { World } from './world.ts';
import { Workload } from './workload.ts';

const SEED = Number(process.env['SESSFS_RETENTION_SEED'] ?? 1);
const DAYS = Number(process.env['SESSFS_RETENTION_DAYS'] ?? 365 * 3);
const STEPS = Number(process.env['SESSFS_RETENTION_STEPS'] ?? 2);

// What a volume does by itself after a while, it does here when it is told to.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

test('three years of work: what is promised is there on each day, and nothing else', async () => {
  console.log(
    `SESSFS_RETENTION_SEED=${SEED} SESSFS_RETENTION_DAYS=${DAYS} SESSFS_RETENTION_STEPS=${STEPS}`,
  );
  const world = await World.make();
  const work = new Workload(world, SEED);
  try {
    await live(world, work);
  } catch (error) {
    const told = work.told.slice(-40).join('\n');
    throw new Error(`${told}\n${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  expect(world.chronicle.purges).toBeGreaterThan(DAYS / 25);
  console.log(JSON.stringify(work.counts));
}, 3_600_000);

async function live(world: World, work: Workload): Promise<void> {
  let sweeps = 0;
  for (let day = 0; day < DAYS; day++) {
    if (world.sessionEndedMs !== undefined && work.random() < 0.03) {
      world.sessionEndedMs = undefined;
      work.tell('the session goes on');
    }
    const isActive = world.sessionEndedMs === undefined;
    await work.day(isActive ? work.below(STEPS + 1) : 0);
    world.volume.cuts.cutOld();
    if (isActive && work.random() < 0.006) {
      world.sessionEndedMs = world.nowMs;
      work.tell('the session ends');
    }
    if (work.random() < 0.03) {
      // Nobody was there.
      world.pass(work.below(40) * DAY_MS);
    }
    if (work.random() < 0.65) continue;
    world.pass(work.below(5) * HOUR_MS);
    const report = await world.sweep();
    work.tell(`sweep: ${report.versions} versions, horizon r${world.volume.state.horizon}`);
    sweeps += 1;
    if (work.random() < 0.1) await world.sweep();
    await check(world, work, sweeps);
  }
}

async function check(world: World, work: Workload, sweeps: number): Promise<void> {
  const sample = work.below(20);
  await world.compareContents((thing) => thing.ino % 20 === sample);
  if (sweeps % 5 === 0) await world.recount();
  if (sweeps % 10 === 0) await world.compareMoments(world.listMoments(3, work.random));
  if (sweeps % 30 === 0) await world.compareContents();
  if (sweeps % 40 === 0) await world.compareCopy({ withIndex: sweeps % 80 === 0 });
  if (sweeps % 45 === 0) await world.cutLog(work.random);
  if (sweeps % 60 === 0) {
    await world.reopen();
    work.tell('opened again');
  }
}
