/**
 * Packs all sealed segments of a volume that nobody has open, with what its index refers to.
 */

import { join } from 'node:path';

import { decodeInode, decodeRegion } from '../../src/index/records.ts';
import type { Extent } from '../../src/index/extents.ts';
import { EntryCursor, spaceRange } from '../../src/index/entry-cursor.ts';
import { Index } from '../../src/index/index.ts';
import { Space } from '../../src/index/keys.ts';
import { nodeDisk } from '../../src/log/disk.ts';
import { offsetOf, segmentName, segmentOf } from '../../src/log/segment.ts';
import { loadZstd } from '../../src/log/zstd.ts';
import { ChunkStore } from '../../src/pack/chunk-store.ts';
import { collectPacks } from '../../src/pack/collect-packs.ts';
import { packSegment } from '../../src/pack/pack-segment.ts';
import type { Ino, SegmentId } from '../../src/shared/brands.ts';
import { DESK_VOLUME_ID } from '../volume/desk.ts';
import { slotsOf } from './workplace.ts';

/** @param isKept False gives up all content of a segment, though it is referred to. */
export async function packWorkplace(
  volumeDir: string,
  isKept: (id: SegmentId) => boolean = () => true,
): Promise<void> {
  await loadZstd();
  const dir = join(volumeDir, 'log');
  const place = { disk: nodeDisk, dir, volumeId: DESK_VOLUME_ID };
  const alive = await findAlive(join(volumeDir, 'index'));
  for (const { id } of slotsOf(volumeDir).slice(0, -1)) {
    const store = ChunkStore.load({ ...place, packBytes: 50_000 });
    await packSegment({ ...place, id, store, alive: isKept(id) ? (alive.get(id) ?? []) : [] });
    store.close();
    nodeDisk.remove(join(dir, segmentName(id)));
  }
}

/** Writes all packs anew. */
export async function collectAll(volumeDir: string): Promise<void> {
  await collectPacks({
    disk: nodeDisk,
    dir: join(volumeDir, 'log'),
    volumeId: DESK_VOLUME_ID,
    threshold: 2,
    pace: async () => {},
    onRewritten: async () => {},
  });
}

async function findAlive(indexDir: string): Promise<Map<SegmentId, number[]>> {
  const bySegment = new Map<SegmentId, [number, number][]>();
  const { index } = await Index.open(indexDir, DESK_VOLUME_ID);
  for await (const extent of listExtents(index)) {
    const id = segmentOf(extent.pos);
    const start = offsetOf(extent.pos) + extent.skip;
    const ranges = bySegment.get(id) ?? [];
    ranges.push([start, start + extent.length]);
    bySegment.set(id, ranges);
  }
  await index.close();
  return new Map([...bySegment].map(([id, ranges]) => [id, union(ranges)]));
}

async function* listExtents(index: Index): AsyncGenerator<Extent> {
  const inodes = new EntryCursor(index, spaceRange(Space.INODE));
  for (await inodes.next(); !inodes.isDone; await inodes.next()) {
    const ino = inodes.key.readUIntBE(1, 6) as Ino;
    yield* decodeInode(ino, inodes.value).inline ?? [];
  }
  for (const space of [Space.REGION, Space.REGION_HISTORY]) {
    const regions = new EntryCursor(index, spaceRange(space));
    for (await regions.next(); !regions.isDone; await regions.next()) {
      yield* decodeRegion(regions.value, regions.key.readUInt32BE(7));
    }
  }
}

function union(ranges: readonly [number, number][]): number[] {
  const merged: [number, number][] = [];
  for (const [start, end] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged.flat();
}
