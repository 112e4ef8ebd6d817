/**
 * All chunks of a volume by their content: what is in packs already is not stored again.
 *
 * Rule: content is taken for stored only after it has been read back and compared, so that neither a
 * damaged pack nor two contents of one hash can take the place of what is about to be removed.
 */

import { hash } from 'node:crypto';

import type { Disk } from '../log/disk.ts';
import { PackFile } from '../log/pack-file.ts';
import { HASH_BYTES, findPackId } from '../log/pack-format.ts';
import type { PackChunks } from '../log/pack-format.ts';
import { Packs } from '../log/packs.ts';
import { SessfsError } from '../shared/errors.ts';
import { HashTable } from './hash-table.ts';
import { PackWriter } from './pack-writer.ts';
import type { ChunkPlace } from './pack-writer.ts';

export interface StorePlace {
  readonly disk: Disk;
  readonly dir: string;
  readonly volumeId: string;
  /** What a pack takes at most. */
  readonly packBytes?: number | undefined;
}

export const hashChunk = (bytes: Uint8Array): Buffer =>
  hash('sha256', bytes, 'buffer').subarray(0, HASH_BYTES);

export class ChunkStore {
  readonly packs: Packs;
  readonly #place: StorePlace;
  readonly #table = new HashTable();
  #lastId = -1;

  private constructor(place: StorePlace) {
    this.#place = place;
    this.packs = new Packs(place.disk, place.dir, place.volumeId);
  }

  /** Reads what is in all packs. Zstd has to be loaded. */
  static load(place: StorePlace): ChunkStore {
    const store = new ChunkStore(place);
    for (const name of place.disk.list(place.dir)) {
      const id = findPackId(name.replace(/\.tmp$/, ''));
      if (id === undefined) continue;
      store.#lastId = Math.max(store.#lastId, id);
      if (findPackId(name) !== undefined) store.#addPack(id);
    }
    return store;
  }

  makeWriter(): PackWriter {
    const nextId = (): number => ++this.#lastId;
    return new PackWriter({ ...this.#place, nextId });
  }

  /** Where a chunk is; it is given to the writer if it is nowhere. */
  async put(bytes: Uint8Array, writer: PackWriter): Promise<ChunkPlace> {
    const key = hashChunk(bytes);
    const found = this.#table.find(key);
    // What the writer has came from memory a moment ago, and may not be in a file yet.
    if (found !== undefined && (writer.owns(found.pack) || this.#holds(found, bytes))) return found;
    const place = await writer.add(key, bytes);
    this.#table.set(key, { ...place, length: bytes.length });
    return place;
  }

  close(): void {
    this.packs.closeAll();
  }

  #holds({ pack, frame, offset }: ChunkPlace, bytes: Uint8Array): boolean {
    try {
      const stored = this.packs.frame(pack, frame).subarray(offset, offset + bytes.length);
      return stored.equals(bytes);
    } catch (error) {
      if (error instanceof SessfsError) return false;
      throw error;
    }
  }

  #addPack(id: number): void {
    const { disk, dir, volumeId } = this.#place;
    try {
      const file = new PackFile(disk, dir, { volumeId, id });
      try {
        this.#addChunks(id, file.readChunks());
      } finally {
        file.close();
      }
    } catch (error) {
      // A damaged one is of no use here; fsck tells of it.
      if (!(error instanceof SessfsError)) throw error;
    }
  }

  #addChunks(pack: number, { counts, lengths, hashes }: PackChunks): void {
    let chunk = 0;
    for (const [frame, count] of counts.entries()) {
      let offset = 0;
      for (let i = 0; i < count; i++, chunk++) {
        const length = lengths[chunk] ?? 0;
        const key = hashes.subarray(chunk * HASH_BYTES, (chunk + 1) * HASH_BYTES);
        this.#table.set(key, { pack, frame, offset, length });
        offset += length;
      }
    }
  }
}
