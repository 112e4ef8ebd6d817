/**
 * The content of a packed segment: its data by the places it always had, read from packs.
 *
 * Rule: content that was removed is an error and never zeros; so is what is no content at all.
 */

import { SessfsError } from '../shared/errors.ts';
import { DiskFile } from './byte-source.ts';
import type { OpenSource } from './byte-source.ts';
import type { Disk } from './disk.ts';
import { readMap } from './map-file.ts';
import type { SegmentMap } from './map-file.ts';
import { SpanKind, cell, findRow } from './map-tables.ts';
import type { Packs } from './packs.ts';

/** Where some bytes of a segment are. */
interface Piece {
  readonly pack: number;
  readonly frame: number;
  /** In the unpacked frame. */
  readonly at: number;
  readonly length: number;
}

export class PackedSegment implements OpenSource {
  readonly size: number;
  readonly map: SegmentMap;
  readonly #path: string;
  readonly #packs: Packs;

  constructor(path: string, map: SegmentMap, packs: Packs) {
    this.#path = path;
    this.map = map;
    this.size = map.header.size;
    this.#packs = packs;
  }

  /** Needs no descriptor of its own once it is open. */
  static open(disk: Disk, path: string, packs: Packs): PackedSegment {
    const file = DiskFile.open(disk, path);
    try {
      return new PackedSegment(path, readMap(file, path), packs);
    } finally {
      file.close();
    }
  }

  /**
   * @throws {SessfsError} CONTENT_REMOVED If there is no content at that place any more.
   * @throws {SessfsError} LOG_CORRUPT If it is not what was stored.
   */
  read(into: Uint8Array, offset: number, length: number, position: number): number {
    if (position >= this.size) return 0;
    const piece = this.#pieceAt(position, length);
    return copyPiece(piece, this.#packs.frame(piece.pack, piece.frame), into, offset);
  }

  async readAsync(into: Uint8Array, length: number, position: number): Promise<number> {
    if (position >= this.size) return 0;
    const piece = this.#pieceAt(position, length);
    const { pack, frame } = piece;
    const bytes = this.#packs.findFrame(pack, frame) ?? (await this.#packs.loadFrame(pack, frame));
    return copyPiece(piece, bytes, into, 0);
  }

  close(): void {
    // Nothing is open.
  }

  #pieceAt(position: number, most: number): Piece {
    const { spans, chunks } = this.map;
    const row = findRow(spans.starts, position);
    if (cell(spans.kinds, row) !== SpanKind.ALIVE) {
      const what = cell(spans.kinds, row) === SpanKind.DEAD ? 'was removed by cleaning' : 'is none';
      const message = `Cannot read log "${this.#path}": offset ${position}: the content ${what}`;
      throw new SessfsError('CONTENT_REMOVED', message);
    }
    const inSpan = position - cell(spans.starts, row);
    const place = cell(spans.places, row) + inSpan;
    const chunk = findRow(chunks.starts, place);
    const inChunk = place - cell(chunks.starts, chunk);
    const length = Math.min(
      most,
      cell(spans.starts, row + 1) - position,
      cell(chunks.starts, chunk + 1) - place,
    );
    const at = cell(chunks.offsets, chunk) + inChunk;
    return { pack: cell(chunks.packs, chunk), frame: cell(chunks.frames, chunk), at, length };
  }
}

/** A frame that is too short for it gives fewer bytes, or none: the reader then misses some. */
function copyPiece({ at, length }: Piece, frame: Buffer, into: Uint8Array, offset: number): number {
  const part = frame.subarray(at, at + length);
  into.set(part, offset);
  return part.length;
}
