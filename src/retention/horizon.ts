/**
 * How far back moments can be seen: the revision up to which names and attributes of the past may go.
 *
 * The session's tier promises moments for as long as it promises versions. A policy that ended promised
 * them for what was made while it held.
 */

import { NO_REVISION } from '../shared/brands.ts';
import type { Revision } from '../shared/brands.ts';
import { timeFromMs } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { endOf } from '../policy/promise.ts';
import type { PolicyEpoch } from '../volume/promiser.ts';

export async function findHorizon(options: {
  readonly epochs: readonly PolicyEpoch[];
  readonly nowMs: number;
  readonly graceMs: number;
  /** The last revision not after a time; undefined if the volume did not exist yet. */
  readonly findRevision: (time: Time) => Promise<Revision | undefined>;
}): Promise<Revision> {
  const { epochs, nowMs, graceMs, findRevision } = options;
  let horizon = Infinity;
  for (const { policy, sessionTier, to } of epochs) {
    const keptMs = endOf(policy.ladders[sessionTier]) + graceMs;
    if (keptMs === Infinity) return NO_REVISION;
    const bound = (await findRevision(timeFromMs(nowMs - keptMs))) ?? NO_REVISION;
    // All that it promised is over.
    if (bound >= to) continue;
    horizon = Math.min(horizon, bound);
  }
  return (horizon === Infinity ? NO_REVISION : horizon) as Revision;
}
