/**
 * Whether all is well, as a pure function of what was seen.
 */

import type { HealthReply } from '../control/protocol.ts';
import { ANSWER_TIMEOUT_MS, isFailing } from './survey.ts';
import type { Survey, SurveyedSession } from './survey.ts';

/** The log is synced every second: more than this is a disk that does not keep up, in seconds. */
const SYNC_LAG_MAX_SECONDS = 10;

/** What a person has to look after; that a server is starting or hibernating is none of it. */
export function judgeHealth({ space, sessions }: Survey): HealthReply {
  const problems: { session: string | undefined; problem: string }[] = [];
  if (space.availableBlocks === 0) {
    problems.push({
      session: undefined,
      problem: 'The disk of the store is full: content is refused',
    });
  }
  for (const surveyed of sessions) {
    const problem = findProblem(surveyed);
    if (problem !== undefined) problems.push({ session: surveyed.session.id, problem });
  }
  return { ok: problems.length === 0, problems };
}

function findProblem({ session, volume, isSilent }: SurveyedSession): string | undefined {
  const { state, problem } = session.server;
  if (isFailing(session)) return problem ?? `It is ${state}`;
  if (isSilent && state !== 'starting' && state !== 'stopping') {
    return `Its server does not answer in ${ANSWER_TIMEOUT_MS} ms`;
  }
  if (volume?.readOnly !== undefined) return volume.readOnly;
  const lagSeconds = volume?.syncLagSeconds ?? 0;
  if (lagSeconds > SYNC_LAG_MAX_SECONDS) {
    return `Changes wait for the disk since ${Math.round(lagSeconds)} s`;
  }
  const refusal = session.sweep?.refusal;
  if (refusal === undefined) return undefined;
  return `Nothing is removed: ${refusal}. See what is due with sessfs sweep ${session.id}; if it is right, add --apply --confirm`;
}
