/**
 * Gap records: what a repair puts into a segment where nothing could be read. Pure.
 *
 * A gap covers its place exactly, so that everything after it stays where the index says it is. It says
 * up to which revision records are lost, and which checksum the next record links to. What stood there
 * is its data, as far as the gap's own head leaves room: content in it can still be read by those who
 * know its place and its checksum.
 */

import { assert } from '../shared/assert.ts';
import type { ActorId, Revision } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';
import { DATA_CHUNK_BYTES, RECORD_HEADER_BYTES, RecordEncoder } from './record.ts';
import type { LogRecord } from './record.ts';

/** The type byte of a gap. A reader that does not know it refuses the log, as it must. */
export const GAP_TYPE = 255;

/** The checksum that the next record links to. */
const PAYLOAD_BYTES = 4;

/** Shorter than any record, so that a gap fits wherever one was. */
export const GAP_MIN_BYTES = RECORD_HEADER_BYTES + PAYLOAD_BYTES;

export interface GapShape {
  readonly payloadLength: number;
  readonly dataLength: number;
  readonly metaLength: number;
}

export interface GapPlace {
  readonly mark: number;
  readonly offset: number;
  /** The checksum of what stands before it. */
  readonly link: number;
}

export interface GapContent {
  /** The last one that is lost; the first is the one after the record before the gap. */
  readonly revision: Revision;
  readonly time: Time;
  /** What the record after it, or the header of the next segment, names as its predecessor. */
  readonly nextLink: number;
}

export const isGap = (record: LogRecord): boolean => record.type === GAP_TYPE;

/** How a gap of exactly so many bytes is divided. */
export function gapShape(totalLength: number): GapShape {
  assert(totalLength >= GAP_MIN_BYTES, `room for a gap, not ${totalLength} bytes`);
  const most = Math.ceil((totalLength - GAP_MIN_BYTES) / DATA_CHUNK_BYTES);
  // One more chunk takes four more bytes: a length just behind that step needs some padding.
  for (let payloadLength = PAYLOAD_BYTES; ; payloadLength++) {
    for (let chunks = Math.max(0, most - 1); chunks <= most; chunks++) {
      const metaLength = RECORD_HEADER_BYTES + payloadLength + 4 * chunks;
      const dataLength = totalLength - metaLength;
      if (dataLength >= 0 && Math.ceil(dataLength / DATA_CHUNK_BYTES) === chunks) {
        return { payloadLength, dataLength, metaLength };
      }
    }
  }
}

/** The bytes of a gap up to its data. @param chunkCrcs Of what stands where its data is. */
export function encodeGap(
  place: GapPlace,
  shape: GapShape,
  { revision, time, nextLink }: GapContent,
  chunkCrcs: readonly number[],
): Buffer {
  const payload = Buffer.alloc(shape.payloadLength);
  payload.writeUInt32LE(nextLink);
  const encoder = new RecordEncoder(shape.metaLength);
  const header = { revision, time, unique: 0, actor: 0 as ActorId, type: GAP_TYPE };
  // A repair is synced before it is seen: nothing before it is unsynced.
  const at = { ...place, unsynced: 0 };
  encoder.encode(header, time, payload, payload.length, shape.dataLength, chunkCrcs, at);
  return encoder.buffer.subarray(0, shape.metaLength);
}

/** What the record after this one names as its predecessor. @param crc The checksum of this one. */
export function linkAfter(record: LogRecord, crc: number): number {
  return isGap(record) && record.payload.length >= PAYLOAD_BYTES
    ? record.payload.readUInt32LE(0)
    : crc;
}
