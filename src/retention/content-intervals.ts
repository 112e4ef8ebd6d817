/**
 * The life of one inode as retention sees it: the intervals in which its content stayed the same, each with
 * the versions that were cut in it. Pure.
 *
 * An interval is what is kept or removed as a whole: all its versions and states have the same bytes.
 */

import type { Revision } from '../shared/brands.ts';
import { isRegular } from '../shared/mode.ts';
import { mapInSteps, STEP_ITEMS } from '../shared/steps.ts';
import type { Steps } from '../shared/steps.ts';
import { timeToMs } from '../shared/time.ts';
import type { InodeRecord, VersionRecord } from '../index/records.ts';
import { findFrom } from './ascending.ts';

/** What an inode was until it was superseded. */
export interface PastState {
  readonly inode: InodeRecord;
  readonly to: Revision;
}

export interface PastVersion extends VersionRecord {
  readonly revision: Revision;
}

/** A stretch of revisions in which an inode held the same content. */
export interface Interval {
  readonly start: Revision;
  /** The first revision that is not in it; Infinity while it lasts. */
  readonly end: Revision | number;
  /** When its content ended, in milliseconds since 1970; undefined while it is what a live file holds. */
  readonly endedMs: number | undefined;
  /** That was a removal, by being replaced, or a rollback. */
  readonly isProtected: boolean;
  /**
   * The same content was written once more, without another version: it ended when that did. From a state
   * that says so up to the end.
   */
  readonly again: { readonly since: Revision; readonly end: Revision | number } | undefined;
  /** Bytes that it was long. */
  readonly size: number;
  /** Retention has removed it before. */
  readonly isGone: boolean;
  /** Oldest first. */
  readonly versions: readonly PastVersion[];
}

export interface Life {
  readonly inode: InodeRecord;
  /** Oldest first. */
  readonly states: readonly PastState[];
  /** Oldest first; of a regular file only. */
  readonly intervals: readonly Interval[];
  /** When its last name went, as a revision and in milliseconds; undefined while it has one. */
  readonly removed: { readonly revision: Revision; readonly ms: number } | undefined;
}

interface Stretch {
  readonly start: Revision;
  readonly size: number;
  readonly isGone: boolean;
  readonly isRestored: boolean;
  /** The version that holds the same, and the first state in it that says so. */
  same: { readonly version: Revision; readonly since: Revision } | undefined;
  /** Of the first state in it: when that began. */
  readonly startedMs: number;
}

/**
 * Puts an inode's states and versions together.
 *
 * @param states Oldest first. What lies between two of them has been forgotten.
 * @param versions Oldest first.
 */
export function* describeLife(
  inode: InodeRecord,
  states: readonly PastState[],
  versions: readonly PastVersion[],
): Steps<Life> {
  const removed = inode.nlink > 0 ? undefined : findRemoval(inode, states);
  const intervals = isRegular(inode.mode) ? yield* cutUp(inode, { states, versions, removed }) : [];
  return { inode, states, intervals, removed };
}

/** False of a revision at which it had no name: then no tree had it. */
export function wasNamed({ inode, states }: Life, revision: Revision): boolean {
  if (revision < inode.born) return false;
  const next = findFrom(states, revision + 1, ({ to }) => to);
  const state = states[next]?.inode ?? inode;
  if (state.since <= revision) return state.nlink > 0;
  // Of what lies between two states nothing was needed, or it would be there; before the first it is as made.
  return next === 0 && !inode.isFirstForgotten;
}

function findRemoval(
  inode: InodeRecord,
  states: readonly PastState[],
): { revision: Revision; ms: number } {
  const last = states.findLastIndex((state) => state.inode.nlink > 0);
  // Without a name from the start (O_TMPFILE), or no state of when it had one is left.
  if (last < 0) {
    const first = states[0]?.inode ?? inode;
    return { revision: first.since, ms: timeToMs(first.ctime) };
  }
  // Not where the last one with a name ended: what came between may have been forgotten.
  const next = states[last + 1]?.inode ?? inode;
  return { revision: next.since, ms: timeToMs(next.ctime) };
}

function* cutUp(
  inode: InodeRecord,
  past: {
    readonly states: readonly PastState[];
    readonly versions: readonly PastVersion[];
    readonly removed: Life['removed'];
  },
): Steps<Interval[]> {
  const stretches: Stretch[] = [];
  for (let at = 0; at <= past.states.length; at++) {
    if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
    const state = past.states[at]?.inode ?? inode;
    const { versionRevision: version, since } = state;
    const same = state.isUnchanged ? { version, since } : undefined;
    const last = stretches.at(-1);
    if (last?.start === state.contentRevision) {
      last.same ??= same;
      continue;
    }
    const { contentRevision: start, size, isGone, isRestored, ctime } = state;
    const startedMs = timeToMs(ctime);
    stretches.push({ start, size, isGone, isRestored, same, startedMs });
  }
  const intervals: Interval[] = [];
  let at = 0;
  for (const [index, { start, size, isGone }] of stretches.entries()) {
    if (index % STEP_ITEMS === STEP_ITEMS - 1) yield;
    const next = stretches[index + 1];
    const isRemoval =
      past.removed !== undefined &&
      past.removed.revision > start &&
      (next === undefined || past.removed.revision <= next.start);
    const end = isRemoval ? past.removed.revision : (next?.start ?? Infinity);
    const cut: PastVersion[] = [];
    for (; at < past.versions.length; at++) {
      const version = past.versions[at] as PastVersion;
      if (next !== undefined && version.revision >= next.start) break;
      cut.push(version);
    }
    intervals.push({
      start,
      end,
      endedMs: isRemoval
        ? past.removed.ms
        : (next?.startedMs ?? (inode.nlink > 0 ? undefined : past.removed?.ms)),
      isProtected: isRemoval || next?.isRestored === true,
      again: undefined,
      size,
      isGone,
      versions: cut,
    });
  }
  return yield* lengthen(intervals, stretches);
}

/** What is written again as it was is not superseded by that: its clock starts when it is another content. */
function* lengthen(
  intervals: readonly Interval[],
  stretches: readonly Stretch[],
): Steps<Interval[]> {
  const again = new Map<Revision, { readonly by: Interval; readonly since: Revision }>();
  for (const [at, { same }] of stretches.entries()) {
    // The last of several counts.
    if (same !== undefined) again.set(same.version, { by: intervals[at] as Interval, ...same });
  }
  if (again.size === 0) return [...intervals];
  return yield* mapInSteps(intervals, (interval) => {
    const last = interval.versions.at(-1);
    const found = last === undefined ? undefined : again.get(last.revision);
    if (found === undefined) return interval;
    const { end, endedMs, isProtected } = found.by;
    return { ...interval, endedMs, isProtected, again: { since: found.since, end } };
  });
}
