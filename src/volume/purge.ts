/**
 * The part of apply that removes: what no promise keeps goes from the index, and with that its bytes
 * become reclaimable.
 *
 * Rule: everything that a purge names is history that nothing changes any more, and in the index on disk:
 * whoever applies one, live or in replay, has written the index out before. A content that is gone is
 * marked, never replaced by what came before or after it.
 */

import { createHash } from 'node:crypto';

import type { Ino, Revision } from '../shared/brands.ts';
import { ByteWriter } from '../shared/bytes.ts';
import { regionOf } from '../index/extents.ts';
import type { Extent } from '../index/extents.ts';
import {
  dentryHistoryKey,
  hashKey,
  inodeHistoryKey,
  purgeKey,
  regionHistoryKey,
  tierHistoryKey,
  versionKey,
} from '../index/keys.ts';
import { encodePurgeRecord } from '../index/promised-records.ts';
import { decodeInode, decodeRegion, encodeInodeHistory, encodeRegion } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import type { Moment } from './apply.ts';
import { dropContent } from './content.ts';
import { encodePromiseEvent } from './promise-events.ts';
import type { PurgedInode, PurgeEvent } from './promise-events.ts';
import type { State } from './state.ts';

const payload = new ByteWriter(1 << 16);

/** Of pieces that stay although the content that held them last goes: no change has as many steps. */
const SHARED_SEQUENCE = 2 ** 32 - 1;

export function applyPurge(state: State, at: Moment, event: PurgeEvent): void {
  const before = state.historyBytes;
  let versions = 0;
  for (const inode of event.inodes) {
    purgeInode(state, inode);
    versions += inode.versions.length;
  }
  for (const { parent, name, to } of event.names) {
    state.index.delete(dentryHistoryKey(parent, name, to));
  }
  if (event.horizon > state.horizon) {
    state.horizon = event.horizon;
    state.horizonTime = event.horizonTime;
  }
  state.purgeDigest = digestPurge(state.purgeDigest, event, at.revision);
  const record = {
    pos: at.pos,
    time: at.time,
    actor: at.actor,
    digest: state.purgeDigest,
    versions,
    bytes: before - state.historyBytes,
  };
  state.index.put(purgeKey(at.revision), encodePurgeRecord(record));
}

/** The audit chain: what was removed, over all that was removed before. */
export function digestPurge(before: string, event: PurgeEvent, revision: Revision): string {
  payload.reset().u48(revision);
  encodePromiseEvent(payload, event);
  return createHash('sha256').update(before).update(payload.view()).digest('hex');
}

/**
 * True if an extent of the past was there at a revision that is kept.
 *
 * @param to The revision that took it away.
 * @param kept Ascending.
 */
export function isExtentKept(extent: Extent, to: Revision, kept: readonly Revision[]): boolean {
  let low = 0;
  let high = kept.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((kept[middle] as Revision) < extent.since) low = middle + 1;
    else high = middle;
  }
  const first = kept[low];
  return first !== undefined && first < to;
}

function purgeInode(state: State, purged: PurgedInode): void {
  const { index } = state;
  const { ino, kept } = purged;
  for (const { revision } of purged.versions) {
    const key = Buffer.from(versionKey(ino, revision));
    // A log with gaps may have lost the cut.
    if (index.get(key) !== undefined) state.versions -= 1;
    index.delete(key);
  }
  for (const revision of purged.content) index.delete(hashKey(ino, revision));
  for (const { to, isForgotten } of purged.states) {
    const key = Buffer.from(inodeHistoryKey(ino, to));
    if (isForgotten) index.delete(key);
    else markGone(state, ino, key);
  }
  for (const { region, to, sequence } of purged.regions) {
    const key = Buffer.from(regionHistoryKey(ino, region, to, sequence));
    const value = index.get(key);
    if (value === undefined) continue;
    const extents = decodeRegion(value, region);
    const left = extents.filter((extent) => isExtentKept(extent, to, kept));
    if (left.length === extents.length) continue;
    state.historyBytes -= sumOf(extents) - sumOf(left);
    if (left.length === 0) index.delete(key);
    else index.put(key, encodeRegion(left, region));
  }
  for (const to of purged.tiers) index.delete(tierHistoryKey(ino, to));
  const inode = state.findInode(ino);
  if (inode === undefined) return;
  if (purged.losesFirst) {
    inode.isFirstForgotten = true;
    state.markDirty(inode);
  }
  if (purged.last === 'stays' || inode.nlink > 0) return;
  dropLast(state, inode, kept);
  inode.isGone = true;
  state.markDirty(inode);
  if (purged.last === 'all') state.forgetInode(inode);
}

/** What an earlier content that stays shares with the last one goes to the history, as if replaced by it. */
function dropLast(state: State, inode: InodeRecord, kept: readonly Revision[]): void {
  const to = inode.contentRevision;
  let shared = 0;
  const regions = [...state.regionsBetween(inode, 0, regionOf(inode.extentEnd))];
  for (const region of regions) {
    const left = state.getRegion(inode, region).filter((extent) => isExtentKept(extent, to, kept));
    if (left.length === 0) continue;
    const key = regionHistoryKey(inode.ino, region, to, SHARED_SEQUENCE);
    state.index.put(key, encodeRegion(left, region));
    shared += sumOf(left);
  }
  dropContent(state, inode);
  state.historyBytes += shared;
}

function markGone(state: State, ino: Ino, key: Buffer): void {
  const value = state.index.get(key);
  if (value === undefined) return;
  const past = decodeInode(ino, value, false);
  past.isGone = true;
  state.index.put(key, encodeInodeHistory(past));
}

const sumOf = (extents: readonly Extent[]): number =>
  extents.reduce((sum, { length }) => sum + length, 0);
