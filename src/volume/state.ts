/**
 * The live state of a volume: caches over the index, and the changes that are not yet in it.
 *
 * Read by everybody, changed only by apply. INVARIANT: index as last written + what is dirty here = the
 * state after `revision`; so nothing dirty is ever dropped from memory.
 */

import type { ActorId, Ino, LogPos, Name, Revision } from '../shared/brands.ts';
import { INO_MAX, NO_REVISION, ROOT_INO } from '../shared/brands.ts';
import { EPOCH } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import type { Extent } from '../index/extents.ts';
import { NO_EXTENTS } from '../index/extents.ts';
import type { Index } from '../index/index.ts';
import { actorKey, dentryKey, hashName, inodeKey, regionKey } from '../index/keys.ts';
import {
  decodeActor,
  decodeDentry,
  decodeInode,
  decodeRegion,
  encodeInode,
  encodeRegion,
} from '../index/records.ts';
import type { ActorRecord, Dentry, IndexMeta, InodeRecord } from '../index/records.ts';
import { Directory } from './directory.ts';
import { Promises } from './promises.ts';

/** 64,000 inodes are about 30 MB. */
const MAX_CACHED_INODES = 64_000;
/** 200,000 names are about 30 MB. */
const MAX_CACHED_NAMES = 200_000;
const MAX_CACHED_ACTORS = 1000;
/** Regions that one large file keeps in memory. */
const MAX_CACHED_REGIONS = 4096;
/** A region 0 with this many extents or fewer is part of its inode's record. */
const INLINE_EXTENTS = 4;

/** A file whose content has changed since its last version. */
export interface DirtyFile {
  /** Who changed it last. */
  actor: ActorId;
  /** When the first change came. */
  readonly since: Time;
  /** Each region as it was at the last version, of those that changed; undefined if that is not known. */
  readonly base: Map<number, readonly Extent[]> | undefined;
}

export class State {
  readonly index: Index;
  readonly volumeId: string;
  revision: Revision;
  time: Time;
  /** Where the record after `revision` goes. */
  next: LogPos;
  nextIno: number;
  nextActor: number;
  inodes: number;
  liveBytes: number;
  /** INVARIANT: the sum of all extents in the region history, and of what removed inodes hold. */
  historyBytes: number;
  versions: number;
  /** Names and attributes of moments before it may have been removed. */
  horizon: Revision;
  horizonTime: Time;
  /** The audit chain so far, see digestPurge. */
  purgeDigest: string;
  readonly promises = new Promises();
  /** Goes up when a directory moves or goes: paths that were worked out are then out of date. */
  treeGeneration = 0;
  readonly dirtyFiles = new Map<Ino, DirtyFile>();
  /** Those that may not be in the index yet, and some that are. */
  readonly actors = new Map<ActorId, ActorRecord>();
  /** INVARIANT: the second of the newest entry in the time key space: each second has one, its first. */
  timeIndexed: number;

  readonly cache = {
    inode: { lookups: 0, misses: 0 },
    name: { lookups: 0, misses: 0 },
    region: { lookups: 0, misses: 0 },
  };

  readonly #inodes = new Map<Ino, InodeRecord>();
  readonly #regions = new Map<Ino, Map<number, readonly Extent[]>>();
  readonly #directories = new Map<Ino, Directory>();
  #dirtyInodes = new Set<InodeRecord>();
  #dirtyRegions = new Map<Ino, Set<number>>();
  /** Written but not yet known to be in the index: pinned like the dirty ones. */
  #flushingInodes = new Set<InodeRecord>();
  #flushingRegions = new Map<Ino, Set<number>>();
  /** Those that the index on disk may still have, and when they were forgotten. */
  readonly #forgotten = new Map<Ino, number>();
  #cachedNames = 0;
  /** Called when reading has brought more to memory than it may hold. */
  onCrowded: () => void = () => undefined;
  #sequence = 0;
  #epoch = 1;
  #flushedEpoch = 0;

