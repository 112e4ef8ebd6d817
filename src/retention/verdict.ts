/**
 * What becomes of one inode: what policy says of each interval of its life, and what a purge would take.
 *
 * Pure: the life, the promises, what is pinned, and the times go in. Nothing is removed that a version, a
 * checkpoint, a hold or the moments of the session still keep.
 */

import type { Revision } from '../shared/brands.ts';
import { mapInSteps, STEP_ITEMS } from '../shared/steps.ts';
import type { Steps } from '../shared/steps.ts';
import { decideVersions, isExpired } from '../policy/policy.ts';
import type { Decision, Hold, Reason, Release } from '../policy/policy.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import { findFrom } from './ascending.ts';
import type { Interval, Life, PastVersion } from './content-intervals.ts';

/** A named revision that is kept as a whole, or only in this file. */
export interface Pin {
  readonly revision: Revision;
  readonly hold: Hold | undefined;
  /** Of a checkpoint. */
  readonly checkpoint: string | undefined;
  /** Of either, if it was released and counts for the grace only. */
  readonly release: Release | undefined;
}

export interface VerdictInput {
  readonly life: Life;
  /** What a version was promised at some time since it was cut; never empty. */
  readonly promisesOf: (version: PastVersion) => readonly PromiseDefinition[];
  /** What is promised now, and was since a revision: for content that is in no version. */
  readonly promisesSince: (revision: Revision) => readonly PromiseDefinition[];
  /** On the inode, what is above it, or the session. */
  readonly holds: readonly Hold[];
  /** The latest release of such a hold, while it counts. */
  readonly released: Release | undefined;
  /** Ascending by their revision. */
  readonly pins: readonly Pin[];
  readonly renewedMs: number | undefined;
  /** Its session ended, its time as a live file was over, and the sweeper took it away: since when that counted. */
  readonly expiredLive: { readonly sinceMs: number } | undefined;
  readonly isOpen: boolean;
  /** Names and attributes of moments up to it may go. */
  readonly horizon: Revision;
  readonly nowMs: number;
  readonly graceMs: number;
}

export interface VersionVerdict {
  readonly version: PastVersion;
  readonly decision: Decision;
  readonly isRemoved: boolean;
}

export interface Verdict {
  readonly versions: readonly VersionVerdict[];
  /** Intervals whose content goes, oldest first. */
  readonly removed: readonly Interval[];
  readonly kept: readonly Interval[];
  /** Nothing of the inode stays. */
  readonly isForgotten: boolean;
  /** Past states that go altogether: they end at these. */
  readonly forgottenStates: readonly Revision[];
}

export function* judge(input: VerdictInput): Steps<Verdict> {
  const decisions = yield* decide(input);
  const versions: VersionVerdict[] = [];
  const removed: Interval[] = [];
  const kept: Interval[] = [];
  for (const [at, interval] of input.life.intervals.entries()) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    const isDue = new Map(
      interval.versions.map((version) => [version, isVersionDue(input, decisions, version)]),
    );
    const hasKept = [...isDue.values()].some((due) => !due);
    const isRemoved = !hasKept && isContentDue(input, interval);
    (isRemoved ? removed : kept).push(interval);
    for (const [version, due] of isDue) {
      const decision = decisions.get(version) as Decision;
      // A version goes with its content: what a checkpoint keeps for another reason stays a version.
      versions.push({ version, decision, isRemoved: due && isRemoved });
    }
  }
  const isForgotten = mayBeForgotten(input, kept);
  return {
    versions,
    removed: removed.filter(({ isGone }) => !isGone),
    kept,
    isForgotten,
    forgottenStates: isForgotten
      ? input.life.states.map(({ to }) => to)
      : yield* listForgottenStates(input, kept),
  };
}

/** The decision about each version of an inode. */
export function* decide(input: VerdictInput): Steps<Map<PastVersion, Decision>> {
  const { life } = input;
  const listed: { readonly version: PastVersion; readonly interval: Interval }[] = [];
  for (const [at, interval] of life.intervals.entries()) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    for (const version of interval.versions) listed.push({ version, interval });
  }
  const versions = yield* mapInSteps(listed, ({ version, interval }) => {
    const pins = pinsIn(input.pins, interval.start, interval.end);
    const releases = [input.released, ...pins.map(({ release }) => release)];
    return {
      revision: version.revision,
      cutMs: version.time.sec * 1000 + version.time.nsec / 1e6,
      supersededMs: interval.endedMs,
      isProtected: interval.isProtected,
      promises: input.promisesOf(version),
      holds: [...input.holds, ...pins.flatMap(({ hold }) => hold ?? [])],
      checkpoints: pins.flatMap(({ checkpoint }) => checkpoint ?? []),
      released: latestOf(releases.flatMap((release) => release ?? [])),
    };
  });
  const isLive = life.removed === undefined;
  const decided = yield* decideVersions({ isLive, renewedMs: input.renewedMs, versions });
  // Not the last that has versions: when those are gone, the ones before keep their own time.
  const last = life.intervals.at(-1);
  const decisions = new Map<PastVersion, Decision>();
  for (const [at, { version, interval }] of listed.entries()) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    const decision = decided[at] as Decision;
    decisions.set(version, interval === last ? expireNow(decision, input) : decision);
  }
  return decisions;
}

