/**
 * What usage says that something would give back is what it gives back: random work, then it is really done,
 * and swept.
 */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { findInodesBelow } from '../../src/retention/inodes-below.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import { measureUsage } from '../../src/retention/usage.ts';
import type { Usage } from '../../src/retention/usage.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { ActorId, Ino, Revision } from '../../src/shared/brands.ts';
import { splitPath } from '../../src/shared/names.ts';
import { isDirectory } from '../../src/shared/mode.ts';
import { cloneFileRange } from '../../src/volume/files.ts';
import { findChild } from '../../src/volume/names.ts';
import { Desk } from '../volume/desk.ts';
import { STRICT_POLICY } from './ladders.ts';

const HOUR_MS = 3_600_000;
const YEARS_MS = 10 * 365 * 24 * HOUR_MS;

/** A hold by number alone. */
const NOWHERE = 'nowhere';

const DIRECTORIES = ['gone', 'gone/deep', 'kept'];
const PATH = fc
  .tuple(fc.constantFrom(...DIRECTORIES), fc.constantFrom('a', 'b', 'c'))
  .map(([directory, name]) => `${directory}/${name}`);

const STEP = fc.record({
  kind: fc.constantFrom('save', 'save', 'patch', 'copy', 'move', 'link', 'remove', 'undo'),
  path: PATH,
  other: PATH,
  size: fc.integer({ min: 1, max: 3000 }),
  at: fc.integer({ min: 0, max: 3000 }),
});
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

function exists(desk: Desk, path: string): boolean {
  let ino = ROOT_INO;
  for (const name of splitPath(path)) {
    const inode = findChild(desk.volume, ino, name);
    if (inode === undefined) return false;
    ino = inode.ino;
  }
  return true;
}

async function perform(desk: Desk, { kind, path, other, size, at }: Step): Promise<void> {
  const { volume, caller } = desk;
  if (kind === 'save') {
    desk.save(path, Buffer.alloc(size, size));
  } else if (!exists(desk, path)) {
    // There is nothing to do it with.
  } else if (kind === 'patch') {
    const ino = desk.open(path);
    desk.write(ino, Buffer.alloc(size, at), at);
    desk.close(ino);
  } else if (kind === 'copy') {
    const ino = desk.open(other);
    const target = { ino, offset: at, length: size };
    cloneFileRange(volume, caller, { ino: desk.ino(path), offset: 0 }, target);
    desk.close(ino);
  } else if (kind === 'move') {
    desk.mv(path, other);
  } else if (kind === 'link') {
    if (!exists(desk, other)) desk.ln(path, other);
  } else if (kind === 'remove') {
    desk.rm(path);
  } else {
    const to = volume.state.revision - 3;
    const options = { path: splitPath(path), to: to as Revision, actor: actorOf(desk) };
    // Not every path was there then.
    await desk.history.rollback(options).catch(() => undefined);
  }
}

const actorOf = (desk: Desk): ActorId => desk.caller.actor ?? (0 as ActorId);

const measure = (desk: Desk, without: ReadonlySet<Ino> = new Set()): Promise<Usage> =>
  measureUsage(desk.volume, { nowMs: desk.clock.ms, sessionEndedMs: undefined, without });

const referredIn = ({ liveBytes, historyBytes }: Usage): number => liveBytes + historyBytes;

async function sweep(desk: Desk): Promise<void> {
  await desk.volume.cuts.settled();
  await new Sweeper(desk.volume, desk.history, undefined).run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
  });
}

async function removeAll(desk: Desk, path: string): Promise<void> {
  for (const { name } of await desk.volume.listings.listAll(desk.ino(path))) {
    const below = `${path}/${name}`;
    const inode = findChild(desk.volume, desk.ino(path), name);
    if (inode !== undefined && isDirectory(inode.mode)) await removeAll(desk, below);
    else desk.rm(below);
  }
  desk.rmdir(path);
}

