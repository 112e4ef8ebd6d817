/**
 * What is promised, as `.versions` tells it: in `index.json`, in `.status.json`, as an attribute.
 */

import type { Ino, Revision } from '../shared/brands.ts';
import { formatDuration } from '../policy/duration.ts';
import type { Reason } from '../policy/policy.ts';
import { describeReason } from '../policy/reason-text.ts';
import { TIERS } from '../policy/tier.ts';
import type { FileHistory } from '../history/store.ts';
import type { Volume } from '../volume/volume.ts';

/** What is promised of one version. */
export interface DescribedVersion {
  readonly ino: Ino;
  readonly revision: Revision;
  /** Milliseconds since 1970; Infinity is for ever. */
  readonly keptUntilMs: number;
  readonly why: string;
  readonly tier: string;
}

/** Each version of a file: until when it is kept, and why. */
export async function explainFile(volume: Volume, file: FileHistory): Promise<DescribedVersion[]> {
  const inos = [...new Set(file.versions.map(({ ino }) => ino))];
  // Loaded by who needs it: a server that is woken starts the sooner.
  const { explainVersions } = await import('./explain.ts');
  // What is decided does not depend on now.
  const explained = await explainVersions(volume, inos, { nowMs: 0, sessionEndedMs: undefined });
  return explained.map(({ ino, revision, decision }) => {
    const [strongest] = decision.reasons;
    return {
      ino,
      revision,
      keptUntilMs: decision.keptUntilMs,
      why: strongest === undefined ? 'nothing keeps it' : describeReason(strongest),
      tier: tierOf(decision.reasons) ?? findTier(volume, ino) ?? '',
    };
  });
}

/** The tier of a file as it is now; undefined if there is no such file. */
export function findTier(volume: Volume, ino: Ino): string | undefined {
  const inode = volume.state.findInode(ino);
  return inode === undefined ? undefined : volume.promiser.resolveInode(inode).tier;
}

/** For `.status.json`: what each tier promises here, and which one the session has. */
export function describePromises(volume: Volume): object {
  const { policy, sessionTier } = volume.promiser.current;
  const { checkpoints, holds } = volume.state.promises;
  const tiers = TIERS.map((tier) => {
    const { all, hourly, daily, live, minVersions } = policy.ladders[tier];
    const versions = {
      all: formatDuration(all),
      hourly: formatDuration(hourly),
      daily: formatDuration(daily),
      least: minVersions,
    };
    return { tier, liveFileAfterSessionEnd: formatDuration(live), versions };
  });
  return {
    tier: sessionTier,
    tiers,
    grace: formatDuration(policy.graceMs),
    checkpoints: checkpoints.size,
    holds: holds.size,
    durability: 'local disk within 1 second',
  };
}

const tierOf = (reasons: readonly Reason[]): string | undefined =>
  reasons.flatMap((reason) => ('promise' in reason ? [reason.promise.tier] : []))[0];
