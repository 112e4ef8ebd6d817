/**
 * Promises as they are recorded: nothing lost, nothing guessed.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  DEFAULT_LADDERS,
  decodePromise,
  encodePromise,
  endOf,
  promiseKey,
} from '../../src/policy/promise.ts';
import { TIERS, parseTier } from '../../src/policy/tier.ts';
import { DAY, promises, tierPromise } from './promises.ts';

describe('encodePromise', () => {
  test('has one form, which stays what it was', () => {
    expect(encodePromise(tierPromise('standard'))).toBe(
      '{"tier":"standard","makesVersions":true,"ladder":{"all":"1d","hourly":"7d","daily":"30d","live":"30d","minVersions":1}}',
    );
    const rule = { ...tierPromise('permanent'), rule: 'node_modules/**', makesVersions: false };
    expect(encodePromise(rule)).toBe(
      '{"tier":"permanent","rule":"node_modules/**","makesVersions":false,"ladder":{"all":"forever","hourly":"forever","daily":"forever","live":"forever","minVersions":1}}',
    );
  });

  test('is undone by decodePromise', () => {
    fc.assert(
      fc.property(promises, (promise) => {
        expect(decodePromise(encodePromise(promise))).toEqual(promise);
      }),
    );
  });

  test('tells promises apart exactly when they differ, whatever the order of their fields', () => {
    fc.assert(
      fc.property(promises, promises, (a, b) => {
        const shuffled = Object.fromEntries(Object.entries(a).toReversed()) as typeof a;
        expect(encodePromise(shuffled)).toBe(promiseKey(a));
        expect(encodePromise(a) === encodePromise(b)).toBe(
          JSON.stringify(decodePromise(encodePromise(a))) ===
            JSON.stringify(decodePromise(encodePromise(b))),
        );
      }),
    );
  });
});

describe('decodePromise', () => {
  const good = encodePromise(tierPromise('standard'));

  test.each([
    ['', 'JSON'],
    ['[]', 'an object'],
    [good.slice(0, -1), 'JSON'],
    [good.replace('"standard"', '"strong"'), 'tier is "strong"'],
    [good.replace('true', '1'), 'makesVersions is 1'],
    [good.replace('"1d"', '"1 day"'), 'all is "1 day"'],
    [good.replace('"1d"', '5'), 'all is 5'],
    [good.replace('"daily":"30d",', ''), 'daily is undefined'],
    [good.replace('"minVersions":1', '"minVersions":-1'), 'minVersions is -1'],
    [good.replace('"minVersions":1', '"minVersions":1.5'), 'minVersions is 1.5'],
    [good.replace('"tier"', '"rule":5,"tier"'), 'rule is 5'],
    [good.replace('"tier"', '"more":1,"tier"'), 'more is 1'],
    [good.replace('"all"', '"__proto__":{},"all"'), '__proto__ is {}'],
  ])('refuses %s', (text, reason) => {
    const read = (): unknown => decodePromise(text);
    expect(read).toThrow(RangeError);
    expect(read).toThrow(`Cannot read promise: ${reason}`);
  });
});

describe('endOf', () => {
  test('is the longest that anything superseded stays', () => {
    const ends = TIERS.map((tier) => endOf(DEFAULT_LADDERS[tier]) / DAY);
    expect(ends).toEqual([0, 30, 365, Infinity]);
    expect(endOf({ all: 3, hourly: 2, daily: 1, live: 9, minVersions: 9 })).toBe(3);
    expect(endOf({ all: 1, hourly: 3, daily: 2, live: 9, minVersions: 9 })).toBe(3);
  });
});

describe('parseTier', () => {
  test('reads the four tiers and names them when it is none', () => {
    expect(TIERS.map((tier) => parseTier(tier))).toEqual([...TIERS]);
    expect(() => parseTier('Standard')).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message:
          'Cannot use tier "Standard": want one of ephemeral, standard, persistent, permanent',
      }),
    );
  });
});
