/**
 * Mounting and unmounting: mount(2) for root, fusermount3 for everybody else.
 *
 * Rule: what the kernel refuses becomes a SessfsError that says what to do. The descriptor that comes
 * back is non-blocking and closed on exec; whoever inherits it gets it by spawn's stdio.
 */

import { closeSync, existsSync, statSync, writeFileSync } from 'node:fs';

import { Errno, errnoName } from '../shared/errno.ts';
import { SessfsError } from '../shared/errors.ts';
import { mountThroughFusermount, runFusermount } from './fusermount.ts';
import { lastErrno, libc } from './libc.ts';
import { findMount } from './mount-table.ts';

export interface MountOptions {
  readonly mountPoint: string;
  /** The first column of the table of mounts. */
  readonly fsName: string;
  /** The type in the table of mounts becomes fuse.SUBTYPE. */
  readonly subtype?: string;
  /** Whose mount it is: without allowOther nobody else gets in, root included. Default: the caller. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly allowOther?: boolean;
  /** Device files work. Root only. */
  readonly dev?: boolean;
  /** suid and sgid bits work. Root only. */
  readonly suid?: boolean;
  readonly readOnly?: boolean;
}

const DEVICE = '/dev/fuse';
const DEFAULT_SUBTYPE = 'sessfs';
/** The kernel's default is 128. */
const READAHEAD_KB = 1024;

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOATIME = 1024;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

/**
 * Mounts, and opens the device that will serve.
 *
 * The mount answers nothing until somebody serves the descriptor: whoever touches it waits.
 *
 * @returns The descriptor of the connection.
 * @throws {SessfsError} HOST_LACKS Without /dev/fuse, access to it, or fusermount3.
 * @throws {SessfsError} MOUNT_POINT If there is no such directory.
 * @throws {SessfsError} MOUNT_FAILED For whatever else the kernel says.
 */
export async function mountFuse(options: MountOptions): Promise<number> {
  assertFree(options.mountPoint);
  assertMountPoint(options.mountPoint);
  assertDevice();
  return isRoot() ? mountAsRoot(options) : await mountThroughFusermount(mountWords(options));
}

/**
 * Unmounts.
 *
 * On a thread of the pool: the kernel waits for the server to take what is dirty, and that may be us.
 *
 * @param options.lazy Detach now, end when the last user is gone; works also when it is busy or dead.
 * @throws {SessfsError} MOUNT_FAILED If it is busy, or not mounted.
 */
