/**
 * Which bytes of the log something still refers to, found by going through every extent of the index.
 *
 * INVARIANT: what is not listed will never be referred to again. An extent comes to be from data of a new
 * record, from a live file (copies), or from history that a rollback reads; the first is not in a sealed
 * segment, the second is listed, and of the third nothing that is being read has been purged (Pins). All is
 * read from one snapshot: what moves meanwhile from one key space to another is met where it was. A value
 * that is damaged ends it: what cannot be read is not unreferred to.
 */

import type { SegmentId } from '../shared/brands.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import type { Extent } from '../index/extents.ts';
import { Space } from '../index/keys.ts';
import { decodeInode, decodeRegion } from '../index/records.ts';
import { offsetOf, segmentOf } from '../log/segment.ts';
import type { Ino } from '../shared/brands.ts';
import type { Volume } from '../volume/volume.ts';
import { RangeList } from './range-list.ts';

/** Entries between two pauses. */
const PAUSE_EVERY = 500;
/** Prefix and inode: what stands before the region in a key. */
const REGION_AT = 1 + 6;

export interface Liveness {
  /** What live files hold, by segment. */
  readonly live: ReadonlyMap<SegmentId, RangeList>;
  /** What live files or the past hold. */
  readonly all: ReadonlyMap<SegmentId, RangeList>;
}

/**
 * @param options.pause Awaited every few hundred entries.
 * @throws {SessfsError} INDEX_CORRUPT If the index is damaged.
 */
export async function findLiveness(
  volume: Volume,
  options: { readonly pause?: () => Promise<void> } = {},
): Promise<Liveness> {
  const live = new Map<SegmentId, RangeList>();
  const all = new Map<SegmentId, RangeList>();
  const note = (extents: readonly Extent[], isLive: boolean): void => {
    for (const extent of extents) {
      add(all, extent);
      if (isLive) add(live, extent);
    }
  };
  await volume.flushed();
  const snapshot = volume.index.snapshot();
  const scan = async (space: number, take: (key: Buffer, value: Buffer) => void): Promise<void> => {
    const cursor = new EntryCursor(volume.index, spaceRange(space), { snapshot });
    try {
      await cursor.next();
      for (let seen = 1; !cursor.isDone; seen++) {
        take(cursor.key, cursor.value);
        if (seen % PAUSE_EVERY === 0) await options.pause?.();
        if (!cursor.step()) await cursor.fill();
      }
    } finally {
      await cursor.close();
    }
  };
  const removed = new Set<number>();
  try {
    await scan(Space.INODE, (key, value) => {
      const ino = key.readUIntBE(1, 6) as Ino;
      const inode = decodeInode(ino, value);
      if (inode.nlink === 0) removed.add(ino);
      note(inode.inline ?? [], inode.nlink > 0);
    });
    await scan(Space.REGION, (key, value) => {
      const ino = key.readUIntBE(1, 6);
      note(decodeRegion(value, key.readUInt32BE(REGION_AT)), !removed.has(ino));
    });
    await scan(Space.REGION_HISTORY, (key, value) => {
      note(decodeRegion(value, key.readUInt32BE(REGION_AT)), false);
    });
  } finally {
    await snapshot.close();
  }
  return { live, all };
}

function add(lists: Map<SegmentId, RangeList>, { pos, skip, length }: Extent): void {
  const segment = segmentOf(pos);
  let list = lists.get(segment);
  if (list === undefined) lists.set(segment, (list = new RangeList()));
  const start = offsetOf(pos) + skip;
  list.add(start, start + length);
}
