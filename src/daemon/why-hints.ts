/**
 * What would change until when something is kept: sentences for people.
 *
 * Pure, and each is true of the case at hand: a hint that would change nothing is not given.
 */

import { formatDuration } from '../policy/duration.ts';
import type { Decision, LiveDecision, Reason } from '../policy/policy.ts';
import { endOf } from '../policy/promise.ts';
import type { Ino, Revision } from '../shared/brands.ts';

/** So many versions are named, the others counted. */
const MAX_NAMED = 3;

export interface HintedVersion {
  readonly ino: Ino;
  readonly revision: Revision;
  readonly decision: Decision;
}

export interface HintInput {
  /** The path, for people. */
  readonly text: string;
  readonly nowMs: number;
  readonly graceMs: number;
  readonly live: LiveDecision | undefined;
  /** What has the name now; undefined: nothing has. */
  readonly liveIno: Ino | undefined;
  readonly versions: readonly HintedVersion[];
  /** The tier "permanent" promises what its name says; a configuration may say less. */
  readonly isPermanentForEver: boolean;
}

export function listHints(input: HintInput): string[] {
  const { text, live, liveIno, versions, nowMs, graceMs } = input;
  const hints = [...hintReleases(input)];
  const ending = versions.filter(({ decision }) => decision.keptUntilMs < Infinity);
  const own = ending.filter(({ ino }) => ino === liveIno);
  const isLiveEnding = live !== undefined && live.keptUntilMs < Infinity;
  const whose = nameOwn(ending, own, isLiveEnding);
  if (isLiveEnding || own.some(({ decision }) => hasLength(decision))) {
    hints.push(`sessfs renew ${text} starts the clock of ${whose} anew`);
  }
  if ((isLiveEnding || own.length > 0) && input.isPermanentForEver) {
    hints.push(`sessfs tier set ${text} permanent keeps ${whose} for ever`);
  }
  if (ending.length > 0 || isLiveEnding) {
    hints.push(`A hold on ${text} keeps all of it until it is released: sessfs hold add`);
  }
  if (live?.reasons[0]?.kind === 'session') {
    hints.push('Its time as a live file begins when the session ends');
  }
  const expired = ending.filter(({ decision }) => decision.keptUntilMs <= nowMs);
  const isLiveExpired = isLiveEnding && live.keptUntilMs <= nowMs;
  if (expired.length > 0 || isLiveExpired) {
    const what = expired.length > 0 ? nameVersions(expired) : 'It';
    const verb = expired.length > 1 ? 'go' : 'goes';
    hints.push(`${what} ${verb} with the first sweep ${formatDuration(graceMs)} after the end`);
  }
  return hints;
}

/** What only holds and checkpoints keep. */
function hintReleases({ live, versions }: HintInput): string[] {
  const byWays = new Map<string, HintedVersion[]>();
  for (const version of versions) {
    const ways = findRelease(version.decision.reasons);
    if (ways === undefined) continue;
    const listed = byWays.get(ways);
    if (listed === undefined) byWays.set(ways, [version]);
    else listed.push(version);
  }
  const hints = [...byWays].map(([ways, listed]) => {
    const what = versions.length === 1 ? 'It' : nameVersions(listed);
    return `${what} ${listed.length > 1 ? 'go' : 'goes'} earlier if ${ways}`;
  });
  const ofLive = findRelease(live?.reasons ?? []);
  if (ofLive !== undefined) hints.unshift(`The file itself goes earlier if ${ofLive}`);
  return hints;
}

/** @returns undefined if something keeps it that cannot be released, or nothing that can be. */
function findRelease(
  reasons: readonly (Reason | LiveDecision['reasons'][number])[],
): string | undefined {
  const ways: string[] = [];
  for (const reason of reasons) {
    if ('untilMs' in reason && reason.untilMs < Infinity) continue;
    if (reason.kind === 'hold') ways.push(`hold "${reason.name}" is released`);
    else if (reason.kind === 'checkpoint') ways.push(`checkpoint "${reason.name}" is removed`);
    else return undefined;
  }
  return ways.length === 0 ? undefined : ways.join(' and ');
}

/** Where nothing is promised for any time, its clock makes no difference. */
function hasLength({ reasons }: Decision): boolean {
  return reasons.some((reason) => 'promise' in reason && endOf(reason.promise.ladder) > 0);
}

/** Renewals and tiers are of the present file: what it has replaced has its own. */
function nameOwn(
  ending: readonly HintedVersion[],
  own: readonly HintedVersion[],
  isLiveEnding: boolean,
): string {
  if (own.length === ending.length)
    return ending.length + (isLiveEnding ? 1 : 0) > 1 ? 'all of it' : 'it';
  return own.length === 0 ? 'the present file' : nameVersions(own);
}

function nameVersions(versions: readonly HintedVersion[]): string {
  const named = versions.slice(0, MAX_NAMED).map(({ revision }) => `r${revision}`);
  const others = versions.length - named.length;
  if (others > 0) return `${named.join(', ')} and ${others} more`;
  return named.join(named.length === 2 ? ' and ' : ', ');
}
