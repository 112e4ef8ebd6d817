/**
 * Extents against a file of plain bytes: each byte knows which byte of the log it is.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { LogPos, Revision } from '../../src/shared/brands.ts';
import { ByteReader, ByteWriter } from '../../src/shared/bytes.ts';
import {
  REGION_BYTES,
  decodeExtents,
  encodeExtents,
  findExtent,
  regionOf,
  replaceRange,
  sliceExtent,
} from '../../src/index/extents.ts';
import type { Extent } from '../../src/index/extents.ts';

const FILE_BYTES = 64;

/** For each byte of the file, the place in the log that it comes from; undefined is a hole. */
type Model = (number | undefined)[];

interface Step {
  readonly start: number;
  readonly length: number;
  /** Where in its chunk the piece begins; -1 punches a hole. */
  readonly skip: number;
}

const steps = fc.array(
  fc.record({
    start: fc.nat(FILE_BYTES - 1),
    length: fc.integer({ min: 1, max: 24 }),
    skip: fc.integer({ min: -1, max: 9 }),
  }),
  { maxLength: 25 },
);

const POS_STEP = 1000;

function extentOf(step: Step, index: number, end: number): Extent {
  return {
    offset: step.start,
    length: end - step.start,
    pos: (index * POS_STEP) as LogPos,
    skip: step.skip,
    chunkLength: step.skip + end - step.start + 3,
    crc: index,
    since: (index + 1) as Revision,
  };
}

const moveExtent = (extent: Extent, by: number): Extent => ({
  ...extent,
  offset: extent.offset + by,
});

/** What replacing gives after all the steps; every step is checked with `check`. */
function run(
  all: readonly Step[],
  check: (seen: {
    before: Model;
    after: Model;
    removed: readonly Extent[];
    start: number;
    end: number;
  }) => void = () => {},
): { extents: readonly Extent[]; model: Model } {
  let extents: readonly Extent[] = [];
  let model: Model = Array.from({ length: FILE_BYTES }, () => undefined);
  for (const [index, step] of all.entries()) {
    const { start } = step;
    const end = Math.min(start + step.length, FILE_BYTES);
    const added = step.skip < 0 ? [] : [extentOf(step, index, end)];
    const { extents: replaced, removed } = replaceRange(extents, start, end, added);
    const after = model.map((place, at) => {
      if (at < start || at >= end) return place;
      return step.skip < 0 ? undefined : index * POS_STEP + step.skip + at - start;
    });
    check({ before: model, after, removed, start, end });
    extents = replaced;
    model = after;
  }
  return { extents, model };
}

function toModel(extents: readonly Extent[]): Model {
  const model: Model = Array.from({ length: FILE_BYTES }, () => undefined);
  for (const extent of extents) {
    for (let i = 0; i < extent.length; i++) model[extent.offset + i] = extent.pos + extent.skip + i;
  }
  return model;
}

describe('replaceRange', () => {
  test('leaves every byte where a plain file would have it', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { extents, model } = run(all);
        expect(toModel(extents)).toEqual(model);
      }),
      { numRuns: 500 },
    );
  });

  test('keeps extents sorted, not empty, not overlapping, and inside their chunks', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let end = 0;
        for (const extent of run(all).extents) {
          expect(extent.offset).toBeGreaterThanOrEqual(end);
          expect(extent.length).toBeGreaterThan(0);
          expect(extent.skip).toBeGreaterThanOrEqual(0);
          expect(extent.skip + extent.length).toBeLessThanOrEqual(extent.chunkLength);
          end = extent.offset + extent.length;
        }
      }),
      { numRuns: 300 },
    );
  });

  test('tells exactly the bytes that are gone', () => {
    fc.assert(
      fc.property(steps, (all) => {
        run(all, ({ before, removed, start, end }) => {
          const gone = before.map((place, at) => (at >= start && at < end ? place : undefined));
          expect(toModel(removed)).toEqual(gone);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('does not change the array that it was given', () => {
    fc.assert(
      fc.property(steps, fc.nat(FILE_BYTES), fc.nat(FILE_BYTES), (all, a, b) => {
        const { extents } = run(all);
        const before = structuredClone(extents);
        replaceRange(extents, Math.min(a, b), Math.max(a, b), []);
        expect(extents).toEqual(before);
      }),
    );
  });
});

describe('findExtent', () => {
  test('finds the first extent that ends after the offset', () => {
    fc.assert(
      fc.property(steps, fc.nat(FILE_BYTES + 5), (all, offset) => {
        const { extents } = run(all);
        const wanted = extents.findIndex((extent) => extent.offset + extent.length > offset);
        expect(findExtent(extents, offset)).toBe(wanted === -1 ? extents.length : wanted);
      }),
    );
  });
});

describe('sliceExtent', () => {
  test('has the bytes of both, and is the same object when that is all', () => {
    const extent = extentOf({ start: 10, length: 20, skip: 4 }, 2, 30);
    expect(sliceExtent(extent, 0, 64)).toBe(extent);
    const whole = toModel([extent]);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 29 }),
        fc.integer({ min: 11, max: 64 }),
        (start, end) => {
          fc.pre(start < end);
          const cut = whole.map((place, at) => (at >= start && at < end ? place : undefined));
          expect(toModel([sliceExtent(extent, start, end)])).toEqual(cut);
        },
      ),
    );
  });
});

describe('encoded extents', () => {
  test('are read back however many a region has', () => {
    const extents = Array.from({ length: 70_000 }, (_, i) => ({
      offset: i * 8,
      length: 4,
      pos: i as LogPos,
      skip: 0,
      chunkLength: 4,
      crc: i,
      since: 1 as Revision,
    }));
    const writer = new ByteWriter();
    encodeExtents(writer, extents, 0);
    expect(decodeExtents(new ByteReader(writer.copy()), 0)).toEqual(extents);
  });

  test('are read back, in any region', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 1, 4095, 2 ** 32 - 1), (all, region) => {
        const base = region * REGION_BYTES;
        const extents = run(all).extents.map((extent) => moveExtent(extent, base));
        const writer = new ByteWriter();
        encodeExtents(writer, extents, region);
        const reader = new ByteReader(writer.copy());
        expect(decodeExtents(reader, region)).toEqual(extents);
        expect(reader.remaining).toBe(0);
        for (const { offset } of extents) expect(regionOf(offset)).toBe(region);
      }),
    );
  });
});
