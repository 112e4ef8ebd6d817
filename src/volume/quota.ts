/**
 * The quota of a session: what its volume may hold, asked before a change and never in apply or replay.
 *
 * Rules:
 * - Only growth is refused. What gives room back (deleting, renaming, truncating, punching holes), what
 *   brings back (rollback, undelete) and what sweeps never asks, also far above a limit.
 * - Counted is what the state counts: bytes that several files share count for each, as with du(1).
 * - Bytes that an overwrite supersedes move to the history, so that it too can be full.
 * - Far from its limits a change costs some comparisons and no allocation.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Quota } from '../policy/retention-policy.ts';
import type { InodeRecord } from '../index/records.ts';
import { listExtents } from './content.ts';
import { QUOTA_KINDS, QuotaWatch } from './quota-watch.ts';
import type { QuotaUse, QuotaWarning } from './quota-watch.ts';
import type { State } from './state.ts';

export type QuotaKind = keyof Quota;

/** What a session says itself: left out is what the policy says, null is no limit. */
export type OwnQuota = { readonly [Kind in QuotaKind]?: number | null };

export interface QuotaSource {
  readonly state: State;
  /** What the policy in force says. */
  readonly policyLimits: () => Quota;
  readonly makesVersions: (inode: InodeRecord) => boolean;
  readonly own: OwnQuota | undefined;
}

/** The quota as whoever shows or changes it sees it. */
export interface QuotaControl {
  /** What holds now; Infinity is no limit. */
  readonly limits: Quota;
  readonly own: OwnQuota;
  /** Of what has a limit: how much of it is used. */
  uses(): QuotaUse[];
  /** What counts against a limit, if there is one. */
  used(kind: QuotaKind): number;
  /** What is above 80 or 90 percent. */
  warnings(): QuotaWarning[];
  setOwn(own: OwnQuota): void;
}

export class VolumeQuota implements QuotaControl {
  /** Called once when a warning level is reached, with a sentence. */
  onWarning: (warning: QuotaWarning) => void = () => undefined;
  readonly #source: QuotaSource;
  readonly #state: State;
  readonly #watch = new QuotaWatch();
  #own: OwnQuota;
  #limits: Quota;
  /** Of the promises: the policy is looked up again when it has changed. */
  #generation: number;

  constructor(source: QuotaSource) {
    this.#source = source;
    this.#state = source.state;
    this.#own = source.own ?? {};
    this.#generation = source.state.promises.generation;
    this.#limits = this.#overlay();
    // What was above a level when the volume was opened has been told before.
    this.#watch.note(this.uses());
  }

  get limits(): Quota {
    if (this.#generation !== this.#state.promises.generation) {
      this.#generation = this.#state.promises.generation;
      this.#limits = this.#overlay();
    }
    return this.#limits;
  }

  get own(): OwnQuota {
    return this.#own;
  }

  setOwn(own: OwnQuota): void {
    this.#own = own;
    this.#limits = this.#overlay();
    this.noteUse();
  }

  uses(): QuotaUse[] {
    const { limits } = this;
    return QUOTA_KINDS.filter((kind) => limits[kind] < Infinity).map((kind) => ({
      kind,
      used: this.used(kind),
      limit: limits[kind],
    }));
  }

  used(kind: QuotaKind): number {
    return this.#state[kind];
  }

  warnings(): QuotaWarning[] {
    return QuotaWatch.warningsOf(this.uses());
  }

