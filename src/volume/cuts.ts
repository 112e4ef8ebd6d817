/**
 * When a version is cut: the rules, and who has what open for writing.
 *
 * A version is cut when the last writer closes a file whose content changed; before changed content is
 * replaced, truncated by somebody else or unlinked; and when it has been uncut for an interval. Content
 * that is what the last version already holds makes none.
 */

import type { Ino } from '../shared/brands.ts';
import { timeToMs } from '../shared/time.ts';
import { REGION_BYTES } from '../index/extents.ts';
import type { Extent } from '../index/extents.ts';
import type { InodeRecord } from '../index/records.ts';
import type { CutCause } from './cut-cause.ts';
import { areSameExtents, listExtents } from './content.ts';
import type { Core } from './core.ts';
import type { DirtyFile } from './state.ts';
import { SYSTEM_CALLER } from './store.ts';
import type { WriterTable } from './writers.ts';

/** Up to here bytes are compared at once; more is compared off the serving path. */
const COMPARE_AT_ONCE_BYTES = 1 << 20;

const O_ACCMODE = 3;

const isForReading = (flags: number): boolean => (flags & O_ACCMODE) === 0;

export class Cuts {
  readonly #core: Core;
  readonly #intervalMs: number;
  readonly #writers: WriterTable;
  readonly #readers: WriterTable;
  readonly #comparisons = new Map<Ino, Comparison>();
  /** By the clock that nobody sets: one that is set back by hours would put a cut off for as long. */
  readonly #seenMs = new WeakMap<DirtyFile, number>();

  constructor(
    core: Core,
    intervalMs: number,
    tables: { readonly writers: WriterTable; readonly readers: WriterTable },
  ) {
    this.#core = core;
    this.#writers = tables.writers;
    this.#readers = tables.readers;
    this.#intervalMs = intervalMs;
  }

