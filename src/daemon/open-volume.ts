/**
 * A session's volume put together for its server: the volume, its history, and both as a file system.
 */

import type { Logger } from 'pino';

import type { FileSystem } from '../fuse/file-system.ts';
import type { History } from '../history/store.ts';
import type { VolumeControl } from '../volume/store.ts';
import type { VolumeServerOptions } from './volume-server-options.ts';

export interface ServedVolume {
  readonly volume: VolumeControl;
  readonly history: History;
  readonly fileSystem: FileSystem;
}

export async function openVolume(
  options: VolumeServerOptions,
  _logger: Logger,
): Promise<ServedVolume> {
  throw new Error(`Cannot open volume "${options.dir}": not built yet`);
}
