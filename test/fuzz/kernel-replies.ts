/**
 * What the kernel demands of a reply, for each operation.
 *
 * A reply that breaks it is refused by write(2), marks the inode bad, or kills the connection: Linux
 * 6.18 fs/fuse/dev.c fuse_dev_do_write(), copy_out_args(); fs/fuse/dir.c fuse_invalid_attr().
 */

import { Opcode } from '../../src/fuse/abi.ts';
import { demand } from './finding.ts';

const OUT_HEADER_BYTES = 16;
const ENTRY_BYTES = 128;
const TYPES = new Set([0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000]);

/** Bytes behind the header when it succeeded; where it varies, there is no row. */
const BODY_BYTES = new Map<number, number>([
  [Opcode.LOOKUP, ENTRY_BYTES],
  [Opcode.SYMLINK, ENTRY_BYTES],
  [Opcode.MKNOD, ENTRY_BYTES],
  [Opcode.MKDIR, ENTRY_BYTES],
  [Opcode.LINK, ENTRY_BYTES],
  [Opcode.GETATTR, 104],
  [Opcode.SETATTR, 104],
  [Opcode.STATX, 288],
  [Opcode.UNLINK, 0],
  [Opcode.RMDIR, 0],
  [Opcode.RENAME, 0],
  [Opcode.RENAME2, 0],
  [Opcode.OPEN, 16],
  [Opcode.OPENDIR, 16],
  [Opcode.WRITE, 8],
  [Opcode.STATFS, 80],
  [Opcode.RELEASE, 0],
  [Opcode.RELEASEDIR, 0],
  [Opcode.FSYNC, 0],
  [Opcode.FSYNCDIR, 0],
  [Opcode.SYNCFS, 0],
  [Opcode.SETXATTR, 0],
  [Opcode.REMOVEXATTR, 0],
  [Opcode.INIT, 64],
  [Opcode.DESTROY, 0],
  [Opcode.CREATE, ENTRY_BYTES + 16],
  [Opcode.TMPFILE, ENTRY_BYTES + 16],
  [Opcode.FALLOCATE, 0],
  [Opcode.LSEEK, 8],
  [Opcode.COPY_FILE_RANGE, 8],
  [Opcode.COPY_FILE_RANGE_64, 8],
]);

/** Bytes of the page that the kernel gives for a symlink's target, but for its end. */
const TARGET_MAX_BYTES = 4095;

/** @returns The nodeids that it told. */
export function checkReply(request: Buffer, reply: Buffer): bigint[] {
  const opcode = request.readUInt32LE(4);
  demand(reply.length >= OUT_HEADER_BYTES, 'a reply has a header');
  demand(reply.readUInt32LE(0) === reply.length, 'a reply tells its own length');
  const error = reply.readInt32LE(4);
  demand(error <= 0 && error > -512, `an error is a negative errno: ${error}`);
  const body = reply.subarray(OUT_HEADER_BYTES);
  if (error !== 0) {
    demand(body.length === 0, 'an error has no body');
    return [];
  }
  const wanted = BODY_BYTES.get(opcode);
  if (wanted !== undefined) {
    demand(body.length === wanted, `opcode ${opcode} is answered ${wanted} bytes: ${body.length}`);
  }
  switch (opcode) {
    case Opcode.LOOKUP:
    case Opcode.SYMLINK:
    case Opcode.MKNOD:
    case Opcode.MKDIR:
    case Opcode.LINK:
    case Opcode.CREATE:
    case Opcode.TMPFILE:
      return checkEntry(body, opcode === Opcode.LOOKUP);
    case Opcode.GETATTR:
    case Opcode.SETATTR:
      checkAttr(body.subarray(16));
      return [];
    case Opcode.READLINK:
      demand(body.length <= TARGET_MAX_BYTES, `a target fits a page: ${body.length}`);
      return [];
    case Opcode.READ:
      demand(body.length <= request.readUInt32LE(56), 'READ gives no more than was asked for');
      return [];
    case Opcode.READDIR:
    case Opcode.READDIRPLUS:
      demand(body.length <= request.readUInt32LE(56), 'READDIR gives no more than was asked for');
      return checkDirectory(body, opcode === Opcode.READDIRPLUS);
    case Opcode.GETXATTR:
    case Opcode.LISTXATTR: {
      const size = request.readUInt32LE(40);
      if (size === 0) demand(body.length === 8, 'the size alone was asked for');
      else demand(body.length <= size, 'GETXATTR gives no more than was asked for');
      return [];
    }
    default:
      return [];
  }
}

function checkEntry(body: Buffer, mayBeNegative: boolean): bigint[] {
  const nodeid = body.readBigUInt64LE(0);
  if (nodeid === 0n) {
    demand(mayBeNegative, 'what was made has a nodeid');
    return [];
  }
  demand(nodeid < 1n << 53n, `a nodeid is below 2^53: ${nodeid}`);
  demand(body.readUInt32LE(32) < 1e9 && body.readUInt32LE(36) < 1e9, 'a time to live is a time');
  checkAttr(body.subarray(40));
  return [nodeid];
}

function checkAttr(attr: Buffer): void {
  demand(attr.readBigInt64LE(8) >= 0n, 'a size is not negative');
  for (const at of [48, 52, 56]) demand(attr.readUInt32LE(at) < 1e9, 'nanoseconds are below 10^9');
  const mode = attr.readUInt32LE(60);
  demand(TYPES.has(mode & 0o170000), `a mode has a type: ${mode.toString(8)}`);
}

function checkDirectory(body: Buffer, plus: boolean): bigint[] {
  const told: bigint[] = [];
  for (let at = 0; at < body.length;) {
    if (plus) {
      told.push(...checkPlus(body.subarray(at)));
      at += ENTRY_BYTES;
    }
    demand(at + 24 < body.length, 'a directory entry is whole');
    const length = body.readUInt32LE(at + 16);
    demand(length > 0 && length <= 255, `a name has 1 to 255 bytes: ${length}`);
    const name = body.subarray(at + 24, at + 24 + length);
    demand(name.length === length, 'a name is whole');
    demand(!name.includes(0) && !name.includes('/'), 'a name has neither "/" nor NUL');
    at += (24 + length + 7) & ~7;
  }
  return told;
}

const checkPlus = (body: Buffer): bigint[] => {
  demand(body.length > ENTRY_BYTES, 'an entry is whole');
  return checkEntry(body, true);
};
