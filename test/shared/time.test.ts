/**
 * Times: compared, converted and written as people read them; and a clock that does not go back.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  EPOCH,
  SystemClock,
  compareTime,
  timeFromMs,
  timeToCompact,
  timeToIso,
  timeToMs,
} from '../../src/shared/time.ts';
import type { Time } from '../../src/shared/time.ts';

const times = fc.record({
  sec: fc.integer({ min: -(2 ** 33), max: 2 ** 35 }),
  nsec: fc.nat(999_999_999),
});

const nanoseconds = (time: Time): bigint => BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec);

test('A time that no Date can hold is told as the furthest that one can', () => {
  for (const sec of [1e14, Number.MAX_SAFE_INTEGER]) {
    expect(timeToIso({ sec, nsec: 7 })).toBe('+275760-09-13T00:00:00.000000007Z');
    expect(timeToIso({ sec: -sec, nsec: 0 })).toBe('-271821-04-20T00:00:00.000000000Z');
    expect(() => timeToCompact({ sec, nsec: 0 })).not.toThrow();
  }
});

describe('compareTime', () => {
  test('orders as the number of nanoseconds does', () => {
    fc.assert(
      fc.property(times, times, (a, b) => {
        const difference = nanoseconds(a) - nanoseconds(b);
        expect(Math.sign(compareTime(a, b))).toBe(difference < 0n ? -1 : difference > 0n ? 1 : 0);
        expect(compareTime(a, { ...a })).toBe(0);
      }),
    );
  });
});

describe('timeFromMs', () => {
  test('is undone by timeToMs, before 1970 as well', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 43), max: 2 ** 45 }), (ms) => {
        const time = timeFromMs(ms);
        expect(time.nsec).toBeGreaterThanOrEqual(0);
        expect(time.nsec).toBeLessThan(1e9);
        expect(timeToMs(time)).toBe(ms);
      }),
    );
  });

  test('keeps nsec below one second for what stat and the clock give as milliseconds', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e12, max: 4e12, noNaN: true }), (ms) => {
        const { sec, nsec } = timeFromMs(ms);
        expect(Number.isInteger(sec) && Number.isInteger(nsec)).toBe(true);
        expect(nsec).toBeGreaterThanOrEqual(0);
        expect(nsec).toBeLessThan(1e9);
      }),
    );
  });
});

describe('times in words', () => {
  test('have nine digits of the second in ISO, and none in file names', () => {
    const time = { sec: Date.UTC(2026, 10, 22, 10, 15, 2) / 1000, nsec: 45 };
    expect(timeToIso(time)).toBe('2026-11-22T10:15:02.000000045Z');
    expect(timeToCompact(time)).toBe('20261122T101502Z');
    expect(timeToIso(EPOCH)).toBe('1970-01-01T00:00:00.000000000Z');
    expect(timeToIso({ sec: -1, nsec: 999_999_999 })).toBe('1969-12-31T23:59:59.999999999Z');
  });

  test('order as the times do, in both forms', () => {
    const inFourDigits = fc.record({
      sec: fc.integer({ min: 0, max: 253_402_300_799 }),
      nsec: fc.nat(999_999_999),
    });
    fc.assert(
      fc.property(inFourDigits, inFourDigits, (a, b) => {
        const [isoA, isoB] = [timeToIso(a), timeToIso(b)];
        expect(isoA < isoB).toBe(compareTime(a, b) < 0);
        expect(timeToCompact(a) <= timeToCompact(b)).toBe(a.sec <= b.sec);
      }),
    );
  });
});

describe('SystemClock', () => {
  test('tells the wall clock to a hundredth of a second, with a valid nsec', () => {
    const clock = new SystemClock();
    for (let i = 0; i < 1000; i++) {
      const before = Date.now();
      const time = clock.now();
      const after = Date.now();
      expect(timeToMs(time)).toBeGreaterThan(before - 100);
      expect(timeToMs(time)).toBeLessThan(after + 100);
      expect(time.nsec).toBeGreaterThanOrEqual(0);
      expect(time.nsec).toBeLessThan(1e9);
    }
  });
});
