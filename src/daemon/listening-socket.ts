/**
 * A Unix socket made by hand, because its descriptor has to be known: it goes on listening while the
 * supervisor becomes another program, and whoever connects meanwhile waits in its queue.
 */

import { closeSync, rmSync } from 'node:fs';

import { lastErrno, libc } from '../fuse/libc.ts';
import { errnoName } from '../shared/errno.ts';
import { SessfsError } from '../shared/errors.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
/** struct sockaddr_un. */
const SUN_PATH_OFFSET = 2;
const SUN_PATH_BYTES = 108;

/**
 * Makes a socket at a path; a file left behind by a process that is gone is replaced.
 *
 * @throws {SessfsError} USAGE If the path is too long for a socket.
 */
export function makeListeningSocket(path: string): number {
  const bytes = Buffer.from(path);
  if (bytes.length >= SUN_PATH_BYTES) {
    throw new SessfsError(
      'USAGE',
      `Cannot listen on "${path}": ${bytes.length} bytes, at most ${SUN_PATH_BYTES - 1} are possible`,
      { hint: 'Choose a shorter store directory with --root' },
    );
  }
  rmSync(path, { force: true });
  const address = Buffer.alloc(SUN_PATH_OFFSET + SUN_PATH_BYTES);
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, SUN_PATH_OFFSET);
  const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bound = fd < 0 ? fd : libc().bind(fd, address, address.length);
  if (bound === 0) return fd;
  const errno = errnoName(lastErrno());
  if (fd >= 0) closeSync(fd);
  throw new SessfsError('FAILED', `Cannot listen on "${path}": ${errno}`);
}

/** A second descriptor of a socket: closing the first one then ends nothing. */
export function duplicateDescriptor(fd: number): number {
  const copy = libc().dup(fd);
  if (copy >= 0) return copy;
  throw new SessfsError('FAILED', `Cannot duplicate a descriptor: ${errnoName(lastErrno())}`);
}
