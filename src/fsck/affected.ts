/**
 * Which files and versions hold content that cannot be read: from places in the log to paths.
 *
 * Rule: streams through the extents, live and past, and reads only what lies in damaged places. Content
 * in a place where no record can be read is still good if its own checksum says so.
 */

import type { Extent } from '../index/extents.ts';
import type { Index } from '../index/index.ts';
import { Space, inodeKey, versionKey } from '../index/keys.ts';
import { decodeInode, decodeRegion } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import { DATA_CHUNK_BYTES } from '../log/record.ts';
import { offsetOf, segmentOf } from '../log/segment.ts';
import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, LogPos } from '../shared/brands.ts';
import { nameToText } from '../shared/names.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import { Listed } from './report.ts';
import type { AffectedContent } from './report.ts';
import { SlotSource } from './slot-source.ts';
import type { LogPlace } from './slot-source.ts';
import type { Slot } from './slots.ts';

/** A place in the log, from `start` up to `end`. */
export interface DamagedRange {
  readonly start: LogPos;
  readonly end: LogPos;
}

/** Deeper is no path. */
const MAX_DEPTH = 4096;
/** Versions of one piece of content that are listed. */
const MAX_VERSIONS = 100;
const LISTED_AFFECTED = 10_000;

/** Where to look whether something can be read after all. */
export interface CheckedLog {
  readonly place: LogPlace;
  readonly slots: readonly Slot[];
}

interface Piece {
  readonly ino: Ino;
  readonly extent: Extent;
  /** The revision that took it out; undefined if it is live. */
  readonly to: number | undefined;
}

export async function findAffected(
  index: Index,
  log: CheckedLog,
  ranges: readonly DamagedRange[],
): Promise<Listed<AffectedContent>> {
  const found = new Listed<AffectedContent>(LISTED_AFFECTED);
  if (ranges.length === 0) return found;
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  const reader = new ChunkReader(log);
  let last: { piece: Piece; length: number } | undefined;
  const finish = async (): Promise<void> => {
    if (last !== undefined) found.add(await describe(index, last.piece, last.length));
    last = undefined;
  };
  try {
    for await (const piece of listPieces(index)) {
      const { extent } = piece;
      if (!isIn(sorted, extent.pos, extent.chunkLength) || reader.isReadable(extent)) continue;
      const before = last?.piece;
      const goesOn =
        before?.ino === piece.ino &&
        before.to === piece.to &&
        before.extent.since === extent.since &&
        before.extent.offset + (last?.length ?? 0) === extent.offset;
      if (goesOn && last !== undefined) last.length += extent.length;
      else {
        await finish();
        last = { piece, length: extent.length };
      }
    }
    await finish();
  } finally {
    reader.close();
  }
  return found;
}

/** Every piece of content that is or was in a file. */
async function* listPieces(index: Index): AsyncGenerator<Piece> {
  const inodes = new EntryCursor(index, spaceRange(Space.INODE));
  for (await inodes.next(); !inodes.isDone; await inodes.next()) {
    const ino = inodes.key.readUIntBE(1, 6) as Ino;
    const inline = tryTo(() => decodeInode(ino, inodes.value).inline) ?? [];
    for (const extent of inline) yield { ino, extent, to: undefined };
  }
  for (const space of [Space.REGION, Space.REGION_HISTORY]) {
    const regions = new EntryCursor(index, spaceRange(space));
    for (await regions.next(); !regions.isDone; await regions.next()) {
      const { key, value } = regions;
      const ino = key.readUIntBE(1, 6) as Ino;
      const to = space === Space.REGION ? undefined : key.readUIntBE(11, 6);
      const extents = tryTo(() => decodeRegion(value, key.readUInt32BE(7))) ?? [];
      for (const extent of extents) yield { ino, extent, to };
    }
  }
}

function isIn(ranges: readonly DamagedRange[], pos: number, length: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.end ?? 0) <= pos) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range.start < pos + length;
}

async function describe(index: Index, piece: Piece, length: number): Promise<AffectedContent> {
  const { ino, extent, to } = piece;
  const inode = findInode(index, ino);
  const path = pathOf(index, inode);
  const versions: number[] = [];
  const gte = Buffer.from(versionKey(ino, extent.since));
  const lt = Buffer.from(versionKey(ino, to ?? 2 ** 48 - 1));
  for await (const [key] of index.scan({ gte, lt, limit: MAX_VERSIONS })) {
    versions.push(key.readUIntBE(7, 6));
  }
  const live = to === undefined && (inode?.nlink ?? 0) > 0;
  return { ino, path, text: nameToText(path), offset: extent.offset, length, live, versions };
}

function findInode(index: Index, ino: Ino): InodeRecord | undefined {
  return tryTo(() => {
    const value = index.get(inodeKey(ino));
    return value && decodeInode(ino, value);
  });
}

/** Where an inode is, or was last. */
function pathOf(index: Index, inode: InodeRecord | undefined): string {
  const names: string[] = [];
  let at = inode;
  for (let depth = 0; at !== undefined && at.ino !== ROOT_INO; depth++) {
    if (depth > MAX_DEPTH) break;
    names.unshift(at.name);
    at = findInode(index, at.parent);
  }
  return names.join('/');
}

class ChunkReader {
  readonly #log: CheckedLog;
  #open: { id: number; source: SlotSource | undefined } | undefined;

  constructor(log: CheckedLog) {
    this.#log = log;
  }

  isReadable(extent: Extent): boolean {
    const slot = this.#log.slots[segmentOf(extent.pos)];
    if (slot === undefined || extent.chunkLength > DATA_CHUNK_BYTES) return false;
    if (this.#open?.id !== slot.id) {
      this.close();
      this.#open = { id: slot.id, source: SlotSource.open(this.#log.place, slot) };
    }
    const { source } = this.#open;
    if (source === undefined) return false;
    // What is packed has other checksums, and parts of the chunk may have been removed.
    if (source.packed !== undefined) {
      const start = offsetOf(extent.pos) + extent.skip;
      const [part] = source.aliveParts(start, start + extent.length);
      const isWhole = part?.[0] === start && part[1] === start + extent.length;
      return isWhole && source.readContent(Buffer.alloc(extent.length), start);
    }
    return source.holds(Buffer.alloc(extent.chunkLength), offsetOf(extent.pos), extent.crc);
  }

  close(): void {
    this.#open?.source?.close();
    this.#open = undefined;
  }
}

function tryTo<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
