/**
 * Messages that change a volume, as the kernel sends them; written from <linux/fuse.h>.
 */

import { Opcode } from '../../src/fuse/abi.ts';
import { text, u32, u64 } from '../fuse/frames.ts';
import type { FrameOptions } from '../fuse/frames.ts';

export type Message = Omit<FrameOptions, 'unique' | 'resent'>;

export const O_WRONLY = 1;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_DSYNC = 0o10000;

const FATTR_MODE = 1;
const FATTR_UID = 2;
const FATTR_SIZE = 8;
const FATTR_MTIME = 32;
const FATTR_FH = 64;

const concat = (parts: Buffer[]): Buffer => Buffer.concat(parts);

export const mknod = (nodeid: number, name: string, mode = 0o100644, rdev = 0): Message => ({
  opcode: Opcode.MKNOD,
  nodeid,
  body: concat([u32(mode, rdev, 0, 0), text(name)]),
});

export const mkdir = (nodeid: number, name: string): Message => ({
  opcode: Opcode.MKDIR,
  nodeid,
  body: concat([u32(0o755, 0), text(name)]),
});

export const symlink = (nodeid: number, name: string, target: string): Message => ({
  opcode: Opcode.SYMLINK,
  nodeid,
  body: concat([text(name), text(target)]),
});

export const link = (nodeid: number, newParent: number, name: string): Message => ({
  opcode: Opcode.LINK,
  nodeid: newParent,
  body: concat([u64(nodeid), text(name)]),
});

export const unlink = (nodeid: number, name: string): Message => ({
  opcode: Opcode.UNLINK,
  nodeid,
  body: text(name),
});

export const rmdir = (nodeid: number, name: string): Message => ({
  opcode: Opcode.RMDIR,
  nodeid,
  body: text(name),
});

export const rename = (
  from: readonly [nodeid: number, name: string],
  to: readonly [nodeid: number, name: string],
): Message => ({
  opcode: Opcode.RENAME,
  nodeid: from[0],
  body: concat([u64(to[0]), text(from[1]), text(to[1])]),
});

export const rename2 = (
  from: readonly [nodeid: number, name: string],
  to: readonly [nodeid: number, name: string],
  flags: number,
): Message => ({
  opcode: Opcode.RENAME2,
  nodeid: from[0],
  body: concat([u64(to[0]), u32(flags, 0), text(from[1]), text(to[1])]),
});

export const open = (nodeid: number, flags: number): Message => ({
  opcode: Opcode.OPEN,
  nodeid,
  body: u32(flags, 0),
});

export const create = (nodeid: number, name: string, flags: number): Message => ({
  opcode: Opcode.CREATE,
  nodeid,
  body: concat([u32(flags, 0o100644, 0, 0), text(name)]),
});

export const tmpfile = (nodeid: number, flags: number): Message => ({
  opcode: Opcode.TMPFILE,
  nodeid,
  body: concat([u32(flags, 0o100600, 0, 0), text('')]),
});

export const write = (nodeid: number, offset: number, data: Buffer, flags = O_WRONLY): Message => ({
  opcode: Opcode.WRITE,
  nodeid,
  body: concat([u64(0, offset), u32(data.length, 0), u64(0), u32(flags, 0), data]),
});

export const release = (nodeid: number, flags: number): Message => ({
  opcode: Opcode.RELEASE,
  nodeid,
  body: concat([u64(0), u32(flags, 0), u64(0)]),
});

export const fallocate = (
  nodeid: number,
  offset: number,
  length: number,
  mode: number,
): Message => ({
  opcode: Opcode.FALLOCATE,
  nodeid,
  body: concat([u64(0, offset, length), u32(mode, 0)]),
});

export const copyRange = (
  from: readonly [nodeid: number, offset: number],
  to: readonly [nodeid: number, offset: number],
  length: number,
  opcode: number = Opcode.COPY_FILE_RANGE,
): Message => ({
  opcode,
  nodeid: from[0],
  body: u64(0, from[1], to[0], 0, to[1], length, 0),
});

export const setxattr = (nodeid: number, name: string, value: string, flags = 0): Message => ({
  opcode: Opcode.SETXATTR,
  nodeid,
  body: concat([u32(value.length, flags), text(name), Buffer.from(value)]),
});

export const removexattr = (nodeid: number, name: string): Message => ({
  opcode: Opcode.REMOVEXATTR,
  nodeid,
  body: text(name),
});

export const chmod = (nodeid: number, mode: number): Message =>
  setattr(nodeid, FATTR_MODE, { mode });

export const chown = (nodeid: number, uid: number): Message => setattr(nodeid, FATTR_UID, { uid });

export const utimes = (nodeid: number, sec: number): Message =>
  setattr(nodeid, FATTR_MTIME, { mtime: sec });

/** truncate(2), by path. */
export const truncate = (nodeid: number, size: number): Message =>
  setattr(nodeid, FATTR_SIZE, { size });

export const ftruncate = (nodeid: number, size: number): Message =>
  setattr(nodeid, FATTR_SIZE | FATTR_FH, { size });

function setattr(
  nodeid: number,
  valid: number,
  change: { mode?: number; uid?: number; size?: number; mtime?: number },
): Message {
  const { mode = 0, uid = 0, size = 0, mtime = 0 } = change;
  const body = concat([
    u32(valid, 0),
    u64(0, size, 0, 0, mtime, 0),
    u32(0, 0, 0, mode, 0, uid, 0, 0),
  ]);
  return { opcode: Opcode.SETATTR, nodeid, body };
}
