/**
 * One record of the log as bytes: encode and decode together, pure. The layout is in FORMAT.md.
 *
 * Rule: a record is valid only at the place it was written for: its checksum is seeded with the
 * segment and the offset, so that a copy of a record inside somebody's data is never taken for one.
 */

import { crc32 } from 'node:zlib';

import type { ActorId, LogPos, Revision } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';

export interface RecordHeader {
  readonly revision: Revision;
  /** Never before that of the record before it. */
  readonly time: Time;
  /** The kernel's number of the request that caused it; 0 is none. */
  readonly unique: number;
  readonly actor: ActorId;
  /** What kind of event the payload is: 0 to 255, opaque here. */
  readonly type: number;
}

export interface LogRecord extends RecordHeader {
  readonly pos: LogPos;
  /** Where the record after this one starts, if it is in the same segment. */
  readonly end: LogPos;
  /** The event, without the data. Valid until the reader goes on. */
  readonly payload: Buffer;
  readonly dataPos: LogPos;
  readonly dataLength: number;
  /** CRC-32 of each DATA_CHUNK_BYTES of the data. */
  readonly chunkCrcs: readonly number[];
}

/** Where a record stands and what it follows: with its own bytes this makes its checksum. */
export interface RecordPlace {
  /** The number that marks the records of one segment, as from segmentMark(). */
  readonly mark: number;
  readonly offset: number;
}

/** What can be told from the first RECORD_HEADER_BYTES of a record, before its checksum is tested. */
export interface RecordShape {
  readonly payloadLength: number;
  readonly dataLength: number;
  /** Header, payload and chunk checksums: what the record's checksum covers. */
  readonly metaLength: number;
  /** metaLength and the data. */
  readonly totalLength: number;
}

export const RECORD_HEADER_BYTES = 56;

/** The data's unit of checking: what a reader of a part must read at least to verify it. */
export const DATA_CHUNK_BYTES = 128 * 1024;

/** Bounds what a reader must hold in memory: a rollback of a large tree is one record. */
export const PAYLOAD_MAX_BYTES = 256 * 1024 * 1024;

const AT_CRC = 0;
export const AT_MARK = 4;
const AT_PAYLOAD_LENGTH = 8;
const AT_DATA_LENGTH = 12;
const AT_LINK = 16;
const AT_UNSYNCED = 20;
const AT_REVISION = 24;
const AT_TYPE = 30;
const AT_RESERVED = 31;
const AT_SEC = 32;
const AT_NSEC = 40;
const AT_ACTOR = 44;
const AT_UNIQUE = 48;

const U32 = 2 ** 32;

const NO_CRCS: readonly number[] = [];

const chunkCount = (dataLength: number): number => Math.ceil(dataLength / DATA_CHUNK_BYTES);

/** The length of a record up to its data. */
export const metaLengthOf = (payloadLength: number, dataLength: number): number =>
  RECORD_HEADER_BYTES + payloadLength + 4 * chunkCount(dataLength);

/** The checksum of each chunk of data, put into crcs in place of what was there. */
export function checksumChunks(data: Uint8Array, crcs: number[]): void {
  const count = chunkCount(data.length);
  crcs.length = count;
  if (count === 1) {
    crcs[0] = crc32(data);
    return;
  }
  for (let i = 0; i < count; i++) {
    crcs[i] = crc32(data.subarray(i * DATA_CHUNK_BYTES, (i + 1) * DATA_CHUNK_BYTES));
  }
}

/** Encodes records, one after another, into the start of a buffer that it keeps and grows. */
export class RecordEncoder {
  /** Holds the last record up to its data, at 0. */
  buffer: Buffer;
  #view: DataView;

  constructor(sizeBytes: number) {
    this.buffer = Buffer.alloc(sizeBytes);
    this.#view = viewOf(this.buffer);
  }