export function latestOf(releases: readonly Release[]): Release | undefined {
  let latest = releases[0];
  for (const release of releases) {
    if (latest === undefined || release.releasedMs > latest.releasedMs) latest = release;
  }
  return latest;
}

/**
 * The last state of a live file whose time was over: it had its time while it was live.
 *
 * Not by a promise that it had elsewhere, and that would have kept it live for longer.
 */
function expireNow(decision: Decision, { life, expiredLive }: VerdictInput): Decision {
  if (expiredLive === undefined || life.removed === undefined) return decision;
  const { ms } = life.removed;
  const reasons = decision.reasons
    .map((reason): Reason => {
      const isOver = 'promise' in reason && expiredLive.sinceMs + reason.promise.ladder.live <= ms;
      return isOver ? { ...reason, untilMs: ms } : reason;
    })
    .toSorted((a, b) => (endOf(a) === endOf(b) ? 0 : endOf(b) - endOf(a)));
  return { ...decision, keptUntilMs: Math.max(...reasons.map(endOf)), reasons };
}

const endOf = (reason: Reason): number => ('untilMs' in reason ? reason.untilMs : Infinity);

function isVersionDue(
  { nowMs, graceMs }: VerdictInput,
  decisions: ReadonlyMap<PastVersion, Decision>,
  version: PastVersion,
): boolean {
  const decision = decisions.get(version);
  return decision !== undefined && isExpired(decision, nowMs, graceMs);
}

/** Whether content may go for all that is not a version: moments, checkpoints, who has it open. */
function isContentDue(input: VerdictInput, interval: Interval): boolean {
  const { life, pins, nowMs, graceMs } = input;
  if (interval.endedMs === undefined || isHeld(input)) return false;
  if (hasPinIn(pins, interval.start, interval.end)) return false;
  // What a live file was at its last cut is what its next content is compared with.
  if (life.removed === undefined && isIn(interval, life.inode.cutRevision)) return false;
  if (life.removed !== undefined) {
    const isLast = interval.end >= life.removed.revision;
    if (isLast && input.isOpen) return false;
    if (isLast && input.expiredLive !== undefined) return true;
  }
  // A moment of the last hours shows every content, also what was in no version.
  const all = Math.max(
    0,
    ...input
      .promisesSince(interval.start)
      .map(({ makesVersions, ladder }) => (makesVersions ? ladder.all : 0)),
  );
  return interval.endedMs + all + graceMs <= nowMs;
}

function mayBeForgotten(input: VerdictInput, kept: readonly Interval[]): boolean {
  const { life, pins, horizon } = input;
  const { removed, inode } = life;
  if (removed === undefined || input.isOpen || isHeld(input) || kept.length > 0) return false;
  if (removed.revision > horizon || inode.since > horizon) return false;
  return !hasPinIn(pins, inode.born, removed.revision);
}

const isHeld = ({ holds, released }: VerdictInput): boolean =>
  holds.length > 0 || released !== undefined;

function* listForgottenStates(input: VerdictInput, kept: readonly Interval[]): Steps<Revision[]> {
  const { life, pins, horizon } = input;
  if (isHeld(input)) return [];
  const needed = new Set<number>();
  // Ascending, as versions are; and as many as there are states, where a file is saved all the time.
  const cut: Revision[] = [];
  for (const [at, { start, end, again, versions }] of kept.entries()) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    if (versions.length === 0) continue;
    for (const { revision } of versions) cut.push(revision);
    // Its first state tells the content, the one after its end when that was superseded.
    needed.add(start).add(end);
    if (again !== undefined) needed.add(again.since).add(again.end);
  }
  const hasCutIn = (from: Revision, to: Revision): boolean => {
    const first = cut[findFrom(cut, from, (revision) => revision)];
    return first !== undefined && first < to;
  };
  const first = life.states[0]?.inode;
  if (first !== undefined) {
    // What the inode was as it was made follows from the first state: see AsOf.findNode.
    if (hasPinIn(pins, first.born, first.since)) needed.add(first.since);
  }
  const forgotten: Revision[] = [];
  for (const [at, { inode, to }] of life.states.entries()) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    if (to > horizon) break;
    if (needed.has(inode.since) || hasCutIn(inode.since, to)) continue;
    if (!hasPinIn(pins, inode.since, to)) forgotten.push(to);
  }
  return forgotten;
}

/** Those from one revision up to before another. */
function pinsIn(pins: readonly Pin[], from: number, to: number): readonly Pin[] {
  const at = findFrom(pins, from, revisionOf);
  return pins.slice(at, findFrom(pins, to, revisionOf));
}

/** @param pins Ascending. */
export function hasPinIn(pins: readonly Pin[], from: number, to: number): boolean {
  const first = pins[findFrom(pins, from, revisionOf)];
  return first !== undefined && first.revision < to;
}

const revisionOf = ({ revision }: Pin): Revision => revision;

/** True if a revision is one in which the interval lasted. */
export const isIn = ({ start, end }: Interval, revision: number): boolean =>
  revision >= start && revision < end;
