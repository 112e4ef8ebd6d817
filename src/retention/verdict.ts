/**
 * What becomes of one inode: what policy says of each interval of its life, and what a purge would take.
 *
 * Pure: the life, the promises, what is pinned, and the times go in. Nothing is removed that a version, a
 * checkpoint, a hold or the moments of the session still keep.
 */

import type { Revision } from '../shared/brands.ts';
import { isRegular } from '../shared/mode.ts';
import { decideVersions, isExpired } from '../policy/policy.ts';
import type { Decision, Hold, Reason } from '../policy/policy.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import type { Interval, Life, PastVersion } from './content-intervals.ts';

/** A named revision that is kept as a whole, or only in this file. */
export interface Pin {
  readonly revision: Revision;
  readonly hold: Hold | undefined;
  /** Of a checkpoint. */
  readonly checkpoint: string | undefined;
}

export interface VerdictInput {
  readonly life: Life;
  /** What a version was promised at some time since it was cut; never empty. */
  readonly promisesOf: (version: PastVersion) => readonly PromiseDefinition[];
  /** What is promised now, and was since a revision: for content that is in no version. */
  readonly promisesSince: (revision: Revision) => readonly PromiseDefinition[];
  /** On the inode, what is above it, or the session. */
  readonly holds: readonly Hold[];
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

export function judge(input: VerdictInput): Verdict {
  const decisions = decide(input);
  const versions: VersionVerdict[] = [];
  const removed: Interval[] = [];
  const kept: Interval[] = [];
  for (const interval of input.life.intervals) {
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
      : listForgottenStates(input, kept),
  };
}

/** The decision about each version of an inode. */
export function decide(input: VerdictInput): Map<PastVersion, Decision> {
  const { life } = input;
  const listed = life.intervals.flatMap((interval) =>
    interval.versions.map((version) => ({ version, interval })),
  );
  const decided = decideVersions({
    isLive: life.removed === undefined,
    renewedMs: input.renewedMs,
    versions: listed.map(({ version, interval }) => {
      const pins = input.pins.filter((pin) => isIn(interval, pin.revision));
      return {
        revision: version.revision,
        cutMs: version.time.sec * 1000 + version.time.nsec / 1e6,
        supersededMs: interval.endedMs,
        isProtected: interval.isProtected,
        promises: input.promisesOf(version),
        holds: [...input.holds, ...pins.flatMap(({ hold }) => (hold === undefined ? [] : [hold]))],
        checkpoints: pins.flatMap(({ checkpoint }) => checkpoint ?? []),
      };
    }),
  });
  // Not the last that has versions: when those are gone, the ones before keep their own time.
  const last = life.intervals.at(-1);
  return new Map(
    listed.map(({ version, interval }, at) => {
      const decision = decided[at] as Decision;
      return [version, interval === last ? expireNow(decision, input) : decision];
    }),
  );
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
      const isOver = 'untilMs' in reason && expiredLive.sinceMs + reason.promise.ladder.live <= ms;
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
  const { life, holds, pins, nowMs, graceMs } = input;
  if (interval.endedMs === undefined || holds.length > 0) return false;
  if (pins.some(({ revision }) => isIn(interval, revision))) return false;
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
  const { life, holds, pins, horizon } = input;
  const { removed, inode } = life;
  if (removed === undefined || input.isOpen || holds.length > 0 || kept.length > 0) return false;
  if (removed.revision > horizon || inode.since > horizon) return false;
  return !pins.some(({ revision }) => revision >= inode.born && revision < removed.revision);
}

function listForgottenStates(input: VerdictInput, kept: readonly Interval[]): Revision[] {
  const { life, pins, horizon, holds } = input;
  if (holds.length > 0) return [];
  const needed = new Set<number>();
  for (const { start, end, again, versions } of kept) {
    if (versions.length === 0) continue;
    // Its first state tells the content, the one after its end when that was superseded.
    needed.add(start).add(end);
    if (again !== undefined) needed.add(again.since).add(again.end);
  }
  // Ascending, as versions are; and as many as there are states, where a file is saved all the time.
  const cut = kept.flatMap(({ versions }) => versions.map(({ revision }) => revision));
  const hasCutIn = (from: Revision, to: Revision): boolean => {
    const first = cut[findFrom(cut, from)];
    return first !== undefined && first < to;
  };
  const first = life.states[0]?.inode;
  if (first !== undefined) {
    // What the inode was as it was made follows from the first state: see AsOf.findNode.
    const isMade = (revision: number): boolean => revision >= first.born && revision < first.since;
    if (pins.some(({ revision }) => isMade(revision))) needed.add(first.since);
  }
  return life.states
    .filter(({ inode, to }) => {
      if (to > horizon || needed.has(inode.since)) return false;
      if (hasCutIn(inode.since, to)) return false;
      return !pins.some(({ revision }) => revision >= inode.since && revision < to);
    })
    .map(({ to }) => to);
}

/** The place of the first number that is not below another; they ascend. */
function findFrom(numbers: readonly number[], least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** True if a revision is one in which the interval lasted. */
export const isIn = ({ start, end }: Interval, revision: number): boolean =>
  revision >= start && revision < end;

/** Directories, symlinks and the like have no content that could expire. */
export const hasContent = ({ inode }: Life): boolean => isRegular(inode.mode);
