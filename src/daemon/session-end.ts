/**
 * When a session ended, by the time of its volume.
 *
 * Rule: never before its last change. A clock that was set back is behind the volume, whose own time does
 * not go back; and what changes after the end is taken for the sweeper's.
 */

import { callJson } from '../control/http-client.ts';
import type { SessionRecord, VolumeInfo } from '../control/protocol.ts';
import type { SessionServer } from './session-server.ts';

/** For a server that is there, in milliseconds: who ends a session does not wait for one that hangs. */
const INFO_TIMEOUT_MS = 5_000;

export type InfoSource = Pick<SessionServer, 'ensureRunning' | 'socketPath' | 'use'>;

/**
 * The time of the last change of a session's volume; its server is started if need be.
 *
 * Asked before it is unmounted: what that still changes has this time, or that of a clock which has caught up.
 *
 * @returns undefined if that cannot be had: nothing keeps a session from being ended.
 */
export async function findLastChange(
  server: InfoSource,
  record: SessionRecord,
): Promise<string | undefined> {
  try {
    await server.ensureRunning(record);
    const release = server.use();
    try {
      const { time } = await callJson<VolumeInfo>({
        socketPath: server.socketPath,
        method: 'GET',
        path: '/v1/info',
        timeoutMs: INFO_TIMEOUT_MS,
      });
      return time;
    } finally {
      release();
    }
  } catch {
    return undefined;
  }
}

/** The later one; both as timeToIso writes them. */
export const laterOf = (now: string, lastChange: string | undefined): string =>
  lastChange !== undefined && lastChange > now ? lastChange : now;
