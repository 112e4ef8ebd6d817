/**
 * The tables of a map: where each byte of a segment is now, if it is anywhere. Pure; see FORMAT.md.
 *
 * INVARIANT: the spans cover the segment behind its header without a hole; those of the skeleton are in
 * the skeleton in this order; those that are alive are in the data stream, in any order; the chunks are
 * the data stream.
 */

import { ByteReader, ByteWriter } from '../shared/bytes.ts';
import { SEGMENT_HEADER_BYTES } from './segment.ts';
import { readSigned, readVarint, writeSigned, writeVarint } from './varint.ts';

export const SpanKind = { SKELETON: 0, ALIVE: 1, DEAD: 2 } as const;

const KINDS = 3;
const KIND_SCALE = 4;

/** The unit in which a skeleton is compressed; the last frame may be shorter. */
export const SKELETON_FRAME_BYTES = 256 * 1024;

/** Parts of a segment. All columns have one row a span, `starts` one more. */
export interface SpanTable {
  /** Where each one begins, and where the last one ends. */
  readonly starts: Uint32Array;
  readonly kinds: Uint8Array;
  /** Where it begins in the skeleton or in the data stream; 0 if it is dead. */
  readonly places: Uint32Array;
}

/** Parts of the data stream: whole chunks of packs. All columns have one row a chunk, `starts` one more. */
export interface ChunkTable {
  readonly starts: Uint32Array;
  readonly packs: Uint32Array;
  readonly frames: Uint32Array;
  /** Where it begins in its frame. */
  readonly offsets: Uint32Array;
}

/** The frames of the skeleton, one behind the other. */
export interface FrameTable {
  readonly stored: Uint32Array;
  readonly crcs: Uint32Array;
}

export interface MapTables {
  readonly frames: FrameTable;
  readonly spans: SpanTable;
  readonly chunks: ChunkTable;
}

/** What the tables must fit, from the header of the map. */
export interface MapSizes {
  readonly size: number;
  readonly aliveBytes: number;
  readonly skeletonBytes: number;
  readonly skeletonStored: number;
}

export function encodeMapTables({ frames, spans, chunks }: MapTables): Buffer {
  const writer = new ByteWriter(64 * 1024);
  for (let i = 0; i < frames.stored.length; i++) {
    writeVarint(writer, cell(frames.stored, i));
    writer.u32(cell(frames.crcs, i));
  }
  encodeSpans(writer, spans);
  encodeChunks(writer, chunks);
  return writer.copy();
}

/** @throws {RangeError} If they do not fit together: the caller's format error. */
export function decodeMapTables(bytes: Buffer, sizes: MapSizes): MapTables {
  const reader = new ByteReader(bytes);
  const frames = decodeFrames(reader, sizes);
  const spans = decodeSpans(reader, sizes);
  const chunks = decodeChunks(reader, sizes);
  if (reader.remaining > 0) throw new RangeError(`${reader.remaining} bytes behind the tables`);
  return { frames, spans, chunks };
}

