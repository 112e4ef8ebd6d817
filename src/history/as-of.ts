/**
 * The volume as it was at a revision: inodes, names and extents, by the multi-version index.
 *
 * Live state first, then the history on disk: what changes between the two readings moves from the first
 * to the second and is met there, so that no answer depends on when it is asked.
 */

import type { Ino, Name, Revision } from '../shared/brands.ts';
import { isDirectory, isRegular } from '../shared/mode.ts';
import type { Extent } from '../index/extents.ts';
import { REGION_BYTES, regionOf, replaceRange, sliceExtent } from '../index/extents.ts';
import {
  dentryHistoryDirKey,
  dentryHistoryKey,
  inodeHistoryKey,
  prefixEnd,
  regionHistoryKey,
} from '../index/keys.ts';
import { decodeInode, decodePastDentry, decodeRegion } from '../index/records.ts';
import type { Dentry, InodeRecord, PastDentry } from '../index/records.ts';
import { listExtents } from '../volume/content.ts';
import type { Volume } from '../volume/volume.ts';
import type { Node, NodeEntry } from './store.ts';

/** Where the revision is in a key that ends in it. */
const REVISION_BYTES = 6;
/** Where the name is in the key of a past name. */
const PAST_NAME_AT = 1 + 6;
/** Beyond this many regions one scan over a file's whole history is cheaper than one for each. */
const SCAN_REGIONS = 4;

export interface PastName extends PastDentry {
  readonly name: Name;
  /** The revision that took the name away. */
  readonly to: Revision;
}

export class AsOf {
  readonly #volume: Volume;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** An inode at a revision; undefined if it was not made yet. */
  async findNode(ino: Ino, at: Revision): Promise<Node | undefined> {
    const live = this.#volume.state.findInode(ino);
    if (live === undefined || live.born > at) return undefined;
    if (live.since <= at) return toNode(live, at);
    let oldest = live;
    let node = toNode(live, at);
    const range = this.#scan(
      copy(inodeHistoryKey(ino, at + 1)),
      copy(inodeHistoryKey(ino, REVISION_END)),
      1,
    );
    for await (const [, value] of range) {
      oldest = decodeInode(ino, value, false);
      node = toNode(oldest, at);
    }
    if (oldest.since <= at) return node;
    // Retention has removed what it was between: nothing else stands in for it.
    if (live.isFirstForgotten || (await this.#hasStateBefore(ino, at))) {
      return { ...node, size: 0, blocks: 0, isGone: true };
    }
    return asMade(node, oldest.born);
  }

  /** True if a state that ended by then is known: then the inode was not as it was made any more. */
  async #hasStateBefore(ino: Ino, at: Revision): Promise<boolean> {
    const gte = copy(inodeHistoryKey(ino, 0));
    const lt = copy(inodeHistoryKey(ino, at + 1));
    return (await this.#volume.index.findFirst({ gte, lt })) !== undefined;
  }

