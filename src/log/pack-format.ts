/**
 * A pack as bytes: frames of content, and behind them what is in them. Pure; see FORMAT.md.
 *
 * Rule: who reads needs the table of frames only; who looks for content that is there already needs the
 * table of chunks too.
 */

import { crc32 } from 'node:zlib';

import { ByteReader, ByteWriter } from '../shared/bytes.ts';
import { readVarint, writeVarint } from './varint.ts';

/** The unit in which content is compressed: what has to be unpacked to read any of it. */
export const FRAME_BYTES = 256 * 1024;

/** A frame of one chunk may be as long as the longest chunk, no frame is longer than this. */
export const FRAME_MAX_BYTES = 512 * 1024;

/** Of a SHA-256, the first bytes. */
export const HASH_BYTES = 16;

export const PACK_HEADER_BYTES = 32;
export const PACK_TRAILER_BYTES = 64;

export interface PackIdentity {
  /** 32 hex digits. */
  readonly volumeId: string;
  readonly id: number;
}

/** All columns have one row a frame. */
export interface PackFrames {
  /** Where it begins in the file. */
  readonly starts: readonly number[];
  /** The bytes in the file: compressed, unless they are as many as `raw`. */
  readonly stored: readonly number[];
  readonly raw: readonly number[];
  /** Of the bytes in the file. */
  readonly crcs: readonly number[];
}

export interface PackTrailer {
  readonly frames: number;
  readonly chunks: number;
  readonly framesTable: TablePlace;
  readonly chunksTable: TablePlace;
  /** Of all frames. */
  readonly rawBytes: number;
}

interface TablePlace {
  readonly length: number;
  readonly crc: number;
}

/** A piece of content in a pack; its hash is in the table beside it. */
export interface PackChunks {
  /** How many chunks each frame has; together they are the frame. */
  readonly counts: readonly number[];
  readonly lengths: readonly number[];
  /** HASH_BYTES for each. */
  readonly hashes: Buffer;
}

const MAGIC = Buffer.from('SESSFSPK', 'latin1');
const TRAILER_MAGIC = Buffer.from('SESSFSPE', 'latin1');
const FORMAT_VERSION = 1;
const AT_FORMAT = 8;
const AT_ID = 12;
const AT_VOLUME = 16;

const AT_FRAMES = 8;
const AT_CHUNKS = 12;
const AT_FRAMES_LENGTH = 16;
const AT_FRAMES_CRC = 20;
const AT_CHUNKS_LENGTH = 24;
const AT_CHUNKS_CRC = 28;
const AT_RAW = 32;
const AT_CRC = PACK_TRAILER_BYTES - 4;

/** "p0000000c.pack" */
export const packName = (id: number): string => `p${id.toString(16).padStart(8, '0')}.pack`;

/** The pack that a file in the log's directory is, or undefined for any other file. */
export function findPackId(fileName: string): number | undefined {
  const digits = /^p([0-9a-f]{8})\.pack$/.exec(fileName)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

export function encodePackHeader({ volumeId, id }: PackIdentity): Buffer {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, AT_FORMAT);
  bytes.writeUInt32LE(id, AT_ID);
  bytes.write(volumeId, AT_VOLUME, 'hex');
  return bytes;
}

/** @returns undefined If the bytes do not begin as a pack of this format does. */
export function decodePackHeader(bytes: Buffer): PackIdentity | undefined {
  if (bytes.length < PACK_HEADER_BYTES) return undefined;
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (bytes.readUInt32LE(AT_FORMAT) !== FORMAT_VERSION) return undefined;
  return {
    id: bytes.readUInt32LE(AT_ID),
    volumeId: bytes.toString('hex', AT_VOLUME, PACK_HEADER_BYTES),
  };
}

