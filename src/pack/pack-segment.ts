/**
 * Packs one sealed segment: all that is no data goes into its map, what is alive of the data into packs.
 *
 * Rule: nothing of the segment is given up here. The map takes its name last, when all that it refers to
 * is on disk under its own: at any moment before that the segment is as it was.
 */

import { crc32 } from 'node:zlib';

import { corruptFile } from '../log/corrupt.ts';
import { SpanKind, cell } from '../log/map-tables.ts';
import type { SpanTable } from '../log/map-tables.ts';
import { DATA_CHUNK_BYTES } from '../log/record.ts';
import type { LogRecord } from '../log/record.ts';
import { SEGMENT_HEADER_BYTES, offsetOf } from '../log/segment.ts';
import { syncDirectory } from '../log/syncer.ts';
import { AlivePieces } from './alive-pieces.ts';
import type { Piece } from './alive-pieces.ts';
import type { ChunkStore } from './chunk-store.ts';
import { CHUNK_MAX_BYTES, findChunkEnd } from './chunker.ts';
import type { PackResult } from './jobs.ts';
import { MapWriter } from './map-writer.ts';
import type { PackWriter } from './pack-writer.ts';
import { SealedSegment } from './sealed-segment.ts';
import type { SegmentPlace } from './sealed-segment.ts';
import { ChunkBuilder, SpanBuilder } from './table-builders.ts';

/** Called about every quarter of a megabyte: waits, or throws to end the job. */
export type Pace = (bytesDone: number) => Promise<void>;

export interface PackSegmentOptions extends SegmentPlace {
  /** Pairs of start and end of what is still referred to: ascending, and apart. */
  readonly alive: ArrayLike<number>;
  readonly store: ChunkStore;
  readonly pace?: Pace;
}

const WINDOW_BYTES = 1024 * 1024;
const SKELETON_PIECE_BYTES = 256 * 1024;
const PACE_BYTES = 256 * 1024;

/**
 * Puts the map of a segment into its place; the log then has to adopt it.
 *
 * The store is of no use any more if this throws.
 *
 * @throws {SessfsError} LOG_CORRUPT If anything that is to be kept is damaged.
 */
export async function packSegment(options: PackSegmentOptions): Promise<PackResult> {
  const { disk, dir, id, store } = options;
  const segment = new SealedSegment(options, store.packs);
  const writer = store.makeWriter();
  let map: MapWriter | undefined;
  try {
    map = new MapWriter(disk, dir, id);
    const result = await new Packing(options, { segment, writer, map }).run();
    // What the map refers to has its name on disk before the map has.
    await syncDirectory(disk, dir);
    map.rename();
    await syncDirectory(disk, dir);
    return result;
  } catch (error) {
    writer.discard();
    map?.discard();
    throw error;
  } finally {
    segment.close();
  }
}

interface Parts {
  readonly segment: SealedSegment;
  readonly writer: PackWriter;
  readonly map: MapWriter;
}

class Packing {
  readonly #options: PackSegmentOptions;
  readonly #segment: SealedSegment;
  readonly #writer: PackWriter;
  readonly #map: MapWriter;
  readonly #spans = new SpanBuilder(SEGMENT_HEADER_BYTES);
  readonly #chunks = new ChunkBuilder();
  readonly #dataChunk = Buffer.allocUnsafeSlow(DATA_CHUNK_BYTES);
  readonly #window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #skeletonDone = SEGMENT_HEADER_BYTES;
  #records = 0;
  #lastRevision = 0;
  #bytesDone = 0;
  #pacedBytes = 0;

  constructor(options: PackSegmentOptions, { segment, writer, map }: Parts) {
    this.#options = options;
    this.#segment = segment;
    this.#writer = writer;
    this.#map = map;
  }

