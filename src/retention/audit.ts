/**
 * The audit: every removal, read from the log, and the chain of digests that runs through all of them.
 *
 * A purge is a record of the log, which is never rewritten: that is the audit. The index says where they
 * are. Each digest covers the purge and the digest before it, so that none can be left out or altered.
 */

import type { ActorId, Revision } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';
import { Space } from '../index/keys.ts';
import { decodePurgeRecord } from '../index/promised-records.ts';
import { decodeEvent, EVENT_TYPES } from '../volume/events.ts';
import type { PurgeEvent } from '../volume/promise-events.ts';
import { digestPurge } from '../volume/purge.ts';
import type { Volume } from '../volume/volume.ts';

export interface AuditEntry {
  readonly revision: Revision;
  readonly time: Time;
  readonly actor: ActorId;
  /** SHA-256 as hex over this removal and all before it. */
  readonly digest: string;
  readonly versions: number;
  readonly bytes: number;
  readonly event: PurgeEvent;
}

export interface AuditCheck {
  readonly entries: number;
  /** Revisions whose record does not give the digest that was noted for it. */
  readonly broken: readonly Revision[];
}

/** Every removal, oldest first. */
export async function* readAudit(volume: Volume): AsyncGenerator<AuditEntry> {
  await volume.flushed();
  for await (const [key, value] of volume.index.scanPrefix(Buffer.from([Space.PURGE]))) {
    const revision = key.readUIntBE(1, 6) as Revision;
    const { pos, ...noted } = decodePurgeRecord(value);
    for await (const record of volume.log.scan(pos)) {
      if (record.revision !== revision || record.type !== EVENT_TYPES.purge) break;
      const event = decodeEvent(record.type, record.payload) as PurgeEvent;
      yield { revision, ...noted, event };
      break;
    }
  }
}

/** Goes through the whole chain. */
export async function checkAudit(volume: Volume): Promise<AuditCheck> {
  let digest = '';
  let entries = 0;
  const broken: Revision[] = [];
  const last = volume.state.purgeDigest;
  for await (const entry of readAudit(volume)) {
    digest = digestPurge(digest, entry.event, entry.revision);
    if (digest !== entry.digest) broken.push(entry.revision);
    ({ digest } = entry);
    entries += 1;
  }
  if (digest !== last && volume.state.purgeDigest === last) broken.push(volume.state.revision);
  return { entries, broken };
}