  constructor(index: Index, volumeId: string, meta: IndexMeta | undefined) {
    this.index = index;
    this.volumeId = volumeId;
    this.revision = meta?.applied ?? NO_REVISION;
    this.time = meta?.appliedTime ?? EPOCH;
    this.timeIndexed = meta?.appliedTime.sec ?? -1;
    this.next = meta?.next ?? (0 as LogPos);
    this.nextIno = meta?.nextIno ?? 2;
    this.nextActor = meta?.nextActor ?? 1;
    this.inodes = meta?.inodes ?? 0;
    this.liveBytes = meta?.liveBytes ?? 0;
    this.historyBytes = meta?.historyBytes ?? 0;
    this.versions = meta?.versions ?? 0;
    this.horizon = meta?.horizon ?? NO_REVISION;
    this.horizonTime = meta?.horizonTime ?? EPOCH;
    this.purgeDigest = meta?.purgeDigest ?? '';
    for (const file of meta?.uncut ?? []) {
      this.dirtyFiles.set(file.ino, { actor: file.actor, since: file.since, base: undefined });
    }
  }

  /** Every record begins with this. */
  begin(revision: Revision, time: Time): void {
    this.revision = revision;
    this.time = time;
    this.#sequence = 0;
  }

  /** A number for what one revision leaves behind several times under the same key. */
  takeSequence(): number {
    return this.#sequence++;
  }

  // --- inodes -------------------------------------------------------------------------------------

