/**
 * RunSet against a plain set.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ByteReader, ByteWriter } from '../../src/shared/bytes.ts';
import { RunSet } from '../../src/index/run-set.ts';

const steps = fc.array(
  fc.tuple(fc.constantFrom('add', 'add', 'delete'), fc.oneof(fc.nat(12), fc.nat(2 ** 32 - 2))),
  { maxLength: 60 },
);

function build(all: readonly (readonly [string, number])[]): { set: RunSet; model: Set<number> } {
  const set = new RunSet();
  const model = new Set<number>();
  for (const [step, value] of all) {
    if (step === 'add') {
      set.add(value);
      model.add(value);
    } else {
      set.delete(value);
      model.delete(value);
    }
  }
  return { set, model };
}

const sorted = (model: Set<number>): number[] => [...model].toSorted((a, b) => a - b);

function membersOf(set: RunSet, model: Set<number>): number[] {
  return [...model, 0, 1, 5, 12, 13].flatMap((value) =>
    [value - 1, value, value + 1].filter((each) => each >= 0 && set.has(each)),
  );
}

describe('RunSet', () => {
  test('has what was added and not deleted, and nothing else', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { set, model } = build(all);
        expect(set.isEmpty).toBe(model.size === 0);
        for (const value of model) expect(set.has(value)).toBe(true);
        expect(membersOf(set, model).filter((value) => !model.has(value))).toEqual([]);
      }),
    );
  });

  test('gives the members between two bounds, both included, ascending', () => {
    fc.assert(
      fc.property(steps, fc.nat(20), fc.nat(20), (all, first, length) => {
        const { set, model } = build(all);
        const last = first + length;
        const wanted = sorted(model).filter((value) => value >= first && value <= last);
        expect([...set.between(first, last)]).toEqual(wanted);
      }),
    );
  });

  test('is decoded as it was encoded, with as many bounds as it has runs', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { set, model } = build(all);
        const writer = new ByteWriter();
        set.encode(writer);
        const reader = new ByteReader(writer.copy());
        const decoded = RunSet.decode(reader);
        expect(reader.remaining).toBe(0);
        expect(membersOf(decoded, model)).toEqual(membersOf(set, model));
        const runs = sorted(model).filter((value) => !model.has(value - 1)).length;
        expect(writer.length).toBe(4 + runs * 8);
      }),
    );
  });

  test('does not change with its clone', () => {
    fc.assert(
      fc.property(steps, steps, (before, after) => {
        const { set, model } = build(before);
        const members = membersOf(set, model);
        const copy = set.clone();
        for (const [step, value] of after) copy[step === 'add' ? 'add' : 'delete'](value);
        expect(membersOf(set, model)).toEqual(members);
      }),
    );
  });
});
