/**
 * The second driver: fuse-native (libfuse 2.9), for hosts where the kernel protocol is not to be had.
 *
 * Rule: the same FileSystem interface; what gets lost on the way is in capabilities.ts. The module is
 * loaded when it is asked for and never else: it is optional, and it links libfuse.
 */

import type FuseNative from 'fuse-native';

import { SessfsError } from '../shared/errors.ts';
import type { FileSystem, Notifier } from './file-system.ts';
import type { Logger } from './logger.ts';
import { findMount } from './mount-table.ts';
import { NativeAdapter } from './native-operations.ts';
import { NativePaths } from './native-paths.ts';

export interface NativeOptions {
  readonly mountPoint: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly fsName?: string;
  readonly allowOther?: boolean;
  readonly dev?: boolean;
  readonly suid?: boolean;
  /** Whose files new ones become: libfuse does not tell who asks. Default: this process. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

export interface NativeMount {
  unmount(): Promise<void>;
}

/** libfuse's own largest write. */
const MAX_WRITE_BYTES = 128 * 1024;

/**
 * Mounts and serves.
 *
 * @throws {SessfsError} HOST_LACKS Without the module or its libfuse.
 * @throws {SessfsError} MOUNT_FAILED For what libfuse says.
 */
export async function serveNative(options: NativeOptions): Promise<NativeMount> {
  const { fileSystem, logger, mountPoint } = options;
  const Fuse = await loadModule();
  const request = {
    unique: 0,
    resent: false,
    uid: options.owner?.uid ?? process.getuid?.() ?? 0,
    gid: options.owner?.gid ?? process.getgid?.() ?? 0,
    pid: 0,
  };
  const paths = new NativePaths(fileSystem, request);
  const adapter = new NativeAdapter({ fileSystem, paths, request, logger });
  const fuse = new Fuse(mountPoint, adapter.operations(), {
    allowOther: options.allowOther === true,
    defaultPermissions: true,
    // The module knows few options of libfuse: the others follow the name behind a comma.
    fsname: [(options.fsName ?? 'sessfs').replaceAll(',', '_'), ...libfuseWords(options)].join(','),
    subtype: 'sessfs',
    // Its timeout answers for us while we still work on it: the late answer would hit a freed request.
    timeout: false,
  });
  await promised((done) => fuse.mount(done), `Cannot mount on "${mountPoint}"`);
  const info = { maxWriteBytes: MAX_WRITE_BYTES, maxReadBytes: MAX_WRITE_BYTES, minor: 19 };
  fileSystem.connected?.(info, new PathNotifier(paths));
  return {
    async unmount() {
      await promised((done) => fuse.unmount(done), `Cannot unmount "${mountPoint}"`).catch(
        (error: unknown) => {
          // Somebody else has unmounted it: that is what was wanted.
          if (isMounted(mountPoint)) throw error;
        },
      );
      fileSystem.disconnected?.();
    },
  };
}

/** Where there is no table of mounts to ask (macOS), what libfuse said stands. */
function isMounted(mountPoint: string): boolean {
  return process.platform !== 'linux' || findMount(mountPoint) !== undefined;
}

function libfuseWords(options: NativeOptions): string[] {
  const words = ['use_ino', 'big_writes', `max_write=${MAX_WRITE_BYTES}`];
  if (options.dev === true) words.push('dev');
  if (options.suid === true) words.push('suid');
  return words;
}

async function loadModule(): Promise<typeof FuseNative> {
  try {
    const module = await import('fuse-native');
    return module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new SessfsError('HOST_LACKS', `Cannot load fuse-native: ${reason}`, {
      hint: 'Install it with: npm install fuse-native; it needs libfuse 2 and fusermount (apt-get install libfuse2 fuse, or macFUSE)',
      cause,
    });
  }
}

function promised(
  start: (done: (error: Error | null) => void) => void,
  what: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve();
      else reject(new SessfsError('MOUNT_FAILED', `${what}: ${error.message}`, { cause: error }));
    });
  });
}

/** The kernel cannot be told through libfuse 2.9; it forgets by itself after a second. */
class PathNotifier implements Notifier {
  readonly #paths: NativePaths;

  constructor(paths: NativePaths) {
    this.#paths = paths;
  }

  invalidateInode(): void {
    this.#paths.forgetAll();
  }

  invalidateEntry(): void {
    this.#paths.forgetAll();
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }
}
