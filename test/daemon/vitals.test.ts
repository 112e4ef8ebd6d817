/**
 * What a volume server leaves behind in shared memory.
 */

import { closeSync } from 'node:fs';

import { expect, onTestFinished, test } from 'vitest';

import { Deaths } from '../../src/daemon/deaths.ts';
import { forgetRequests, makeVitals, readVitals, Vitals } from '../../src/daemon/vitals.ts';
import type { Ino } from '../../src/shared/brands.ts';

function page(): number {
  const fd = makeVitals();
  onTestFinished(() => closeSync(fd));
  return fd;
}

test('a server that dies tells at which request it was, and which ones waited', () => {
  const fd = page();
  const vitals = new Vitals(fd);
  vitals.begin(6, 1);
  vitals.deferred(8, 0);
  expect(readVitals(fd)).toMatchObject({ current: 2 ** 32 + 6, deferred: [8] });
  vitals.settled(8, 0);
  vitals.end(true);
  expect(readVitals(fd)).toMatchObject({ current: undefined, deferred: [], answered: 2 });
});

test('a server that has answered everything is told from one that was killed', () => {
  const fd = page();
  expect(readVitals(fd).isDrained).toBe(false);
  new Vitals(fd).drained();
  expect(readVitals(fd).isDrained).toBe(true);
  new Vitals(fd).begin(6, 0);
  expect(readVitals(fd).isDrained).toBe(false);
});

test('servers that die before they serve are not taken to have died of the last request', () => {
  const fd = page();
  const deaths = new Deaths();
  new Vitals(fd).begin(6, 0);
  const given: number[] = [];
  for (let death = 0; death < 10; death += 1) {
    given.push(...deaths.add({ signs: readVitals(fd), wasKilled: false }));
    forgetRequests(fd);
  }
  expect(given).toEqual([]);
});

test('who has what open is known to the next server', () => {
  const fd = page();
  const first = new Vitals(fd);
  first.writers.add(5 as Ino, 2);
  first.writers.add(5 as Ino, 4);
  const second = new Vitals(fd);
  second.writers.add(5 as Ino, 4);
  expect([second.writers.get(5 as Ino), second.writers.remove(5 as Ino, 6)]).toEqual([2, 1]);
});
