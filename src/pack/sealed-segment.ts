/**
 * A sealed segment that is to be packed, as a file or as the map of an earlier packing.
 *
 * Rule: it is read only if the segment behind it says that it is whole.
 */

import { DiskFile, readFully } from '../log/byte-source.ts';
import type { OpenSource } from '../log/byte-source.ts';
import { corruptFile } from '../log/corrupt.ts';
import type { Disk } from '../log/disk.ts';
import { MapFile } from '../log/map-file.ts';
import { mapName, readMapHeader } from '../log/map-header.ts';
import { PackedSegment } from '../log/packed-segment.ts';
import type { Packs } from '../log/packs.ts';
import { RecordReader } from '../log/record-reader.ts';
import type { LogRecord } from '../log/record.ts';
import {
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  segmentMark,
  segmentName,
} from '../log/segment.ts';
import type { SegmentHeader } from '../log/segment.ts';
import type { SegmentId } from '../shared/brands.ts';

export interface SegmentPlace {
  readonly disk: Disk;
  readonly dir: string;
  readonly volumeId: string;
  readonly id: SegmentId;
}

export class SealedSegment {
  readonly path: string;
  readonly headerBytes: Buffer;
  readonly size: number;
  /** Undefined if it is a file as it was written. */
  readonly packed: PackedSegment | undefined;
  readonly #place: SegmentPlace;
  readonly #header: SegmentHeader;
  readonly #records: OpenSource;
  readonly #content: OpenSource;

  /** @throws {SessfsError} LOG_CORRUPT If it is damaged, or there is none behind it. */
  constructor(place: SegmentPlace, packs: Packs) {
    const { disk, dir, id } = place;
    this.#place = place;
    const isPacked = disk.list(dir).includes(mapName(id));
    this.path = `${dir}/${isPacked ? mapName(id) : segmentName(id)}`;
    const map = isPacked ? new MapFile(disk, this.path) : undefined;
    this.#records = map ?? DiskFile.open(disk, this.path);
    try {
      this.packed = map && new PackedSegment(this.path, map.map, packs);
      this.#content = this.packed ?? this.#records;
      this.size = this.#records.size;
      this.headerBytes = readFully(this.#records, 0, SEGMENT_HEADER_BYTES);
      this.#header = this.#decode(this.path, this.headerBytes);
    } catch (error) {
      this.#records.close();
      throw error;
    }
  }

  /** In order, to the end. @throws {SessfsError} LOG_CORRUPT At the first that does not hold. */
  async *readRecords(): AsyncGenerator<LogRecord> {
    const { volumeId, id } = this.#place;
    const { firstRevision, time, firstLink } = this.#header;
    const reader = new RecordReader(this.#records, {
      id,
      mark: segmentMark(volumeId, id),
      start: SEGMENT_HEADER_BYTES,
      end: this.size,
      predecessor: { crc: firstLink ?? this.#crc(), revision: firstRevision - 1, time },
      verifyDataAfter: Infinity,
    });
    for (;;) {
      const step = reader.step();
      if (step === 'more') await reader.fill();
      else if (step === 'record' && reader.record !== undefined) yield reader.record;
      else if (step === 'end') break;
      else throw corruptFile(this.path, `offset ${reader.at}: ${reader.problem}`);
    }
    const wanted = this.#readNext().previous;
    if (wanted.size !== this.size || wanted.lastCrc !== reader.predecessor.crc) {
      throw corruptFile(this.path, 'it does not end as the segment behind it says');
    }
  }

  /** Reads what is no data. */
  readSkeleton(position: number, length: number): Buffer {
    return this.#readAll(this.#records, position, length);
  }

  /**
   * Fills a part of `into` with data.
   *
   * @throws {SessfsError} CONTENT_REMOVED If it was removed.
   */
  readContent(into: Uint8Array, offset: number, length: number, position: number): void {
    for (let done = 0; done < length;) {
      const at = position + done;
      const count = this.#content.read(into, offset + done, length - done, at);
      if (count === 0) throw corruptFile(this.path, `offset ${at}: the end of the segment`);
      done += count;
    }
  }

  close(): void {
    this.#records.close();
  }

  #readAll(source: OpenSource, position: number, length: number): Buffer {
    const bytes = readFully(source, position, length);
    if (bytes.length === length) return bytes;
    throw corruptFile(this.path, `offset ${position + bytes.length}: the end of the segment`);
  }

  #crc(): number {
    return this.headerBytes.readUInt32LE(SEGMENT_HEADER_BYTES - 4);
  }

  #readNext(): SegmentHeader {
    const { disk, dir, id } = this.#place;
    const next = (id + 1) as SegmentId;
    const isPacked = disk.list(dir).includes(mapName(next));
    const path = `${dir}/${isPacked ? mapName(next) : segmentName(next)}`;
    const file = DiskFile.open(disk, path);
    try {
      const bytes = isPacked
        ? readMapHeader(file, path).segmentHeader
        : readFully(file, 0, SEGMENT_HEADER_BYTES);
      return this.#decode(path, bytes);
    } finally {
      file.close();
    }
  }

  #decode(path: string, bytes: Buffer): SegmentHeader {
    const decoded = decodeSegmentHeader(bytes);
    if (decoded.kind !== 'header' || decoded.header.volumeId !== this.#place.volumeId) {
      throw corruptFile(path, 'its header is damaged, or of another volume');
    }
    return decoded.header;
  }
}
