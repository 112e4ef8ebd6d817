/**
 * pax headers as bytes, and times as pax writes them.
 */

import { array, assert, constantFrom, property, tuple, uint8Array } from 'fast-check';
import { describe, expect, test } from 'vitest';

import { encodePaxHeader, TAR_BLOCK_BYTES } from '../../src/export/pax.ts';
import { paxTime } from '../../src/export/tar-entry.ts';

describe('encodePaxHeader', () => {
  test('counts the length of a record with its own digits', () => {
    // The example of POSIX: one digit more makes the record longer, which may need one digit more.
    for (const size of [1, 3, 4, 5, 92, 93, 94, 95, 989, 990, 991, 992]) {
      const header = encodePaxHeader([['k', 'v'.repeat(size)]]);
      const body = header.subarray(TAR_BLOCK_BYTES).toString('latin1');
      const length = Number.parseInt(body, 10);
      expect(body.slice(0, length)).toBe(`${length} k=${'v'.repeat(size)}\n`);
      expect(body.slice(length)).toMatch(/^\0*$/);
    }
  });

  test('fills whole blocks and has the checksum of its header, whatever the values', () => {
    const value = uint8Array({ maxLength: 2000 });
    assert(
      property(array(tuple(constantFrom('path', 'SCHILY.xattr.user.a'), value)), (records) => {
        const bytes = encodePaxHeader(records);
        expect(bytes.length % TAR_BLOCK_BYTES).toBe(0);
        const block = Buffer.from(bytes.subarray(0, TAR_BLOCK_BYTES));
        const told = Number.parseInt(block.toString('latin1', 148, 154), 8);
        block.fill(' ', 148, 156);
        expect(block.reduce((sum, byte) => sum + byte, 0)).toBe(told);
      }),
    );
  });
});

describe('paxTime', () => {
  test.each([
    [{ sec: 5, nsec: 0 }, '5'],
    [{ sec: 5, nsec: 1 }, '5.000000001'],
    [{ sec: 1700000000, nsec: 500_000_000 }, '1700000000.5'],
    [{ sec: -1, nsec: 500_000_000 }, '-0.5'],
    [{ sec: -2, nsec: 1 }, '-1.999999999'],
  ])('writes %o as %s', (time, text) => {
    expect(paxTime(time)).toBe(text);
  });
});
