/**
 * Durations: every accepted form, the slips that are refused, and that writing is undone by reading.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { formatDuration, parseDuration } from '../../src/policy/duration.ts';

const SEC = 1000;
const HOUR = 3600 * SEC;
const DAY = 24 * HOUR;

describe('parseDuration', () => {
  test.each([
    ['90s', 90 * SEC],
    ['30m', 1800 * SEC],
    ['24h', DAY],
    ['7d', 7 * DAY],
    ['2w', 14 * DAY],
    ['1y', 365 * DAY],
    ['1d12h', 36 * HOUR],
    ['1y2w3d4h5m6s7ms', 365 * DAY + 17 * DAY + 4 * HOUR + 306 * SEC + 7],
    ['250ms', 250],
    ['0s', 0],
    ['0', 0],
    ['none', 0],
    ['forever', Infinity],
    ['1000y', 365_000 * DAY],
  ])('reads %j as %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    ['', 'want for example 90s'],
    ['24', 'want for example 90s'],
    ['h', 'want for example 90s'],
    ['-1d', 'want for example 90s'],
    ['1.5d', 'want for example 90s'],
    ['1e3s', 'the unit "e" is unknown, known are y, w, d, h, m, s, ms'],
    ['1 d', 'want for example 90s'],
    ['24H', 'want for example 90s'],
    ['3mo', 'the unit "mo" is unknown'],
    ['12h1d', 'want each unit once, the largest first'],
    ['1h1h', 'want each unit once, the largest first'],
    ['1001y', 'want at most 1000y, or forever'],
    ['1000y1ms', 'want at most 1000y, or forever'],
    [`${'9'.repeat(400)}s`, 'want at most 1000y, or forever'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringContaining(`Cannot read duration ${JSON.stringify(text)}: ${reason}`),
      }),
    );
  });
});

describe('formatDuration', () => {
  test.each([
    [0, '0'],
    [-5, '0'],
    [1, '1ms'],
    [1500, '1500ms'],
    [90 * SEC, '90s'],
    [60 * SEC, '1m'],
    [DAY, '1d'],
    [36 * HOUR, '36h'],
    [7 * DAY, '7d'],
    [14 * DAY, '2w'],
    [30 * DAY, '30d'],
    [365 * DAY, '1y'],
    [366 * DAY, '366d'],
    [365 * DAY + 1, '1y1ms'],
    [Infinity, 'forever'],
  ])('writes %d ms as %j', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('is undone by parseDuration', () => {
    const factors = [1, 1000, 60_000, HOUR, DAY, 7 * DAY, 365 * DAY];
    const durations = fc
      .tuple(fc.nat({ max: 999 }), fc.constantFrom(...factors), fc.nat({ max: 3 * HOUR }))
      .map(([count, factor, more]) => count * factor + more);
    fc.assert(
      fc.property(durations, (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});