/** The row whose part has a place in it, by halving. @param starts One more than there are rows. */
export function findRow(starts: Uint32Array, place: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (cell(starts, middle) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A cell of a column that has that row. */
export const cell = (column: Uint32Array | Uint8Array, row: number): number => column[row] ?? 0;

function encodeSpans(writer: ByteWriter, { starts, kinds, places }: SpanTable): void {
  writeVarint(writer, kinds.length);
  let dataAt = 0;
  for (let i = 0; i < kinds.length; i++) {
    const length = cell(starts, i + 1) - cell(starts, i);
    const kind = cell(kinds, i);
    writeVarint(writer, length * KIND_SCALE + kind);
    if (kind !== SpanKind.ALIVE) continue;
    writeSigned(writer, cell(places, i) - dataAt);
    dataAt = cell(places, i) + length;
  }
}

function decodeFrames(reader: ByteReader, { skeletonBytes, skeletonStored }: MapSizes): FrameTable {
  const count = Math.ceil(skeletonBytes / SKELETON_FRAME_BYTES);
  assertCount(count, reader);
  const frames = { stored: new Uint32Array(count), crcs: new Uint32Array(count) };
  let total = 0;
  for (let i = 0; i < count; i++) {
    total += frames.stored[i] = readVarint(reader);
    frames.crcs[i] = reader.u32();
  }
  assertEqual('bytes of skeleton', total, skeletonStored);
  return frames;
}

function decodeSpans(reader: ByteReader, sizes: MapSizes): SpanTable {
  const count = readVarint(reader);
  assertCount(count, reader);
  const starts = new Uint32Array(count + 1);
  const kinds = new Uint8Array(count);
  const places = new Uint32Array(count);
  let at = SEGMENT_HEADER_BYTES;
  let skeletonAt = 0;
  let dataAt = 0;
  for (let i = 0; i < count; i++) {
    const packed = readVarint(reader);
    const kind = packed % KIND_SCALE;
    const length = (packed - kind) / KIND_SCALE;
    if (kind >= KINDS || length === 0) throw new RangeError(`span ${i} is none`);
    starts[i] = at;
    kinds[i] = kind;
    if (kind === SpanKind.SKELETON) {
      places[i] = skeletonAt;
      skeletonAt += length;
    } else if (kind === SpanKind.ALIVE) {
      const place = dataAt + readSigned(reader);
      if (place < 0 || place + length > sizes.aliveBytes) {
        throw new RangeError(`span ${i} is not in the data`);
      }
      places[i] = place;
      dataAt = place + length;
    }
    at += length;
    if (at > sizes.size) throw new RangeError(`span ${i} is not in the segment`);
  }
  starts[count] = at;
  assertEqual('bytes of spans', at, sizes.size);
  assertEqual('bytes of skeleton in spans', skeletonAt, sizes.skeletonBytes);
  return { starts, kinds, places };
}

function encodeChunks(writer: ByteWriter, { starts, packs, frames, offsets }: ChunkTable): void {
  writeVarint(writer, packs.length);
  let [pack, frame, end] = [0, 0, 0];
  for (let i = 0; i < packs.length; i++) {
    const length = cell(starts, i + 1) - cell(starts, i);
    const offset = cell(offsets, i);
    const isNext = cell(packs, i) === pack && cell(frames, i) === frame && offset === end;
    writeVarint(writer, length * 2 + (isNext ? 0 : 1));
    if (!isNext) {
      writeSigned(writer, cell(packs, i) - pack);
      writeSigned(writer, cell(frames, i) - frame);
      writeVarint(writer, offset);
    }
    pack = cell(packs, i);
    frame = cell(frames, i);
    end = offset + length;
  }
}

function decodeChunks(reader: ByteReader, { aliveBytes }: MapSizes): ChunkTable {
  const count = readVarint(reader);
  assertCount(count, reader);
  const chunks = {
    starts: new Uint32Array(count + 1),
    packs: new Uint32Array(count),
    frames: new Uint32Array(count),
    offsets: new Uint32Array(count),
  };
  let [at, pack, frame, end] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const packed = readVarint(reader);
    const length = Math.floor(packed / 2);
    if (packed % 2 === 1) {
      pack = bounded(pack + readSigned(reader));
      frame = bounded(frame + readSigned(reader));
      end = bounded(readVarint(reader));
    }
    if (length === 0 || at + length > aliveBytes) throw new RangeError(`chunk ${i} is none`);
    chunks.starts[i] = at;
    chunks.packs[i] = pack;
    chunks.frames[i] = frame;
    chunks.offsets[i] = end;
    at += length;
    end += length;
  }
  chunks.starts[count] = at;
  assertEqual('bytes of chunks', at, aliveBytes);
  return chunks;
}

function bounded(value: number): number {
  if (value < 0 || value >= 2 ** 32) throw new RangeError(`a place of ${value}`);
  return value;
}

/** Each row takes a byte at least: a count that was made up must not take all memory. */
function assertCount(count: number, reader: ByteReader): void {
  if (count > reader.remaining) throw new RangeError(`${count} rows in ${reader.remaining} bytes`);
}

function assertEqual(what: string, value: number, wanted: number): void {
  if (value !== wanted) throw new RangeError(`${value} ${what}, wanted ${wanted}`);
}
