/**
 * Extents: where a file's bytes are in the log.
 *
 * A file's content is cut into regions of REGION_BYTES; each region is a sorted array of extents that do
 * not overlap and do not leave the region. Arrays are never changed in place: whoever holds one (the base
 * of an uncut version, a read under way) keeps what it saw.
 */

import { DATA_CHUNK_BYTES } from '../log/record.ts';
import type { LogPos, Revision } from '../shared/brands.ts';
import type { ByteReader, ByteWriter } from '../shared/bytes.ts';

/**
 * 1 MiB: a sequential file has 8 extents a region, a database written page by page at most 256;
 * so one changed page rewrites at most 6 KiB of index, and much less when a batch has many.
 */
export const REGION_BYTES = 1 << 20;

/** A piece of one chunk of a record's data. */
export interface Extent {
  /** In the file, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** Of the chunk's first byte. */
  readonly pos: LogPos;
  /** How far into the chunk this piece begins. */
  readonly skip: number;
  /** Of the whole chunk: what its checksum covers. */
  readonly chunkLength: number;
  /** CRC-32 of the whole chunk. */
  readonly crc: number;
  /** The revision that put it there. */
  readonly since: Revision;
}

export const NO_EXTENTS: readonly Extent[] = [];

/** Which region a byte is in. */
export const regionOf = (offset: number): number => Math.floor(offset / REGION_BYTES);

/** The index of the first extent that ends after offset. */
export function findExtent(extents: readonly Extent[], offset: number): number {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const extent = extents[middle] as Extent;
    if (extent.offset + extent.length <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The part of an extent between two offsets of the file. */
export function sliceExtent(extent: Extent, start: number, end: number): Extent {
  const from = Math.max(start, extent.offset);
  const to = Math.min(end, extent.offset + extent.length);
  if (from === extent.offset && to === extent.offset + extent.length) return extent;
  return {
    offset: from,
    length: to - from,
    pos: extent.pos,
    skip: extent.skip + from - extent.offset,
    chunkLength: extent.chunkLength,
    crc: extent.crc,
    since: extent.since,
  };
}

/** What replaceRange changed. */
export interface Replacement {
  readonly extents: readonly Extent[];
  /** The pieces that are not there any more. */
  readonly removed: Extent[];
}

/** Puts `added` (sorted, within start and end) in the place of everything between start and end. */
export function replaceRange(
  extents: readonly Extent[],
  start: number,
  end: number,
  added: readonly Extent[],
): Replacement {
  const first = findExtent(extents, start);
  const removed: Extent[] = [];
  if (first === extents.length) return { extents: [...extents, ...added], removed };
  const result: Extent[] = extents.slice(0, first);
  const kept: Extent[] = [];
  let index = first;
  for (; index < extents.length; index++) {
    const extent = extents[index] as Extent;
    if (extent.offset >= end) break;
    const extentEnd = extent.offset + extent.length;
    if (extent.offset < start) result.push(sliceExtent(extent, extent.offset, start));
    removed.push(sliceExtent(extent, start, end));
    if (extentEnd > end) kept.push(sliceExtent(extent, end, extentEnd));
  }
  for (const extent of added) result.push(extent);
  for (const extent of kept) result.push(extent);
  for (; index < extents.length; index++) result.push(extents[index] as Extent);
  return { extents: result, removed };
}

const WHOLE_CHUNK = 1;

/** Offsets are stored relative to the region, so that `region` is needed to read them back. */
export function encodeExtents(
  writer: ByteWriter,
  extents: readonly Extent[],
  region: number,
): void {
  const base = region * REGION_BYTES;
  writer.u32(extents.length);
  for (const extent of extents) {
    const whole = extent.skip === 0 && extent.length === extent.chunkLength;
    writer
      .u8(whole ? WHOLE_CHUNK : 0)
      .u32(extent.offset - base)
      .u32(extent.length);
    writer.i53(extent.pos).u32(extent.crc).u48(extent.since);
    if (!whole) writer.u32(extent.skip).u32(extent.chunkLength);
  }
}

export function decodeExtents(reader: ByteReader, region: number): Extent[] {
  const base = region * REGION_BYTES;
  const extents: Extent[] = [];
  let end = base;
  for (let count = reader.u32(); count > 0; count--) {
    const flags = reader.u8();
    const offset = reader.u32() + base;
    const length = reader.u32();
    const pos = reader.i53() as LogPos;
    const crc = reader.u32();
    const since = reader.u48() as Revision;
    const whole = (flags & WHOLE_CHUNK) !== 0;
    const skip = whole ? 0 : reader.u32();
    const chunkLength = whole ? length : reader.u32();
    const extent = { offset, length, pos, skip, chunkLength, crc, since };
    assertExtent(extent);
    if (offset < end || offset + length > base + REGION_BYTES) {
      throw new RangeError(`Extent out of its place: ${offset}, ${length} bytes`);
    }
    end = offset + length;
    extents.push(extent);
  }
  return extents;
}

/** @throws {RangeError} If it is no piece of a chunk: whoever reads it takes as much memory as it says. */
function assertExtent(extent: Extent): void {
  const { offset, length, pos, skip, chunkLength } = extent;
  const isPiece = length > 0 && skip + length <= chunkLength && chunkLength <= DATA_CHUNK_BYTES;
  if (isPiece && pos >= 0 && offset >= 0) return;
  throw new RangeError(`No extent: ${length} bytes at ${skip} of ${chunkLength}`);
}

/** Extents of a file with their own offsets, as a record of the log has them: those are not yet anywhere. */
export function encodePlacedExtents(writer: ByteWriter, extents: readonly Extent[]): void {
  writer.u32(extents.length);
  for (const extent of extents) {
    writer.i53(extent.offset).u32(extent.length).i53(extent.pos).u32(extent.skip);
    writer.u32(extent.chunkLength).u32(extent.crc);
  }
}

export function decodePlacedExtents(reader: ByteReader): Extent[] {
  const extents: Extent[] = [];
  for (let count = reader.u32(); count > 0; count--) {
    const extent = {
      offset: reader.i53(),
      length: reader.u32(),
      pos: reader.i53() as LogPos,
      skip: reader.u32(),
      chunkLength: reader.u32(),
      crc: reader.u32(),
      since: 0 as Revision,
    };
    assertExtent(extent);
    extents.push(extent);
  }
  return extents;
}
