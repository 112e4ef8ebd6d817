/**
 * The kernel's operations on open files and their content.
 *
 * Rule: layouts are those of <linux/fuse.h>; the numbers are offsets in the message, the header
 * included, which has 40 bytes.
 */

import { Errno } from '../shared/errno.ts';
import {
  FUSE_FSYNC_FDATASYNC,
  FUSE_OPEN_KILL_SUIDGID,
  FUSE_WRITE_CACHE,
  FUSE_WRITE_KILL_SUIDGID,
  WRITE_DATA_OFFSET,
} from './abi.ts';
import {
  answer,
  encodeNothing,
  encodeSize,
  encodeOffset,
  encodeBytes,
  encodeOpen,
  encodeCreated,
} from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { MAX_OFFSET } from './frame.ts';
import type { WriteOptions } from './file-system.ts';
import type { Reply } from './reply.ts';

export function open(x: Exchange): number {
  const { frame } = x;
  if (x.options.messagelessOpen === true) return -Errno.ENOSYS;
  const killSuidGid = (frame.u32(44) & FUSE_OPEN_KILL_SUIDGID) !== 0;
  const opened = x.fileSystem.open(frame, frame.nodeid, frame.u32(40), killSuidGid);
  return answer(x, opened, encodeOpen);
}

export function create(x: Exchange): number {
  const { frame } = x;
  const [flags, mode] = [frame.u32(40), frame.u32(44)];
  const made = x.fileSystem.create(frame, frame.nodeid, frame.name(56), mode, flags);
  return answer(x, made, encodeCreated);
}

export function tmpfile(x: Exchange): number {
  const { frame, fileSystem } = x;
  if (fileSystem.tmpfile === undefined) return -Errno.ENOSYS;
  const made = fileSystem.tmpfile(frame, frame.nodeid, frame.u32(44), frame.u32(40));
  return answer(x, made, encodeCreated);
}

export function read(x: Exchange): number {
  const { frame, reply } = x;
  const sizeBytes = Math.min(frame.u32(56), reply.capacityBytes);
  const offset = frame.u64(48);
  if (offset >= MAX_OFFSET) return 0;
  const into = reply.body(sizeBytes);
  const got = x.fileSystem.read(frame, frame.nodeid, frame.u64(40), offset, into);
  return typeof got === 'number' ? got : x.defer(got, encodeBytes);
}

/** One object, filled anew for each write: handlers do not keep it. */
const writeOptions: { -readonly [K in keyof WriteOptions]: WriteOptions[K] } = {
  fromCache: false,
  killSuidGid: false,
  openFlags: 0,
};

export function write(x: Exchange): number {
  const { frame } = x;
  const flags = frame.u32(60);
  writeOptions.fromCache = (flags & FUSE_WRITE_CACHE) !== 0;
  writeOptions.killSuidGid = (flags & FUSE_WRITE_KILL_SUIDGID) !== 0;
  writeOptions.openFlags = frame.u32(72);
  const data = frame.data(WRITE_DATA_OFFSET, frame.u32(56));
  const offset = frame.fileOffset(48);
  const fh = frame.u64(40);
  const written = x.fileSystem.write(frame, frame.nodeid, fh, offset, data, writeOptions);
  return answer(x, written, encodeSize);
}

export function release(x: Exchange): number {
  const { frame } = x;
  x.fileSystem.release(frame, frame.nodeid, frame.u64(40), frame.u32(48));
  return 0;
}

export function fsync(x: Exchange): number {
  const { frame } = x;
  const dataOnly = (frame.u32(48) & FUSE_FSYNC_FDATASYNC) !== 0;
  return answer(x, x.fileSystem.fsync(frame, frame.nodeid, frame.u64(40), dataOnly), encodeNothing);
}

export function syncfs(x: Exchange): number {
  if (x.fileSystem.syncfs === undefined) return -Errno.ENOSYS;
  return answer(x, x.fileSystem.syncfs(x.frame), encodeNothing);
}

export function fallocate(x: Exchange): number {
  const { frame, fileSystem } = x;
  if (fileSystem.fallocate === undefined) return -Errno.ENOSYS;
  const [offset, length] = [frame.fileOffset(48), frame.fileOffset(56)];
  if (offset + length >= MAX_OFFSET) return -Errno.EFBIG;
  const fh = frame.u64(40);
  const done = fileSystem.fallocate(frame, frame.nodeid, fh, offset, length, frame.u32(64));
  return answer(x, done, encodeNothing);
}

export function lseek(x: Exchange): number {
  const { frame, fileSystem } = x;
  if (fileSystem.lseek === undefined) return -Errno.ENOSYS;
  const offset = frame.u64(48);
  if (offset >= MAX_OFFSET) return -Errno.ENXIO;
  const found = fileSystem.lseek(frame, frame.nodeid, frame.u64(40), offset, frame.u32(56));
  return answer(x, found, encodeOffset);
}

export function copyFileRange(x: Exchange): number {
  // The answer of the older operation has 32 bits; the kernel asks again for the rest.
  return copyRange(x, 0xfffff000, encodeSize);
}

export function copyFileRange64(x: Exchange): number {
  return copyRange(x, MAX_OFFSET, encodeOffset);
}

function copyRange(
  x: Exchange,
  limit: number,
  encode: (reply: Reply, value: number) => number,
): number {
  const { frame, fileSystem } = x;
  if (fileSystem.copyFileRange === undefined) return -Errno.ENOSYS;
  const from = { nodeid: frame.nodeid, fh: frame.u64(40), offset: frame.fileOffset(48) };
  const to = { nodeid: frame.nodeId(56), fh: frame.u64(64), offset: frame.fileOffset(72) };
  const length = Math.min(frame.u64(80), limit);
  return answer(x, fileSystem.copyFileRange(frame, from, to, length), encode);
}
