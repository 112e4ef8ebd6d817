/**
 * The tables of a map while they grow.
 */

import { SpanKind } from '../log/map-tables.ts';
import type { ChunkTable, SpanTable } from '../log/map-tables.ts';
import type { ChunkPlace } from './pack-writer.ts';

export class SpanBuilder {
  readonly #starts: number[] = [];
  readonly #kinds: number[] = [];
  readonly #places: number[] = [];
  #end: number;
  #skeletonEnd = 0;

  /** @param start Where the first one begins. */
  constructor(start: number) {
    this.#end = start;
  }

  /** Goes on up to `end`, which may be where it is. @returns The row. */
  add(kind: number, end: number): number {
    const length = end - this.#end;
    const last = this.#kinds.length - 1;
    if (length === 0) return last;
    const isSkeleton = kind === SpanKind.SKELETON;
    // What is alive stays apart: two pieces that touch may be far apart in the data stream.
    if (this.#kinds[last] !== kind || kind === SpanKind.ALIVE) {
      this.#starts.push(this.#end);
      this.#kinds.push(kind);
      this.#places.push(isSkeleton ? this.#skeletonEnd : 0);
    }
    if (isSkeleton) this.#skeletonEnd += length;
    this.#end = end;
    return this.#kinds.length - 1;
  }

  /** Where a span that is alive begins in the data stream. */
  setPlace(row: number, place: number): void {
    this.#places[row] = place;
  }

  build(): SpanTable {
    return {
      starts: Uint32Array.from([...this.#starts, this.#end]),
      kinds: Uint8Array.from(this.#kinds),
      places: Uint32Array.from(this.#places),
    };
  }
}

export class ChunkBuilder {
  /** The bytes so far. */
  length = 0;
  readonly #starts: number[] = [0];
  readonly #packs: number[] = [];
  readonly #frames: number[] = [];
  readonly #offsets: number[] = [];

  add({ pack, frame, offset }: ChunkPlace, length: number): void {
    this.length += length;
    this.#starts.push(this.length);
    this.#packs.push(pack);
    this.#frames.push(frame);
    this.#offsets.push(offset);
  }

  build(): ChunkTable {
    return {
      starts: Uint32Array.from(this.#starts),
      packs: Uint32Array.from(this.#packs),
      frames: Uint32Array.from(this.#frames),
      offsets: Uint32Array.from(this.#offsets),
    };
  }
}
