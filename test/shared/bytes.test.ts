/**
 * ByteWriter and ByteReader: what is written is read back, in the same order, and no further.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ByteReader, ByteWriter } from '../../src/shared/bytes.ts';

interface Field {
  readonly write: (writer: ByteWriter) => void;
  readonly read: (reader: ByteReader) => unknown;
  readonly value: unknown;
}

const MAX_48 = 2 ** 48 - 1;
const latin1 = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b).toString('latin1'));

function fieldOf<T>(
  values: fc.Arbitrary<T>,
  write: (writer: ByteWriter, value: T) => void,
  read: (reader: ByteReader, value: T) => unknown,
): fc.Arbitrary<Field> {
  return values.map((value) => ({
    value,
    write: (writer) => write(writer, value),
    read: (reader) => read(reader, value),
  }));
}

const uint = (bits: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: 0, max: 2 ** bits - 1 }),
    fc.constantFrom(0, 1, 2 ** (bits - 1), 2 ** bits - 1),
  );

const fields = fc.oneof(
  fieldOf(
    uint(8),
    (w, v) => w.u8(v),
    (r) => r.u8(),
  ),
  fieldOf(
    uint(16),
    (w, v) => w.u16(v),
    (r) => r.u16(),
  ),
  fieldOf(
    uint(32),
    (w, v) => w.u32(v),
    (r) => r.u32(),
  ),
  fieldOf(
    uint(48),
    (w, v) => w.u48(v),
    (r) => r.u48(),
  ),
  fieldOf(
    uint(32),
    (w, v) => w.u32be(v),
    (r) => r.u32be(),
  ),
  fieldOf(
    uint(48),
    (w, v) => w.u48be(v),
    (r) => r.u48be(),
  ),
  fieldOf(
    fc.maxSafeInteger(),
    (w, v) => w.i53(v),
    (r) => r.i53(),
  ),
  fieldOf(
    latin1,
    (w, v) => w.string(v),
    (r) => r.string(),
  ),
  fieldOf(
    latin1,
    (w, v) => w.latin1(v),
    (r, v) => r.latin1(v.length),
  ),
  fieldOf(
    fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b)),
    (w, v) => w.blob(v),
    (r) => r.blob(),
  ),
  fieldOf(
    fc.record({ sec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), nsec: fc.nat(999_999_999) }),
    (w, v) => w.time(v),
    (r) => r.time(),
  ),
);

describe('ByteReader', () => {
  test('reads back what ByteWriter wrote, whatever the buffer held and however small it began', () => {
    const reused = new ByteWriter(1);
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 40 }), (all) => {
        reused.reset();
        for (const field of all) field.write(reused);
        const reader = new ByteReader(reused.copy());
        for (const field of all) expect(field.read(reader)).toEqual(field.value);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  test('reads from a place inside a larger buffer', () => {
    const bytes = Buffer.concat([Buffer.alloc(7, 0xff), new ByteWriter().u48(MAX_48).view()]);
    expect(new ByteReader(bytes.subarray(3), 4).u48()).toBe(MAX_48);
  });

  test('throws RangeError at any field that was cut off', () => {
    fc.assert(
      fc.property(fields, fc.nat(), (field, seed) => {
        const writer = new ByteWriter();
        field.write(writer);
        fc.pre(writer.length > 0);
        const short = writer.copy().subarray(0, seed % writer.length);
        expect(() => field.read(new ByteReader(short))).toThrow(RangeError);
      }),
    );
  });

  test('throws RangeError at a number that no loop would come to the end of', () => {
    for (const value of [NaN, Infinity, -Infinity, 2 ** 60, 0.5]) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(value);
      expect(() => new ByteReader(bytes).i53()).toThrow(RangeError);
    }
  });

  test('gives blobs that outlive the buffer they were read from', () => {
    const writer = new ByteWriter();
    const blob = new ByteReader(writer.blob(Buffer.from('kept')).view()).blob();
    writer.reset().blob(Buffer.from('over'));
    expect(blob.toString()).toBe('kept');
  });
});

describe('ByteWriter', () => {
  test('orders u32be and u48be as numbers when compared as bytes', () => {
    fc.assert(
      fc.property(uint(48), uint(48), (a, b) => {
        const first = new ByteWriter(8).u48be(a).copy();
        const second = new ByteWriter(8).u48be(b).copy();
        expect(Buffer.compare(first, second)).toBe(Math.sign(a - b));
        const [a32, b32] = [a % 2 ** 32, b % 2 ** 32];
        const first32 = new ByteWriter(4).u32be(a32).copy();
        expect(Buffer.compare(first32, new ByteWriter(4).u32be(b32).copy())).toBe(
          Math.sign(a32 - b32),
        );
      }),
    );
  });

  test('refuses what could not be read back', () => {
    const writer = new ByteWriter();
    expect(() => writer.string('x'.repeat(65_536))).toThrow(RangeError);
    for (const value of [NaN, Infinity, 2 ** 53, 0.5]) {
      expect(() => writer.i53(value)).toThrow(RangeError);
    }
    expect(writer.length).toBe(0);
  });

  test('keeps what was written when it grows', () => {
    const writer = new ByteWriter(2);
    writer.u8(1).latin1('x'.repeat(1000)).u8(2);
    expect(writer.length).toBe(1002);
    expect(writer.view()[0]).toBe(1);
    expect(writer.view()[1001]).toBe(2);
  });
});
