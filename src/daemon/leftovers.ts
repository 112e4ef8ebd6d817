/**
 * What a daemon that was killed leaves behind: volume servers that still hold their volumes, and mounts.
 */

import { setTimeout } from 'node:timers/promises';

import type { Logger } from 'pino';

import { callJson } from '../control/http-client.ts';
import type { SessionRecord, VolumeInfo } from '../control/protocol.ts';
import type { MountPort } from './mount-port.ts';
import { volumeSocket } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';

/** How long a volume server of a daemon that was killed may take to close its volume, in milliseconds. */
const ORPHAN_TIMEOUT_MS = 15_000;
const ORPHAN_POLL_MS = 20;

/**
 * Ends a volume server whose supervisor was killed: it still holds its volume.
 *
 * Resolves when it is gone, so that another one can open the volume.
 */
export async function stopOrphan(
  record: SessionRecord,
  { layout, logger }: { layout: StoreLayout; logger: Logger },
): Promise<void> {
  const socketPath = volumeSocket(layout, record.id);
  const call = <T>(method: 'GET' | 'POST', path: string): Promise<T> =>
    callJson<T>({ socketPath, method, path, timeoutMs: ORPHAN_TIMEOUT_MS });
  let pid: number;
  try {
    ({ pid } = await call<VolumeInfo>('GET', '/v1/info'));
    await call('POST', '/v1/stop');
  } catch (error) {
    logger.debug({ session: record.id, err: error }, 'No volume server was left');
    return;
  }
  logger.warn({ session: record.id, server: pid }, 'Stopping a server of a daemon before this one');
  const endsAt = performance.now() + ORPHAN_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (performance.now() > endsAt) process.kill(pid, 'SIGKILL');
    await setTimeout(ORPHAN_POLL_MS);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Mounts of a daemon that was killed answer ENOTCONN, or nothing at all: detach them. */
export async function cleanStaleMounts(
  records: readonly SessionRecord[],
  parts: { layout: StoreLayout; mounts: MountPort; logger: Logger },
): Promise<void> {
  const { mounts, layout, logger } = parts;
  const points = new Set(mounts.listMounts(layout.mountsDir));
  for (const record of records) {
    if (mounts.isMountOf(record)) points.add(record.mountPoint);
  }
  for (const mountPoint of points) {
    logger.warn({ mountPoint }, 'Cleaning up a mount left behind');
    try {
      // Whoever hangs there is freed; detaching alone would leave them.
      mounts.abort(mountPoint);
    } catch (error) {
      logger.debug({ mountPoint, err: error }, 'Cannot abort the connection');
    }
    await mounts.unmount(mountPoint, { lazy: true }).catch((error: unknown) => {
      logger.error({ mountPoint, err: error }, 'Cannot detach the mount left behind');
    });
  }
}