  /** A while after changes: tells of levels that were reached since. */
  noteUse(): void {
    for (const warning of this.#watch.note(this.uses())) this.onWarning(warning);
  }

  /**
   * Before a name is given to a new inode.
   *
   * @throws {FsError} EDQUOT
   */
  checkInode(): void {
    if (this.#state.inodes >= this.limits.inodes) throw refused('inodes');
  }

  /**
   * Before a file without a name (O_TMPFILE) gets one: from then on it is live.
   *
   * @throws {FsError} EDQUOT
   */
  checkRevival(inode: InodeRecord): void {
    this.checkInode();
    if (!this.#hasLiveRoom(inode.allocated)) throw refused('liveBytes');
  }

  /**
   * Before content changes in a way that may end in another version.
   *
   * A file that has changed since its last version will get one in any case, and may be written on.
   *
   * @throws {FsError} EDQUOT
   */
  checkChange(inode: InodeRecord): void {
    const { versions } = this.limits;
    if (this.#state.versions < versions || inode.nlink === 0) return;
    if (this.#state.dirtyFiles.has(inode.ino) || !this.#source.makesVersions(inode)) return;
    throw refused('versions');
  }

  /**
   * Before a range of a file is filled with new bytes.
   *
   * @throws {FsError} EDQUOT
   */
  checkWrite(inode: InodeRecord, start: number, end: number): void {
    this.checkChange(inode);
    const bytes = end - start;
    // At most all of it is new, and at most all of it was there.
    if (this.#hasLiveRoom(bytes) && this.hasHistoryRoom(bytes)) return;
    this.#checkReplaced(inode, { start, end, added: bytes });
  }

  /**
   * Before a range of a file shares the bytes of another.
   *
   * @throws {FsError} EDQUOT
   */
  checkClone(
    source: InodeRecord,
    sourceOffset: number,
    inode: InodeRecord,
    range: { readonly offset: number; readonly length: number },
  ): void {
    this.checkChange(inode);
    const { offset, length } = range;
    if (this.#hasLiveRoom(length) && this.hasHistoryRoom(length)) return;
    const added = allocatedBetween(this.#state, source, sourceOffset, sourceOffset + length);
    this.#checkReplaced(inode, { start: offset, end: offset + length, added });
  }

  /**
   * Before a range of a file becomes zeros.
   *
   * @throws {FsError} EDQUOT
   */
  checkZero(inode: InodeRecord, start: number, end: number): void {
    this.checkChange(inode);
    if (this.hasHistoryRoom(end - start)) return;
    this.#checkReplaced(inode, { start, end, added: 0 });
  }

  /**
   * Before somebody relies on room for a range of a file (fallocate(2)): none is kept for it, but what could
   * never be written is refused now.
   *
   * @throws {FsError} EDQUOT
   */
  checkAllocate(inode: InodeRecord, start: number, end: number): void {
    if (this.#hasLiveRoom(end - start)) return;
    const growth = end - start - allocatedBetween(this.#state, inode, start, end);
    if (growth > 0 && !this.#hasLiveRoom(growth)) throw refused('liveBytes');
  }

  /** True if so many bytes may still be superseded. */
  hasHistoryRoom(bytes: number): boolean {
    return this.#state.historyBytes + bytes <= this.limits.historyBytes;
  }

  #hasLiveRoom(bytes: number): boolean {
    return this.#state.liveBytes + bytes <= this.limits.liveBytes;
  }

  /** The same to the byte, for what is near a limit: overwriting is no growth. */
  #checkReplaced(
    inode: InodeRecord,
    change: { readonly start: number; readonly end: number; readonly added: number },
  ): void {
    const { start, end, added } = change;
    const superseded = allocatedBetween(this.#state, inode, start, end);
    // What a removed file holds is history: what takes the place of something else there as well.
    const isLive = inode.nlink > 0;
    const growth = added - superseded;
    if (isLive && growth > 0 && !this.#hasLiveRoom(growth)) throw refused('liveBytes');
    const moved = isLive ? superseded : added;
    if (moved > 0 && !this.hasHistoryRoom(moved)) throw refused('historyBytes');
  }

  #overlay(): Quota {
    const policy = this.#source.policyLimits();
    const limit = (kind: QuotaKind): number => {
      const own = this.#own[kind];
      return own === null ? Infinity : (own ?? policy[kind]);
    };
    return {
      liveBytes: limit('liveBytes'),
      historyBytes: limit('historyBytes'),
      inodes: limit('inodes'),
      versions: limit('versions'),
    };
  }
}

const REFUSALS: Readonly<Record<QuotaKind, string>> = {
  liveBytes: 'the live files of the session',
  historyBytes: 'the history of the session',
  inodes: 'the inodes of the session',
  versions: 'the versions of the session',
};

/** How many bytes between two offsets take room in the log. */
const allocatedBetween = (state: State, inode: InodeRecord, start: number, end: number): number =>
  listExtents(state, inode, start, end).reduce((sum, { length }) => sum + length, 0);

const refused = (kind: QuotaKind): FsError => new FsError(Errno.EDQUOT, REFUSALS[kind]);
