/**
 * The page that outlives a volume server: what one writes, the supervisor and the next one read.
 */

import { closeSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { makeVitals, readVitals, Vitals } from '../../src/daemon/vitals.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';

let fd: number;

beforeEach(() => {
  fd = makeVitals();
});

afterEach(() => closeSync(fd));

const ino = (value: number): Ino => value as Ino;

describe('vital signs', () => {
  test('of a new connection are empty', () => {
    expect(readVitals(fd)).toEqual({
      connection: undefined,
      since: 0,
      current: undefined,
      deferred: [],
      answered: 0,
    });
  });

  test('tell what was agreed, and since when', () => {
    const info = { minor: 45, maxWriteBytes: 1 << 20, maxReadBytes: 1 << 19 };
    new Vitals(fd).connected(info, (2 ** 40) as Revision);
    expect(readVitals(fd)).toMatchObject({ connection: info, since: 2 ** 40 });
  });

  test('tell the request at which a server is, and how many it has answered', () => {
    const vitals = new Vitals(fd);
    vitals.begin(6, 1);
    expect(readVitals(fd).current).toBe(2 ** 32 + 6);
    vitals.end();
    expect(readVitals(fd)).toMatchObject({ current: undefined, answered: 1 });
  });

  test('tell which requests wait, as far as there is room', () => {
    const vitals = new Vitals(fd);
    for (let unique = 1; unique <= 40; unique += 1) vitals.deferred(unique * 2, 0);
    vitals.settled(4, 0);
    // One that found no room.
    vitals.settled(80, 0);
    const { deferred } = readVitals(fd);
    expect(deferred).toHaveLength(31);
    expect(deferred).not.toContain(4);
  });

  test('of requests are forgotten by the next server, which gets them again', () => {
    const first = new Vitals(fd);
    first.begin(2, 0);
    first.deferred(4, 0);
    expect(new Vitals(fd)).toBeDefined();
    expect(readVitals(fd)).toMatchObject({ current: undefined, deferred: [] });
  });
});

describe('the writers of files', () => {
  test('are known to the next server', () => {
    const first = new Vitals(fd);
    first.add(ino(7), 2);
    first.add(ino(7), 4);
    first.add(ino(8), 6);
    const second = new Vitals(fd);
    expect([7, 8, 9].map((value) => second.get(ino(value)))).toEqual([2, 1, 0]);
    expect(second.remove(ino(7), 8)).toBe(1);
    expect(second.remove(ino(7), 10)).toBe(0);
    expect(second.get(ino(7))).toBe(0);
  });

  test('are counted once for a request that comes again', () => {
    const first = new Vitals(fd);
    first.add(ino(7), 2);
    const second = new Vitals(fd);
    second.add(ino(7), 2);
    expect(second.get(ino(7))).toBe(1);
    second.add(ino(7), 4);
    second.remove(ino(7), 6);
    const third = new Vitals(fd);
    expect(third.remove(ino(7), 6)).toBe(1);
    expect(third.remove(ino(7), 8)).toBe(0);
    expect(new Vitals(fd).remove(ino(7), 8)).toBe(0);
  });

  test('are as many as there is room for, and above that nobody is taken for alone', () => {
    const vitals = new Vitals(fd);
    for (let value = 1; value <= 10_000; value += 1) vitals.add(ino(value), value * 2);
    expect(vitals.get(ino(3))).toBe(1);
    expect(vitals.get(ino(9_999))).toBe(1);
    vitals.clear();
    expect(vitals.get(ino(3))).toBe(0);
    vitals.add(ino(3), 2);
    expect(vitals.get(ino(3))).toBe(1);
  });

  test('whose numbers collide are told apart', () => {
    const vitals = new Vitals(fd);
    const values = Array.from({ length: 50 }, (_, index) => ino(5 + index * 4064));
    for (const [index, value] of values.entries()) vitals.add(value, index * 2 + 2);
    for (const value of values) expect(vitals.get(value)).toBe(1);
    for (const value of values.filter((_, index) => index % 2 === 0)) vitals.remove(value, 0);
    expect(values.map((value) => vitals.get(value))).toEqual(values.map((_, index) => index % 2));
  });
});
