/**
 * Makes a volume: whole or not at all.
 *
 * Rule: the directory of a volume is there only once its log has the first record on disk. Whoever finds
 * no log in one that is there knows that it was lost, and never takes it for a volume to be made.
 */

import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { nodeDisk } from '../log/disk.ts';
import { Log } from '../log/log.ts';
import { syncDirectory } from '../log/syncer.ts';
import { SYSTEM_ACTOR } from '../shared/brands.ts';
import type { Revision } from '../shared/brands.ts';
import { ByteWriter } from '../shared/bytes.ts';
import type { Clock } from '../shared/time.ts';
import { encodeEvent, EVENT_TYPES } from './events.ts';

export interface NewVolume {
  /** Not there yet; what is above it is. */
  readonly dir: string;
  readonly volumeId: string;
  readonly clock: Clock;
  /** Of its root. */
  readonly owner: { readonly uid: number; readonly gid: number; readonly mode: number };
}

/** @throws {SessfsError} NO_SPACE, FAILED Then there is no such volume. */
export async function makeVolume({ dir, volumeId, clock, owner }: NewVolume): Promise<void> {
  const making = `${dir}.making`;
  // What an earlier try left behind.
  await rm(making, { recursive: true, force: true });
  const logDir = join(making, 'log');
  const log = await Log.open({ dir: logDir, volumeId, clock, create: true, onRecord: () => {} });
  try {
    const payload = new ByteWriter(256);
    encodeEvent(payload, { kind: 'genesis', ...owner });
    const revision = 1 as Revision;
    const type = EVENT_TYPES.genesis;
    const header = { revision, time: clock.now(), unique: 0, actor: SYSTEM_ACTOR, type };
    log.append(header, payload.view(), payload.length);
  } finally {
    await log.close();
  }
  await rename(making, dir);
  await syncDirectory(nodeDisk, dirname(dir));
}
