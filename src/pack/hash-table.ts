/**
 * Places of chunks by their hash, for as many chunks as a volume has: 40 to 80 bytes for each, no objects.
 */

import type { ChunkPlace } from './pack-writer.ts';

export interface FoundChunk extends ChunkPlace {
  readonly length: number;
}

/** Four words of hash, pack, frame, offset, length. */
const ROW_WORDS = 8;
const FIRST_ROWS = 1024;

export class HashTable {
  #rows = new Uint32Array(FIRST_ROWS * ROW_WORDS);
  /** Rows by hash, plus one; 0 is none. Twice as many as there may be rows. */
  #slots = new Uint32Array(FIRST_ROWS * 2);
  #count = 0;

  /** A later place takes over from an earlier one. */
  set(hash: Buffer, { pack, frame, offset, length }: FoundChunk): void {
    if ((this.#count + 1) * ROW_WORDS > this.#rows.length) this.#grow();
    const slot = this.#slotOf(hash.readUInt32LE(0), hash.readUInt32LE(4), hash);
    let row = (this.#slots[slot] ?? 0) - 1;
    if (row < 0) {
      row = this.#count++;
      this.#slots[slot] = row + 1;
      for (let i = 0; i < 4; i++) this.#rows[row * ROW_WORDS + i] = hash.readUInt32LE(i * 4);
    }
    this.#rows.set([pack, frame, offset, length], row * ROW_WORDS + 4);
  }

  find(hash: Buffer): FoundChunk | undefined {
    const slot = this.#slotOf(hash.readUInt32LE(0), hash.readUInt32LE(4), hash);
    const row = (this.#slots[slot] ?? 0) - 1;
    if (row < 0) return undefined;
    const at = row * ROW_WORDS + 4;
    const [pack = 0, frame = 0, offset = 0, length = 0] = this.#rows.subarray(at, at + 4);
    return { pack, frame, offset, length };
  }

  /** The slot that has the hash, or the one where it belongs. */
  #slotOf(first: number, second: number, hash: Buffer): number {
    const mask = this.#slots.length - 1;
    for (let slot = first & mask; ; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] ?? 0) - 1;
      if (row < 0) return slot;
      const at = row * ROW_WORDS;
      if (
        this.#rows[at] === first &&
        this.#rows[at + 1] === second &&
        this.#rows[at + 2] === hash.readUInt32LE(8) &&
        this.#rows[at + 3] === hash.readUInt32LE(12)
      ) {
        return slot;
      }
    }
  }

  #grow(): void {
    const rows = new Uint32Array(this.#rows.length * 2);
    rows.set(this.#rows);
    this.#rows = rows;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let row = 0; row < this.#count; row++) {
      let slot = (rows[row * ROW_WORDS] ?? 0) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row + 1;
    }
  }
}