  /** Where an inode was, last made or moved to, by a revision. */
  async findPlace(ino: Ino, at: Revision): Promise<{ parent: Ino; name: Name } | undefined> {
    const live = this.#volume.state.findInode(ino);
    if (live === undefined || live.since <= at) return live;
    const range = this.#scan(
      copy(inodeHistoryKey(ino, at + 1)),
      copy(inodeHistoryKey(ino, REVISION_END)),
      1,
    );
    for await (const [, value] of range) return decodeInode(ino, value, false);
    return live;
  }

  /** Every state that an inode was in before the one it is in now, oldest first. */
  async listStates(ino: Ino): Promise<{ inode: InodeRecord; to: Revision }[]> {
    const states: { inode: InodeRecord; to: Revision }[] = [];
    const range = this.#scan(
      copy(inodeHistoryKey(ino, 0)),
      copy(inodeHistoryKey(ino, REVISION_END)),
    );
    for await (const [key, value] of range) {
      states.push({ inode: decodeInode(ino, value, false), to: revisionOf(key) });
    }
    return states;
  }

  /** What a name stood for at a revision. */
  async findName(parent: Ino, name: Name, at: Revision): Promise<Dentry | undefined> {
    const live = this.#volume.state.findDentry(parent, name);
    if (live !== undefined && live.since <= at) return live;
    const range = this.#scan(
      copy(dentryHistoryKey(parent, name, at + 1)),
      copy(dentryHistoryKey(parent, name, REVISION_END)),
      1,
    );
    for await (const [, value] of range) {
      const past = decodePastDentry(value);
      if (past.since <= at) return past;
    }
    return undefined;
  }

  /** Everything that a name ever stood for and does not any more, oldest first. */
  async listPast(parent: Ino, name: Name): Promise<PastName[]> {
    const past: PastName[] = [];
    const range = this.#scan(
      copy(dentryHistoryKey(parent, name, 0)),
      copy(dentryHistoryKey(parent, name, REVISION_END)),
    );
    for await (const [key, value] of range) {
      past.push({ ...decodePastDentry(value), name, to: revisionOf(key) });
    }
    return past;
  }

  /** The same for every name of a directory, in byte order of the names. */
  async listAllPast(parent: Ino): Promise<PastName[]> {
    const past: PastName[] = [];
    const prefix = Buffer.from(dentryHistoryDirKey(parent));
    for await (const [key, value] of this.#scan(prefix, prefixEnd(prefix))) {
      const name = key.toString('latin1', PAST_NAME_AT, key.length - REVISION_BYTES - 1) as Name;
      past.push({ ...decodePastDentry(value), name, to: revisionOf(key) });
    }
    return past;
  }

  async listNames(dir: Ino, at: Revision): Promise<NodeEntry[]> {
    const names = new Map<Name, NodeEntry>();
    const inode = this.#volume.state.findInode(dir);
    if (inode === undefined || !isDirectory(inode.mode)) return [];
    for (const { name, ino, type, since } of await this.#volume.listings.listAll(dir)) {
      if (since <= at) names.set(name, { name, ino, type });
    }
    if (inode.contentRevision > at) {
      for (const { name, ino, type, since, to } of await this.listAllPast(dir)) {
        if (since <= at && to > at) names.set(name, { name, ino, type });
      }
    }
    return [...names.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Where the bytes between two offsets were at the revision of the node. */
  async listExtents(node: Node, start: number, end: number): Promise<Extent[]> {
    const at = node.revision;
    const last = Math.min(end, node.size);
    if (start >= last) return [];
    const { state } = this.#volume;
    const live = state.findInode(node.ino);
    if (live === undefined) return [];
    const present = listExtents(state, live, start, last);
    if (live.contentRevision <= at) return present;
    const current = present.filter((extent) => extent.since <= at);
    let past: Extent[];
    if (regionOf(last - 1) - regionOf(start) < SCAN_REGIONS) {
      past = [];
      for (let region = regionOf(start); region <= regionOf(last - 1); region++) {
        past.push(
          ...(await this.#listPastOfRegion(node.ino, region, at, { start, end: last, current })),
        );
      }
    } else {
      past = await this.#listPastOfFile(node.ino, at, { start, end: last });
    }
    return overlay(past, current);
  }

  async #listPastOfRegion(
    ino: Ino,
    region: number,
    at: Revision,
    want: { readonly start: number; readonly end: number; readonly current: readonly Extent[] },
  ): Promise<Extent[]> {
    const from = Math.max(want.start, region * REGION_BYTES);
    const until = Math.min(want.end, (region + 1) * REGION_BYTES);
    let missing = until - from;
    for (const extent of want.current) {
      missing -= Math.max(
        0,
        Math.min(until, extent.offset + extent.length) - Math.max(from, extent.offset),
      );
    }
    const past: Extent[] = [];
    if (missing === 0) return past;
    const range = this.#scan(
      copy(regionHistoryKey(ino, region, at + 1, 0)),
      copy(regionHistoryKey(ino, region, REVISION_END, 0)),
    );
    for await (const [, value] of range) {
      for (const extent of decodeRegion(value, region)) {
        if (extent.since > at || extent.offset >= until) continue;
        if (extent.offset + extent.length <= from) continue;
        const piece = sliceExtent(extent, from, until);
        past.push(piece);
        missing -= piece.length;
      }
      if (missing <= 0) break;
    }
    return past;
  }

  async #listPastOfFile(
    ino: Ino,
    at: Revision,
    want: { readonly start: number; readonly end: number },
  ): Promise<Extent[]> {
    const past: Extent[] = [];
    const range = this.#scan(
      copy(regionHistoryKey(ino, regionOf(want.start), 0, 0)),
      copy(regionHistoryKey(ino, regionOf(want.end - 1) + 1, 0, 0)),
    );
    for await (const [key, value] of range) {
      if (key.readUIntBE(REGION_TO_AT, REVISION_BYTES) <= at) continue;
      for (const extent of decodeRegion(value, key.readUInt32BE(REGION_AT))) {
        if (extent.since > at || extent.offset >= want.end) continue;
        if (extent.offset + extent.length <= want.start) continue;
        past.push(sliceExtent(extent, want.start, want.end));
      }
    }
    return past;
  }

  async *#scan(gte: Buffer, lt: Buffer, limit?: number): AsyncGenerator<[Buffer, Buffer]> {
    await this.#volume.flushed();
    yield* this.#volume.index.scan({ gte, lt, ...(limit === undefined ? {} : { limit }) });
  }
}