  /**
   * Encodes a record up to its data.
   *
   * @param options.link The checksum of the record before it, or of the segment's header.
   * @param options.unsynced How many revisions right before this one were not known to be on disk.
   * @returns The checksum of the record.
   */
  encode(
    header: RecordHeader,
    time: Time,
    payload: Uint8Array,
    payloadLength: number,
    dataLength: number,
    chunkCrcs: readonly number[],
    place: { mark: number; offset: number; link: number; unsynced: number },
  ): number {
    const metaLength = RECORD_HEADER_BYTES + payloadLength + 4 * chunkCrcs.length;
    if (metaLength > this.buffer.length) this.#grow(metaLength);
    const view = this.#view;
    view.setUint32(AT_MARK, place.mark, true);
    view.setUint32(AT_PAYLOAD_LENGTH, payloadLength, true);
    view.setUint32(AT_DATA_LENGTH, dataLength, true);
    view.setUint32(AT_LINK, place.link, true);
    view.setUint32(AT_UNSYNCED, Math.min(place.unsynced, U32 - 1), true);
    view.setUint32(AT_REVISION, header.revision % U32, true);
    view.setUint16(AT_REVISION + 4, Math.floor(header.revision / U32), true);
    view.setUint8(AT_TYPE, header.type);
    view.setUint8(AT_RESERVED, 0);
    const secHigh = Math.floor(time.sec / U32);
    view.setUint32(AT_SEC, time.sec - secHigh * U32, true);
    view.setInt32(AT_SEC + 4, secHigh, true);
    view.setUint32(AT_NSEC, time.nsec, true);
    view.setUint32(AT_ACTOR, header.actor, true);
    view.setUint32(AT_UNIQUE, header.unique % U32, true);
    view.setUint32(AT_UNIQUE + 4, Math.floor(header.unique / U32), true);
    this.buffer.set(
      payloadLength === payload.length ? payload : payload.subarray(0, payloadLength),
      RECORD_HEADER_BYTES,
    );
    let at = RECORD_HEADER_BYTES + payloadLength;
    for (const crc of chunkCrcs) {
      view.setUint32(at, crc, true);
      at += 4;
    }
    const crc = crc32(this.buffer.subarray(AT_MARK, at), seedOf(place));
    view.setUint32(AT_CRC, crc, true);
    return crc;
  }

  #grow(length: number): void {
    this.buffer = Buffer.alloc(2 ** Math.ceil(Math.log2(length)));
    this.#view = viewOf(this.buffer);
  }
}

/**
 * Reads the lengths of a record, from its header alone.
 *
 * @returns undefined if no record can start like this in a segment with this mark.
 */
export function findRecordShape(buffer: Buffer, at: number, mark: number): RecordShape | undefined {
  if (buffer.readUInt32LE(at + AT_MARK) !== mark) return undefined;
  const payloadLength = buffer.readUInt32LE(at + AT_PAYLOAD_LENGTH);
  if (payloadLength > PAYLOAD_MAX_BYTES || buffer[at + AT_RESERVED] !== 0) return undefined;
  const dataLength = buffer.readUInt32LE(at + AT_DATA_LENGTH);
  const metaLength = metaLengthOf(payloadLength, dataLength);
  return { payloadLength, dataLength, metaLength, totalLength: metaLength + dataLength };
}

/** The checksum that is written in a record. */
export const recordCrc = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + AT_CRC);

/** The checksum of the record before, as a record names it. */
export const recordLink = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + AT_LINK);

/** The newest revision known to be on disk when a record was written. */
export function recordSynced(buffer: Buffer, at: number): number {
  return readRevision(buffer, at) - buffer.readUInt32LE(at + AT_UNSYNCED) - 1;
}

/** True if the record's header, payload and chunk checksums are as they were written, and there. */
export function isRecordIntact(
  buffer: Buffer,
  at: number,
  shape: RecordShape,
  place: RecordPlace,
): boolean {
  const covered = buffer.subarray(at + AT_MARK, at + shape.metaLength);
  return crc32(covered, seedOf(place)) === recordCrc(buffer, at);
}

/** Decodes a record that isRecordIntact; its payload is a view of the buffer. */
export function decodeRecord(
  buffer: Buffer,
  at: number,
  shape: RecordShape,
  pos: LogPos,
): LogRecord {
  const { payloadLength, dataLength } = shape;
  const payloadAt = at + RECORD_HEADER_BYTES;
  return {
    revision: readRevision(buffer, at),
    time: {
      sec: buffer.readInt32LE(at + AT_SEC + 4) * U32 + buffer.readUInt32LE(at + AT_SEC),
      nsec: buffer.readUInt32LE(at + AT_NSEC),
    },
    unique: buffer.readUInt32LE(at + AT_UNIQUE + 4) * U32 + buffer.readUInt32LE(at + AT_UNIQUE),
    actor: buffer.readUInt32LE(at + AT_ACTOR) as ActorId,
    type: buffer.readUInt8(at + AT_TYPE),
    pos,
    end: (pos + shape.totalLength) as LogPos,
    payload: buffer.subarray(payloadAt, payloadAt + payloadLength),
    dataPos: (pos + shape.metaLength) as LogPos,
    dataLength,
    chunkCrcs: readChunkCrcs(buffer, payloadAt + payloadLength, chunkCount(dataLength)),
  };
}

function readRevision(buffer: Buffer, at: number): Revision {
  return buffer.readUIntLE(at + AT_REVISION, 6) as Revision;
}

function readChunkCrcs(buffer: Buffer, at: number, count: number): readonly number[] {
  if (count === 0) return NO_CRCS;
  return Array.from({ length: count }, (_, i) => buffer.readUInt32LE(at + 4 * i));
}

/** The mark is in the checksummed bytes too; the offset is only here. */
const seedOf = (place: RecordPlace): number => (place.mark ^ place.offset) >>> 0;

const viewOf = (buffer: Buffer): DataView =>
  new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
