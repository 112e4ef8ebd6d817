/**
 * The content of a segment that is still referred to, by the file that it was written to.
 *
 * Why by file: versions of one file are alike, and content is compressed with its neighbours.
 */

import { SpanKind } from '../log/map-tables.ts';
import type { LogRecord } from '../log/record.ts';
import { offsetOf } from '../log/segment.ts';
import type { SpanBuilder } from './table-builders.ts';

/** The type of records that write to a file, whose payload begins with its ino: src/volume/FORMAT.md. */
const WRITE_TYPE = 6;
const INO_BYTES = 6;

/** Of data that no file has. */
const NO_INO = 0;

/** Parts of a segment that are one behind the other in the data stream. */
export interface Piece {
  readonly row: number;
  readonly start: number;
  readonly end: number;
}

export class AlivePieces {
  /** Each file's, in the order in which they first appear. */
  readonly byFile = new Map<number, Piece[]>();
  bytes = 0;
  readonly #alive: ArrayLike<number>;
  /** The first pair that ends behind what was looked at. */
  #next = 0;

  /** @param alive Pairs of start and end, ascending. */
  constructor(alive: ArrayLike<number>) {
    this.#alive = alive;
  }

  /** Divides the data of a record into spans; records come in order. @returns What is alive of it. */
  add(record: LogRecord, spans: SpanBuilder): readonly Piece[] {
    const start = offsetOf(record.dataPos);
    const end = start + record.dataLength;
    const pieces: Piece[] = [];
    let at = start;
    while (at < end) {
      const from = Math.max(at, this.#alive[this.#next] ?? Infinity);
      const to = Math.min(end, this.#alive[this.#next + 1] ?? Infinity);
      if (to <= at) {
        this.#next += 2;
        continue;
      }
      if (from >= end) break;
      spans.add(SpanKind.DEAD, from);
      if (to > from) pieces.push({ row: spans.add(SpanKind.ALIVE, to), start: from, end: to });
      at = to;
    }
    spans.add(SpanKind.DEAD, end);
    if (pieces.length > 0) this.#keep(inoOf(record), pieces);
    return pieces;
  }

  /** Lays all of them one behind the other. */
  place(spans: SpanBuilder): void {
    let at = 0;
    for (const pieces of this.byFile.values()) {
      for (const { row, start, end } of pieces) {
        spans.setPlace(row, at);
        at += end - start;
      }
    }
  }

  #keep(ino: number, pieces: readonly Piece[]): void {
    let own = this.byFile.get(ino);
    if (own === undefined) this.byFile.set(ino, (own = []));
    for (const piece of pieces) {
      own.push(piece);
      this.bytes += piece.end - piece.start;
    }
  }
}

function inoOf({ type, payload }: LogRecord): number {
  return type === WRITE_TYPE && payload.length >= INO_BYTES
    ? payload.readUIntLE(0, INO_BYTES)
    : NO_INO;
}
