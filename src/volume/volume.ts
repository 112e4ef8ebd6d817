/**
 * A volume that is open: its log, its index, its state, and when each is written out.
 *
 * Every change goes through commit: log first, then apply. What the operations of a file system are made
 * of is in names.ts, files.ts, attributes.ts and listing.ts, as functions over this.
 */

import { join } from 'node:path';

import type { Index } from '../index/index.ts';
import type { Log } from '../log/log.ts';
import { RESTORE_HINT } from '../log/segment-files.ts';
import { SYSTEM_ACTOR } from '../shared/brands.ts';
import type { ActorId, LogPos, Revision } from '../shared/brands.ts';
import { ByteWriter } from '../shared/bytes.ts';
import { Errno } from '../shared/errno.ts';
import { FsError, SessfsError } from '../shared/errors.ts';
import { EPOCH } from '../shared/time.ts';
import type { Clock } from '../shared/time.ts';
import { Actors } from './actors.ts';
import type { Answers } from './answers.ts';
import { applyRecord } from './apply.ts';
import { ContentReader } from './content-reader.ts';
import { recallBases } from './bases.ts';
import type { Core } from './core.ts';
import { Cuts } from './cuts.ts';
import { encodeEvent, EVENT_TYPES } from './events.ts';
import type { Event } from './events.ts';
import { Listings } from './listing.ts';
import { FLUSH_CHANGES, listRecentActors, openParts } from './open-parts.ts';
import type { Parts } from './open-parts.ts';
import { Pins } from './pins.ts';
import { Promiser } from './promiser.ts';
import { VolumeQuota } from './quota.ts';
import type { State } from './state.ts';
import { SYSTEM_CALLER } from './store.ts';
import type { ActorSource, Caller, VolumeControl, VolumeOptions, VolumeStatus } from './store.ts';
import { stoppageOf, untilRoom } from './stoppage.ts';
import type { Stoppage } from './stoppage.ts';
import { StoreSpace } from './store-space.ts';
import { MemoryWriters } from './writers.ts';

/** The log is on disk, and the index written, at most this long after a change: the promise is 1 s. */
const SETTLE_MS = 900;
const DEFAULT_CUT_INTERVAL_MS = 60_000;
/** Caches may be over their limits for so long. */
const TRIM_AFTER_MS = 100;