  /** @param unique Of the request that opened it: one that comes again is counted once. */
  opened(ino: Ino, flags: number, unique = 0): void {
    (isForReading(flags) ? this.#readers : this.#writers).add(ino, unique);
  }

  /** An open file is gone. Its writer may be unknown: it was opened before this server started. */
  released(ino: Ino, flags: number, unique = 0): void {
    if (isForReading(flags)) this.#readers.remove(ino, unique);
    else if (this.#writers.remove(ino, unique) === 0) this.cutIfChanged(ino, 'close');
  }

  hasWriters(ino: Ino): boolean {
    return this.#writers.get(ino) > 0;
  }

  /** Somebody may still read what it holds, also if it has no name any more. */
  isOpen(ino: Ino): boolean {
    return this.hasWriters(ino) || this.#readers.get(ino) > 0;
  }

  /** Before content goes: a version of it, unless the last one already is that. */
  cutIfChanged(ino: Ino, cause: CutCause): void {
    const { state } = this.#core;
    const dirty = state.dirtyFiles.get(ino);
    if (dirty === undefined || this.#comparisons.has(ino)) return;
    const inode = state.findInode(ino);
    if (inode === undefined || inode.nlink === 0 || !this.#makesVersions(inode)) return;
    if (inode.cutRevision === 0) {
      // Made, and empty: a shell is about to fill it, or it was touched.
      if (inode.size > 0) this.#cut(inode, dirty, cause);
      else if (cause === 'close') this.#keep(inode);
      return;
    }
    const difference = findDifference(this.#core, inode, dirty);
    if (difference === undefined) this.#cut(inode, dirty, cause);
    else if (difference.bytes <= COMPARE_AT_ONCE_BYTES) {
      if (this.#seemsEqual(difference)) this.#keep(inode);
      else this.#cut(inode, dirty, cause);
    } else {
      this.#compareLater(inode, dirty, { cause, difference });
    }
  }

  /** Before content changes that is being compared: the version is cut, without knowing. */
  beforeChange(ino: Ino): void {
    const comparison = this.#comparisons.get(ino);
    if (comparison === undefined) return;
    this.#comparisons.delete(ino);
    const inode = this.#core.state.findInode(ino);
    const dirty = this.#core.state.dirtyFiles.get(ino);
    if (inode !== undefined && dirty !== undefined) this.#cut(inode, dirty, comparison.cause);
  }

  /** Before what a name stands for may go away. */
  beforeRemoval(ino: Ino, cause: CutCause): void {
    this.beforeChange(ino);
    this.cutIfChanged(ino, cause);
    this.beforeChange(ino);
  }

  /** Cuts what has been uncut for longer than the interval. */
  cutOld(): void {
    const beforeMs = timeToMs(this.#core.clock.now()) - this.#intervalMs;
    const nowMs = performance.now();
    for (const [ino, dirty] of this.#core.state.dirtyFiles) {
      let seenMs = this.#seenMs.get(dirty);
      if (seenMs === undefined) this.#seenMs.set(dirty, (seenMs = nowMs));
      const isOld = timeToMs(dirty.since) <= beforeMs || nowMs - seenMs >= this.#intervalMs;
      if (isOld) this.#tryToCut(ino, 'interval');
    }
  }

  /** True if a file may be due some time: then cutOld has to be called again. */
  get isWaiting(): boolean {
    for (const ino of this.#core.state.dirtyFiles.keys()) {
      const inode = this.#core.state.findInode(ino);
      if (inode !== undefined && this.#makesVersions(inode)) return true;
    }
    return false;
  }

  /** Cuts every file that nobody can write to any more. */
  cutClosed(): void {
    for (const ino of this.#core.state.dirtyFiles.keys()) {
      if (!this.hasWriters(ino)) this.#tryToCut(ino, 'close');
    }
  }

  /** Cuts everything that has changed, open or not. */
  cutAll(cause: CutCause): void {
    for (const ino of this.#core.state.dirtyFiles.keys()) this.#tryToCut(ino, cause);
  }

  /** Resolves when no comparison is under way. */
  async settled(): Promise<void> {
    while (this.#comparisons.size > 0) {
      await Promise.all([...this.#comparisons.values()].map(({ done }) => done));
    }
  }

  /** A file that makes no versions stays uncut: under another name it may make some. */
  #makesVersions(inode: InodeRecord): boolean {
    return this.#core.promiser.resolveInode(inode).makesVersions;
  }

  #cut(inode: InodeRecord, dirty: DirtyFile, cause: CutCause): void {
    const by = { unique: 0, uid: 0, gid: 0, pid: 0, actor: dirty.actor };
    const { promiser } = this.#core;
    const promise = promiser.idOf(promiser.resolveInode(inode));
    this.#core.commit({ kind: 'cut', ino: inode.ino, cause, promise }, by);
  }

  #keep(inode: InodeRecord): void {
    this.#core.commit({ kind: 'unchanged', ino: inode.ino }, SYSTEM_CALLER);
  }

  /** What cannot be read cannot be compared: better a version too many. */
  #seemsEqual(difference: Difference): boolean {
    try {
      return this.#areEqual(difference);
    } catch (error) {
      this.#core.report('Cannot compare a file with its last version', error);
      return false;
    }
  }

  /** Where nobody waits for an answer: what fails is told, stays uncut, and the others go on. */
  #tryToCut(ino: Ino, cause: CutCause): void {
    try {
      this.cutIfChanged(ino, cause);
    } catch (error) {
      this.#core.report('Cannot cut a version', error);
    }
  }

  #areEqual(difference: Difference): boolean {
    const { content } = this.#core;
    return difference.ranges.every(({ offset, length, before, after }) => {
      const old = Buffer.allocUnsafe(length);
      content.readSync(before, offset, old);
      const now = Buffer.allocUnsafe(length);
      content.readSync(after, offset, now);
      return old.equals(now);
    });
  }

  #compareLater(
    inode: InodeRecord,
    dirty: DirtyFile,
    { cause, difference }: { cause: CutCause; difference: Difference },
  ): void {
    const token = {};
    const isCurrent = (): boolean => this.#comparisons.get(inode.ino)?.token === token;
    const finish = (areEqual: boolean): void => {
      if (!isCurrent()) return;
      this.#comparisons.delete(inode.ino);
      if (areEqual) this.#keep(inode);
      else this.#cut(inode, dirty, cause);
    };
    const done = this.#compare(difference, isCurrent)
      .catch((error: unknown) => {
        this.#core.report('Cannot compare a file with its last version', error);
        return false;
      })
      .then(finish)
      // It stays uncut, and is tried again.
      .catch((error: unknown) => this.#core.report('Cannot cut a version', error));
    this.#comparisons.set(inode.ino, { token, cause, done });
  }

  async #compare({ ranges }: Difference, isWanted: () => boolean): Promise<boolean> {
    const { content } = this.#core;
    for (const { offset, length, before, after } of ranges) {
      const old = await content.read(before, offset, length);
      // Asked only now: what runs before the first await does so before the caller has noted it.
      if (!isWanted()) return false;
      const now = await content.read(after, offset, length);
      if (!old.equals(now)) return false;
    }
    return true;
  }
}

/** Of a file with its last version, under way. */
interface Comparison {
  readonly token: object;
  readonly cause: CutCause;
  readonly done: Promise<void>;
}

/** Where the content may differ from that of the last version. */
interface Difference {
  readonly ranges: readonly Range[];
  readonly bytes: number;
}

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly before: readonly Extent[];
  readonly after: readonly Extent[];
}

/** @returns What must be compared byte by byte; undefined if sizes or checksums already differ. */
function findDifference(core: Core, inode: InodeRecord, dirty: DirtyFile): Difference | undefined {
  if (dirty.base === undefined || inode.size !== inode.cutSize) return undefined;
  const ranges: Range[] = [];
  let bytes = 0;
  for (const [region, before] of dirty.base) {
    const offset = region * REGION_BYTES;
    const length = Math.min(REGION_BYTES, inode.size - offset);
    if (length <= 0) continue;
    const after = listExtents(core.state, inode, offset, offset + length);
    if (areSameExtents(before, after)) continue;
    if (haveOtherChecksums(before, after)) return undefined;
    ranges.push({ offset, length, before, after });
    bytes += length;
  }
  return { ranges, bytes };
}

/** True if two extents of the same shape have different checksums: then the bytes differ. */
function haveOtherChecksums(before: readonly Extent[], after: readonly Extent[]): boolean {
  if (before.length !== after.length) return false;
  return before.some((extent, index) => {
    const other = after[index] as Extent;
    return (
      extent.offset === other.offset &&
      extent.length === other.length &&
      extent.skip === 0 &&
      other.skip === 0 &&
      extent.chunkLength === extent.length &&
      other.chunkLength === other.length &&
      extent.crc !== other.crc
    );
  });
}
