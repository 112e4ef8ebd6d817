/**
 * Mounting without root: fusermount3 (setuid) mounts, and passes the descriptor over a socket.
 *
 * Rule: the protocol is libfuse's own: _FUSE_COMMFD names our end of a socket pair for the child, which
 * sends one byte with the descriptor attached (SCM_RIGHTS).
 */

import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';

import { SessfsError } from '../shared/errors.ts';
import { errnoName } from '../shared/errno.ts';
import { addressOf, lastErrno, libc, makeSocketPair } from './libc.ts';

const COMMAND = 'fusermount3';
const MSG_CMSG_CLOEXEC = 0x40000000;
const F_SETFL_NONBLOCK = 0o4000;
/** The child's descriptor for our socket: the first one after its standard three. */
const CHILD_FD = 3;
/** struct msghdr and struct cmsghdr of 64-bit Linux. */
const MSGHDR_BYTES = 56;
const CMSG_DATA_OFFSET = 16;

/** @returns The descriptor of the connection, non-blocking. */
export async function mountThroughFusermount(options: {
  mountPoint: string;
  words: readonly string[];
}): Promise<number> {
  const [ours, theirs] = makeSocketPair();
  try {
    const args = ['-o', options.words.join(','), '--', options.mountPoint];
    await runFusermount(args, theirs);
    return receiveDescriptor(ours, options.mountPoint);
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/**
 * Runs fusermount3 to its end.
 *
 * @throws {SessfsError} HOST_LACKS If there is none; MOUNT_FAILED with what it printed if it fails.
 */
export async function runFusermount(args: readonly string[], commFd?: number): Promise<void> {
  const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>(
    (resolve, reject) => {
      const child = spawn(COMMAND, args, {
        stdio: ['ignore', 'ignore', 'pipe', ...(commFd === undefined ? [] : [commFd])],
        env: { ...process.env, _FUSE_COMMFD: String(CHILD_FD), LC_ALL: 'C' },
      });
      let printed = '';
      child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      child.on('error', reject);
      child.on('close', (exitCode) => resolve({ code: exitCode, stderr: printed.trim() }));
    },
  ).catch((cause: NodeJS.ErrnoException) => {
    throw new SessfsError('HOST_LACKS', `Cannot run ${COMMAND}: ${cause.code ?? cause.message}`, {
      hint: 'Without root, mounting needs it: install the package fuse3 (apt-get install fuse3)',
      cause,
    });
  });
  if (code === 0) return;
  const reason = stderr.replace(`${COMMAND}: `, '') || `exit code ${code}`;
  const isDevice = stderr.includes('/dev/fuse');
  throw new SessfsError(isDevice ? 'HOST_LACKS' : 'MOUNT_FAILED', `${COMMAND}: ${reason}`, {
    hint: hintFor(stderr),
  });
}

function hintFor(stderr: string): string | undefined {
  if (stderr.includes('/dev/fuse')) {
    return 'Users need read and write access to it, which is usual: chmod 0666 /dev/fuse';
  }
  if (stderr.includes('user_allow_other')) {
    return 'Put the line user_allow_other into /etc/fuse.conf, or mount without --allow-other';
  }
  if (stderr.includes('Operation not permitted')) {
    return 'fusermount3 must be setuid root, and the container must allow mounting';
  }
  return undefined;
}

/** Takes the descriptor out of the message that waits in the socket. */
function receiveDescriptor(socket: number, mountPoint: string): number {
  const data = Buffer.allocUnsafeSlow(8).fill(0);
  const control = Buffer.allocUnsafeSlow(64).fill(0);
  const iov = Buffer.allocUnsafeSlow(16).fill(0);
  iov.writeBigUInt64LE(BigInt(addressOf(data)), 0);
  iov.writeBigUInt64LE(1n, 8);
  const message = Buffer.allocUnsafeSlow(MSGHDR_BYTES).fill(0);
  message.writeBigUInt64LE(BigInt(addressOf(iov)), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(BigInt(addressOf(control)), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  const received = libc().recvmsg(socket, message, MSG_CMSG_CLOEXEC);
  const controlBytes = message.readBigUInt64LE(40);
  if (received < 0 || controlBytes < CMSG_DATA_OFFSET + 4) {
    const reason = received < 0 ? errnoName(lastErrno()) : 'it sent no descriptor';
    throw new SessfsError('MOUNT_FAILED', `Cannot mount on "${mountPoint}": ${reason}`);
  }
  const fd = control.readInt32LE(CMSG_DATA_OFFSET);
  libc().setStatusFlags(fd, F_SETFL_NONBLOCK);
  return fd;
}
