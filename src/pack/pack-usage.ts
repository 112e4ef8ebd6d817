/**
 * What of each pack is still referred to by the maps of a volume.
 */

import { DiskFile } from '../log/byte-source.ts';
import type { Disk } from '../log/disk.ts';
import { readMap } from '../log/map-file.ts';
import type { SegmentMap } from '../log/map-file.ts';
import { findMapId, mapName } from '../log/map-header.ts';
import { cell } from '../log/map-tables.ts';
import { PackFile } from '../log/pack-file.ts';
import { HASH_BYTES, findPackId } from '../log/pack-format.ts';
import type { PackChunks } from '../log/pack-format.ts';
import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { StorePlace } from './chunk-store.ts';
import type { Pace } from './pack-segment.ts';

/** One pack and its chunks. All columns have one row a chunk. */
export class PackUsage {
  readonly id: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly chunks: PackChunks;
  /** The first row of each frame, and one more. */
  readonly frameRows: readonly number[];
  readonly #offsets: Uint32Array;
  readonly #isLive: Uint8Array;
  liveBytes = 0;

  constructor(id: number, file: PackFile) {
    this.id = id;
    this.storedBytes = file.size;
    this.rawBytes = file.trailer.rawBytes;
    this.chunks = file.readChunks();
    const { counts, lengths } = this.chunks;
    this.#offsets = new Uint32Array(lengths.length);
    this.#isLive = new Uint8Array(lengths.length);
    const frameRows = [0];
    let row = 0;
    for (const count of counts) {
      let offset = 0;
      for (let i = 0; i < count; i++, row++) {
        this.#offsets[row] = offset;
        offset += lengths[row] ?? 0;
      }
      frameRows.push(row);
    }
    this.frameRows = frameRows;
  }

  /** The share of it that is referred to. */
  get share(): number {
    return this.rawBytes === 0 ? 0 : this.liveBytes / this.rawBytes;
  }

  /** The row of the chunk that begins there; undefined if none does. */
  findRow(frame: number, offset: number): number | undefined {
    let low = this.frameRows[frame] ?? 0;
    let high = this.frameRows[frame + 1] ?? 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cell(this.#offsets, middle) < offset) low = middle + 1;
      else high = middle;
    }
    const isThere = low < (this.frameRows[frame + 1] ?? 0) && cell(this.#offsets, low) === offset;
    return isThere ? low : undefined;
  }

  mark(row: number): void {
    if (this.#isLive[row] === 1) return;
    this.#isLive[row] = 1;
    this.liveBytes += this.chunks.lengths[row] ?? 0;
  }

  isLive(row: number): boolean {
    return this.#isLive[row] === 1;
  }

  offsetOf(row: number): number {
    return cell(this.#offsets, row);
  }

  hashOf(row: number): Buffer {
    return this.chunks.hashes.subarray(row * HASH_BYTES, (row + 1) * HASH_BYTES);
  }
}

export interface Usage {
  /** Those whose tables hold: a damaged one is left alone. */
  readonly packs: ReadonlyMap<number, PackUsage>;
  readonly maps: readonly SegmentId[];
  /** Of all packs, damaged ones too; -1 if there is none. */
  readonly highest: number;
}

function listMaps(disk: Disk, dir: string): SegmentId[] {
  const ids = disk.list(dir).map(findMapId);
  return ids.filter((id) => id !== undefined).toSorted((a, b) => a - b);
}

function loadMap({ disk, dir }: StorePlace, id: SegmentId): SegmentMap {
  const path = `${dir}/${mapName(id)}`;
  const file = DiskFile.open(disk, path);
  try {
    return readMap(file, path);
  } finally {
    file.close();
  }
}

/**
 * @throws {SessfsError} LOG_CORRUPT If a map is damaged: what is in use cannot be told then, and nothing
 *   may be removed.
 */
export async function readUsage(place: StorePlace, pace: Pace): Promise<Usage> {
  const { disk, dir } = place;
  const packs = new Map<number, PackUsage>();
  let highest = -1;
  for (const id of disk.list(dir).map(findPackId)) {
    if (id === undefined) continue;
    highest = Math.max(highest, id);
    const pack = findPack(place, id);
    if (pack !== undefined) packs.set(id, pack);
    await pace(0);
  }
  const maps = listMaps(disk, dir);
  for (const id of maps) {
    markMap(loadMap(place, id), packs);
    await pace(0);
  }
  return { packs, maps, highest };
}

function findPack({ disk, dir, volumeId }: StorePlace, id: number): PackUsage | undefined {
  let file: PackFile | undefined;
  try {
    file = new PackFile(disk, dir, { volumeId, id });
    return new PackUsage(id, file);
  } catch (error) {
    if (!(error instanceof SessfsError)) throw error;
    return undefined;
  } finally {
    file?.close();
  }
}

function markMap({ chunks }: SegmentMap, packs: ReadonlyMap<number, PackUsage>): void {
  for (let i = 0; i < chunks.packs.length; i++) {
    const pack = packs.get(cell(chunks.packs, i));
    const row = pack?.findRow(cell(chunks.frames, i), cell(chunks.offsets, i));
    if (row !== undefined) pack?.mark(row);
  }
}
