/**
 * A volume: one session's files, its log and its index, as everything above opens and serves it.
 *
 * Guarantees:
 * - A change that returned is in the log's page cache: it survives the death of this process.
 * - A change that threw left no trace.
 * - Reading what is live never waits, except for directories that are not in memory.
 */

import { SYSTEM_ACTOR } from '../shared/brands.ts';
import type { ActorId, Revision } from '../shared/brands.ts';
import type { Clock, Time } from '../shared/time.ts';
import type { OwnQuota, QuotaControl } from './quota.ts';
import type { WriterTable } from './writers.ts';

export interface VolumeOptions {
  /** The directory with log/ and index/ of this volume. */
  readonly dir: string;
  /** 32 hex digits; the log refuses to be another's. */
  readonly volumeId: string;
  readonly clock: Clock;
  /** Makes the volume if the directory is empty; its root belongs to this owner. */
  readonly create?: { readonly uid: number; readonly gid: number; readonly mode: number };
  /** How long a file may be dirty while open before a version is cut, in milliseconds; default 60 s. */
  readonly cutIntervalMs?: number;
  /**
   * Another server had the volume open a moment ago: its clients still have files open, and the kernel
   * sends again what it did not answer. Whoever serves them calls resendOver() when that is done.
   */
  readonly resumed?: Resumed | undefined;
  /** Who has what open for writing, where that outlives this process; by default it does not. */
  readonly writers?: WriterTable;
  /** The same for who has what open only to read: what was removed stays readable for them. */
  readonly readers?: WriterTable;
  /** Size at which a segment of the log is full, in bytes; default 64 MiB. */
  readonly segmentBytes?: number;
  /** What the session says itself of what it may hold; by default the policy says it. */
  readonly quota?: OwnQuota | undefined;
}

export interface Resumed {
  /** The volume's revision when the connection was made: the requests of earlier ones have other numbers. */
  readonly since: Revision;
}

/** On whose behalf a change is made: a request of the kernel, or a command. */
export interface Caller {
  /** The kernel's number of the request; 0 for a command. */
  readonly unique: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 is not known. */
  readonly pid: number;
  /** Known already; otherwise found by pid. */
  readonly actor?: ActorId;
}

/** sessfs itself: for what nobody asked for (cutting after an interval). */
export const SYSTEM_CALLER: Caller = { unique: 0, uid: 0, gid: 0, pid: 0, actor: SYSTEM_ACTOR };

export interface VolumeStatus {
  readonly revision: Revision;
  readonly time: Time;
  readonly durableRevision: Revision;
  readonly durableTime: Time;
  /** Set when the volume cannot write any more: the sentence to show. */
  readonly readOnly: string | undefined;
  readonly inodes: number;
  readonly liveBytes: number;
  /** Content that only the past has, in bytes; what is shared counts for each. */
  readonly historyBytes: number;
  readonly versions: number;
  /** Names and attributes of moments before it may have been removed; 0: all are there. */
  readonly horizon: Revision;
  readonly logBytes: number;
  /** How long the oldest change that is not on disk has not been, in milliseconds; 0 if all are. */
  readonly syncLagMs: number;
  readonly cache: Readonly<Record<CacheName, CacheCount>>;
}

export type CacheName = 'inode' | 'name' | 'region';

/** Look-ups since the volume was opened, and how many of them had to ask the index. */
export interface CacheCount {
  readonly lookups: number;
  readonly misses: number;
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
  readonly quota: QuotaControl;
  status(): VolumeStatus;
  /** Everything acknowledged so far is on disk when this resolves. */
  sync(): Promise<void>;
  /** A version of every file that has changed since its last one, also of those that are open. */
  cutChanged(): void;
  /** All of the index as of now, from one snapshot: first its state, then everything in key order. */
  dumpIndex(): Promise<AsyncGenerator<[Buffer, Buffer][]>>;
  /** Syncs, writes the index out and closes both. */
  close(): Promise<void>;
  /** The number under which somebody who does not come through the mount (a command) makes changes. */
  internActor(source: ActorSource): ActorId;
}
