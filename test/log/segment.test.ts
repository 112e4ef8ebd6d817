/**
 * Segment headers, names and places as bytes and back.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Revision, SegmentId } from '../../src/shared/brands.ts';
import {
  SEGMENT_HEADER_BYTES,
  SEGMENT_ID_MAX,
  decodeSegmentHeader,
  digestSegment,
  encodeSegmentHeader,
  findSegmentId,
  makeLogPos,
  offsetOf,
  segmentHeaderCrc,
  segmentName,
  segmentOf,
} from '../../src/log/segment.ts';
import type { SegmentHeader } from '../../src/log/segment.ts';

const headers: fc.Arbitrary<SegmentHeader> = fc.record({
  volumeId: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((b) => Buffer.from(b).toString('hex')),
  id: fc.nat(SEGMENT_ID_MAX).map((n) => n as SegmentId),
  firstRevision: fc.integer({ min: 1, max: 2 ** 48 }).map((n) => n as Revision),
  time: fc.record({ sec: fc.integer(), nsec: fc.nat(999_999_999) }),
  previous: fc.record({ size: fc.nat(2 ** 30), lastCrc: fc.nat(2 ** 31) }),
  previousDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b)),
});

describe('a segment header', () => {
  test('is decoded as it was encoded', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const bytes = encodeSegmentHeader(header);
        expect(bytes.length).toBe(SEGMENT_HEADER_BYTES);
        const decoded = decodeSegmentHeader(bytes);
        expect(decoded).toEqual({ kind: 'header', header, crc: segmentHeaderCrc(header) });
      }),
    );
  });

  test('is damaged when it is short, zeros or changed behind the magic', () => {
    const [header] = fc.sample(headers, 1);
    if (header === undefined) throw new Error('no sample');
    const bytes = encodeSegmentHeader(header);
    expect(decodeSegmentHeader(bytes.subarray(0, 127)).kind).toBe('damaged');
    expect(decodeSegmentHeader(Buffer.alloc(128)).kind).toBe('damaged');
    bytes[50] = (bytes[50] ?? 0) ^ 1;
    expect(decodeSegmentHeader(bytes).kind).toBe('damaged');
  });

  test('is foreign when it begins like something else', () => {
    expect(decodeSegmentHeader(Buffer.alloc(128, 'x')).kind).toBe('foreign');
  });

  test('has another digest when the segment ended elsewhere', () => {
    const [header] = fc.sample(headers, 1);
    if (header === undefined) throw new Error('no sample');
    const digest = digestSegment(header, { size: 500, lastCrc: 1 });
    expect(digestSegment(header, { size: 500, lastCrc: 1 })).toEqual(digest);
    expect(digestSegment(header, { size: 501, lastCrc: 1 })).not.toEqual(digest);
    expect(digestSegment(header, { size: 500, lastCrc: 2 })).not.toEqual(digest);
  });
});

test('segment names order as their numbers and are read back', () => {
  fc.assert(
    fc.property(fc.nat(SEGMENT_ID_MAX), fc.nat(SEGMENT_ID_MAX), (a, b) => {
      const [nameA, nameB] = [segmentName(a as SegmentId), segmentName(b as SegmentId)];
      expect(findSegmentId(nameA)).toBe(a);
      expect(Math.sign(a - b)).toBe(nameA < nameB ? -1 : nameA > nameB ? 1 : 0);
    }),
  );
  expect(findSegmentId('synced')).toBeUndefined();
  expect(findSegmentId('0000000.seg')).toBeUndefined();
});

test('a log position keeps its segment and offset, and orders by both', () => {
  const at = fc.tuple(fc.nat(SEGMENT_ID_MAX), fc.nat(2 ** 30));
  fc.assert(
    fc.property(at, at, ([segment, offset], [segment2, offset2]) => {
      const pos = makeLogPos(segment, offset);
      expect(Number.isSafeInteger(pos)).toBe(true);
      expect([segmentOf(pos), offsetOf(pos)]).toEqual([segment, offset]);
      const order = Math.sign(segment - segment2 || offset - offset2);
      expect(Math.sign(pos - makeLogPos(segment2, offset2))).toBe(order);
    }),
  );
});