export class Volume implements Core, VolumeControl {
  readonly dir: string;
  readonly clock: Clock;
  readonly state: State;
  readonly index: Index;
  readonly log: Log;
  readonly content: ContentReader;
  readonly actors: Actors;
  readonly cuts: Cuts;
  readonly answers: Answers;
  readonly space: StoreSpace;
  readonly listings: Listings;
  readonly promiser: Promiser;
  readonly quota: VolumeQuota;
  /** Revisions that somebody is reading: what they need is not removed meanwhile. */
  readonly pins = new Pins();
  /** Why the index was made anew at the start, if it was: somebody should be told. */
  readonly indexProblem: string | undefined;
  /** Why not everything is known that a predecessor carried out, if so: somebody should be told. */
  readonly answersProblem: string | undefined;
  /** Set by whoever runs the volume; a message and its cause. */
  report: (message: string, error: unknown) => void = () => undefined;
  /** Called when a full disk, which has kept the index from being written, has room for another server. */
  onRoom: () => void = () => undefined;
  /** Across restarts. */
  readonly #knowsWriters: boolean;
  readonly #writer = new ByteWriter(4096);
  readonly #header = {
    revision: 0 as Revision,
    time: EPOCH,
    unique: 0,
    actor: SYSTEM_ACTOR,
    type: 0,
  };
  #settleTimer: NodeJS.Timeout | undefined;
  #trimTimer: NodeJS.Timeout | undefined;
  #stoppage: Stoppage | undefined;
  #isClosed = false;
  #flushing: Promise<void> | undefined;
  /** What the index on disk is the state after. */
  #flushedRevision: Revision;
  /** Before which the index on disk says that everything was answered. */
  #flushedAnswered: LogPos | undefined;

  private constructor(options: VolumeOptions, opened: Parts) {
    this.dir = options.dir;
    this.clock = options.clock;
    this.state = opened.state;
    this.index = opened.index;
    this.log = opened.log;
    this.indexProblem = opened.indexProblem;
    this.answersProblem = opened.answersProblem;
    this.content = new ContentReader(opened.log);
    this.space = new StoreSpace(options.dir);
    this.answers = opened.answers;
    this.#flushedRevision = opened.indexed;
    this.#flushedAnswered = opened.answered;
    this.promiser = new Promiser(this);
    this.quota = new VolumeQuota({
      state: this.state,
      policyLimits: () => this.promiser.current.policy.quota,
      makesVersions: (inode) => this.promiser.resolveInode(inode).makesVersions,
      own: options.quota,
    });
    this.state.onCrowded = () => this.#trimSoon();
    this.listings = new Listings(this);
    const writers = options.writers ?? new MemoryWriters();
    const readers = options.readers ?? new MemoryWriters();
    if (options.resumed === undefined) {
      writers.clear();
      readers.clear();
    }
    this.#knowsWriters = options.writers !== undefined;
    this.cuts = new Cuts(this, options.cutIntervalMs ?? DEFAULT_CUT_INTERVAL_MS, {
      writers,
      readers,
    });
    this.actors = new Actors({
      takeActorId: () => this.state.nextActor++ as ActorId,
      record: (event) => {
        if (!this.#isClosed) this.commit(event, SYSTEM_CALLER);
      },
      report: (message, error) => this.report(message, error),
    });
  }

  /**
   * Opens the volume in a directory: the index, then whatever the log has beyond it.
   *
   * @throws {SessfsError} LOG_CORRUPT, INDEX_CORRUPT, STORE_FOREIGN Never opens half of it.
   */
  static async open(options: VolumeOptions): Promise<Volume> {
    const parts = await openParts(options);
    const { index, state, log } = parts;
    try {
      const volume = new Volume(options, parts);
      if (state.revision === 0) volume.#begin(options);
      await volume.flushed();
      await recallBases(volume.state);
      if (options.resumed === undefined) volume.cuts.cutClosed();
      await volume.cuts.settled();
      await volume.flushed();
      if (options.resumed !== undefined) volume.actors.recall(await listRecentActors(index));
      return volume;
    } catch (error) {
      await index.close();
      await log.close();
      throw error;
    }
  }

  commit(event: Event, caller: Caller, data?: Uint8Array): void {
    this.#assertGoing();
    const actor = this.actors.resolve(caller);
    const { state, log } = this;
    if (data !== undefined) this.space.claim(data.length);
    const payload = this.#writer.reset();
    encodeEvent(payload, event);
    const header = this.#header;
    header.revision = (state.revision + 1) as Revision;
    header.time = this.clock.now();
    header.unique = caller.unique;
    header.actor = actor;
    header.type = EVENT_TYPES[event.kind];
    const pos = log.append(header, payload.view(), payload.length, data);
    const at = { revision: header.revision, time: log.lastTime, actor, pos: log.recordPos };
    const placed =
      data === undefined ? undefined : { pos, length: data.length, chunkCrcs: log.chunkCrcs };
    try {
      applyRecord(state, at, event, placed);
    } catch (error) {
      // The log has it, the state a part of it. Nothing of that may get into the index: a restart replays.
      const reason = `a change could not be applied (${String(error)}): restart the session`;
      this.#stoppage = { reason, errno: Errno.EROFS, awaitsRoom: false };
      this.report('Cannot apply a change that was logged', error);
      throw error;
    }
    state.next = log.head;
    if (this.#settleTimer === undefined) this.#armSettle();
    if (state.pending >= FLUSH_CHANGES && this.#flushing === undefined) void this.#flush();
  }

  /** Everything up to now is in the index when this resolves, for scans to see. */
  async flushed(): Promise<void> {
    const { revision } = this.state;
    while (this.#flushedRevision < revision) {
      await this.#flush();
      if (this.#stoppage !== undefined) throw new FsError(Errno.EIO, this.#stoppage.reason);
    }
  }

  /**
   * Every request that a predecessor left unanswered has been answered: what it carried out need not be
   * known any more, and what it had open is counted.
   */
  resendOver(): void {
    this.answers.end();
    // An index that went on saying what was owed would have every server from now on scan from there.
    if (this.#settleTimer === undefined && !this.#isFlushed()) this.#armSettle();
    if (this.#knowsWriters) this.cuts.cutClosed();
  }

  status(): VolumeStatus {
    const { state, log } = this;
    return {
      revision: state.revision,
      time: state.time,
      durableRevision: log.durableRevision,
      durableTime: log.durableTime,
      readOnly: this.#stoppage?.reason ?? log.readOnly,
      inodes: state.inodes,
      liveBytes: state.liveBytes,
      historyBytes: state.historyBytes,
      versions: state.versions,
      horizon: state.horizon,
      logBytes: log.bytes,
      syncLagMs: log.syncLagMs,
      cache: state.cache,
    };
  }

  sync(): Promise<void> {
    return this.log.sync();
  }

  /**
   * Makes a change whose answer waits until it is on disk.
   *
   * Until that is sent, the index does not say that the request was answered: the batch that takes the
   * change waits for the same sync, and may be written before.
   */
  async syncAfter<T>(change: () => T): Promise<T> {
    const settle = this.answers.owe(this.log.head);
    try {
      const result = change();
      await this.log.sync();
      return result;
    } finally {
      // In this turn of the event loop the answer is sent.
      setImmediate(settle);
    }
  }

  cutChanged(): void {
    this.cuts.cutAll('interval');
  }

  async dumpIndex(): Promise<AsyncGenerator<[Buffer, Buffer][]>> {
    await this.flushed();
    return this.index.dump();
  }

  internActor(source: ActorSource): ActorId {
    return this.actors.intern(source);
  }

  async close(): Promise<void> {
    clearTimeout(this.#settleTimer);
    await this.cuts.settled();
    await this.actors.settled();
    this.#isClosed = true;
    this.quota.noteUse();
    clearTimeout(this.#settleTimer);
    await this.#flush();
    await this.index.close();
    await this.log.close();
  }

  #begin({ dir, create }: VolumeOptions): void {
    if (create === undefined) {
      const message = `Cannot read log "${join(dir, 'log')}": it has no record`;
      throw new SessfsError('LOG_CORRUPT', message, { hint: RESTORE_HINT });
    }
    this.commit({ kind: 'genesis', ...create }, SYSTEM_CALLER);
  }

  /** Writes the index out; one write at a time, which takes all there is when it begins. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#flushOnce().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushOnce(): Promise<void> {
    const { revision } = this.state;
    if (this.#isFlushed() || this.#stoppage !== undefined) return;
    const answered = this.answers.oldestOwed(this.state.next);
    try {
      await this.state.flush(this.log.sync(), answered);
      this.#flushedRevision = revision;
      this.#flushedAnswered = answered;
      this.state.trim();
    } catch (error) {
      this.#stoppage = stoppageOf(error, this.log.readOnly);
      if (this.#stoppage.awaitsRoom) void this.#awaitRoom();
      this.report('Cannot write the index', error);
    }
  }

  #isFlushed(): boolean {
    const { revision, next } = this.state;
    if (revision !== this.#flushedRevision) return false;
    return this.#flushedAnswered === this.answers.oldestOwed(next);
  }

  async #awaitRoom(): Promise<void> {
    await untilRoom(join(this.dir, 'index'), () => !this.#isClosed);
    if (!this.#isClosed) this.onRoom();
  }

  /** @throws {FsError} EROFS, ENOSPC If no change can be taken, and has not been for a while. */
  #assertGoing(): void {
    const stoppage = this.#stoppage;
    if (stoppage !== undefined) throw new FsError(stoppage.errno, stoppage.reason);
    const { readOnly } = this.log;
    if (readOnly !== undefined) throw new FsError(Errno.EROFS, readOnly);
  }

  /** Reading fills the caches without ever writing the index out. */
  #trimSoon(): void {
    if (this.#trimTimer !== undefined) return;
    this.#trimTimer = setTimeout(() => {
      this.#trimTimer = undefined;
      this.state.trim();
    }, TRIM_AFTER_MS).unref();
  }

  #armSettle(): void {
    if (this.#isClosed) return;
    this.#settleTimer = setTimeout(() => {
      this.#settleTimer = undefined;
      void this.#settle();
    }, SETTLE_MS);
    this.#settleTimer.unref();
  }

  /** A while after a change: disk, index, and the versions that are due. */
  async #settle(): Promise<void> {
    try {
      await this.log.sync();
      this.cuts.cutOld();
    } catch (error) {
      this.report('Cannot settle the volume', error);
    }
    this.quota.noteUse();
    await this.#flush();
    if (this.#settleTimer === undefined && this.cuts.isWaiting) this.#armSettle();
  }
}