const REGION_AT = 1 + 6;
const REGION_TO_AT = REGION_AT + 4;

/** Above every revision in a key. */
const REVISION_END = 2 ** 48 - 1;

/** Keys are made in shared memory: one is copied before the next is made. */
const copy = (key: Buffer): Buffer => Buffer.from(key);

const revisionOf = (key: Buffer): Revision =>
  key.readUIntBE(key.length - REVISION_BYTES, REVISION_BYTES) as Revision;

/** Past and current pieces that may say the same of the same bytes, as one sorted list. */
function overlay(past: Extent[], current: readonly Extent[]): Extent[] {
  if (past.length === 0) return [...current];
  let result: readonly Extent[] = [];
  for (const extent of past.toSorted((a, b) => a.offset - b.offset)) {
    result = append(result as Extent[], extent);
  }
  for (const extent of current) {
    const end = extent.offset + extent.length;
    result = replaceRange(result, extent.offset, end, [extent]).extents;
  }
  return [...result];
}

/** Pieces come in order and do not overlap, or are the same bytes of the same file. */
function append(result: Extent[], extent: Extent): Extent[] {
  const last = result.at(-1);
  const covered = last === undefined ? 0 : last.offset + last.length;
  const end = extent.offset + extent.length;
  if (end > covered) result.push(sliceExtent(extent, covered, end));
  return result;
}

/**
 * An inode before its first change that the history holds: as it was made.
 *
 * The first write to a new file leaves no history, see touchContent in src/volume/apply.ts.
 */
function asMade(later: Node, born: Revision): Node {
  const { btime } = later;
  const made = { ...later, mtime: btime, ctime: btime, contentRevision: born };
  return isRegular(later.mode) ? { ...made, size: 0, blocks: 0, isGone: false } : made;
}

/** What the layers above see of an inode. */
export function toNode(inode: InodeRecord, at: Revision): Node {
  return {
    ino: inode.ino,
    revision: at,
    mode: inode.mode,
    size: inode.size,
    blocks: inode.blocks,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    atime: inode.atime,
    mtime: inode.mtime,
    ctime: inode.ctime,
    btime: inode.btime,
    target: inode.target,
    xattrs: inode.xattrs ?? NO_XATTRS,
    contentRevision: inode.contentRevision,
    isGone: inode.isGone && inode.size > 0,
  };
}

const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();
