/**
 * A whole sweep of one volume: live files whose time is over, versions that nothing keeps, bytes given back.
 *
 * Rule: a dry run walks the same way and changes nothing. One at a time; being stopped anywhere leaves
 * what was done, and the next one goes on with the rest.
 */

import type { ActorId, Revision } from '../shared/brands.ts';
import { SYSTEM_ACTOR } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { timeToMs } from '../shared/time.ts';
import { describeReason } from '../policy/reason-text.ts';
import type { VolumeHistory } from '../history/volume-history.ts';
import type { Volume } from '../volume/volume.ts';
import type { Cleaner, CleanReport } from './cleaner.ts';
import type { Finding } from './examiner.ts';
import { findExpired, removeExpired } from './live-expiry.ts';
import { Sweep } from './sweep.ts';

/** So many files are listed; the totals are of all. */
const MAX_LISTED = 1000;

export interface SweepRequest {
  readonly nowMs: number;
  /** undefined: the session is active. */
  readonly sessionEndedMs: number | undefined;
  readonly isApplied: boolean;
  /** Somebody has looked at the dry run: neither its size nor a doubtful clock stops it. */
  readonly isConfirmed: boolean;
  /** Also packs what is not cold yet. */
  readonly isForced: boolean;
  /** Why the clock cannot be believed, if so. */
  readonly clockProblem: string | undefined;
  readonly actor?: ActorId;
  readonly pause?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface SweptFile {
  readonly path: string;
  /** `live`: a file of a session that ended; it goes with all its versions, each in its time. */
  readonly what: 'live' | 'versions' | 'forgotten';
  readonly versions: readonly {
    readonly revision: Revision;
    readonly size: number;
    readonly timeMs: number;
  }[];
  readonly reason: string;
  readonly keptUntilMs: number;
  readonly bytes: number;
}

export interface SweepReport {
  readonly isApplied: boolean;
  /** Why nothing was removed, if so; a dry run tells what would stop a run. */
  readonly refusal: string | undefined;
  /** The earliest moment that can be seen whole afterwards. */
  readonly horizon: Revision;
  readonly liveFiles: number;
  readonly versions: number;
  readonly inodes: number;
  /** Of content that nothing refers to any more. */
  readonly bytes: number;
  readonly files: readonly SweptFile[];
  readonly isTruncated: boolean;
  /** When the next thing is due, in milliseconds since 1970; Infinity if nothing ever is. */
  readonly nextDueMs: number;
  readonly clean: CleanReport | undefined;
}

export class Sweeper {
  readonly #volume: Volume;
  readonly #history: VolumeHistory;
  readonly #cleaner: Cleaner | undefined;
  #isRunning = false;

  /** @param cleaner undefined: bytes are not given back here. */
  constructor(volume: Volume, history: VolumeHistory, cleaner: Cleaner | undefined) {
    this.#volume = volume;
    this.#history = history;
    this.#cleaner = cleaner;
  }

  /** @throws {SessfsError} CONFLICT If one is under way. */
  async run(request: SweepRequest): Promise<SweepReport> {
    if (this.#isRunning) {
      throw new SessfsError('CONFLICT', 'Cannot sweep: a sweep is under way', {
        hint: 'Wait for it; sessfs status tells when it is over',
      });
    }
    this.#isRunning = true;
    try {
      return await this.#run(request);
    } finally {
      this.#isRunning = false;
    }
  }

  async #run(request: SweepRequest): Promise<SweepReport> {
    const plan = await this.#plan(request);
    const mayRemove = plan.refusal === undefined || request.isConfirmed;
    const done: Partial<Pick<SweepReport, 'versions' | 'inodes' | 'bytes' | 'nextDueMs'>> = {};
    if (!request.isApplied) return { ...plan, isApplied: false, clean: undefined };
    if (mayRemove) {
      await removeExpired(this.#volume, request);
      const sweep = await Sweep.begin(this.#volume, this.#history, request);
      const { actor = SYSTEM_ACTOR, isConfirmed } = request;
      const removed = { versions: 0, inodes: 0, bytes: 0 };
      await sweep.apply({
        actor,
        isConfirmed,
        onBatch: (removals) => {
          removed.inodes += removals.length;
          for (const { purged, bytes } of removals) {
            removed.versions += purged.versions.length;
            removed.bytes += bytes;
          }
        },
      });
      // What is being read or has come to be kept meanwhile was left for another time.
      const isAll = removed.inodes >= plan.inodes;
      Object.assign(done, removed, isAll ? {} : { nextDueMs: request.nowMs });
    }
    // Packing loses nothing: it goes on also when nothing may be removed.
    const clean = await this.#cleaner?.clean({
      nowMs: request.nowMs,
      isForced: request.isForced,
      ...(request.pause === undefined ? {} : { pause: request.pause }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    const refusal = mayRemove ? undefined : plan.refusal;
    return { ...plan, ...done, refusal, isApplied: mayRemove, clean };
  }

  async #plan(request: SweepRequest): Promise<Omit<SweepReport, 'isApplied' | 'clean'>> {
    const sweep = await Sweep.begin(this.#volume, this.#history, request);
    const files: SweptFile[] = [];
    let liveFiles = 0;
    let nextLiveMs = Infinity;
    const onKept = (dueMs: number): void => {
      nextLiveMs = Math.min(nextLiveMs, dueMs);
    };
    const expired = findExpired(this.#volume, { ...request, onKept });
    for await (const { path, size, decision } of expired) {
      liveFiles += 1;
      const [reason] = decision.reasons;
      if (files.length < MAX_LISTED) {
        files.push({
          path,
          what: 'live',
          versions: [],
          reason: reason === undefined ? '' : describeReason(reason),
          keptUntilMs: decision.keptUntilMs,
          bytes: size,
        });
      }
    }
    for await (const finding of sweep.findings()) {
      const bytes = await sweep.measure(finding);
      const file = files.length < MAX_LISTED ? describeFinding(finding, bytes) : undefined;
      if (file !== undefined) files.push(file);
    }
    const { versions, inodes, bytes } = sweep.totals;
    // A clock that is in doubt is nobody's business while nothing is due.
    const removesAny = liveFiles + inodes > 0;
    return {
      refusal: (removesAny ? request.clockProblem : undefined) ?? sweep.refusal,
      horizon: sweep.horizon,
      liveFiles,
      versions,
      inodes,
      bytes,
      files,
      isTruncated: files.length >= MAX_LISTED,
      nextDueMs: Math.min(sweep.nextDueMs, nextLiveMs),
    };
  }
}

/** @returns undefined if only states of the past go, which nobody has a name for. */
function describeFinding({ verdict, path }: Finding, bytes: number): SweptFile | undefined {
  const removed = verdict.versions.filter(({ isRemoved }) => isRemoved);
  const last = removed.at(-1);
  if (last === undefined && !verdict.isForgotten) return undefined;
  const [reason] = last?.decision.reasons ?? [];
  return {
    path,
    what: verdict.isForgotten ? 'forgotten' : 'versions',
    versions: removed.map(({ version: { revision, size, time } }) => ({
      revision,
      size,
      timeMs: timeToMs(time),
    })),
    reason: reason === undefined ? 'moments of the session' : describeReason(reason),
    keptUntilMs: last?.decision.keptUntilMs ?? 0,
    bytes,
  };
}
