/**
 * What holds for every history: the order of sweeps does not matter, extending extends, and a dry run tells
 * what a run removes.
 */

import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { readAudit } from '../../src/retention/audit.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import type { SweepReport } from '../../src/retention/sweeper.ts';
import type { ActorId, Ino, Name, Revision } from '../../src/shared/brands.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import { Desk } from '../volume/desk.ts';
import { DAY_MS, DESIGN_POLICY, HOUR_MS, STRICT_POLICY } from './ladders.ts';
import { World } from './world.ts';
import { Workload } from './workload.ts';

const RUNS = Number(process.env['SESSFS_RETENTION_RUNS'] ?? 8);
const SEED = Number(process.env['SESSFS_RETENTION_SEED'] ?? 11);
const ACTOR = 1 as ActorId;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

interface History {
  readonly seed: number;
  readonly days: number;
}

const histories = fc.record({ seed: fc.nat(1_000_000), days: fc.integer({ min: 1, max: 25 }) });

const check = <T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => Promise<void>): Promise<void> =>
  fc.assert(fc.asyncProperty(arbitrary, holds), { numRuns: RUNS, seed: SEED, endOnFailure: true });

/** The same work every time, with nothing that comes after it. */
async function play({ seed, days }: History): Promise<World> {
  const world = await World.make();
  const work = new Workload(world, seed, { without: ['policy', 'rollbackTree'] });
  for (let day = 0; day < days; day++) await work.day(work.below(8));
  return world;
}

/** Each version and content that can be read. */
async function listReadable({ chronicle, desk }: World): Promise<string[]> {
  const readable: string[] = [];
  for (const thing of chronicle.things.values()) {
    for (const { revision, bytes } of thing.isFile ? thing.held : []) {
      if (bytes.length === 0) continue;
      const { ino } = thing;
      const read = await desk.history
        .read(ino, revision as Revision, 0, bytes.length)
        .catch(() => undefined);
      if (read !== undefined) readable.push(`${ino} r${revision} ${read.equals(bytes)}`);
    }
    const lineage = await desk.history.findLineage(ROOT_INO);
    if (thing.place.parent !== ROOT_INO) continue;
    const found = await desk.history.findFileHistory(lineage, thing.place.name);
    for (const { ino, revision } of found?.versions ?? []) readable.push(`${ino} v${revision}`);
  }
  return [...new Set(readable)].toSorted();
}

async function run(world: World, isApplied: boolean): Promise<SweepReport> {
  const { volume, desk, nowMs, sessionEndedMs } = world;
  return new Sweeper(volume, desk.history, undefined).run({
    nowMs,
    sessionEndedMs,
    isApplied,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
  });
}

test('sweeping earlier, too, makes no difference', async () => {
  const times = fc.array(fc.integer({ min: 0, max: 70 }), { minLength: 1, maxLength: 4 });
  await check(fc.tuple(histories, times), async ([history, days]) => {
    const readable: string[][] = [];
    for (const isSweptEarlier of [true, false]) {
      const world = await play(history);
      const startMs = world.nowMs;
      const sorted = days.toSorted((a, b) => a - b);
      for (const [at, day] of sorted.entries()) {
        world.desk.clock.ms = startMs + day * DAY_MS;
        if (isSweptEarlier || at === sorted.length - 1) await run(world, true);
      }
      readable.push(await listReadable(world));
      await world.recount();
      await world.desk.leave();
    }
    expect(readable[0]).toEqual(readable[1]);
    expect(readable[0]?.filter((told) => told.endsWith('false'))).toEqual([]);
  });
});

const EXTENSIONS: Record<string, (world: World) => unknown> = {
  'a better tier of the session': ({ pledges }) => pledges.setSessionTier('permanent', ACTOR),
  'a better tier of all files': ({ pledges }) =>
    pledges.setTier(ROOT_INO, 'persistent', { actor: ACTOR, isRecursive: true }),
  'a weaker tier of the session': ({ pledges }) => pledges.setSessionTier('ephemeral', ACTOR),
  'a stricter policy': ({ pledges }) =>
    // The grace is not promised.
    pledges.setPolicy(STRICT_POLICY.text.replace('"grace":"0"', '"grace":"1h"')),
  'a hold': ({ pledges }) =>
    pledges.addHold(
      { name: 'mine', reason: 'law', target: { ino: 0 as Ino, revision: 0, path: '' } as never },
      ACTOR,
    ),
  'a checkpoint': ({ pledges }) => pledges.addCheckpoint('mine', { actor: ACTOR }),
  'a renewal': ({ pledges }) => pledges.renew(ROOT_INO, ACTOR),
};

