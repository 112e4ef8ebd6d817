/**
 * When a session is swept, with times and chance of our own.
 */

import { describe, expect, test } from 'vitest';

import { isWorthWaking, SweepSchedule } from '../../src/daemon/sweep-schedule.ts';
import type { LastSweep, SleepingSession } from '../../src/daemon/sweep-schedule.ts';

const EVERY_MS = 1000;

function listOf(...ids: string[]): { id: string; everyMs: number }[] {
  return ids.map((id) => ({ id, everyMs: EVERY_MS }));
}

/** Gives one number after the other, and the last one from then on. */
function sequence(...values: number[]): () => number {
  return () => (values.length > 1 ? values.shift() : values[0]) ?? 0;
}

describe('SweepSchedule', () => {
  test('spreads the first sweeps over the interval', () => {
    const schedule = new SweepSchedule(sequence(0.9, 0.1, 0.5));
    schedule.update(listOf('a', 'b', 'c'), 0);
    expect(schedule.findNext(99)).toBeUndefined();
    expect(schedule.findNext(100)).toBe('b');
    schedule.done('b', 100);
    expect(schedule.findNext(499)).toBeUndefined();
    expect(schedule.findNext(600)).toBe('c');
  });

  test('takes the session first whose time came first', () => {
    const schedule = new SweepSchedule(sequence(0.4, 0.2, 0.3));
    schedule.update(listOf('a', 'b', 'c'), 0);
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const next = schedule.findNext(10_000);
      order.push(next);
      schedule.done(next ?? '', 10_000);
    }
    expect(order).toEqual(['b', 'c', 'a']);
  });

  test.each([
    [0, 800],
    [0.5, 1000],
    [1, 1200],
  ])('comes again after an interval that chance %f makes %d long', (chance, gap) => {
    const schedule = new SweepSchedule(sequence(0, chance));
    schedule.update(listOf('a'), 0);
    schedule.done('a', 0);
    expect(schedule.findNext(gap - 1)).toBeUndefined();
    expect(schedule.findNext(gap)).toBe('a');
  });

  test('takes over a shorter interval at once, and never puts a sweep off for a longer one', () => {
    const schedule = new SweepSchedule(sequence(0.5));
    schedule.update([{ id: 'a', everyMs: 3_600_000 }], 0);
    schedule.update([{ id: 'a', everyMs: 1000 }], 10);
    expect(schedule.findNext(510)).toBe('a');
    schedule.update([{ id: 'a', everyMs: 3_600_000 }], 20);
    expect(schedule.findNext(510)).toBe('a');
  });

  test('forgets a session that is deleted', () => {
    const schedule = new SweepSchedule(sequence(0));
    schedule.update(listOf('a'), 0);
    schedule.update([], 0);
    expect(schedule.findNext(10_000)).toBeUndefined();
  });
});

describe('isWorthWaking', () => {
  const last: LastSweep = {
    atMs: 1000,
    policy: 'p',
    ended: undefined,
    hasMore: false,
    nextDueMs: Infinity,
  };
  const session: SleepingSession = {
    policy: 'p',
    ended: undefined,
    usedAtMs: undefined,
    packAfterMs: 500,
  };
  const now = { steadyMs: 10_000, wallMs: 1_000_000 };

  test.each<[string, LastSweep | undefined, SleepingSession]>([
    ['that was not swept since the start', undefined, session],
    ['in which something is due', { ...last, nextDueMs: now.wallMs }, session],
    ['of which the last sweep left something', { ...last, hasMore: true }, session],
    ['with another policy', last, { ...session, policy: 'q' }],
    ['that has ended since', last, { ...session, ended: 'then' }],
    ['whose content became cold since', last, { ...session, usedAtMs: 600 }],
  ])('wakes a session %s', (_what, before, asleep) => {
    expect(isWorthWaking(before, asleep, now)).toBe(true);
  });

  test.each<[string, LastSweep, SleepingSession]>([
    ['in which nothing is due', { ...last, nextDueMs: now.wallMs + 1 }, session],
    ['that nobody used since its content was packed', last, { ...session, usedAtMs: 400 }],
    ['whose content is not cold yet', last, { ...session, usedAtMs: 9_900 }],
  ])('lets a session sleep %s', (_what, before, asleep) => {
    expect(isWorthWaking(before, asleep, now)).toBe(false);
  });
});
