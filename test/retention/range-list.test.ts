/**
 * Ranges joined, against the numbers that are in them.
 */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { RangeList } from '../../src/retention/range-list.ts';

const RANGES = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 30 })),
  { maxLength: 300 },
);

function addAll(list: RangeList, ranges: readonly [number, number][]): void {
  for (const [start, length] of ranges) list.add(start, start + length);
}

test('holds what was added, sorted and joined, whatever the order', () => {
  fc.assert(
    fc.property(RANGES, RANGES, (before, after) => {
      const list = new RangeList();
      addAll(list, before);
      // Reading in between changes nothing.
      expect(list.size).toBe(numbersIn(before).size);
      addAll(list, after);
      const numbers = numbersIn([...before, ...after]);
      expect(list.size).toBe(numbers.size);
      expect([...list.bounds]).toEqual(boundsOf(numbers));
    }),
  );
});

test('holds numbers up to the largest of 32 bits', () => {
  const list = new RangeList();
  list.add(2 ** 32 - 10, 2 ** 32 - 1);
  list.add(0, 5);
  expect([...list.bounds]).toEqual([0, 5, 2 ** 32 - 10, 2 ** 32 - 1]);
});

function boundsOf(numbers: ReadonlySet<number>): number[] {
  const bounds: number[] = [];
  for (const number of [...numbers].toSorted((a, b) => a - b)) {
    if (bounds.at(-1) === number) bounds[bounds.length - 1] = number + 1;
    else bounds.push(number, number + 1);
  }
  return bounds;
}

function numbersIn(ranges: readonly [number, number][]): Set<number> {
  const numbers = new Set<number>();
  for (const [start, length] of ranges) {
    for (let number = start; number < start + length; number++) numbers.add(number);
  }
  return numbers;
}
