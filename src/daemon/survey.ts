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
}

export async function survey(status: DaemonStatus): Promise<Survey> {
  const layout = storeLayout(status.root);
  const [own, ...sessions] = await Promise.all([
    readProcessMetrics(),
    ...status.sessions.map(async (session): Promise<SurveyedSession> => {
      if (!hasServer(session)) return { session, volume: undefined };
      const volume = await callJson<VolumeMetrics>({
        socketPath: volumeSocket(layout, session.id),
        method: 'GET',
        path: '/v1/metrics',
        timeoutMs: ANSWER_TIMEOUT_MS,
      }).catch(() => undefined);
      return { session, volume };
    }),
  ]);
  return { status, process: own, space: new StoreSpace(status.root).measure(), sessions };
}

/** It has a process, which should answer. */
export function hasServer({ server }: SessionInfo): boolean {
  return server.pid !== undefined;
}

/** It should have a process, and cannot have one. */
export function isFailing({ server }: SessionInfo): boolean {
  return server.state === 'down' || server.state === 'recovering';
}
