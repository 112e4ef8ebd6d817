/**
 * The disk as the log needs it: a handful of calls, so that tests can make any of them fail.
 *
 * Rule: nothing else in src/log touches node:fs. Calls on the serving thread are synchronous; what
 * may wait for the device (fdatasync, long reads) is asynchronous.
 */

import fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

import { Errno, errnoName } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';

export interface Disk {
  /** With what is missing above it. That it is there is on disk when this returns. */
  makeDirectory(path: string): void;
  list(path: string): string[];
  /** @param flags As for open(2): "r", "r+", "wx+" (create, fail if it exists). */
  open(path: string, flags: 'r' | 'r+' | 'wx+'): number;
  close(fd: number): void;
  size(fd: number): number;
  /** @returns The bytes written, which may be fewer than asked for. */
  write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** Two buffers with one call; the same result as write. */
  writePair(fd: number, first: Uint8Array, second: Uint8Array, position: number): number;
  read(fd: number, into: Uint8Array, offset: number, length: number, position: number): number;
  readAsync(fd: number, into: Uint8Array, length: number, position: number): Promise<number>;
  truncate(fd: number, size: number): void;
  remove(path: string): void;
  /** Removing a large file may take its time. */
  removeAsync(path: string): Promise<void>;
  /** Takes the place of what has that name. */
  rename(from: string, to: string): void;
  syncData(fd: number): Promise<void>;
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

const fdatasync = promisify(fs.fdatasync);
const readAsync = promisify(fs.read);
const removeAsync = promisify(fs.unlink);

export const nodeDisk: Disk = {
  makeDirectory: (path) => {
    const first = fs.mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
    const last = dirname(first ?? path);
    for (let dir = dirname(path); ; dir = dirname(dir)) {
      syncDirectoryAtOnce(dir);
      if (dir === last) return;
    }
  },
  list: (path) => fs.readdirSync(path),
  open: (path, flags) => fs.openSync(path, flags, FILE_MODE),
  close: (fd) => fs.closeSync(fd),
  size: (fd) => fs.fstatSync(fd).size,
  write: (fd, buffer, offset, length, position) =>
    fs.writeSync(fd, buffer, offset, length, position),
  writePair: (fd, first, second, position) => fs.writevSync(fd, [first, second], position),
  read: (fd, into, offset, length, position) => fs.readSync(fd, into, offset, length, position),
  readAsync: async (fd, into, length, position) =>
    (await readAsync(fd, into, 0, length, position)).bytesRead,
  truncate: (fd, size) => fs.ftruncateSync(fd, size),
  remove: (path) => fs.unlinkSync(path),
  removeAsync: (path) => removeAsync(path),
  rename: (from, to) => fs.renameSync(from, to),
  syncData: (fd) => fdatasync(fd),
};

/** For the little that is made when a volume is: nobody is served yet. */
function syncDirectoryAtOnce(path: string): void {
  const fd = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * What a failed call on the disk means to the one who asked for it.
 *
 * @returns ENOSPC and EDQUOT as they are, since they pass; EIO for everything else.
 */
export function diskError(error: unknown, action: string): FsError {
  const code = systemCode(error);
  if (code === undefined) throw error;
  const errno = code === 'ENOSPC' ? Errno.ENOSPC : code === 'EDQUOT' ? Errno.EDQUOT : Errno.EIO;
  const failure = new FsError(errno, `${action}: ${code}`);
  failure.cause = error;
  return failure;
}

/** "ENOSPC" of a system call's failure; undefined for any other error, which is a bug. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof FsError) return errnoName(error.errno);
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return String(error.code);
}
