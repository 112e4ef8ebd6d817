/**
 * What travels on the control sockets: the data of requests and replies.
 *
 * Rules: times are ISO strings in UTC with nanoseconds; paths are bytes, one char per byte (latin1), in
 * fields called `path`, and UTF-8 text for people in fields called `text`; revisions are numbers.
 */

import type { OperationStats } from '../fuse/message-stats.ts';
import type { CutCause } from '../volume/cut-cause.ts';
import type { OwnQuota } from '../volume/quota.ts';
import type { VolumeStatus } from '../volume/store.ts';
import type { SweepStatus } from './promise-protocol.ts';

/** Paths travel in a request's head, and may have thousands of bytes: node:http gives it 16 KiB. */
export const MAX_HEADER_BYTES = 1 << 20;

/** The options of a session that are on or off. */
export const SWITCHES = ['allowOther', 'dev', 'suid', 'listVersions'] as const;
export type Switch = (typeof SWITCHES)[number];

export const isSwitch = (name: string): name is Switch => SWITCHES.some((known) => known === name);

export type SessionState = 'active' | 'ended';
export type Driver = 'kernel' | 'fuse-native';

export const DRIVERS: readonly Driver[] = ['kernel', 'fuse-native'];

export interface SessionOptions {
  readonly allowOther: boolean;
  readonly dev: boolean;
  readonly suid: boolean;
  /** `.versions` is in listings, and not only found by name. */
  readonly listVersions: boolean;
  readonly driver: Driver;
}

/** What the registry keeps of a session. */
export interface SessionRecord {
  readonly id: string;
  readonly name: string | undefined;
  readonly volumeId: string;
  readonly uid: number;
  readonly gid: number;
  readonly state: SessionState;
  readonly created: string;
  readonly ended: string | undefined;
  readonly mountPoint: string;
  /** The operator wants it mounted: so it is again after a restart of the daemon. */
  readonly mounted: boolean;
  readonly options: SessionOptions;
  /** Chosen when it was created: its volume knows better once it is made. Undefined: nobody chose one. */
  readonly tier: string | undefined;
  /** Where the session differs from the policy: null is no limit. */
  readonly quota?: OwnQuota | undefined;
}

/**
 * How a session's volume is served right now.
 *
 * Mounted: `active`; `idle`, no request for a few seconds; `hibernated`, no process until the next
 * request; `recovering`, its server died and the next one starts later, as `problem` says; `maintenance`,
 * fsck has the volume for itself. Not mounted: `unmounted`; `detached`, a process for commands only;
 * `down`, it should be mounted and cannot be, for the reason in `problem`.
 */
export type ServerState =
  | 'starting'
  | 'active'
  | 'idle'
  | 'hibernated'
  | 'recovering'
  | 'maintenance'
  | 'stopping'
  | 'unmounted'
  | 'detached'
  | 'down';

export interface ServerInfo {
  readonly state: ServerState;
  readonly pid: number | undefined;
  /** Servers that died and were replaced since the daemon started. */
  readonly restarts: number;
  readonly hibernations: number;
  readonly wakeups: number;
  readonly problem: string | undefined;
}

export interface SessionInfo extends SessionRecord {
  readonly server: ServerInfo;
  /** Undefined: none since the daemon started. */
  readonly sweep: SweepStatus | undefined;
}

export interface DaemonStatus {
  readonly pid: number;
  readonly version: string;
  readonly root: string;
  readonly started: string;
  readonly rssBytes: number;
  /** How many programs this process has been before: `upgrade` makes it another one. */
  readonly generation: number;
  /** Volume servers that an upgrade has yet to replace. */
  readonly toReplace: number;
  /** Why an upgrade was not carried through. */
  readonly upgradeProblem?: string | undefined;
  readonly sessions: readonly SessionInfo[];
}

/** Of `upgrade`: it is over when the generation is this one, and nothing is left to replace. */
export interface UpgradeReply {
  readonly generation: number;
}

export interface CreateRequest {
  readonly name?: string;
  readonly mountPoint?: string;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly options?: Partial<SessionOptions>;
  /** Of its files; undefined is the default, "standard". */
  readonly tier?: string;
}

/** A path at a version: `at` is a version or a time as a person writes it, undefined is now. */
export interface PathAt {
  readonly path: string;
  readonly at?: string | undefined;
}

