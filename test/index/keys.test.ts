/**
 * Keys: their order as bytes is the order of what they mean.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { ActorId, Ino, Name } from '../../src/shared/brands.ts';
import {
  Space,
  actorKey,
  dentryHistoryDirKey,
  dentryHistoryKey,
  dentryKey,
  hashName,
  inodeHistoryKey,
  inodeKey,
  prefixEnd,
  regionHistoryKey,
  regionKey,
  timeKey,
  versionKey,
} from '../../src/index/keys.ts';

const ino = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 48 - 1 })).map((n) => n as Ino);
const revision = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 48 - 1 }));
const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const name = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((b) => Buffer.from(b.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
  .map((b) => b.toString('latin1') as Name);

/** Keys are views of one buffer: copied before the next is made. */
function orderOf(a: () => Buffer, b: () => Buffer): number {
  const first = Buffer.from(a());
  return Buffer.compare(first, Buffer.from(b()));
}

const compareAll = (a: readonly number[], b: readonly number[]): number =>
  Math.sign(a.map((each, i) => each - (b[i] ?? 0)).find((each) => each !== 0) ?? 0);

describe('keys of numbers', () => {
  const makers: readonly (readonly [string, (n: readonly number[]) => Buffer, number])[] = [
    ['inodeKey', ([a = 0]) => inodeKey(a as Ino), 1],
    ['inodeHistoryKey', ([a = 0, b = 0]) => inodeHistoryKey(a as Ino, b), 2],
    ['versionKey', ([a = 0, b = 0]) => versionKey(a as Ino, b), 2],
  ];
  for (const [label, make, count] of makers) {
    test(`${label} orders as its numbers`, () => {
      const numbers = fc.array(revision, { minLength: count, maxLength: count });
      fc.assert(
        fc.property(numbers, numbers, (a, b) => {
          expect(
            orderOf(
              () => make(a),
              () => make(b),
            ),
          ).toBe(compareAll(a, b));
        }),
      );
    });
  }

  test('of regions order by inode, region, revision, sequence', () => {
    const numbers = fc.tuple(ino, u32, revision, u32);
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const order = orderOf(
          () => regionHistoryKey(...a),
          () => regionHistoryKey(...b),
        );
        expect(order).toBe(compareAll(a, b));
        const live = orderOf(
          () => regionKey(a[0], a[1]),
          () => regionKey(b[0], b[1]),
        );
        expect(live).toBe(compareAll(a.slice(0, 2), b.slice(0, 2)));
      }),
    );
  });

  test('of times and actors order as these do', () => {
    const time = fc.record({ sec: fc.nat(2 ** 40), nsec: fc.nat(999_999_999) });
    fc.assert(
      fc.property(time, time, u32, u32, (a, b, c, d) => {
        expect(
          orderOf(
            () => timeKey(a),
            () => timeKey(b),
          ),
        ).toBe(compareAll([a.sec, a.nsec], [b.sec, b.nsec]));
        expect(
          orderOf(
            () => actorKey(c as ActorId),
            () => actorKey(d as ActorId),
          ),
        ).toBe(Math.sign(c - d));
      }),
    );
  });
});

describe('keys of names', () => {
  test('keep the history of one name together, by revision, within its directory', () => {
    fc.assert(
      fc.property(ino, name, name, revision, revision, (parent, a, b, from, to) => {
        const order = orderOf(
          () => dentryHistoryKey(parent, a, from),
          () => dentryHistoryKey(parent, b, to),
        );
        const names = Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
        expect(order).toBe(names === 0 ? Math.sign(from - to) : names);
        const key = Buffer.from(dentryHistoryKey(parent, a, from));
        const prefix = Buffer.from(dentryHistoryDirKey(parent));
        expect(key.subarray(0, prefix.length).equals(prefix)).toBe(true);
      }),
    );
  });

  test('of live names order by the hash, then by the name', () => {
    fc.assert(
      fc.property(ino, name, name, (parent, a, b) => {
        const order = orderOf(
          () => dentryKey(parent, hashName(a), a),
          () => dentryKey(parent, hashName(b), b),
        );
        const names = Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
        expect(order).toBe(Math.sign(hashName(a) - hashName(b)) || names);
      }),
    );
  });
});

describe('prefixEnd', () => {
  test('is after every key with the prefix and not after any other that is', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(bytes, bytes, (prefix, other) => {
        fc.pre(prefix.some((byte) => byte !== 0xff));
        const end = prefixEnd(prefix);
        const key = Buffer.from(other);
        const hasPrefix = key.subarray(0, prefix.length).equals(Buffer.from(prefix));
        const isInRange =
          Buffer.compare(key, Buffer.from(prefix)) >= 0 && Buffer.compare(key, end) < 0;
        expect(isInRange).toBe(hasPrefix);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('hashName', () => {
  test('is 48 bits, and does not put many names in one place', () => {
    const hashes = Array.from({ length: 200_000 }, (_, i) => hashName(`file-${i}.txt`));
    expect(hashes.every((hash) => Number.isInteger(hash) && hash >= 0 && hash < 2 ** 48)).toBe(
      true,
    );
    const seen = new Set(hashes);
    expect(200_000 - seen.size).toBeLessThan(10);
  });

  test('never changes, since cookies and keys are made of it', () => {
    expect(['', 'a', 'notes.md', '\u00ff'].map((each) => hashName(each))).toEqual([
      35_127_088_839_114, 4_656_491_154_699, 154_609_401_408_264, 262_643_154_444_767,
    ]);
  });
});

test('no two key spaces share a prefix', () => {
  const values = Object.values(Space);
  expect(new Set(values).size).toBe(values.length);
});
