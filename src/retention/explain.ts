/**
 * Until when something is kept, why, and what would change it.
 */

import type { Ino, Revision } from '../shared/brands.ts';
import { isRegular } from '../shared/mode.ts';
import type { Decision, LiveDecision } from '../policy/policy.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import { promiseKey } from '../policy/promise.ts';
import type { Tier } from '../policy/tier.ts';
import { tierOf } from '../volume/promiser.ts';
import type { Volume } from '../volume/volume.ts';
import { Examiner } from './examiner.ts';
import { listTiers, readInode } from './inode-survey.ts';
import { decideLiveFile } from './live-expiry.ts';

/** What holds for one file or directory. */
export interface TierInfo {
  /** Chosen for it, or for a directory that it was made in; undefined: rules and session decide. */
  readonly own: Tier | undefined;
  readonly session: Tier;
  /** What it comes to: its tier, the rule if one applies, and how long what is kept. */
  readonly promise: PromiseDefinition;
  /** What it was promised before, and is still kept for older versions. */
  readonly earlier: readonly PromiseDefinition[];
}

/** One version, and what is decided about it. */
export interface ExplainedVersion {
  readonly ino: Ino;
  readonly revision: Revision;
  readonly decision: Decision;
  /** Its time is over; it goes with the next sweep after the grace. */
  readonly isExpired: boolean;
}

export interface ExplainOptions {
  readonly nowMs: number;
  readonly sessionEndedMs: number | undefined;
}

export async function explainTier(volume: Volume, ino: Ino): Promise<TierInfo> {
  const { promiser, state } = volume;
  const inode = state.findInode(ino);
  if (inode === undefined) throw new RangeError(`No inode ${ino}`);
  await volume.flushed();
  const examiner = new Examiner(volume, optionsOf(volume, { nowMs: 0, sessionEndedMs: undefined }));
  const tiers = await listTiers(volume.index, ino);
  const promise = promiser.resolveInode(inode);
  const earlier = new Map(
    examiner.commitments
      .promisesSince({ inode, tiers }, inode.born)
      .map((each) => [promiseKey(each), each]),
  );
  earlier.delete(promiseKey(promise));
  return {
    own: tierOf(inode.tier),
    session: promiser.current.sessionTier,
    promise,
    earlier: [...earlier.values()],
  };
}

/** Every version of some inodes that is there, with what is decided about it; oldest first. */
export async function explainVersions(
  volume: Volume,
  inos: readonly Ino[],
  options: ExplainOptions,
): Promise<ExplainedVersion[]> {
  await volume.flushed();
  const examiner = new Examiner(volume, optionsOf(volume, options));
  await examiner.commitments.lookBelow();
  const explained: ExplainedVersion[] = [];
  for (const ino of inos) {
    const surveyed = await readInode(volume.index, ino);
    if (surveyed === undefined) continue;
    const { verdict } = await examiner.examine(surveyed);
    for (const { version, decision } of verdict.versions) {
      const { revision } = version;
      const isExpired = decision.keptUntilMs <= options.nowMs;
      explained.push({ ino, revision, decision, isExpired });
    }
  }
  return explained.toSorted((a, b) => a.revision - b.revision || a.ino - b.ino);
}

/** What is decided about a live file; undefined of a directory, which lives as long as what is in it. */
export async function explainLive(
  volume: Volume,
  ino: Ino,
  options: ExplainOptions,
): Promise<LiveDecision | undefined> {
  const inode = volume.state.findInode(ino);
  if (inode === undefined || inode.nlink === 0 || !isRegular(inode.mode)) return undefined;
  await volume.flushed();
  const { commitments } = new Examiner(volume, optionsOf(volume, options));
  await commitments.lookBelow();
  const tiers = await listTiers(volume.index, ino);
  return decideLiveFile(commitments, { inode, tiers }, options.sessionEndedMs);
}

const optionsOf = (
  { state }: Volume,
  options: ExplainOptions,
): ExplainOptions & { horizon: Revision } => ({ ...options, horizon: state.horizon });
