/**
 * What is kept until when, and why: a pure function of a file's versions and what was promised for them.
 *
 * Rules:
 * - Each promise is kept by itself, over the versions that it applies to; a version stays as long as
 *   the most generous one says. So an upgrade extends, and a downgrade never shortens.
 * - The answer does not depend on now, nor on when sweeps ran before: what has expired never takes a
 *   place (last of the hour, one of the newest) from what has not, nor gives it one.
 * - What is live, held, in a checkpoint, or the newest version of a live file never expires. What was held
 *   or in a checkpoint expires when that is released, if not later.
 */

import { mapInSteps, STEP_ITEMS } from '../shared/steps.ts';
import type { Steps } from '../shared/steps.ts';
import { promiseKey } from './promise.ts';
import type { PromiseDefinition } from './promise.ts';

/** Keeps versions until it is released. */
export interface Hold {
  readonly name: string;
  readonly reason: string;
}

/** What kept something for a time, and does so no more but for the grace. */
export interface Release {
  readonly what: 'hold' | 'checkpoint';
  readonly name: string;
  readonly releasedMs: number;
}

export interface VersionFacts {
  readonly revision: number;
  /** When it was cut. */
  readonly cutMs: number;
  /** When its content was superseded (changed, replaced, removed); undefined: the file holds it now. */
  readonly supersededMs: number | undefined;
  /** The state before a deletion, a rename over it or a rollback: not thinned before its tier's end. */
  readonly isProtected: boolean;
  /** Every promise that was in force at some time since it was cut. Never empty. */
  readonly promises: readonly PromiseDefinition[];
  /** Those that pin this very version. */
  readonly holds: readonly Hold[];
  readonly checkpoints: readonly string[];
  /** The latest release of one of those that is known. */
  readonly released?: Release | undefined;
}

/** INVARIANT: versions are ordered by revision, and neither cutMs nor supersededMs goes back along them. */
export interface FileFacts {
  readonly isLive: boolean;
  /** The newest time at which somebody renewed it: each version's clock starts then, or later. */
  readonly renewedMs: number | undefined;
  readonly versions: readonly VersionFacts[];
}

/** Only if nothing keeps it for longer. */
interface ReleasedReason {
  readonly kind: 'released';
  readonly what: Release['what'];
  readonly name: string;
  readonly untilMs: number;
}

export type Reason =
  /** It is what the file holds now. */
  | { readonly kind: 'live' }
  /** The newest version of a live file. */
  | { readonly kind: 'last-version' }
  /** One of the newest `count` of a live file: of those that the promise applies to, and the very newest. */
  | { readonly kind: 'newest'; readonly count: number }
  | { readonly kind: 'hold'; readonly name: string; readonly reason: string }
  | { readonly kind: 'checkpoint'; readonly name: string }
  | ReleasedReason
  | {
      readonly kind: 'all' | 'hourly' | 'daily' | 'protected';
      readonly promise: PromiseDefinition;
      readonly untilMs: number;
    };

export interface Decision {
  readonly revision: number;
  /** Infinity while it is live, held or pinned. */
  readonly keptUntilMs: number;
  /** Never empty, strongest first: the first gives keptUntilMs, also when that has passed. One a promise. */
  readonly reasons: readonly Reason[];
}

/** What is known of a live file, for its own end rather than its versions'. */
export interface LiveFacts {
  /** Every promise that was in force at some time since its last write. Never empty. */
  readonly promises: readonly PromiseDefinition[];
  readonly lastWriteMs: number;
  /** undefined: the session is active. */
  readonly sessionEndedMs: number | undefined;
  readonly renewedMs: number | undefined;
  readonly holds: readonly Hold[];
  /** The latest release of one of those that is known. */
  readonly released?: Release | undefined;
}

export type LiveReason =
  /** The session is active. */
  | { readonly kind: 'session' }
  | { readonly kind: 'hold'; readonly name: string; readonly reason: string }
  | ReleasedReason
  | { readonly kind: 'live-file'; readonly promise: PromiseDefinition; readonly untilMs: number };

