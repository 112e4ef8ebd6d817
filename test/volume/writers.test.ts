/**
 * Tables of writers: what they count, when they forget, and that a kill between two stores changes nothing.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Ino } from '../../src/shared/brands.ts';
import { SharedWriters } from '../../src/volume/shared-writers.ts';
import { MemoryWriters } from '../../src/volume/writers.ts';
import type { WriterTable } from '../../src/volume/writers.ts';

const HEADER_WORDS = 8;
const SLOT_WORDS = 4;
const memoryOf = (slots: number): Uint32Array => new Uint32Array(HEADER_WORDS + slots * SLOT_WORDS);

const ino = (n: number): Ino => n as Ino;

describe.each<[string, () => WriterTable]>([
  ['in this process', () => new MemoryWriters()],
  ['in shared memory', () => new SharedWriters(memoryOf(100))],
])('a table %s', (_what, make) => {
  test('counts each open file once, and the last one that closes leaves none', () => {
    const table = make();
    table.add(ino(5), 2);
    table.add(ino(5), 4);
    table.add(ino(2 ** 40), 6);
    expect([table.get(ino(5)), table.get(ino(2 ** 40)), table.get(ino(7))]).toEqual([2, 1, 0]);
    expect([table.remove(ino(5), 8), table.remove(ino(5), 10)]).toEqual([1, 0]);
    expect([table.get(ino(5)), table.remove(ino(7), 12)]).toEqual([0, 0]);
  });

  test('counts a request that comes again once', () => {
    const table = make();
    table.add(ino(5), 2);
    table.add(ino(5), 4);
    table.add(ino(5), 4);
    expect(table.get(ino(5))).toBe(2);
    expect([table.remove(ino(5), 6), table.remove(ino(5), 6)]).toEqual([1, 1]);
    expect([table.remove(ino(5), 8), table.remove(ino(5), 8)]).toEqual([0, 0]);
  });

  test('counts what is no request every time', () => {
    const table = make();
    table.add(ino(5), 0);
    table.add(ino(5), 0);
    expect([table.remove(ino(5), 0), table.remove(ino(5), 0)]).toEqual([1, 0]);
  });

  test('holds nothing of an earlier connection', () => {
    const table = make();
    table.add(ino(5), 2);
    table.clear();
    expect(table.get(ino(5))).toBe(0);
    table.add(ino(5), 2);
    expect(table.get(ino(5))).toBe(1);
  });
});

test('a table that was full says of whom it does not hold that somebody may have it open', () => {
  const table = new SharedWriters(memoryOf(2));
  for (const n of [1, 2]) table.add(ino(n), n * 2);
  expect(table.get(ino(3))).toBe(0);
  table.add(ino(3), 6);
  expect([table.get(ino(3)), table.remove(ino(3), 8)]).toEqual([1, 0]);
  expect([table.remove(ino(1), 10), table.get(ino(2))]).toEqual([0, 1]);
});

/** Memory in which the process is killed before a store. */
function mortal(memory: Uint32Array, kill: { before: number }): Uint32Array {
  return new Proxy(memory, {
    get: (target, key) => Reflect.get(target, key, target) as unknown,
    set: (target, key, value) => {
      kill.before -= 1;
      if (kill.before === 0) throw new Error('killed');
      return Reflect.set(target, key, value, target);
    },
  });
}

test('a server that is killed between any two stores leaves the table as before or as after', () => {
  const calls = fc.array(
    fc.record({ isAdd: fc.boolean(), n: fc.integer({ min: 1, max: 5 }), kill: fc.nat(14) }),
    { maxLength: 40, size: 'max' },
  );
  fc.assert(
    fc.property(calls, (planned) => {
      const memory = memoryOf(8);
      const expected = new MemoryWriters();
      let unique = 0;
      for (const { isAdd, n, kill } of planned) {
        unique += 2;
        const call = (table: WriterTable): number => {
          if (!isAdd) return table.remove(ino(n), unique);
          table.add(ino(n), unique);
          return table.get(ino(n));
        };
        try {
          call(new SharedWriters(mortal(memory, { before: kill })));
        } catch (error) {
          if (!(error instanceof Error) || error.message !== 'killed') throw error;
        }
        // Its answer was lost in any case: the request comes again.
        const again = new SharedWriters(memory);
        expect(call(again)).toBe(call(expected));
        for (let each = 1; each <= 5; each += 1) {
          expect(again.get(ino(each))).toBe(expected.get(ino(each)));
        }
      }
    }),
  );
});
