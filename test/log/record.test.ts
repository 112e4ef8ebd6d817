/**
 * Records as bytes: what goes in comes out, and a record holds only where it was written.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { ActorId, LogPos, Revision } from '../../src/shared/brands.ts';
import {
  DATA_CHUNK_BYTES,
  RecordEncoder,
  checksumChunks,
  decodeRecord,
  findRecordShape,
  isRecordIntact,
  recordCrc,
  recordLink,
  recordSynced,
} from '../../src/log/record.ts';

const headers = fc.record({
  revision: fc.integer({ min: 1, max: 2 ** 48 - 1 }).map((n) => n as Revision),
  time: fc.record({
    sec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    nsec: fc.integer({ min: 0, max: 999_999_999 }),
  }),
  unique: fc.nat(Number.MAX_SAFE_INTEGER),
  actor: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((n) => n as ActorId),
  type: fc.nat(255),
});

const places = fc.record({
  mark: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  offset: fc.nat(2 ** 30),
  link: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  unsynced: fc.constant(0),
});

const payloads = fc.uint8Array({ maxLength: 300 });

describe('a record', () => {
  test('is decoded as it was encoded', () => {
    const encoder = new RecordEncoder(64);
    fc.assert(
      fc.property(
        headers,
        payloads,
        places,
        fc.nat(3 * DATA_CHUNK_BYTES),
        (header, payload, place, dataLength) => {
          const crcs: number[] = [];
          checksumChunks(Buffer.alloc(dataLength, 1), crcs);
          const crc = encoder.encode(
            header,
            header.time,
            payload,
            payload.length,
            dataLength,
            crcs,
            place,
          );
          const bytes = encoder.buffer;
          const shape = findRecordShape(bytes, 0, place.mark);
          if (shape === undefined) throw new Error('no shape');
          expect(isRecordIntact(bytes, 0, shape, place)).toBe(true);
          const {
            pos,
            end,
            dataPos,
            chunkCrcs,
            payload: found,
            ...rest
          } = decodeRecord(bytes, 0, shape, 5 as LogPos);
          expect(rest).toEqual({ ...header, dataLength });
          expect([...found]).toEqual([...payload]);
          expect(chunkCrcs).toEqual(crcs);
          expect(dataPos - pos).toBe(shape.metaLength);
          expect(end - dataPos).toBe(dataLength);
          expect(recordCrc(bytes, 0)).toBe(crc);
          expect(recordLink(bytes, 0)).toBe(place.link);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('tells how far was synced when it was written', () => {
    const encoder = new RecordEncoder(256);
    fc.assert(
      fc.property(headers, places, fc.nat(1000), (header, place, unsynced) => {
        encoder.encode(header, header.time, Buffer.alloc(0), 0, 0, [], { ...place, unsynced });
        expect(recordSynced(encoder.buffer, 0)).toBe(header.revision - 1 - unsynced);
      }),
    );
  });

  test('does not hold with any one bit changed', () => {
    const encoder = new RecordEncoder(256);
    const payload = Buffer.from('an event');
    const place = { mark: 12345, offset: 800, link: 9, unsynced: 0 };
    const header = {
      revision: 3 as Revision,
      time: { sec: 1, nsec: 2 },
      unique: 4,
      actor: 5 as ActorId,
      type: 6,
    };
    encoder.encode(header, header.time, payload, payload.length, 10, [77], place);
    const whole = Buffer.from(encoder.buffer.subarray(0, 56 + payload.length + 4));
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = Buffer.alloc(whole.length * 4);
      whole.copy(bytes);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const shape = findRecordShape(bytes, 0, place.mark);
      const holds =
        shape !== undefined &&
        shape.metaLength <= bytes.length &&
        isRecordIntact(bytes, 0, shape, place);
      expect({ bit, holds }).toEqual({ bit, holds: false });
    }
  });

  test('does not hold at another place or in another segment', () => {
    const encoder = new RecordEncoder(256);
    const place = { mark: 12345, offset: 800, link: 9, unsynced: 0 };
    const header = {
      revision: 3 as Revision,
      time: { sec: 1, nsec: 2 },
      unique: 4,
      actor: 5 as ActorId,
      type: 6,
    };
    encoder.encode(header, header.time, Buffer.alloc(8), 8, 0, [], place);
    const shape = findRecordShape(encoder.buffer, 0, place.mark);
    if (shape === undefined) throw new Error('no shape');
    expect(isRecordIntact(encoder.buffer, 0, shape, { ...place, offset: 801 })).toBe(false);
    expect(findRecordShape(encoder.buffer, 0, place.mark + 1)).toBeUndefined();
  });
});
