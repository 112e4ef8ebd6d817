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
/** Who found no slot. */
const SLOTLESS_WORD = 7;
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

test('a table that is full says of whom it does not hold that somebody may have it open', () => {
  const table = new SharedWriters(memoryOf(2));
  for (const n of [1, 2]) table.add(ino(n), n * 2);
  expect(table.get(ino(3))).toBe(0);
  table.add(ino(3), 6);
  expect([table.get(ino(3)), table.remove(ino(3), 8)]).toEqual([1, 0]);
  expect([table.remove(ino(1), 10), table.get(ino(2))]).toEqual([0, 1]);
});

test('a table that was full knows again who has what open when those without a slot are closed', () => {
  const table = new SharedWriters(memoryOf(2));
  for (const n of [1, 2, 3, 4, 4]) table.add(ino(n), 0);
  expect(table.get(ino(5))).toBe(1);
  for (const n of [4, 3]) table.remove(ino(n), 0);
  expect([table.get(ino(4)), table.get(ino(5))]).toEqual([1, 1]);
  table.remove(ino(4), 0);
  expect([1, 2, 3, 4, 5].map((n) => table.get(ino(n)))).toEqual([1, 1, 0, 0, 0]);
  // One that is not known to be open lowers nothing.
  table.remove(ino(5), 0);
  table.add(ino(3), 0);
  expect(table.get(ino(5))).toBe(1);
});

test('a request without a slot that comes again counts once', () => {
  const memory = memoryOf(1);
  const again = (): SharedWriters => new SharedWriters(memory);
  again().add(ino(1), 2);
  for (const unique of [4, 4, 6, 6]) again().add(ino(2), unique);
  for (let time = 0; time < 2; time += 1) expect(again().remove(ino(2), 8)).toBe(0);
  expect(again().get(ino(2))).toBe(1);
  for (let time = 0; time < 2; time += 1) expect(again().remove(ino(2), 10)).toBe(0);
  expect(again().get(ino(2))).toBe(0);
});

test('an inode that gets a slot while it is counted without one is open until both are closed', () => {
  const table = new SharedWriters(memoryOf(1));
  table.add(ino(1), 0);
  table.add(ino(2), 0);
  table.remove(ino(1), 0);
  table.add(ino(2), 0);
  table.remove(ino(2), 0);
  expect(table.get(ino(2))).toBe(1);
  table.remove(ino(2), 0);
  expect(table.get(ino(2))).toBe(0);
});

test('a table that an earlier program left full stays so until the next connection', () => {
  const memory = memoryOf(1);
  memory[SLOTLESS_WORD] = 1;
  const table = new SharedWriters(memory);
  table.add(ino(1), 0);
  table.add(ino(2), 0);
  for (const n of [1, 2, 3]) table.remove(ino(n), 0);
  expect(table.get(ino(2))).toBe(1);
  table.clear();
  expect(table.get(ino(2))).toBe(0);
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

test('a crowded table, killed between any two stores, takes nobody who is open for closed, and forgets no close', () => {
  const calls = fc.array(
    fc.record({ isAdd: fc.boolean(), n: fc.integer({ min: 1, max: 5 }), kill: fc.nat(14) }),
    { maxLength: 60, size: 'max' },
  );
  fc.assert(
    fc.property(calls, fc.integer({ min: 1, max: 3 }), (planned, slots) => {
      const memory = memoryOf(slots);
      const open = new Map<number, number>();
      let unique = 0;
      const perform = (n: number, isAdd: boolean, kill: number): void => {
        const count = open.get(n) ?? 0;
        // The kernel closes only what is open.
        if (!isAdd && count === 0) return;
        open.set(n, count + (isAdd ? 1 : -1));
        unique += 2;
        const call = (table: WriterTable): unknown =>
          isAdd ? table.add(ino(n), unique) : table.remove(ino(n), unique);
        try {
          call(new SharedWriters(mortal(memory, { before: kill })));
        } catch (error) {
          if (!(error instanceof Error) || error.message !== 'killed') throw error;
        }
        const again = new SharedWriters(memory);
        call(again);
        const stillOpen = [...open].filter(([, left]) => left > 0);
        const takenForClosed = stillOpen.filter(([each]) => again.get(ino(each)) === 0);
        expect(takenForClosed).toEqual([]);
      };
      for (const { isAdd, n, kill } of planned) perform(n, isAdd, kill);
      for (const [n, count] of open) {
        for (let left = count; left > 0; left -= 1) perform(n, false, (n + left) % 15);
      }
      const after = new SharedWriters(memory);
      expect([1, 2, 3, 4, 5].map((n) => after.get(ino(n)))).toEqual([0, 0, 0, 0, 0]);
    }),
  );
});
