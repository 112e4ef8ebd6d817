/**
 * The kernel's operations on attributes, extended ones too.
 *
 * Rule: layouts are those of <linux/fuse.h>; the numbers are offsets in the message, the header
 * included, which has 40 bytes.
 */

import { Errno } from '../shared/errno.ts';
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_CTIME,
  FATTR_FH,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  FUSE_GETATTR_FH,
} from './abi.ts';
import { answer, encodeNothing, encodeAttr, encodeStatx, encodeStatfs } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { Frame } from './frame.ts';
import type { SetAttr } from './file-system.ts';
import type { Reply } from './reply.ts';

/** The kernel's umode_t: what is above it is no mode. */
const MODE_BITS = 0xffff;

export function getattr(x: Exchange): number {
  const { frame } = x;
  const fh = (frame.u32(40) & FUSE_GETATTR_FH) === 0 ? undefined : frame.u64(48);
  return answer(x, x.fileSystem.getattr(frame, frame.nodeid, fh), encodeAttr);
}

export function statx(x: Exchange): number {
  const { frame } = x;
  const fh = (frame.u32(40) & FUSE_GETATTR_FH) === 0 ? undefined : frame.u64(48);
  return answer(x, x.fileSystem.getattr(frame, frame.nodeid, fh), encodeStatx);
}

export function setattr(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.setattr(frame, frame.nodeid, decodeSetAttr(frame)), encodeAttr);
}

function decodeSetAttr(frame: Frame): SetAttr {
  const valid = frame.u32(40);
  const change: SetAttr = {};
  if (valid & FATTR_FH) change.fh = frame.u64(48);
  if (valid & FATTR_SIZE) change.size = frame.fileOffset(56);
  if (valid & FATTR_ATIME) change.atime = valid & FATTR_ATIME_NOW ? 'now' : frame.time(72, 96);
  if (valid & FATTR_MTIME) change.mtime = valid & FATTR_MTIME_NOW ? 'now' : frame.time(80, 100);
  if (valid & FATTR_CTIME) change.ctime = frame.time(88, 104);
  if (valid & FATTR_MODE) change.mode = frame.u32(108) & MODE_BITS;
  if (valid & FATTR_UID) change.uid = frame.u32(116);
  if (valid & FATTR_GID) change.gid = frame.u32(120);
  if (valid & FATTR_KILL_SUIDGID) change.killSuidGid = true;
  return change;
}

export function statfs(x: Exchange): number {
  return answer(x, x.fileSystem.statfs(x.frame, x.frame.nodeid), encodeStatfs);
}

export function setxattr(x: Exchange): number {
  const { frame } = x;
  const [sizeBytes, flags] = [frame.u32(40), frame.u32(44)];
  const name = frame.string(48);
  const value = frame.data(48 + name.length + 1, sizeBytes);
  const done = x.fileSystem.setxattr(frame, frame.nodeid, name, value, flags);
  return answer(x, done, encodeNothing);
}

/** The size alone if that is all that was asked for, else the value if it fits. */
function encodeXattr(reply: Reply, value: Uint8Array, sizeBytes: number): number {
  if (sizeBytes === 0) return reply.size(value.length);
  return value.length > sizeBytes ? -Errno.ERANGE : reply.copy(value);
}

export function getxattr(x: Exchange): number {
  const { frame } = x;
  const sizeBytes = frame.u32(40);
  const value = x.fileSystem.getxattr(frame, frame.nodeid, frame.string(48));
  if (value instanceof Promise) {
    return x.defer(value, (reply, found) =>
      found === undefined ? -Errno.ENODATA : encodeXattr(reply, found, sizeBytes),
    );
  }
  return value === undefined ? -Errno.ENODATA : encodeXattr(x.reply, value, sizeBytes);
}

export function listxattr(x: Exchange): number {
  const { frame } = x;
  const sizeBytes = frame.u32(40);
  const names = x.fileSystem.listxattr(frame, frame.nodeid);
  return answer(x, names, (reply, list) => {
    const joined = Buffer.from(list.map((name) => `${name}\0`).join(''), 'latin1');
    return encodeXattr(reply, joined, sizeBytes);
  });
}

export function removexattr(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.removexattr(frame, frame.nodeid, frame.string(40)), encodeNothing);
}
