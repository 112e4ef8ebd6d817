/**
 * The part of apply that changes where a file's bytes are.
 *
 * What a change takes out of a region goes to the history with the revision at which it ended; what the
 * same revision put there leaves none.
 */

import { DATA_CHUNK_BYTES } from '../log/record.ts';
import type { LogPos } from '../shared/brands.ts';
import {
  NO_EXTENTS,
  REGION_BYTES,
  findExtent,
  regionOf,
  replaceRange,
  sliceExtent,
} from '../index/extents.ts';
import type { Extent } from '../index/extents.ts';
import { regionHistoryKey } from '../index/keys.ts';
import { encodeRegion } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import type { Moment, PlacedData } from './apply.ts';
import type { State } from './state.ts';

/** Puts the data of a record at `start`. */
export function placeData(
  state: State,
  inode: InodeRecord,
  start: number,
  data: PlacedData,
  at: Moment,
): void {
  const end = start + data.length;
  let added: Extent[] = [];
  let from = start;
  for (let region = regionOf(start); from < end; region++) {
    const until = Math.min(end, (region + 1) * REGION_BYTES);
    for (let offset = from; offset < until;) {
      const chunk = Math.floor((offset - start) / DATA_CHUNK_BYTES);
      const chunkStart = start + chunk * DATA_CHUNK_BYTES;
      const chunkLength = Math.min(DATA_CHUNK_BYTES, end - chunkStart);
      const pieceEnd = Math.min(chunkStart + chunkLength, until);
      added.push({
        offset,
        length: pieceEnd - offset,
        pos: (data.pos + chunk * DATA_CHUNK_BYTES) as LogPos,
        skip: offset - chunkStart,
        chunkLength,
        crc: data.chunkCrcs[chunk] as number,
        since: at.revision,
      });
      offset = pieceEnd;
    }
    replaceIn(state, inode, { region, start: from, end: until }, added, at);
    added = [];
    from = until;
  }
}

/** Makes a hole. @param end Infinity is to the end of the file. */
export function clearRange(
  state: State,
  inode: InodeRecord,
  start: number,
  end: number,
  at: Moment,
): void {
  const last = Math.min(end, inode.extentEnd);
  if (start >= last) return;
  for (const region of state.regionsBetween(inode, regionOf(start), regionOf(last - 1))) {
    const base = region * REGION_BYTES;
    const range = {
      region,
      start: Math.max(start, base),
      end: Math.min(last, base + REGION_BYTES),
    };
    replaceIn(state, inode, range, [], at);
  }
  if (end >= inode.extentEnd) inode.extentEnd = start;
}

/** Makes a range of `inode` share the extents of `source`, holes included. */
export function cloneRange(
  state: State,
  source: InodeRecord,
  sourceOffset: number,
  inode: InodeRecord,
  target: { readonly offset: number; readonly length: number },
  at: Moment,
): void {
  const extents = listExtents(state, source, sourceOffset, sourceOffset + target.length);
  const shift = target.offset - sourceOffset;
  const moved = extents.map((extent) => ({ ...extent, offset: extent.offset + shift }));
  placeExtents(state, inode, target.offset, target.offset + target.length, moved, at);
}

/** Replaces all content; what is there already stays as it is. */
export function restoreContent(
  state: State,
  inode: InodeRecord,
  extents: readonly Extent[],
  at: Moment,
): void {
  const last = extents.at(-1);
  const end = Math.max(inode.extentEnd, last === undefined ? 0 : last.offset + last.length);
  placeExtents(state, inode, 0, end, extents, at);
  inode.extentEnd = last === undefined ? 0 : last.offset + last.length;
}

/** Takes everything that a removed inode holds, without leaving a history. */
export function dropContent(state: State, inode: InodeRecord): void {
  const regions = [...state.regionsBetween(inode, 0, regionOf(inode.extentEnd))];
  for (const region of regions) {
    state.setRegion(inode, region, NO_EXTENTS);
  }
  state.historyBytes -= inode.allocated;
  inode.allocated = 0;
  inode.extentEnd = 0;
}