/** Everything else is held, so that what goes is what goes with the path. */
function holdOthers(desk: Desk, without: ReadonlySet<Ino>): void {
  const { state } = desk.volume;
  const pledges = new Pledges(desk.volume);
  for (let ino = 2 as Ino; ino < state.nextIno; ino = (ino + 1) as Ino) {
    const inode = state.findInode(ino);
    // Not directories: what was in them would be held as well.
    if (inode === undefined || isDirectory(inode.mode) || without.has(ino)) continue;
    const target = { ino, revision: 0 as Revision, path: NOWHERE };
    pledges.addHold({ name: `h${ino}`, reason: 'another', target }, actorOf(desk));
  }
}

async function reallyFreed(desk: Desk, path: string): Promise<number> {
  const before = await measure(desk);
  await removeAll(desk, path);
  desk.clock.ms += YEARS_MS;
  await sweep(desk);
  const after = await measure(desk);
  const freed = referredIn(before) - referredIn(after);
  // All of it can be given back, and nothing else.
  expect(after.reclaimableBytes - before.reclaimableBytes).toBe(freed);
  return freed;
}

test('what a path would give back is what it gives back', async () => {
  let freedBytes = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 5, maxLength: 40 }), async (steps) => {
      const desk = await Desk.open();
      for (const directory of DIRECTORIES) desk.mkdir(directory);
      for (const step of steps) {
        desk.clock.ms += 1000;
        await perform(desk, step);
      }
      await desk.volume.cuts.settled();
      const without = await findInodesBelow(desk.volume, splitPath('gone'));
      if (without === undefined) throw new Error('it is there');
      const told = (await measure(desk, without)).freedBytes;
      holdOthers(desk, without);
      const freed = await reallyFreed(desk, 'gone');
      freedBytes += freed;
      expect(told).toBe(freed);
      await desk.leave();
    }),
    { numRuns: 60 },
  );
  expect(freedBytes).toBeGreaterThan(10_000);
});

test('what is pinned, and what a sweep would give back, is what goes', async () => {
  const aged = fc.record({
    step: STEP,
    hours: fc.constantFrom(0, 0, 2, 30, 400, 900),
    pins: fc.boolean(),
  });
  const given = { bySweep: 0, byRelease: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(aged, { minLength: 10, maxLength: 40 }), async (work) => {
      const desk = await Desk.open();
      const pledges = new Pledges(desk.volume);
      // What is released goes at once.
      pledges.setPolicy(STRICT_POLICY.text);
      for (const directory of DIRECTORIES) desk.mkdir(directory);
      for (const [at, { step, hours, pins }] of work.entries()) {
        desk.clock.ms += 1000 + hours * HOUR_MS;
        await perform(desk, step);
        if (pins && at % 4 === 0) await pledges.addCheckpoint(`c${at}`, { actor: actorOf(desk) });
      }
      desk.clock.ms += 20 * HOUR_MS;
      await desk.volume.cuts.settled();
      const told = await measureUsage(desk.volume, {
        nowMs: desk.clock.ms,
        sessionEndedMs: undefined,
        // No promise is longer: what is freed is what a sweep finds as things are.
        shortenedToMs: YEARS_MS,
      });
      await sweep(desk);
      const swept = await measure(desk);
      expect(told.freedBytes).toBe(referredIn(told) - referredIn(swept));
      expect(told.pinnedBytes).toBe(swept.pinnedBytes);
      for (const name of desk.volume.state.promises.checkpoints.keys()) {
        pledges.removeCheckpoint(name, actorOf(desk));
      }
      await sweep(desk);
      const released = await measure(desk);
      expect(told.pinnedBytes).toBe(referredIn(swept) - referredIn(released));
      given.bySweep += told.freedBytes ?? 0;
      given.byRelease += told.pinnedBytes;
      await desk.leave();
    }),
    { numRuns: 60 },
  );
  expect(given.bySweep).toBeGreaterThan(10_000);
  expect(given.byRelease).toBeGreaterThan(10_000);
});
