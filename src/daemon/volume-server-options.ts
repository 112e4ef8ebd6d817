/**
 * What the supervisor tells a volume server at its start, and what that tells back.
 *
 * The options are the JSON in its first argument; events come back as lines of JSON on descriptor 4.
 * Everything later goes over the volume's socket, so that it works for a supervisor started anew.
 */

import type { SessionOptions } from '../control/protocol.ts';
import type { WireError } from '../control/wire-error.ts';
import type { ConnectionInfo } from '../fuse/file-system.ts';
import type { LogLevel } from './config.ts';

/** The descriptor of /dev/fuse in a volume server. */
export const FUSE_FD = 3;
/** The pipe for events in a volume server. */
export const EVENT_FD = 4;

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
  /** The connection was negotiated by a server before this one. */
  readonly resume: ConnectionInfo | undefined;
}

export type VolumeServerEvent =
  | { readonly event: 'ready' }
  | { readonly event: 'failed'; readonly error: WireError }
  /** INIT is over: what a successor needs to resume. */
  | { readonly event: 'connected'; readonly info: ConnectionInfo }
  /** The mount has gone; the server stops by itself. */
  | { readonly event: 'ended' };