export interface LiveDecision {
  readonly keptUntilMs: number;
  /** Never empty, strongest first. */
  readonly reasons: readonly LiveReason[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A promise, and the places of the versions that it applies to, oldest first. */
interface Group {
  readonly promise: PromiseDefinition;
  readonly members: number[];
}

type TimedReason = Extract<Reason, { promise: PromiseDefinition }>;

/**
 * Decides about each version of a file.
 *
 * Per promise, with a clock that starts when the version is superseded or the file last renewed: `all`
 * for each, `hourly` for the last of its hour, `daily` for the last of its day, the longest of these for
 * a protected one; and of a live file the newest `minVersions` for as long as it lives.
 *
 * @returns As many, in the same order.
 */
export function* decideVersions(file: FileFacts): Steps<Decision[]> {
  const { versions } = file;
  const newestCounts = new Map<number, number>();
  const timed: TimedReason[][] = versions.map(() => []);
  for (const { promise, members } of yield* groupByPromise(versions)) {
    const count = file.isLive ? promise.ladder.minVersions : 0;
    // The newest version always stays, and so is one of them, whatever was promised for it.
    const others = members.at(-1) === versions.length - 1 ? 0 : 1;
    for (const [rank, at] of members.entries()) {
      if (rank % STEP_ITEMS === STEP_ITEMS - 1) yield;
      const version = versions[at];
      if (version === undefined) continue;
      if (members.length - rank + others <= count) {
        newestCounts.set(at, Math.max(count, newestCounts.get(at) ?? 0));
      }
      const next = versions[members[rank + 1] ?? versions.length];
      const reason = timedReason(version, { next, promise, renewedMs: file.renewedMs });
      if (reason !== undefined) timed[at]?.push(reason);
    }
  }
  return yield* mapInSteps(versions, (version, at) => {
    const reasons: Reason[] = [];
    if (version.supersededMs === undefined) reasons.push({ kind: 'live' });
    const isLast = file.isLive && at === versions.length - 1;
    if (isLast) reasons.push({ kind: 'last-version' });
    const count = newestCounts.get(at);
    if (count !== undefined && !isLast) reasons.push({ kind: 'newest', count });
    for (const { name, reason } of version.holds) reasons.push({ kind: 'hold', name, reason });
    for (const name of version.checkpoints) reasons.push({ kind: 'checkpoint', name });
    // Those so far have no end, and the sort is stable.
    reasons.push(...(timed[at] ?? []).toSorted((a, b) => compareMs(b.untilMs, a.untilMs)));
    reasons.unshift(...reasonOfRelease(version.released, endOfReasons(reasons)));
    return { revision: version.revision, keptUntilMs: endOfReasons(reasons), reasons };
  });
}

/**
 * Decides about a live file.
 *
 * While its session is active it does not expire, whatever its age. Then it stays until `live` of its
 * most generous promise has passed since the latest of its last write, the session's end and a renewal.
 */
export function decideLive(facts: LiveFacts): LiveDecision {
  const reasons: LiveReason[] = [];
  if (facts.sessionEndedMs === undefined) reasons.push({ kind: 'session' });
  for (const { name, reason } of facts.holds) reasons.push({ kind: 'hold', name, reason });
  if (facts.sessionEndedMs !== undefined) {
    const startMs = Math.max(facts.lastWriteMs, facts.sessionEndedMs, facts.renewedMs ?? -Infinity);
    const ends = facts.promises.map((promise) => {
      return { kind: 'live-file', promise, untilMs: startMs + promise.ladder.live } as const;
    });
    reasons.push(...ends.toSorted((a, b) => compareMs(b.untilMs, a.untilMs)));
  }
  reasons.unshift(...reasonOfRelease(facts.released, endOfReasons(reasons)));
  return { keptUntilMs: endOfReasons(reasons), reasons };
}

/**
 * Tells whether something may go.
 *
 * @param graceMs How long it stays beyond its end, for those who notice too late.
 */
export function isExpired(
  decision: Pick<Decision, 'keptUntilMs'>,
  nowMs: number,
  graceMs: number,
): boolean {
  return decision.keptUntilMs + graceMs <= nowMs;
}

function* groupByPromise(versions: readonly VersionFacts[]): Steps<Iterable<Group>> {
  const groups = new Map<string, Group>();
  for (const [at, version] of versions.entries()) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    for (const promise of version.promises) {
      const key = promiseKey(promise);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { promise, members: [at] });
      // A promise that is listed twice is one promise.
      else if (group.members.at(-1) !== at) group.members.push(at);
    }
  }
  return groups.values();
}

/** The longest that one promise gives a version; undefined if its clock has not started. */
function timedReason(
  version: VersionFacts,
  context: {
    /** The next version that the promise applies to. */
    next: VersionFacts | undefined;
    promise: PromiseDefinition;
    renewedMs: number | undefined;
  },
): TimedReason | undefined {
  if (version.supersededMs === undefined) return undefined;
  const { next, promise } = context;
  const { all, hourly, daily } = promise.ladder;
  const isLastOf = (spanMs: number): boolean =>
    next === undefined || Math.floor(next.cutMs / spanMs) !== Math.floor(version.cutMs / spanMs);
  let kind: TimedReason['kind'] = 'all';
  let keptMs = all;
  if (hourly > keptMs && (version.isProtected || isLastOf(HOUR_MS))) {
    kind = isLastOf(HOUR_MS) ? 'hourly' : 'protected';
    keptMs = hourly;
  }
  if (daily > keptMs && (version.isProtected || isLastOf(DAY_MS))) {
    kind = isLastOf(DAY_MS) ? 'daily' : 'protected';
    keptMs = daily;
  }
  const clockMs = Math.max(version.supersededMs, context.renewedMs ?? -Infinity);
  return { kind, promise, untilMs: clockMs + keptMs };
}

/** What it kept ended with it, unless something else keeps it for longer. */
function reasonOfRelease(released: Release | undefined, untilMs: number): ReleasedReason[] {
  if (released === undefined || released.releasedMs <= untilMs) return [];
  const { what, name, releasedMs } = released;
  return [{ kind: 'released', what, name, untilMs: releasedMs }];
}

function endOfReasons(reasons: readonly (Reason | LiveReason)[]): number {
  const first = reasons[0];
  // Without any promise nobody can say that it may go.
  return first !== undefined && 'untilMs' in first ? first.untilMs : Infinity;
}

/** Also of two that are Infinity. */
function compareMs(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
