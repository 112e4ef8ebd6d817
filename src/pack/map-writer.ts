/**
 * Writes a map: the skeleton as it comes, then the tables, and its head last.
 */

import { crc32 } from 'node:zlib';

import type { Disk } from '../log/disk.ts';
import { MAP_HEADER_BYTES, encodeMapHeader, mapName } from '../log/map-header.ts';
import type { MapHeader } from '../log/map-header.ts';
import { SKELETON_FRAME_BYTES, encodeMapTables } from '../log/map-tables.ts';
import type { ChunkTable, SpanTable } from '../log/map-tables.ts';
import { compress } from '../log/zstd.ts';
import type { SegmentId } from '../shared/brands.ts';
import { NewFile } from './new-file.ts';

/** What a map says of its segment; the rest of its head follows from what is in it. */
export type MapFacts = Omit<MapHeader, 'id' | 'skeletonBytes' | 'skeletonStored' | 'tables'>;

export class MapWriter {
  readonly #id: SegmentId;
  readonly #file: NewFile;
  readonly #frame = Buffer.allocUnsafeSlow(SKELETON_FRAME_BYTES);
  #frameLength = 0;
  #skeletonBytes = 0;
  readonly #stored: number[] = [];
  readonly #crcs: number[] = [];

  constructor(disk: Disk, dir: string, id: SegmentId) {
    this.#id = id;
    this.#file = new NewFile(disk, { dir, name: mapName(id) }, Buffer.alloc(MAP_HEADER_BYTES));
  }

  addSkeleton(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const part = bytes.subarray(done, done + SKELETON_FRAME_BYTES - this.#frameLength);
      this.#frame.set(part, this.#frameLength);
      this.#frameLength += part.length;
      done += part.length;
      if (this.#frameLength === SKELETON_FRAME_BYTES) this.#endFrame();
    }
  }

  /** Takes over a frame of another map of the segment; all of them, in order, or none. */
  addFrame(bytes: Uint8Array, { raw, crc }: { raw: number; crc: number }): void {
    this.#file.append(bytes);
    this.#stored.push(bytes.length);
    this.#crcs.push(crc);
    this.#skeletonBytes += raw;
  }

  /**
   * Puts all of it on disk under another name.
   *
   * @returns What it takes there.
   */
  async finish(facts: MapFacts, spans: SpanTable, chunks: ChunkTable): Promise<number> {
    if (this.#frameLength > 0) this.#endFrame();
    const skeletonStored = this.#file.size - MAP_HEADER_BYTES;
    const frames = { stored: Uint32Array.from(this.#stored), crcs: Uint32Array.from(this.#crcs) };
    const raw = encodeMapTables({ frames, spans, chunks });
    const stored = compress(raw);
    this.#file.append(stored);
    const header = encodeMapHeader({
      ...facts,
      id: this.#id,
      skeletonBytes: this.#skeletonBytes,
      skeletonStored,
      tables: { stored: stored.length, raw: raw.length, crc: crc32(stored) },
    });
    this.#file.writeAt(header, 0);
    await this.#file.sync();
    this.#file.close();
    return this.#file.size;
  }

  /** Gives it its name: from now on it stands for the segment. */
  rename(): void {
    this.#file.rename();
  }

  discard(): void {
    this.#file.discard();
  }

  #endFrame(): void {
    const raw = this.#frame.subarray(0, this.#frameLength);
    const bytes = compress(raw);
    this.addFrame(bytes, { raw: raw.length, crc: crc32(bytes) });
    this.#frameLength = 0;
  }
}