export async function unmount(mountPoint: string, options: { lazy?: boolean } = {}): Promise<void> {
  const isLazy = options.lazy === true;
  if (!isRoot()) {
    await runFusermount(['-u', ...(isLazy ? ['-z'] : []), '--', mountPoint]);
    return;
  }
  const flags = UMOUNT_NOFOLLOW | (isLazy ? MNT_DETACH : 0);
  const result = await new Promise<number>((resolve) =>
    libc().umount2OnPool(mountPoint, flags, resolve),
  );
  if (result >= 0) return;
  const errno = -result;
  throw new SessfsError('MOUNT_FAILED', `Cannot unmount "${mountPoint}": ${errnoName(errno)}`, {
    hint:
      errno === Errno.EBUSY
        ? 'A program still has a file or its working directory in it; find it with: fuser -vm DIR'
        : undefined,
  });
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function mountAsRoot(options: MountOptions): number {
  const fd = libc().open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw deviceError(lastErrno());
  const uid = options.owner?.uid ?? process.getuid?.() ?? 0;
  const gid = options.owner?.gid ?? process.getgid?.() ?? 0;
  const words = [`fd=${fd}`, 'rootmode=40000', `user_id=${uid}`, `group_id=${gid}`];
  words.push('default_permissions');
  if (options.allowOther === true) words.push('allow_other');
  // Reading changes nothing here, and the table of mounts says so.
  let flags = MS_NOATIME;
  if (options.dev !== true) flags |= MS_NODEV;
  if (options.suid !== true) flags |= MS_NOSUID;
  if (options.readOnly === true) flags |= MS_RDONLY;
  const type = `fuse.${options.subtype ?? DEFAULT_SUBTYPE}`;
  const result = libc().mount(options.fsName, options.mountPoint, type, flags, words.join(','));
  if (result === 0) {
    widenReadahead(options.mountPoint);
    return fd;
  }
  const errno = lastErrno();
  closeSync(fd);
  throw mountError(options.mountPoint, errno);
}

/**
 * Has the kernel read ahead as much as one message carries: 64 MiB, not cached, 977 against 728 MB/s.
 *
 * Before INIT is answered, which would only lower it. Without it reading works all the same.
 */
function widenReadahead(mountPoint: string): void {
  const entry = findMount(mountPoint);
  if (entry === undefined) return;
  try {
    writeFileSync(`/sys/class/bdi/0:${entry.deviceMinor}/read_ahead_kb`, String(READAHEAD_KB));
  } catch {
    // No sysfs, or a read-only one, as in containers.
  }
}

/** What fusermount3 takes; it adds nosuid and nodev by itself. */
function mountWords(options: MountOptions): { mountPoint: string; words: string[] } {
  const words = [
    options.readOnly === true ? 'ro' : 'rw',
    'nosuid',
    'nodev',
    'noatime',
    'default_permissions',
    `fsname=${escapeComma(options.fsName)}`,
    `subtype=${options.subtype ?? DEFAULT_SUBTYPE}`,
  ];
  if (options.allowOther === true) words.push('allow_other');
  return { mountPoint: options.mountPoint, words };
}

function escapeComma(word: string): string {
  return word.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
}

/** A stat(2) on a mount that nobody serves would not come back: the table of mounts is asked first. */
function assertFree(mountPoint: string): void {
  const entry = findMount(mountPoint);
  if (entry === undefined || !entry.type.startsWith('fuse')) return;
  throw new SessfsError('MOUNT_POINT', `Cannot mount on "${mountPoint}": ${entry.type} is there`, {
    hint: `If its server is gone, remove it with: umount -l ${mountPoint}`,
  });
}

function assertMountPoint(mountPoint: string): void {
  try {
    if (statSync(mountPoint).isDirectory()) return;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SessfsError('MOUNT_POINT', `Cannot mount on "${mountPoint}": ${code ?? 'unknown'}`, {
      hint:
        code === 'ENOTCONN'
          ? 'A dead mount is left there; remove it with: umount -l DIR'
          : 'Create the directory first',
      cause,
    });
  }
  throw new SessfsError('MOUNT_POINT', `Cannot mount on "${mountPoint}": it is not a directory`);
}

/** Only that it is there: who may open it is for open(2) to say, ours or that of fusermount3. */
function assertDevice(): void {
  if (!existsSync(DEVICE)) throw deviceError(Errno.ENOENT);
}

function deviceError(errno: number): SessfsError {
  if (errno === Errno.EACCES || errno === Errno.EPERM) {
    return new SessfsError('HOST_LACKS', `Cannot open ${DEVICE}: ${errnoName(errno)}`, {
      hint: 'This user needs read and write access to it (usually mode 0666); in a container, pass --device /dev/fuse --cap-add SYS_ADMIN',
    });
  }
  return new SessfsError('HOST_LACKS', `Cannot open ${DEVICE}: ${errnoName(errno)}`, {
    hint: 'Load the kernel module with: modprobe fuse; in a container, pass --device /dev/fuse',
  });
}

function mountError(mountPoint: string, errno: number): SessfsError {
  return new SessfsError('MOUNT_FAILED', `Cannot mount on "${mountPoint}": ${errnoName(errno)}`, {
    hint:
      errno === Errno.EPERM || errno === Errno.EACCES
        ? 'Mounting needs CAP_SYS_ADMIN; in a container, pass --cap-add SYS_ADMIN'
        : undefined,
  });
}
