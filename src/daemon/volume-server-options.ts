/**
 * What the supervisor tells a volume server at its start, and what that tells back.
 *
 * The options are the JSON in its first argument; events come back as lines of JSON on descriptor 4.
 * Everything later goes over the volume's socket, so that it works for a supervisor started anew.
 */

import { existsSync } from 'node:fs';

import type { SessionOptions, SessionRecord } from '../control/protocol.ts';
import { sourceOf } from '../control/session-mounts.ts';
import type { WireError } from '../control/wire-error.ts';
import type { ConnectionInfo } from '../fuse/file-system.ts';
import { encodePolicy, policyFor } from '../policy/retention-policy.ts';
import type { Revision } from '../shared/brands.ts';
import type { OwnQuota } from '../volume/quota.ts';
import type { Config } from './config.ts';
import type { LogLevel } from './log-level.ts';
import { volumeDir, volumeSocket } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';

/** The descriptor of /dev/fuse in a volume server. */
export const FUSE_FD = 3;
/** The pipe for events in a volume server. */
export const EVENT_FD = 4;
/** The page of vital signs of its connection (vitals.ts) in a volume server. */
export const VITALS_FD = 5;

export interface VolumeServerOptions {
  readonly sessionId: string;
  readonly volumeId: string;
  readonly dir: string;
  /** The volume is to be made: it has never been served. */
  readonly isNew: boolean;
  readonly socketPath: string;
  /** `kernel`: serves FUSE_FD; `fuse-native`: mounts by itself; `none`: only commands. */
  readonly serve: 'kernel' | 'fuse-native' | 'none';
  readonly mountPoint: string;
  /** How the mount is called in the table of mounts. */
  readonly fsName: string;
  readonly options: SessionOptions;
  readonly uid: number;
  readonly gid: number;
  readonly cutIntervalSeconds: number;
  readonly stopTimeoutSeconds: number;
  readonly logLevel: LogLevel;
  /** The policy of the session, as encodePolicy writes it. */
  readonly retention: string;
  /** When the session ended, ISO; undefined: it is active. */
  readonly sessionEnded: string | undefined;
  /** The tier of the session, for a volume that has not been told one yet. */
  readonly tier: string | undefined;
  /** Where the session differs from the policy. */
  readonly quota: OwnQuota | undefined;
  /** The connection has had a server before this one: what it left. Undefined for the first. */
  readonly predecessor: Predecessor | undefined;
}

/** What to tell the next server of a session. */
export function planServer(
  record: SessionRecord,
  plan: {
    readonly layout: StoreLayout;
    readonly config: Config;
    readonly serve: VolumeServerOptions['serve'];
    readonly predecessor: Predecessor | undefined;
  },
): VolumeServerOptions {
  const { layout, config, serve, predecessor } = plan;
  const dir = volumeDir(layout, record.id);
  return {
    sessionId: record.id,
    volumeId: record.volumeId,
    dir,
    // INVARIANT: the first server makes the volume and no later one: a lost log is not made anew, empty.
    isNew: !existsSync(dir),
    socketPath: volumeSocket(layout, record.id),
    serve,
    mountPoint: record.mountPoint,
    fsName: sourceOf(record.id, layout.root),
    options: record.options,
    uid: record.uid,
    gid: record.gid,
    cutIntervalSeconds: config.cutIntervalSeconds,
    stopTimeoutSeconds: config.stopTimeoutSeconds,
    logLevel: config.logLevel,
    retention: policyTextFor(config, record),
    sessionEnded: record.ended,
    tier: record.tier,
    quota: record.quota,
    predecessor,
  };
}

/** The policy of a session as a volume server is told it, and as its log keeps it. */
export function policyTextFor(
  { retention }: Config,
  { id, name }: Pick<SessionRecord, 'id' | 'name'>,
): string {
  return encodePolicy(policyFor(retention, { id, name: name ?? id }));
}

export interface Predecessor {
  /** What it agreed with the kernel; undefined if it did not come so far. */
  readonly connection: ConnectionInfo | undefined;
  /** The volume's revision when the connection began. */
  readonly since: Revision;
  /** Numbers of requests that are answered with an error: servers died of them. */
  readonly givenUp: readonly number[];
}

export type VolumeServerEvent =
  | { readonly event: 'ready' }
  | { readonly event: 'failed'; readonly error: WireError }
  /** The mount has gone; the server stops by itself. */
  | { readonly event: 'ended' };