  async run(): Promise<PackResult> {
    const { packed, headerBytes, size } = this.#segment;
    const { alive, missingBytes } = withoutDead(this.#options.alive, packed?.map.spans);
    const pieces = new AlivePieces(alive);
    for await (const record of this.#segment.readRecords()) await this.#takeRecord(record, pieces);
    this.#spans.add(SpanKind.SKELETON, size);
    await this.#takeSkeleton(size);
    pieces.place(this.#spans);
    for (const own of pieces.byFile.values()) await this.#storeFile(own);
    await this.#writer.finish();
    const storedBytes = await this.#map.finish(
      {
        volumeId: this.#options.volumeId,
        size,
        records: this.#records,
        lastRevision: this.#lastRevision,
        aliveBytes: pieces.bytes,
        segmentHeader: headerBytes,
      },
      this.#spans.build(),
      this.#chunks.build(),
    );
    const newBytes = this.#writer.storedBytes;
    return { logicalBytes: size, aliveBytes: pieces.bytes, storedBytes, newBytes, missingBytes };
  }

  async #takeRecord(record: LogRecord, pieces: AlivePieces): Promise<void> {
    this.#records += 1;
    this.#lastRevision = record.revision;
    if (record.dataLength === 0) return;
    const dataAt = offsetOf(record.dataPos);
    this.#spans.add(SpanKind.SKELETON, dataAt);
    const own = pieces.add(record, this.#spans);
    await this.#takeSkeleton(dataAt);
    this.#skeletonDone = dataAt + record.dataLength;
    // What was packed before was verified then, and has the checksums of its packs.
    if (this.#segment.packed === undefined) await this.#verify(record, own);
  }

  /** Copies what is no data up to a place. */
  async #takeSkeleton(end: number): Promise<void> {
    while (this.#skeletonDone < end) {
      const length = Math.min(SKELETON_PIECE_BYTES, end - this.#skeletonDone);
      this.#map.addSkeleton(this.#segment.readSkeleton(this.#skeletonDone, length));
      this.#skeletonDone += length;
      await this.#advance(length);
    }
  }

  /** The only checksums that the content has had so far are those of its record. */
  async #verify(record: LogRecord, pieces: readonly Piece[]): Promise<void> {
    const dataAt = offsetOf(record.dataPos);
    let verified = 0;
    for (const { start, end } of pieces) {
      const first = Math.max(verified, Math.floor((start - dataAt) / DATA_CHUNK_BYTES));
      verified = Math.ceil((end - dataAt) / DATA_CHUNK_BYTES);
      for (let i = first; i < verified; i++) {
        const at = i * DATA_CHUNK_BYTES;
        const length = Math.min(DATA_CHUNK_BYTES, record.dataLength - at);
        this.#segment.readContent(this.#dataChunk, 0, length, dataAt + at);
        if (crc32(this.#dataChunk.subarray(0, length)) !== record.chunkCrcs[i]) {
          const what = `offset ${dataAt + at}: ${length} bytes of content fail their checksum`;
          throw corruptFile(this.#segment.path, what);
        }
        await this.#advance(length);
      }
    }
  }

  /** Cuts the content of one file into chunks, whatever records it is in. */
  async #storeFile(pieces: readonly Piece[]): Promise<void> {
    let filled = 0;
    for (const { start, end } of pieces) {
      for (let at = start; at < end;) {
        const length = Math.min(end - at, WINDOW_BYTES - filled);
        this.#segment.readContent(this.#window, filled, length, at);
        filled += length;
        at += length;
        if (filled < WINDOW_BYTES) continue;
        const done = await this.#storeChunks(filled, filled - CHUNK_MAX_BYTES);
        this.#window.copyWithin(0, done, filled);
        filled -= done;
      }
    }
    await this.#storeChunks(filled, filled);
  }

  /** Stores the chunks of the window that begin before a place. @returns Where the next one begins. */
  async #storeChunks(filled: number, until: number): Promise<number> {
    let at = 0;
    while (at < until) {
      const end = findChunkEnd(this.#window, at, filled);
      const place = await this.#options.store.put(this.#window.subarray(at, end), this.#writer);
      this.#chunks.add(place, end - at);
      await this.#advance(end - at);
      at = end;
    }
    return at;
  }

  async #advance(bytes: number): Promise<void> {
    this.#bytesDone += bytes;
    if (this.#bytesDone - this.#pacedBytes < PACE_BYTES) return;
    this.#pacedBytes = this.#bytesDone;
    await this.#options.pace?.(this.#bytesDone);
  }
}

/** What is asked for without what an earlier packing has removed. */
function withoutDead(
  alive: ArrayLike<number>,
  spans: SpanTable | undefined,
): { alive: ArrayLike<number>; missingBytes: number } {
  if (spans === undefined) return { alive, missingBytes: 0 };
  const left: number[] = [];
  let missingBytes = 0;
  let row = 0;
  for (let i = 0; i + 1 < alive.length; i += 2) {
    let at = alive[i] ?? 0;
    const end = alive[i + 1] ?? 0;
    while (at < end && row < spans.kinds.length) {
      const rowEnd = cell(spans.starts, row + 1);
      if (rowEnd <= at) {
        row += 1;
        continue;
      }
      const to = Math.min(end, rowEnd);
      if (cell(spans.kinds, row) === SpanKind.DEAD) missingBytes += to - at;
      else left.push(at, to);
      at = to;
    }
  }
  return { alive: left, missingBytes };
}
