/**
 * The head of a map: which segment it stands for, and how its parts are laid out. See FORMAT.md.
 */

import { crc32 } from 'node:zlib';

import type { SegmentId } from '../shared/brands.ts';
import { readFully } from './byte-source.ts';
import type { DiskFile } from './byte-source.ts';
import { corruptFile, foreignFile } from './corrupt.ts';
import { SEGMENT_HEADER_BYTES } from './segment.ts';

export interface MapHeader {
  /** 32 hex digits. */
  readonly volumeId: string;
  readonly id: SegmentId;
  /** Bytes of the segment. */
  readonly size: number;
  readonly records: number;
  /** The last one that it has a record of: all up to it was on disk. */
  readonly lastRevision: number;
  /** Bytes of data that are still there: the length of the data stream. */
  readonly aliveBytes: number;
  /** All that is not data, without the header. */
  readonly skeletonBytes: number;
  /** What the frames of the skeleton take in the map. */
  readonly skeletonStored: number;
  /** What stands behind the skeleton. */
  readonly tables: StoredBytes;
  /** As it was. */
  readonly segmentHeader: Buffer;
}

/** Compressed, unless `stored` is `raw`. */
export interface StoredBytes {
  readonly stored: number;
  readonly raw: number;
  /** Of the bytes as they are stored. */
  readonly crc: number;
}

export type DecodedMapHeader =
  | { readonly kind: 'map'; readonly header: MapHeader }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'foreign'; readonly what: string };

export const MAP_HEADER_BYTES = 256;

const MAGIC = Buffer.from('SESSFSMP', 'latin1');
const FORMAT_VERSION = 1;
const AT_FORMAT = 8;
const AT_VOLUME = 16;
const VOLUME_BYTES = 16;
const AT_ID = 32;
const AT_SIZE = 36;
const AT_RECORDS = 40;
const AT_ALIVE = 44;
const AT_SKELETON = 48;
const AT_SKELETON_STORED = 52;
const AT_TABLES_STORED = 56;
const AT_TABLES_RAW = 60;
const AT_TABLES_CRC = 64;
const AT_LAST_REVISION = 68;
const AT_SEGMENT_HEADER = 120;
const AT_CRC = MAP_HEADER_BYTES - 4;

/** "0000002a.map" */
export const mapName = (id: SegmentId): string => `${id.toString(16).padStart(8, '0')}.map`;

/** The segment that a file in the log's directory is the map of, or undefined for any other file. */
export function findMapId(fileName: string): SegmentId | undefined {
  const digits = /^([0-9a-f]{8})\.map$/.exec(fileName)?.[1];
  return digits === undefined ? undefined : (Number.parseInt(digits, 16) as SegmentId);
}

export function encodeMapHeader(header: MapHeader): Buffer {
  const bytes = Buffer.alloc(MAP_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, AT_FORMAT);
  bytes.write(header.volumeId, AT_VOLUME, 'hex');
  bytes.writeUInt32LE(header.id, AT_ID);
  bytes.writeUInt32LE(header.size, AT_SIZE);
  bytes.writeUInt32LE(header.records, AT_RECORDS);
  bytes.writeUInt32LE(header.aliveBytes, AT_ALIVE);
  bytes.writeUInt32LE(header.skeletonBytes, AT_SKELETON);
  bytes.writeUInt32LE(header.skeletonStored, AT_SKELETON_STORED);
  bytes.writeUInt32LE(header.tables.stored, AT_TABLES_STORED);
  bytes.writeUInt32LE(header.tables.raw, AT_TABLES_RAW);
  bytes.writeUInt32LE(header.tables.crc, AT_TABLES_CRC);
  bytes.writeUIntLE(header.lastRevision, AT_LAST_REVISION, 6);
  header.segmentHeader.copy(bytes, AT_SEGMENT_HEADER);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, AT_CRC)), AT_CRC);
  return bytes;
}

/** @param bytes The first MAP_HEADER_BYTES of a file, or what there is of them. */
export function decodeMapHeader(bytes: Buffer): DecodedMapHeader {
  if (bytes.length < MAP_HEADER_BYTES) return { kind: 'damaged' };
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return { kind: 'foreign', what: 'not a map of a segment' };
  }
  if (crc32(bytes.subarray(0, AT_CRC)) !== bytes.readUInt32LE(AT_CRC)) return { kind: 'damaged' };
  const format = bytes.readUInt32LE(AT_FORMAT);
  if (format !== FORMAT_VERSION) {
    return { kind: 'foreign', what: `format ${format}, wanted ${FORMAT_VERSION}` };
  }
  const header: MapHeader = {
    volumeId: bytes.toString('hex', AT_VOLUME, AT_VOLUME + VOLUME_BYTES),
    id: bytes.readUInt32LE(AT_ID) as SegmentId,
    size: bytes.readUInt32LE(AT_SIZE),
    records: bytes.readUInt32LE(AT_RECORDS),
    aliveBytes: bytes.readUInt32LE(AT_ALIVE),
    skeletonBytes: bytes.readUInt32LE(AT_SKELETON),
    skeletonStored: bytes.readUInt32LE(AT_SKELETON_STORED),
    tables: {
      stored: bytes.readUInt32LE(AT_TABLES_STORED),
      raw: bytes.readUInt32LE(AT_TABLES_RAW),
      crc: bytes.readUInt32LE(AT_TABLES_CRC),
    },
    lastRevision: bytes.readUIntLE(AT_LAST_REVISION, 6),
    segmentHeader: Buffer.from(
      bytes.subarray(AT_SEGMENT_HEADER, AT_SEGMENT_HEADER + SEGMENT_HEADER_BYTES),
    ),
  };
  return { kind: 'map', header };
}

/** @throws {SessfsError} LOG_CORRUPT, or STORE_FOREIGN if it is no map, or of another format. */
export function readMapHeader(file: DiskFile, path: string): MapHeader {
  const decoded = decodeMapHeader(readFully(file, 0, MAP_HEADER_BYTES));
  if (decoded.kind === 'map') return decoded.header;
  if (decoded.kind === 'foreign') throw foreignFile(path, decoded.what);
  throw corruptFile(path, 'the head of the map fails its checksum');
}

/** What the map takes on disk. */
export const mapStoredBytes = ({ skeletonStored, tables }: MapHeader): number =>
  MAP_HEADER_BYTES + skeletonStored + tables.stored;