test.each(Object.keys(EXTENSIONS))('%s never shortens', async (name) => {
  const sweepAt = fc.integer({ min: 1, max: 40 * 24 });
  await check(fc.tuple(histories, sweepAt), async ([history, hours]) => {
    const readable: string[][] = [];
    for (const isExtended of [false, true]) {
      const world = await play(history);
      world.chronicle.allowUnknownPolicies(DESIGN_POLICY);
      if (isExtended) await EXTENSIONS[name]?.(world);
      world.pass(hours * HOUR_MS);
      await run(world, true);
      readable.push(await listReadable(world));
      await world.desk.leave();
    }
    const [without, extended] = readable;
    expect(without?.filter((told) => extended?.includes(told) !== true)).toEqual([]);
  });
});

test('a dry run tells exactly the versions and bytes that a run removes', async () => {
  await check(
    fc.tuple(histories, fc.integer({ min: 1, max: 40 * 24 }), fc.boolean()),
    async ([history, hours, isEnded]) => {
      const world = await play(history);
      if (isEnded) world.sessionEndedMs = world.nowMs;
      world.pass(hours * HOUR_MS);
      const told = await run(world, false);
      const before = world.volume.state.historyBytes;
      const versions = world.volume.state.versions;
      const { revision } = world.volume.state;
      const done = await run(world, true);
      expect([done.versions, done.bytes, done.liveFiles]).toEqual([
        told.versions,
        told.bytes,
        told.liveFiles,
      ]);
      const listed = told.files.flatMap((file) => file.versions.map((v) => v.revision));
      const went: Revision[] = [];
      for await (const entry of readAudit(world.volume)) {
        if (entry.revision <= revision) continue;
        for (const { versions: removed } of entry.event.inodes) {
          went.push(...removed.map((version) => version.revision));
        }
      }
      expect(went.toSorted((a, b) => a - b)).toEqual(listed.toSorted((a, b) => a - b));
      if (isEnded) return;
      expect(versions - world.volume.state.versions).toBe(told.versions);
      expect(before - world.volume.state.historyBytes).toBe(told.bytes);
    },
  );
});

test('the newest version of a live file never goes, nor what is held', async () => {
  await check(histories, async (history) => {
    const world = await play(history);
    const { desk, pledges } = world;
    pledges.setSessionTier('ephemeral', ACTOR);
    desk.save('held', 'one');
    desk.save('held', 'two');
    const target = { ino: desk.ino('held'), revision: 0, path: 'held' } as never;
    pledges.addHold({ name: 'mine', reason: 'law', target }, ACTOR);
    desk.rm('held');
    for (let i = 0; i < 3; i++) {
      world.pass(1000 * DAY_MS);
      await run(world, true);
    }
    expect(await desk.contents('held')).toEqual(['one', 'two']);
    const left = new Set(await listReadable(world));
    for (const { ino, held, cuts, nlink } of world.chronicle.things.values()) {
      const [last, version] = [held.at(-1), cuts.at(-1)];
      if (nlink === 0 || last === undefined || last.bytes.length === 0) continue;
      expect(left).toContain(`${ino} r${last.revision} true`);
      if (version === undefined) continue;
      const content = await desk.history.read(ino, version.revision as Revision, 0, 2_000_000);
      const then = held.findLast(({ revision }) => revision <= version.revision);
      expect(then?.bytes.equals(content)).toBe(true);
    }
  });
});

test('a volume without a policy of its own keeps what it promised when it gets one', async () => {
  const desk = await Desk.open();
  desk.save('f', 'content');
  const sessionEndedMs = desk.clock.ms;
  new Pledges(desk.volume).setPolicy(STRICT_POLICY.text);
  const there: boolean[] = [];
  for (const days of [5, 20, 10]) {
    desk.clock.ms += days * DAY_MS;
    await new Sweeper(desk.volume, desk.history, undefined).run({
      nowMs: desk.clock.ms,
      sessionEndedMs,
      isApplied: true,
      isConfirmed: true,
      isForced: false,
      clockProblem: undefined,
    });
    there.push(desk.volume.state.findDentry(ROOT_INO, 'f' as Name) !== undefined);
  }
  expect(there).toEqual([true, true, false]);
});
