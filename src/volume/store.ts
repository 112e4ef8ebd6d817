/**
 * A volume: one session's files, its log and its index, as everything above opens and serves it.
 *
 * Guarantees:
 * - A change that returned is in the log's page cache: it survives the death of this process.
 * - A change that threw left no trace.
 * - Reading what is live never waits, except for directories that are not in memory.
 */

import type { ActorId, Revision } from '../shared/brands.ts';
import type { Clock, Time } from '../shared/time.ts';

export interface VolumeOptions {
  /** The directory with log/ and index/ of this volume. */
  readonly dir: string;
  /** 32 hex digits; the log refuses to be another's. */
  readonly volumeId: string;
  readonly clock: Clock;
  /** Makes the volume if the directory is empty; its root belongs to this owner. */
  readonly create?: { readonly uid: number; readonly gid: number; readonly mode: number };
}

export interface VolumeStatus {
  readonly revision: Revision;
  readonly time: Time;
  readonly durableRevision: Revision;
  readonly durableTime: Time;
  /** Set when the volume cannot write any more: the sentence to show. */
  readonly readOnly: string | undefined;
  readonly inodes: number;
  readonly liveBytes: number;
  readonly versions: number;
  readonly logBytes: number;
}

/** Who makes a change, resolved once per process. */
export interface ActorSource {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly command?: string;
  readonly label?: string;
}

export interface VolumeControl {
  status(): VolumeStatus;
  /** Everything acknowledged so far is on disk when this resolves. */
  sync(): Promise<void>;
  /** Syncs, writes the index out and closes both. */
  close(): Promise<void>;
  /** The number under which somebody who does not come through the mount (a command) makes changes. */
  internActor(source: ActorSource): ActorId;
}
