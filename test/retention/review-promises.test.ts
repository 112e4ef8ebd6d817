/**
 * Ways in which a promise could get shorter without anybody asking for it.
 */

import { expect, test } from 'vitest';

import { encodePolicy, parseRetention } from '../../src/policy/retention-policy.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import type { SweepReport, SweepRequest } from '../../src/retention/sweeper.ts';
import type { Ino, Name } from '../../src/shared/brands.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import { unlinkNode } from '../../src/volume/names.ts';
import { Desk } from '../volume/desk.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function sweep(desk: Desk, request: Partial<SweepRequest> = {}): Promise<SweepReport> {
  return new Sweeper(desk.volume, desk.history, undefined).run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
    ...request,
  });
}

const hasContent = (desk: Desk, ino: Ino): boolean =>
  desk.volume.state.findInode(ino)?.isGone === false;

test('what is written again as it was is not superseded by that', async () => {
  const desk = await Desk.open();
  desk.save('f', 'same');
  for (let day = 0; day < 40; day++) {
    desk.clock.ms += DAY_MS;
    desk.save('f', 'same');
    await desk.volume.cuts.settled();
  }
  desk.clock.ms += HOUR_MS;
  desk.save('f', 'other');
  expect(await desk.contents('f')).toEqual(['same', 'other']);
  desk.clock.ms += 29 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['same', 'other']);
  desk.clock.ms += 2 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['other']);
});

test('that it was the same is known as long as the version, however far back moments are seen', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'same');
  desk.volume.commit({ kind: 'tier', ino, tier: 3 }, desk.caller);
  for (let day = 0; day < 300; day += 50) {
    desk.clock.ms += 50 * DAY_MS;
    desk.save('f', 'same');
    await sweep(desk);
  }
  desk.save('f', 'other');
  for (let day = 0; day < 350; day += 50) {
    desk.clock.ms += 50 * DAY_MS;
    desk.save('g', String(day));
    await sweep(desk);
  }
  expect(await desk.contents('f')).toEqual(['same', 'other']);
  desk.clock.ms += 50 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['other']);
});

test('a file that leaves a place of a stronger tier keeps what it had there', async () => {
  const desk = await Desk.open();
  const policy = parseRetention({ rules: [{ match: 'keep/**', tier: 'permanent' }] });
  new Pledges(desk.volume).setPolicy(encodePolicy(policy));
  desk.mkdir('keep');
  const kept = desk.save('keep/f', 'precious');
  desk.mv('keep/f', 'f');
  const plain = desk.save('g', 'plain');
  desk.clock.ms += DAY_MS;
  const sessionEndedMs = desk.clock.ms;
  for (let i = 0; i < 4; i++) {
    desk.clock.ms += 40 * DAY_MS;
    await sweep(desk, { sessionEndedMs });
  }
  expect(hasContent(desk, kept)).toBe(true);
  expect(hasContent(desk, plain)).toBe(false);
});

test('what a process of another namespace removed keeps its time when the session ends', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'precious');
  desk.clock.ms += HOUR_MS;
  // The kernel does not know its number here.
  unlinkNode(desk.volume, { unique: 0, uid: 0, gid: 0, pid: 0 }, ROOT_INO, 'f' as Name);
  desk.clock.ms += HOUR_MS;
  const sessionEndedMs = desk.clock.ms;
  desk.clock.ms += 29 * DAY_MS;
  await sweep(desk, { sessionEndedMs });
  expect(hasContent(desk, ino)).toBe(true);
});
