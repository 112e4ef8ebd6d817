/**
 * What is concluded from deaths: how long to wait, and which request to give up.
 */

import { describe, expect, test } from 'vitest';

import { Deaths } from '../../src/daemon/deaths.ts';
import type { Death } from '../../src/daemon/deaths.ts';
import type { Revision } from '../../src/shared/brands.ts';

interface Signs {
  readonly answered?: number;
  readonly current?: number;
  readonly deferred?: readonly number[];
}

function death({ answered = 0, current, deferred = [] }: Signs, wasKilled = false): Death {
  return {
    signs: {
      connection: undefined,
      since: 0 as Revision,
      current,
      deferred,
      answered,
      isDrained: false,
    },
    wasKilled,
  };
}

describe('the wait before the next server', () => {
  test('is none after a death by bad luck', () => {
    const deaths = new Deaths();
    for (let answered = 1; answered < 100; answered += 1) {
      deaths.add(death({ answered }, true));
      expect(deaths.delayMs).toBe(0);
    }
  });

  test('doubles for servers that never answer, up to five seconds', () => {
    const deaths = new Deaths();
    const delays = Array.from({ length: 11 }, () => {
      deaths.add(death({ answered: 0 }));
      return deaths.delayMs;
    });
    expect(delays).toEqual([0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  test('is none again once something was answered', () => {
    const deaths = new Deaths();
    for (let count = 0; count < 5; count += 1) deaths.add(death({}));
    deaths.add(death({ answered: 1 }));
    expect([deaths.delayMs, deaths.inARow]).toEqual([0, 0]);
  });

  test('grows for servers that do not even come to their connection', () => {
    const deaths = new Deaths();
    for (let count = 0; count < 3; count += 1) deaths.add({ signs: undefined, wasKilled: false });
    expect(deaths.delayMs).toBe(100);
  });
});

describe('a request', () => {
  test('is given up after three crashes on it, also when others are answered in between', () => {
    const deaths = new Deaths();
    expect(deaths.add(death({ answered: 1, current: 7 }))).toEqual([]);
    expect(deaths.add(death({ answered: 2, current: 7 }))).toEqual([]);
    expect(deaths.add(death({ answered: 3, current: 7 }))).toEqual([7]);
    expect(deaths.givenUp).toEqual([7]);
  });

  test('is given up later if servers were killed, as the kernel kills what takes all memory', () => {
    const deaths = new Deaths();
    const given = Array.from({ length: 8 }, () => deaths.add(death({ current: 7 }, true)));
    expect(given.flat()).toEqual([7]);
    expect(given[7]).toEqual([7]);
  });

  test('is no suspect any more once a server died on another one', () => {
    const deaths = new Deaths();
    for (const current of [7, 7, 8, 7, 7]) expect(deaths.add(death({ current }))).toEqual([]);
    expect(deaths.givenUp).toEqual([]);
  });

  test('stays a suspect when a server dies between two requests', () => {
    const deaths = new Deaths();
    deaths.add(death({ current: 7 }));
    deaths.add(death({ current: 7 }));
    deaths.add(death({}, true));
    expect(deaths.add(death({ current: 7 }))).toEqual([7]);
  });

  test('that waits is suspected of crashes, and of kills only while nothing is answered', () => {
    const lucky = new Deaths();
    for (let answered = 1; answered < 50; answered += 1) {
      lucky.add(death({ answered, deferred: [7] }, true));
    }
    expect(lucky.givenUp).toEqual([]);
    const killed = new Deaths();
    for (let count = 0; count < 19; count += 1) killed.add(death({ deferred: [7] }, true));
    expect([killed.givenUp, killed.delayMs]).toEqual([[], 5000]);
    expect(killed.add(death({ deferred: [7] }, true))).toEqual([7]);
    const crashed = new Deaths();
    for (let count = 0; count < 3; count += 1) crashed.add(death({ deferred: [7, 8] }));
    expect(crashed.givenUp).toEqual([7, 8]);
  });
});