/** The extents between two offsets, cut to them, in order. */
export function listExtents(
  state: State,
  inode: InodeRecord,
  start: number,
  end: number,
): Extent[] {
  const result: Extent[] = [];
  const last = Math.min(end, inode.extentEnd);
  if (start >= last) return result;
  for (const region of state.regionsBetween(inode, regionOf(start), regionOf(last - 1))) {
    const extents = state.getRegion(inode, region);
    for (let index = findExtent(extents, start); index < extents.length; index++) {
      const extent = extents[index] as Extent;
      if (extent.offset >= last) break;
      result.push(sliceExtent(extent, start, last));
    }
  }
  return result;
}

/** True if both say the same bytes of the log for the same bytes of the file. */
export function areSameExtents(a: readonly Extent[], b: readonly Extent[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((extent, index) => {
    const other = b[index] as Extent;
    return (
      extent.offset === other.offset &&
      extent.length === other.length &&
      extent.pos === other.pos &&
      extent.skip === other.skip
    );
  });
}

function placeExtents(
  state: State,
  inode: InodeRecord,
  start: number,
  end: number,
  extents: readonly Extent[],
  at: Moment,
): void {
  let index = 0;
  // Only regions that lose or gain something: a sparse file of terabytes has few of either.
  const regions = new Set<number>();
  const last = Math.min(end, inode.extentEnd);
  if (start < last) {
    for (const region of state.regionsBetween(inode, regionOf(start), regionOf(last - 1))) {
      regions.add(region);
    }
  }
  for (const extent of extents) {
    const lastRegion = regionOf(extent.offset + extent.length - 1);
    for (let region = regionOf(extent.offset); region <= lastRegion; region++) regions.add(region);
  }
  for (const region of [...regions].toSorted((a, b) => a - b)) {
    const base = region * REGION_BYTES;
    const until = Math.min(end, base + REGION_BYTES);
    const from = Math.max(start, base);
    const added: Extent[] = [];
    for (; index < extents.length; index++) {
      const extent = extents[index] as Extent;
      if (extent.offset >= until) break;
      added.push({ ...sliceExtent(extent, from, until), since: at.revision });
      if (extent.offset + extent.length > until) break;
    }
    const present = state.getRegion(inode, region);
    const covers = from === base && (until === base + REGION_BYTES || until >= inode.extentEnd);
    if (covers && areSameExtents(present, added)) continue;
    replaceIn(state, inode, { region, start: from, end: until }, added, at);
  }
}

/** INVARIANT: the one place where a region changes. */
function replaceIn(
  state: State,
  inode: InodeRecord,
  range: { readonly region: number; readonly start: number; readonly end: number },
  added: readonly Extent[],
  at: Moment,
): void {
  const { region } = range;
  const before = state.getRegion(inode, region);
  const { extents, removed } = replaceRange(before, range.start, range.end, added);
  if (removed.length === 0 && added.length === 0) return;
  const base = state.dirtyFiles.get(inode.ino)?.base;
  if (base !== undefined && !base.has(region)) base.set(region, before);
  let growth = 0;
  for (const extent of added) growth += extent.length;
  for (const extent of removed) growth -= extent.length;
  inode.allocated += growth;
  if (inode.nlink > 0) state.liveBytes += growth;
  else state.historyBytes += growth;
  const last = added.at(-1);
  if (last !== undefined) inode.extentEnd = Math.max(inode.extentEnd, last.offset + last.length);
  const lived = removed.filter((extent) => extent.since !== at.revision);
  if (lived.length > 0) {
    const key = regionHistoryKey(inode.ino, region, at.revision, state.takeSequence());
    state.index.put(key, encodeRegion(lived, region));
    for (const { length } of lived) state.historyBytes += length;
  }
  state.setRegion(inode, region, extents);
}
