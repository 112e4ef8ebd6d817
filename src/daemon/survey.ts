/**
 * The daemon and all its volume servers, looked at at one moment: what metrics and health are made of.
 *
 * Rule: looking changes nothing and waits for nobody: a session that has no server is not given one, and
 * a server that does not answer in time is told as one that did not.
 */

import { callJson } from '../control/http-client.ts';
import type {
  DaemonStatus,
  ProcessMetrics,
  SessionInfo,
  VolumeMetrics,
} from '../control/protocol.ts';
import { StoreSpace } from '../volume/store-space.ts';
import type { Space } from '../volume/store-space.ts';
import { readProcessMetrics } from './metrics-process.ts';
import { storeLayout, volumeSocket } from './store-layout.ts';

/** How long a volume server may take to answer, in milliseconds; all are asked at once. */
export const ANSWER_TIMEOUT_MS = 1_000;

/** What is known at one moment. */
export interface Survey {
  readonly status: DaemonStatus;
  /** Of the supervisor. */
  readonly process: ProcessMetrics;
  /** Of the store's disk. */
  readonly space: Space;
  readonly sessions: readonly SurveyedSession[];
}

export interface SurveyedSession {
  readonly session: SessionInfo;
  /** Undefined for one that has no server, or whose server did not answer. */
  readonly volume: VolumeMetrics | undefined;
  /** It has a server, which did not answer. */
  readonly isSilent: boolean;
}

export async function survey(source: { status(): DaemonStatus }): Promise<Survey> {
  const asked = source.status();
  const layout = storeLayout(asked.root);
  const answers = new Map<string, VolumeMetrics>();
  const ask = async ({ id }: SessionInfo): Promise<void> => {
    const answer = await callJson<VolumeMetrics>({
      socketPath: volumeSocket(layout, id),
      method: 'GET',
      path: '/v1/metrics',
      timeoutMs: ANSWER_TIMEOUT_MS,
    }).catch(() => undefined);
    if (answer !== undefined) answers.set(id, answer);
  };
  const [own] = await Promise.all([
    readProcessMetrics(),
    ...asked.sessions.filter(({ server }) => server.pid !== undefined).map(ask),
  ]);
  const pids = new Map(asked.sessions.map(({ id, server }) => [id, server.pid]));
  // Looked at again: a server that was sent to sleep meanwhile has nothing to answer for.
  const status = source.status();
  const sessions = status.sessions.map((session): SurveyedSession => {
    const volume = answers.get(session.id);
    const { pid } = session.server;
    const isSilent = volume === undefined && pid !== undefined && pid === pids.get(session.id);
    return { session, volume, isSilent };
  });
  return { status, process: own, space: new StoreSpace(status.root).measure(), sessions };
}

/** It should have a process, and cannot have one. */
export function isFailing({ server }: SessionInfo): boolean {
  return server.state === 'down' || server.state === 'recovering';
}
