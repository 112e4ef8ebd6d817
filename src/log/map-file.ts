/**
 * A packed segment as its map has it: all of it but the data, which reads as zeros.
 *
 * This is what reads records: their heads, payloads and checksums are in the map itself, so that a log
 * is recovered, scanned and replayed without touching a pack.
 */

import { crc32 } from 'node:zlib';

import { SessfsError } from '../shared/errors.ts';
import { DiskFile, readFully, readFullyAsync } from './byte-source.ts';
import type { OpenSource } from './byte-source.ts';
import { corruptFile } from './corrupt.ts';
import type { Disk } from './disk.ts';
import { MAP_HEADER_BYTES, readMapHeader } from './map-header.ts';
import type { MapHeader } from './map-header.ts';
import { SKELETON_FRAME_BYTES, SpanKind, cell, decodeMapTables, findRow } from './map-tables.ts';
import type { MapTables } from './map-tables.ts';
import { SEGMENT_HEADER_BYTES } from './segment.ts';
import { decompress } from './zstd.ts';

export interface SegmentMap extends MapTables {
  readonly header: MapHeader;
}

/** @throws {SessfsError} LOG_CORRUPT, or STORE_FOREIGN if it is no map, or of another format. */
export function readMap(file: DiskFile, path: string): SegmentMap {
  const header = readMapHeader(file, path);
  const { stored, raw, crc } = header.tables;
  const bytes = readFully(file, MAP_HEADER_BYTES + header.skeletonStored, stored);
  const what = 'the tables of the map';
  const tables = unpack(bytes, { path, what, stored, raw, crc });
  try {
    return { header, ...decodeMapTables(tables, header) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw corruptFile(path, `${what}: ${error.message}`);
  }
}

export class MapFile implements OpenSource {
  readonly map: SegmentMap;
  readonly size: number;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #onDamagedFrame: ((problem: string) => void) | undefined;
  /** Where each frame begins in the file. */
  readonly #frameStarts: readonly number[];
  /** The last one that was read. */
  #frame = -1;
  #frameBytes: Buffer = Buffer.alloc(0);
  #wantedFrame = -1;

  /**
   * Zstd has to be loaded.
   *
   * @param onDamagedFrame Called for a part of the skeleton that does not hold: it then reads as zeros,
   *   which no record is. Undefined: reading it throws.
   */
  constructor(disk: Disk, path: string, onDamagedFrame?: (problem: string) => void) {
    this.#path = path;
    this.#onDamagedFrame = onDamagedFrame;
    this.#file = DiskFile.open(disk, path);
    try {
      this.map = readMap(this.#file, path);
    } catch (error) {
      this.#file.close();
      throw error;
    }
    this.size = this.map.header.size;
    let at = MAP_HEADER_BYTES;
    this.#frameStarts = Array.from(this.map.frames.stored, (stored) => (at += stored) - stored);
  }

  read(into: Uint8Array, offset: number, length: number, position: number): number {
    const count = this.#copy(into, offset, length, position);
    if (count > 0 || this.#wantedFrame < 0) return count;
    const [start, stored] = this.#placeOf(this.#wantedFrame);
    this.#keep(this.#wantedFrame, readFully(this.#file, start, stored));
    return this.#copy(into, offset, length, position);
  }

  async readAsync(into: Uint8Array, length: number, position: number): Promise<number> {
    const count = this.#copy(into, 0, length, position);
    if (count > 0 || this.#wantedFrame < 0) return count;
    const wanted = this.#wantedFrame;
    const [start, stored] = this.#placeOf(wanted);
    this.#keep(wanted, await readFullyAsync(this.#file, start, stored));
    return this.#copy(into, 0, length, position);
  }

  /** A frame of the skeleton as it is stored. */
  storedFrame(frame: number): Buffer {
    const [start, stored] = this.#placeOf(frame);
    return readFully(this.#file, start, stored);
  }

  close(): void {
    this.#file.close();
  }

  /** @returns What could be copied; if nothing, and it is not the end, a frame is wanted. */
  #copy(into: Uint8Array, offset: number, length: number, position: number): number {
    this.#wantedFrame = -1;
    let done = 0;
    if (position < SEGMENT_HEADER_BYTES) {
      const part = this.map.header.segmentHeader.subarray(position, position + length);
      into.set(part, offset);
      done = part.length;
    }
    const { starts, kinds, places } = this.map.spans;
    const end = Math.min(length, this.size - position);
    if (done >= end) return done;
    let row = findRow(starts, position + done);
    for (; done < end; row++) {
      const at = position + done;
      const count = Math.min(end - done, cell(starts, row + 1) - at);
      if (cell(kinds, row) !== SpanKind.SKELETON) {
        into.fill(0, offset + done, offset + done + count);
        done += count;
        continue;
      }
      const place = cell(places, row) + at - cell(starts, row);
      const copied = this.#copySkeleton(into, offset + done, count, place);
      done += copied;
      if (copied < count) break;
    }
    return done;
  }

  #copySkeleton(into: Uint8Array, offset: number, length: number, place: number): number {
    const frame = Math.floor(place / SKELETON_FRAME_BYTES);
    if (frame !== this.#frame) {
      this.#wantedFrame = frame;
      return 0;
    }
    const at = place - frame * SKELETON_FRAME_BYTES;
    const part = this.#frameBytes.subarray(at, at + length);
    into.set(part, offset);
    return part.length;
  }

  #placeOf(frame: number): [start: number, stored: number] {
    return [this.#frameStarts[frame] ?? 0, cell(this.map.frames.stored, frame)];
  }

  #keep(frame: number, bytes: Buffer): void {
    const { skeletonBytes } = this.map.header;
    const raw = Math.min(SKELETON_FRAME_BYTES, skeletonBytes - frame * SKELETON_FRAME_BYTES);
    const [, stored] = this.#placeOf(frame);
    const crc = cell(this.map.frames.crcs, frame);
    const what = `frame ${frame} of the map`;
    this.#frame = -1;
    try {
      this.#frameBytes = unpack(bytes, { path: this.#path, what, stored, raw, crc });
    } catch (error) {
      if (this.#onDamagedFrame === undefined || !(error instanceof SessfsError)) throw error;
      this.#onDamagedFrame(error.message);
      this.#frameBytes = Buffer.alloc(raw);
    }
    this.#frame = frame;
  }
}

interface Packed {
  readonly path: string;
  readonly what: string;
  readonly stored: number;
  readonly raw: number;
  readonly crc: number;
}

/** @throws {SessfsError} LOG_CORRUPT If the bytes are not those that were stored. */
export function unpack(bytes: Buffer, { path, what, stored, raw, crc }: Packed): Buffer {
  if (bytes.length < stored) {
    throw corruptFile(path, `${what}: ${bytes.length} bytes, wanted ${stored}`);
  }
  if (crc32(bytes) !== crc) throw corruptFile(path, `${what} fails its checksum`);
  try {
    return decompress(bytes, raw);
  } catch (error) {
    throw corruptFile(path, `${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