  /** Also finds removed inodes (nlink 0): whether they count is the caller's question. */
  findInode(ino: Ino): InodeRecord | undefined {
    this.cache.inode.lookups += 1;
    const cached = this.#inodes.get(ino);
    if (cached !== undefined) return cached;
    // A key has 48 bits of it: a larger number would find somebody else's record.
    if (ino > INO_MAX || this.#forgotten.has(ino)) return undefined;
    this.cache.inode.misses += 1;
    const value = this.index.get(inodeKey(ino));
    if (value === undefined) return undefined;
    const inode = decodeInode(ino, value);
    this.#inodes.set(ino, inode);
    if (this.#inodes.size > MAX_CACHED_INODES) this.onCrowded();
    return inode;
  }

  /** When the volume was made. */
  getGenesisTime(): Time {
    return this.findInode(ROOT_INO)?.btime ?? EPOCH;
  }

  addInode(inode: InodeRecord): void {
    this.#inodes.set(inode.ino, inode);
    this.#dirtyInodes.add(inode);
  }

  markDirty(inode: InodeRecord): void {
    this.#dirtyInodes.add(inode);
  }

  /** A removed inode of which nothing is kept: from now on there never was one. */
  forgetInode(inode: InodeRecord): void {
    this.#inodes.delete(inode.ino);
    this.#directories.delete(inode.ino);
    this.#dirtyInodes.delete(inode);
    this.#forgotten.set(inode.ino, this.#epoch);
    this.index.delete(inodeKey(inode.ino));
  }

  // --- content ------------------------------------------------------------------------------------

  getRegion(inode: InodeRecord, region: number): readonly Extent[] {
    if (region === 0 && inode.inline !== undefined) return inode.inline;
    this.cache.region.lookups += 1;
    let regions = this.#regions.get(inode.ino);
    const cached = regions?.get(region);
    if (cached !== undefined) return cached;
    if (!inode.leaves.has(region)) return NO_EXTENTS;
    this.cache.region.misses += 1;
    const value = this.index.get(regionKey(inode.ino, region));
    const extents = value === undefined ? NO_EXTENTS : decodeRegion(value, region);
    if (regions === undefined) this.#regions.set(inode.ino, (regions = new Map()));
    regions.set(region, extents);
    return extents;
  }

  setRegion(inode: InodeRecord, region: number, extents: readonly Extent[]): void {
    if (region === 0) {
      if (extents.length <= INLINE_EXTENTS) {
        if (inode.inline === undefined) this.#forgetFirstRegion(inode);
        inode.inline = extents;
        return;
      }
      inode.inline = undefined;
    }
    let regions = this.#regions.get(inode.ino);
    if (regions === undefined) this.#regions.set(inode.ino, (regions = new Map()));
    regions.set(region, extents);
    if (extents.length === 0) inode.leaves.delete(region);
    else inode.leaves.add(region);
    let dirty = this.#dirtyRegions.get(inode.ino);
    if (dirty === undefined) this.#dirtyRegions.set(inode.ino, (dirty = new Set()));
    dirty.add(region);
  }

  /** It becomes a part of its inode: its key, which may be in no batch yet, goes. */
  #forgetFirstRegion(inode: InodeRecord): void {
    inode.leaves.delete(0);
    this.#regions.get(inode.ino)?.delete(0);
    this.#dirtyRegions.get(inode.ino)?.delete(0);
    this.index.delete(regionKey(inode.ino, 0));
  }

  /** The regions with extents, from `first` to `last`, ascending. */
  *regionsBetween(inode: InodeRecord, first: number, last: number): Generator<number> {
    if (first === 0 && inode.inline !== undefined && inode.inline.length > 0) yield 0;
    if (!inode.leaves.isEmpty) yield* inode.leaves.clone().between(first, last);
  }

  // --- names --------------------------------------------------------------------------------------

  findDentry(parent: Ino, name: Name): Dentry | undefined {
    this.cache.name.lookups += 1;
    const directory = this.#directories.get(parent);
    if (directory !== undefined) {
      const dentry = directory.entries.get(name);
      if (dentry !== undefined || directory.isComplete || directory.entries.has(name)) {
        return dentry;
      }
    }
    this.cache.name.misses += 1;
    if (parent > INO_MAX) return undefined;
    const value = this.index.get(dentryKey(parent, hashName(name), name));
    if (value === undefined) return undefined;
    const dentry = decodeDentry(value);
    this.#remember(this.getDirectory(parent), name, dentry);
    return dentry;
  }

  findDirectory(ino: Ino): Directory | undefined {
    return this.#directories.get(ino);
  }

  getDirectory(ino: Ino): Directory {
    let directory = this.#directories.get(ino);
    if (directory === undefined) {
      directory = new Directory(ino, false);
      this.#directories.set(ino, directory);
    }
    return directory;
  }

  /** A directory that was just made: all its names, none, are known. */
  addDirectory(ino: Ino): void {
    this.#directories.set(ino, new Directory(ino, true));
  }

  setDentry(parent: Ino, name: Name, dentry: Dentry): void {
    const directory = this.getDirectory(parent);
    if (!directory.entries.has(name)) this.#cachedNames += 1;
    directory.set(name, dentry);
    directory.dirtyEpoch = this.#epoch;
  }

  deleteDentry(parent: Ino, name: Name): void {
    const directory = this.getDirectory(parent);
    const before = directory.entries.size;
    directory.delete(name);
    this.#cachedNames += directory.entries.size - before;
    directory.dirtyEpoch = this.#epoch;
  }

  /** Puts what a scan of the index found below what is in memory, which is newer. */
  completeDirectory(directory: Directory, scanned: Iterable<[Name, Dentry]>): void {
    for (const [name, dentry] of scanned) {
      if (!directory.entries.has(name)) this.#remember(directory, name, dentry);
    }
    for (const [name, dentry] of directory.entries) {
      if (dentry !== undefined) continue;
      directory.entries.delete(name);
      this.#cachedNames -= 1;
    }
    directory.isComplete = true;
  }

  #remember(directory: Directory, name: Name, dentry: Dentry): void {
    if (!directory.entries.has(name)) this.#cachedNames += 1;
    directory.set(name, dentry);
    if (this.#cachedNames > MAX_CACHED_NAMES) this.onCrowded();
  }

  // --- writing out --------------------------------------------------------------------------------

  /** How much a write to the index would take with it. */
  get pending(): number {
    return this.index.pending + this.#dirtyInodes.size;
  }

  /**
   * Hands every change so far to the index, as one batch.
   *
   * @param ready See Index.write.
   * @param answered See IndexMeta.
   */
  flush(ready: Promise<void>, answered: LogPos): Promise<void> {
    for (const inode of this.#dirtyInodes) this.index.put(inodeKey(inode.ino), encodeInode(inode));
    for (const [ino, dirty] of this.#dirtyRegions) {
      const regions = this.#regions.get(ino);
      for (const region of dirty) {
        const extents = regions?.get(region) ?? NO_EXTENTS;
        if (extents.length === 0) this.index.delete(regionKey(ino, region));
        else this.index.put(regionKey(ino, region), encodeRegion(extents, region));
      }
    }
    for (const inode of this.#dirtyInodes) this.#flushingInodes.add(inode);
    for (const [ino, dirty] of this.#dirtyRegions) {
      const flushing = this.#flushingRegions.get(ino);
      if (flushing === undefined) this.#flushingRegions.set(ino, dirty);
      else for (const region of dirty) flushing.add(region);
    }
    this.#dirtyInodes = new Set();
    this.#dirtyRegions = new Map();
    const epoch = this.#epoch++;
    return this.index.write(this.#meta(answered), ready).then(() => {
      this.#flushedEpoch = epoch;
      for (const [ino, since] of this.#forgotten) if (since <= epoch) this.#forgotten.delete(ino);
      if (epoch === this.#epoch - 1 && this.actors.size > MAX_CACHED_ACTORS) this.actors.clear();
      if (epoch !== this.#epoch - 1) return;
      this.#flushingInodes.clear();
      this.#flushingRegions.clear();
    });
  }

  #meta(answered: LogPos): IndexMeta {
    return {
      volumeId: this.volumeId,
      applied: this.revision,
      next: this.next,
      answered,
      appliedTime: this.time,
      nextIno: this.nextIno,
      nextActor: this.nextActor,
      inodes: this.inodes,
      liveBytes: this.liveBytes,
      historyBytes: this.historyBytes,
      versions: this.versions,
      horizon: this.horizon,
      horizonTime: this.horizonTime,
      purgeDigest: this.purgeDigest,
      uncut: [...this.dirtyFiles].map(([ino, file]) => ({
        ino,
        actor: file.actor,
        since: file.since,
      })),
    };
  }

  /** Who made a change; undefined if the log never said. */
  findActor(id: ActorId): ActorRecord | undefined {
    const known = this.actors.get(id);
    if (known !== undefined) return known;
    const value = this.index.get(actorKey(id));
    return value === undefined ? undefined : decodeActor(value);
  }

  /** Drops what the index holds as well, oldest first, down to what memory may hold. */
  trim(): void {
    if (this.#inodes.size > MAX_CACHED_INODES) this.#trimInodes();
    if (this.#cachedNames + this.#directories.size > MAX_CACHED_NAMES) this.#trimNames();
    for (const [ino, regions] of this.#regions) {
      if (regions.size <= MAX_CACHED_REGIONS && this.#inodes.has(ino)) continue;
      const dirty = this.#dirtyRegions.get(ino);
      const flushing = this.#flushingRegions.get(ino);
      for (const region of regions.keys()) {
        if (dirty?.has(region) !== true && flushing?.has(region) !== true) regions.delete(region);
      }
      if (regions.size === 0) this.#regions.delete(ino);
    }
  }

  #trimInodes(): void {
    let excess = this.#inodes.size - MAX_CACHED_INODES * 0.75;
    for (const [ino, inode] of this.#inodes) {
      if (excess <= 0) return;
      if (this.#dirtyInodes.has(inode) || this.#flushingInodes.has(inode)) continue;
      this.#inodes.delete(ino);
      excess -= 1;
    }
  }

  #trimNames(): void {
    for (const [ino, directory] of this.#directories) {
      if (this.#cachedNames + this.#directories.size <= MAX_CACHED_NAMES * 0.75) return;
      if (directory.isLoading || directory.dirtyEpoch > this.#flushedEpoch) continue;
      this.#cachedNames -= directory.entries.size;
      this.#directories.delete(ino);
    }
  }
}
