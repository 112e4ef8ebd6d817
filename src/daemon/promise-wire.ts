/**
 * Promises as the protocol writes them: what is for ever is null, times are ISO.
 */

import type { KeptInfo, LadderInfo, PromiseInfo, TierReply } from '../control/promise-protocol.ts';
import type { ActorInfo } from '../control/protocol.ts';
import type { History } from '../history/store.ts';
import type { Decision, LiveDecision } from '../policy/policy.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import { describeReason } from '../policy/reason-text.ts';
import { explainTier } from '../retention/explain.ts';
import type { ActorId, Ino, Name } from '../shared/brands.ts';
import { timeFromMs, timeToIso } from '../shared/time.ts';
import type { Volume } from '../volume/volume.ts';
import { encodeActor } from './volume-log.ts';
import { pathText } from './volume-paths.ts';

/** JSON knows no infinity. */
export const finite = (value: number): number | null => (value === Infinity ? null : value);

export const encodeMs = (ms: number): string | null =>
  ms === Infinity ? null : timeToIso(timeFromMs(ms));

export function encodePromiseInfo(promise: PromiseDefinition): PromiseInfo {
  const { tier, rule, makesVersions, ladder } = promise;
  return { tier, rule: rule ?? null, makesVersions, ladder: encodeLadder(ladder) };
}

export function encodeKept(decision: Decision | LiveDecision, nowMs: number): KeptInfo {
  return {
    keptUntil: encodeMs(decision.keptUntilMs),
    reasons: decision.reasons.map(describeReason),
    expired: decision.keptUntilMs <= nowMs,
  };
}

export async function readTierOf(
  volume: Volume,
  ino: Ino,
  path: readonly Name[],
): Promise<TierReply> {
  const { own, session, promise, earlier } = await explainTier(volume, ino);
  return {
    text: pathText(path),
    own: own ?? null,
    session,
    promise: encodePromiseInfo(promise),
    earlier: earlier.map(encodePromiseInfo),
  };
}

export async function readActor(history: History, id: ActorId): Promise<ActorInfo> {
  return encodeActor(await history.getActor(id));
}

function encodeLadder(ladder: PromiseDefinition['ladder']): LadderInfo {
  const { all, hourly, daily, live, minVersions } = ladder;
  return {
    all: finite(all),
    hourly: finite(hourly),
    daily: finite(daily),
    live: finite(live),
    minVersions,
  };
}
