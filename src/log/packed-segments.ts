/**
 * The packed segments of an open log: which they are, and the maps and packs that are open for reading.
 */

import type { SegmentId } from '../shared/brands.ts';
import { DiskFile } from './byte-source.ts';
import { corruptFile } from './corrupt.ts';
import type { Disk } from './disk.ts';
import { mapName, mapStoredBytes, readMapHeader } from './map-header.ts';
import { OpenFiles } from './open-files.ts';
import { findPackId } from './pack-format.ts';
import { PackedSegment } from './packed-segment.ts';
import { Packs } from './packs.ts';

/** Some hundred kilobytes each, a few megabytes if all that is in them is small. */
const OPEN_MAPS_MAX = 8;

interface PackedFile {
  readonly size: number;
  readonly storedBytes: number;
  /** Of data that is left. */
  readonly dataBytes: number;
}

export class PackedSegments {
  readonly #disk: Disk;
  readonly #dir: string;
  readonly #volumeId: string;
  readonly #files = new Map<SegmentId, PackedFile>();
  readonly #packs: Packs;
  readonly #open: OpenFiles<SegmentId, PackedSegment>;
  #packBytes: number | undefined;

  constructor({ disk, dir, volumeId }: { disk: Disk; dir: string; volumeId: string }) {
    this.#disk = disk;
    this.#dir = dir;
    this.#volumeId = volumeId;
    const packs = new Packs(disk, dir, volumeId);
    this.#packs = packs;
    this.#open = new OpenFiles(
      (id) => PackedSegment.open(disk, `${dir}/${mapName(id)}`, packs),
      OPEN_MAPS_MAX,
    );
  }

  /** Takes up one that was there when the log was opened. */
  add({ id, size, storedBytes, dataBytes }: PackedFile & { readonly id: SegmentId }): void {
    this.#files.set(id, { size, storedBytes, dataBytes });
  }

  has(id: SegmentId): boolean {
    return this.#files.has(id);
  }

  /** What a map takes on disk; undefined if the segment is not packed. */
  mapBytes(id: SegmentId): number | undefined {
    return this.#files.get(id)?.storedBytes;
  }

  /** The length of all packed segments. */
  get logicalBytes(): number {
    return sum([...this.#files.values()].map(({ size }) => size));
  }

  /** What is left of the data of all packed segments. */
  get dataBytes(): number {
    return sum([...this.#files.values()].map(({ dataBytes }) => dataBytes));
  }

  /** What maps and packs take on disk. */
  get storedBytes(): number {
    if (this.#files.size === 0) return 0;
    this.#packBytes ??= this.#measurePacks();
    return this.#packBytes + sum([...this.#files.values()].map(({ storedBytes }) => storedBytes));
  }

  /** The content of one, valid until the caller returns to the event loop. */
  get(id: SegmentId): PackedSegment {
    return this.#open.get(id);
  }

  withPinned<T>(id: SegmentId, use: (segment: PackedSegment) => Promise<T>): Promise<T> {
    return this.#open.withPinned(id, use);
  }

  /**
   * @param size Of the segment that is to be read from its map.
   * @returns When nothing is read from an older map of it any more.
   */
  async adopt(id: SegmentId, size: number): Promise<void> {
    this.#takeUp(id, size);
    await this.#open.drop(id);
  }

  #takeUp(id: SegmentId, size: number): void {
    const path = `${this.#dir}/${mapName(id)}`;
    const file = DiskFile.open(this.#disk, path);
    try {
      const header = readMapHeader(file, path);
      if (header.volumeId !== this.#volumeId || header.id !== id || header.size !== size) {
        const seen = `segment ${header.id} of volume ${header.volumeId}, ${header.size} bytes`;
        const wanted = `${id} of ${this.#volumeId}, ${size} bytes`;
        throw corruptFile(path, `the map of ${seen}, wanted ${wanted}`);
      }
      const { aliveBytes: dataBytes } = header;
      this.#files.set(id, { size, storedBytes: mapStoredBytes(header), dataBytes });
    } finally {
      file.close();
    }
    this.#packBytes = undefined;
  }

  async refresh(ids: readonly SegmentId[], oldPacks: readonly number[]): Promise<void> {
    for (const id of ids) {
      const size = this.#files.get(id)?.size;
      if (size !== undefined) this.#takeUp(id, size);
    }
    // All of them: one may have been written anew by a collection that did not come to its end.
    await this.#open.dropAll();
    for (const pack of oldPacks) await this.#packs.drop(pack);
    this.#packBytes = undefined;
  }

  closeAll(): void {
    this.#open.closeAll();
    this.#packs.closeAll();
  }

  #measurePacks(): number {
    const sizes = this.#disk.list(this.#dir).map((name) => {
      if (findPackId(name) === undefined) return 0;
      const file = DiskFile.open(this.#disk, `${this.#dir}/${name}`);
      const { size } = file;
      file.close();
      return size;
    });
    return sum(sizes);
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
