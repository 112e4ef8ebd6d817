/**
 * Sweeps of a volume with real content, on a clock that goes only when it is told to.
 */

import { expect, test } from 'vitest';

import { Examiner } from '../../src/retention/examiner.ts';
import { readInode } from '../../src/retention/inode-survey.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import type { SweepReport, SweepRequest } from '../../src/retention/sweeper.ts';
import { NO_REVISION } from '../../src/shared/brands.ts';
import { Desk } from '../volume/desk.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function sweep(desk: Desk, request: Partial<SweepRequest> = {}): Promise<SweepReport> {
  const sweeper = new Sweeper(desk.volume, desk.history, undefined);
  return sweeper.run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: false,
    isForced: false,
    clockProblem: undefined,
    ...request,
  });
}

test('a sweep keeps all versions of a day, then one an hour, then one a day, then the newest', async () => {
  const desk = await Desk.open();
  // 12:10, 12:20, … 18:00
  desk.clock.ms = Date.UTC(2026, 10, 22, 12, 0);
  for (let i = 1; i <= 36; i++) {
    desk.clock.ms += 10 * 60_000;
    desk.save('f', `text ${i}`);
  }
  expect(await desk.contents('f')).toHaveLength(36);
  desk.clock.ms += 12 * HOUR_MS;
  expect(await sweep(desk)).toMatchObject({ versions: 0 });
  desk.clock.ms += 14 * HOUR_MS;
  const report = await sweep(desk);
  expect(report.versions).toBeGreaterThan(20);
  expect(await desk.contents('f')).toEqual([5, 11, 17, 23, 29, 35, 36].map((i) => `text ${i}`));
  desk.clock.ms += 8 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['text 36']);
});

test('a file of many versions is judged in many turns', async () => {
  const desk = await Desk.open();
  for (let i = 0; i < 2000; i++) {
    desk.clock.ms += 1000;
    desk.save('f', `text ${i}`);
  }
  const { volume } = desk;
  await volume.cuts.settled();
  await volume.flushed();
  const surveyed = await readInode(volume.index, desk.ino('f'));
  let pauses = 0;
  const examiner = new Examiner(volume, {
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    horizon: NO_REVISION,
    pause: () => {
      pauses += 1;
      return Promise.resolve();
    },
  });
  if (surveyed === undefined) throw new Error('it is there');
  const { verdict } = await examiner.examine(surveyed);
  expect(verdict.versions).toHaveLength(2000);
  expect(pauses).toBeGreaterThan(20);
});