/** What a volume server tells of itself. */
export interface VolumeInfo {
  readonly pid: number;
  readonly rssBytes: number;
  readonly uptimeMs: number;
  readonly revision: number;
  readonly time: string;
  readonly durableRevision: number;
  readonly durableTime: string;
  readonly earliest: number;
  readonly earliestTime: string;
  readonly readOnly: string | undefined;
  readonly inodes: number;
  readonly liveBytes: number;
  /** Content that only the past has; what is shared counts for each. */
  readonly historyBytes: number;
  readonly versions: number;
  /** Names and attributes of moments before it may have been removed; 0: all are there. */
  readonly horizon: number;
  readonly logBytes: number;
  /** The counters of the connection: messages by operation, and their time; undefined if not mounted. */
  readonly connection: unknown;
}

export interface ActorInfo {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly command: string;
  readonly label: string | undefined;
}

export interface VersionInfo {
  /** Relative to the root of the volume. */
  readonly path: string;
  readonly text: string;
  readonly revision: number;
  readonly time: string;
  readonly size: number;
  /** Octal, permission bits only: "0644". */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
  readonly actor: ActorInfo;
  readonly cause: CutCause;
}

export interface LogReply {
  readonly text: string;
  readonly kind: 'file' | 'directory';
  /** Oldest first. */
  readonly versions: readonly VersionInfo[];
  readonly removed:
    | { readonly revision: number; readonly time: string; readonly actor: ActorInfo }
    | undefined;
  /** More was there than was asked for: the oldest were left out. */
  readonly truncated: boolean;
}

/** One thing at one revision, as cat and diff need it. */
export interface NodeInfo {
  readonly text: string;
  readonly revision: number;
  readonly time: string;
  readonly kind: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: string;
  /** Of a symlink. */
  readonly target: string | undefined;
}

export type TreeChange = 'added' | 'removed' | 'content' | 'attributes' | 'type';

export interface TreeDifference {
  readonly change: TreeChange;
  readonly path: string;
  readonly text: string;
  readonly kind: string;
  readonly sizeBefore: number | undefined;
  readonly sizeAfter: number | undefined;
}

export interface CompareReply {
  readonly from: NodeInfo;
  readonly to: NodeInfo;
  readonly differences: readonly TreeDifference[];
  readonly truncated: boolean;
}

export interface RollbackRequest {
  readonly path: string;
  readonly to: string;
  readonly exact: boolean;
  readonly partial?: boolean;
  readonly dryRun: boolean;
  readonly actor: ActorInfo;
}

export interface UndeleteRequest {
  readonly path: string;
  readonly partial?: boolean;
  readonly dryRun: boolean;
  readonly actor: ActorInfo;
}

export interface RollbackReply {
  /** Undefined for a dry run, or when there was nothing to do. */
  readonly revision: number | undefined;
  readonly before: number;
  /** What it was rolled back to; undefined for undelete. */
  readonly to: number | undefined;
  /** As text: what did not come back because its content is gone; only of a partial one. */
  readonly leftOut: readonly string[];
  readonly steps: readonly {
    readonly action: 'restore' | 'create' | 'remove' | 'attributes';
    readonly path: string;
    readonly text: string;
    readonly kind: string;
    readonly bytes: number;
  }[];
}

export interface ExportInfo {
  readonly revision: number;
  readonly time: string;
  readonly text: string;
}

/** What a process of the daemon tells of itself; durations in seconds. */
export interface ProcessMetrics {
  readonly pid: number;
  /** Since the epoch. */
  readonly startTimeSeconds: number;
  readonly rssBytes: number;
  readonly cpuSeconds: number;
  readonly openDescriptors: number;
  /** How late timers are when it is asked. */
  readonly loopDelaySeconds: number;
  /** How long the event loop has worked, and waited, so far. */
  readonly loopActiveSeconds: number;
  readonly loopIdleSeconds: number;
}

/** What a volume server tells to metrics. */
export interface VolumeMetrics {
  readonly process: ProcessMetrics;
  readonly revision: number;
  readonly durableRevision: number;
  readonly syncLagSeconds: number;
  readonly readOnly: string | undefined;
  readonly inodes: number;
  readonly liveBytes: number;
  readonly historyBytes: number;
  readonly versions: number;
  readonly horizon: number;
  readonly logBytes: number;
  readonly cache: VolumeStatus['cache'];
  /** By operation; undefined if there is no connection to count on. */
  readonly operations: Readonly<Record<string, OperationStats>> | undefined;
}

/** Whether all is well, and if not, why. */
export interface HealthReply {
  readonly ok: boolean;
  readonly problems: readonly { readonly session: string | undefined; readonly problem: string }[];
}
