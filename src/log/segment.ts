/**
 * Segments: their names, their headers, and places in them. Pure. The layout is in FORMAT.md.
 */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

import type { LogPos, Revision, SegmentId } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';

/** LogPos = segment × SEGMENT_SPAN + offset: below 2^53 for two million segments. */
const SEGMENT_SPAN = 2 ** 32;
export const SEGMENT_ID_MAX = 2 ** 21 - 1;

export const SEGMENT_HEADER_BYTES = 128;
const FORMAT_VERSION = 1;
/** Of a header that a repair made up: the one that was there is lost. */
const MADE_UP_VERSION = 2;

/** The size at which a segment is full: small enough to copy, clean and back up as one piece. */
export const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024;

/** The largest segment, which then holds one large record alone. */
export const SEGMENT_MAX_BYTES = 1024 * 1024 * 1024;

export interface SegmentHeader {
  /** 32 hex digits. */
  readonly volumeId: string;
  readonly id: SegmentId;
  /** The revision after the last one of the segment before: no record in here has a smaller one. */
  readonly firstRevision: Revision;
  /** When the segment was opened: no record in here is from before. */
  readonly time: Time;
  /** How the segment before ended; all zero in segment 0. */
  readonly previous: SegmentEnd;
  /** SHA-256 over the header of the segment before and how it ended; all zero in segment 0. */
  readonly previousDigest: Buffer;
  /**
   * Only of a header that was made up: what the first record names as the one before it. The header of
   * the next segment has the digest of the one that is lost.
   */
  readonly firstLink?: number;
}

/** The end of a full segment. */
export interface SegmentEnd {
  readonly size: number;
  /** The checksum of its last record, which depends on every record before it. */
  readonly lastCrc: number;
}

export type DecodedHeader =
  | { readonly kind: 'header'; readonly header: SegmentHeader; readonly crc: number }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'foreign'; readonly what: string };

const MAGIC = Buffer.from('SESSFSLG', 'latin1');
const AT_FORMAT = 8;
const AT_VOLUME = 16;
const AT_ID = 32;
const AT_FIRST_REVISION = 40;
const AT_SEC = 48;
const AT_NSEC = 56;
const AT_PREVIOUS_SIZE = 60;
const AT_PREVIOUS_CRC = 64;
const AT_PREVIOUS_DIGEST = 72;
const DIGEST_BYTES = 32;
const AT_FIRST_LINK = 104;
const AT_CRC = SEGMENT_HEADER_BYTES - 4;

export const NO_DIGEST = Buffer.alloc(DIGEST_BYTES);

export const makeLogPos = (segment: number, offset: number): LogPos =>
  (segment * SEGMENT_SPAN + offset) as LogPos;

export const segmentOf = (pos: LogPos): SegmentId => Math.floor(pos / SEGMENT_SPAN) as SegmentId;

export const offsetOf = (pos: LogPos): number => pos % SEGMENT_SPAN;

/** "0000002a.seg" */
export const segmentName = (id: SegmentId): string => `${id.toString(16).padStart(8, '0')}.seg`;

/** The segment that a file in the log's directory holds, or undefined for any other file. */
export function findSegmentId(fileName: string): SegmentId | undefined {
  const digits = /^([0-9a-f]{8})\.seg$/.exec(fileName)?.[1];
  return digits === undefined ? undefined : (Number.parseInt(digits, 16) as SegmentId);
}

/** The number that each record of a segment carries: no other segment of any volume has it but by chance. */
export function segmentMark(volumeId: string, id: SegmentId): number {
  return crc32(`${volumeId}/${id}`);
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(header.firstLink === undefined ? FORMAT_VERSION : MADE_UP_VERSION, AT_FORMAT);
  bytes.writeUInt32LE(header.firstLink ?? 0, AT_FIRST_LINK);
  bytes.write(header.volumeId, AT_VOLUME, 'hex');
  bytes.writeUInt32LE(header.id, AT_ID);
  bytes.writeBigUInt64LE(BigInt(header.firstRevision), AT_FIRST_REVISION);
  bytes.writeBigInt64LE(BigInt(header.time.sec), AT_SEC);
  bytes.writeUInt32LE(header.time.nsec, AT_NSEC);
  bytes.writeUInt32LE(header.previous.size, AT_PREVIOUS_SIZE);
  bytes.writeUInt32LE(header.previous.lastCrc, AT_PREVIOUS_CRC);
  header.previousDigest.copy(bytes, AT_PREVIOUS_DIGEST);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, AT_CRC)), AT_CRC);
  return bytes;
}

/** The checksum in a segment's header, which its first record names as the one before it. */
export const segmentHeaderCrc = (header: SegmentHeader): number =>
  encodeSegmentHeader(header).readUInt32LE(AT_CRC);

/** True if the bytes begin as every segment does, whatever its format. */
export const hasMagic = (bytes: Buffer): boolean => bytes.subarray(0, MAGIC.length).equals(MAGIC);

/** @param bytes The first SEGMENT_HEADER_BYTES of a file, or what there is of them. */
export function decodeSegmentHeader(bytes: Buffer): DecodedHeader {
  // A file that was being made when the host went down is short, or zeros where nothing was written.
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.every((byte) => byte === 0)) {
    return { kind: 'damaged' };
  }
  if (!hasMagic(bytes)) {
    return { kind: 'foreign', what: 'not a segment of a log' };
  }
  const crc = bytes.readUInt32LE(AT_CRC);
  if (crc32(bytes.subarray(0, AT_CRC)) !== crc) return { kind: 'damaged' };
  const format = bytes.readUInt32LE(AT_FORMAT);
  if (format !== FORMAT_VERSION && format !== MADE_UP_VERSION) {
    return { kind: 'foreign', what: `format ${format}, wanted ${FORMAT_VERSION}` };
  }
  const header: SegmentHeader = {
    volumeId: bytes.toString('hex', AT_VOLUME, AT_VOLUME + 16),
    id: bytes.readUInt32LE(AT_ID) as SegmentId,
    firstRevision: Number(bytes.readBigUInt64LE(AT_FIRST_REVISION)) as Revision,
    time: { sec: Number(bytes.readBigInt64LE(AT_SEC)), nsec: bytes.readUInt32LE(AT_NSEC) },
    previous: {
      size: bytes.readUInt32LE(AT_PREVIOUS_SIZE),
      lastCrc: bytes.readUInt32LE(AT_PREVIOUS_CRC),
    },
    previousDigest: Buffer.from(
      bytes.subarray(AT_PREVIOUS_DIGEST, AT_PREVIOUS_DIGEST + DIGEST_BYTES),
    ),
    ...(format === MADE_UP_VERSION ? { firstLink: bytes.readUInt32LE(AT_FIRST_LINK) } : {}),
  };
  return { kind: 'header', header, crc };
}

/** The header of the segment behind one, which ends like this. */
export function headerAfter(
  header: SegmentHeader,
  end: SegmentEnd & { readonly lastRevision: Revision; readonly lastTime: Time },
): SegmentHeader {
  const previous = { size: end.size, lastCrc: end.lastCrc };
  return {
    volumeId: header.volumeId,
    id: (header.id + 1) as SegmentId,
    firstRevision: (end.lastRevision + 1) as Revision,
    time: end.lastTime,
    previous,
    previousDigest: digestSegment(header, previous),
  };
}

/** What the header of the segment after this one must hold as previousDigest. */
export function digestSegment(header: SegmentHeader, end: SegmentEnd): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(end.size, 0);
  tail.writeUInt32LE(end.lastCrc, 4);
  return createHash('sha256').update(encodeSegmentHeader(header)).update(tail).digest();
}