/** All that stands behind the frames. */
export function encodePackTables(frames: Omit<PackFrames, 'starts'>, chunks: PackChunks): Buffer {
  const framesTable = new ByteWriter();
  let rawBytes = 0;
  for (const [i, stored] of frames.stored.entries()) {
    const raw = frames.raw[i] ?? 0;
    writeVarint(framesTable, stored);
    writeVarint(framesTable, raw);
    framesTable.u32(frames.crcs[i] ?? 0);
    rawBytes += raw;
  }
  const lengths = new ByteWriter();
  for (const count of chunks.counts) writeVarint(lengths, count);
  for (const length of chunks.lengths) writeVarint(lengths, length);
  const chunksTable = Buffer.concat([chunks.hashes, lengths.view()]);
  const trailer = Buffer.alloc(PACK_TRAILER_BYTES);
  TRAILER_MAGIC.copy(trailer);
  trailer.writeUInt32LE(frames.stored.length, AT_FRAMES);
  trailer.writeUInt32LE(chunks.lengths.length, AT_CHUNKS);
  trailer.writeUInt32LE(framesTable.length, AT_FRAMES_LENGTH);
  trailer.writeUInt32LE(crc32(framesTable.view()), AT_FRAMES_CRC);
  trailer.writeUInt32LE(chunksTable.length, AT_CHUNKS_LENGTH);
  trailer.writeUInt32LE(crc32(chunksTable), AT_CHUNKS_CRC);
  trailer.writeUIntLE(rawBytes, AT_RAW, 6);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, AT_CRC)), AT_CRC);
  return Buffer.concat([framesTable.view(), chunksTable, trailer]);
}

/** @returns undefined If it does not hold. */
export function decodePackTrailer(bytes: Buffer): PackTrailer | undefined {
  if (bytes.length < PACK_TRAILER_BYTES) return undefined;
  if (!bytes.subarray(0, TRAILER_MAGIC.length).equals(TRAILER_MAGIC)) return undefined;
  if (crc32(bytes.subarray(0, AT_CRC)) !== bytes.readUInt32LE(AT_CRC)) return undefined;
  return {
    frames: bytes.readUInt32LE(AT_FRAMES),
    chunks: bytes.readUInt32LE(AT_CHUNKS),
    framesTable: {
      length: bytes.readUInt32LE(AT_FRAMES_LENGTH),
      crc: bytes.readUInt32LE(AT_FRAMES_CRC),
    },
    chunksTable: {
      length: bytes.readUInt32LE(AT_CHUNKS_LENGTH),
      crc: bytes.readUInt32LE(AT_CHUNKS_CRC),
    },
    rawBytes: bytes.readUIntLE(AT_RAW, 6),
  };
}

/** @throws {RangeError} If there are not as many as the trailer says. */
export function decodePackFrames(bytes: Buffer, count: number): PackFrames {
  const reader = new ByteReader(bytes);
  const [starts, stored, raw, crcs]: [number[], number[], number[], number[]] = [[], [], [], []];
  let at = PACK_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    starts.push(at);
    const length = readVarint(reader);
    const rawLength = readVarint(reader);
    if (rawLength > FRAME_MAX_BYTES || length > rawLength) {
      throw new RangeError(`a frame of ${length} bytes for ${rawLength}`);
    }
    stored.push(length);
    raw.push(rawLength);
    crcs.push(reader.u32());
    at += length;
  }
  return { starts, stored, raw, crcs };
}

/** @throws {RangeError} If they are not those of the frames. */
export function decodePackChunks(bytes: Buffer, trailer: PackTrailer): PackChunks {
  const hashes = bytes.subarray(0, trailer.chunks * HASH_BYTES);
  const reader = new ByteReader(bytes, hashes.length);
  if (trailer.frames + trailer.chunks > reader.remaining) {
    throw new RangeError(`${trailer.chunks} chunks in ${bytes.length} bytes`);
  }
  const counts = Array.from({ length: trailer.frames }, () => readVarint(reader));
  const lengths = Array.from({ length: trailer.chunks }, () => readVarint(reader));
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== trailer.chunks) throw new RangeError(`${total} chunks, wanted ${trailer.chunks}`);
  return { counts, lengths, hashes };
}
