/**
 * What the supervisor needs of the kernel: a seam, so that its rules can be tested without a mount.
 *
 * Rule for an implementation: nothing here may wait on a file system of ours from the event loop; what
 * has to (a stat of a mount point, umount(2)) happens on another thread or in another process.
 */

import type { SessionRecord } from '../control/protocol.ts';

export interface MountPort {
  /** Mounts for a session and returns the descriptor of its connection. */
  mount(record: SessionRecord): Promise<number>;
  /** @throws {SessfsError} MOUNT_FAILED If it is busy (and not lazy). */
  unmount(mountPoint: string, options: { lazy: boolean }): Promise<void>;
  /** Mount points of sessfs at or below a directory, deepest first, by mountinfo. */
  listMounts(dir: string): string[];
  isMounted(mountPoint: string): boolean;
  /** True if what is mounted there is this session of this store, and not somebody else's. */
  isMountOf(record: SessionRecord): boolean;
  /** The mount of sessfs that a path is on, if it is on one. */
  findMountAbove(path: string): string | undefined;
  /** Fails every request of the connection: the last resort when its server is gone. */
  abort(mountPoint: string): void;
}
