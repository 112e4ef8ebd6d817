/**
 * Each operation of the kernel: which fields its message has, which handler takes them, how the
 * answer is laid out. One row per opcode.
 *
 * Rule: a row returns the number of bytes of the reply's body, a negative errno, NO_REPLY, or what a
 * promise will be encoded by; it never writes to the device. The layouts are those of <linux/fuse.h>,
 * the numbers below are offsets in the message, the header included (IN_HEADER_BYTES is 40).
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
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
  FUSE_FSYNC_FDATASYNC,
  FUSE_GETATTR_FH,
  FUSE_OPEN_KILL_SUIDGID,
  FUSE_WRITE_CACHE,
  FUSE_WRITE_KILL_SUIDGID,
  Opcode,
  OPCODE_LIMIT,
  WRITE_DATA_OFFSET,
} from './abi.ts';
import type { Entry, FileSystem, SetAttr, WriteOptions } from './file-system.ts';
import { MAX_OFFSET } from './frame.ts';
import type { Frame } from './frame.ts';
import type { InitOptions } from './negotiate.ts';
import type { DirReply, Reply } from './reply.ts';

/** What an operation works with: the one request buffer, the one reply buffer, and how to wait. */
export interface Exchange {
  readonly fileSystem: FileSystem;
  readonly frame: Frame;
  readonly reply: Reply;
  readonly options: InitOptions;
  /** A buffer for a directory: its entries may arrive while other requests are answered. */
  takeDirReply(sizeBytes: number): DirReply;
  /** Sends a directory's buffer when `done` has settled, and takes the buffer back. */
  sendDirReply(reply: DirReply, done: Promise<void> | void): typeof DEFERRED;
  /** Sends the answer when the promise has settled. */
  defer<T>(promise: Promise<T>, encode: (reply: Reply, value: T) => number): typeof DEFERRED;
}

/** The message gets no reply at all (FORGET). */
export const NO_REPLY = 0x7ffffffe;
/** The reply is sent later. */
export const DEFERRED = 0x7fffffff;

export interface Operation {
  /** Of the whole message: a shorter one is answered EINVAL before its fields are read. */
  readonly minBytes: number;
  readonly run: (x: Exchange) => number;
}

const encodeEntry = (reply: Reply, entry: Entry): number => reply.entry(entry);
const encodeNothing = (): number => 0;
const encodeSize = (reply: Reply, value: number): number => reply.size(value);
const encodeOffset = (reply: Reply, value: number): number => reply.offset(value);
const encodeBytes = (reply: Reply, bytes: Uint8Array): number => reply.copy(bytes);
const encodeText = (reply: Reply, text: string): number => reply.latin1(text);
const encodeAttr: Encoder<'attr'> = (reply, value) => reply.attr(value);
const encodeStatx: Encoder<'statx'> = (reply, value) => reply.statx(value);
const encodeStatfs: Encoder<'statfs'> = (reply, value) => reply.statfs(value);
const encodeOpen: Encoder<'open'> = (reply, value) => reply.open(value);
const encodeCreated: Encoder<'created'> = (reply, value) => reply.created(value);

type Encoder<K extends 'attr' | 'statx' | 'statfs' | 'open' | 'created'> = (
  reply: Reply,
  value: Parameters<Reply[K]>[0],
) => number;

/** Encodes now, or when the promise has settled. */
function answer<T>(
  x: Exchange,
  value: T | Promise<T>,
  encode: (reply: Reply, value: T) => number,
): number {
  return value instanceof Promise ? x.defer(value, encode) : encode(x.reply, value);
}

function lookup(x: Exchange): number {
  const { frame, fileSystem } = x;
  const parent = frame.nodeid;
  const entry = fileSystem.lookup(frame, parent, frame.name(40));
  if (entry instanceof Promise) {
    return x.defer(entry, (reply, found) =>
      found === undefined
        ? reply.negativeEntry(fileSystem.negativeTtlMs(parent))
        : reply.entry(found),
    );
  }
  return entry === undefined
    ? x.reply.negativeEntry(fileSystem.negativeTtlMs(parent))
    : x.reply.entry(entry);
}

function forget({ frame, fileSystem }: Exchange): number {
  fileSystem.forget(frame.nodeid, frame.u64(40));
  return NO_REPLY;
}

function batchForget({ frame, fileSystem }: Exchange): number {
  const count = Math.min(frame.u32(40), Math.floor((frame.length - 48) / 16));
  for (let i = 0; i < count; i += 1) {
    fileSystem.forget(frame.nodeId(48 + i * 16), frame.u64(56 + i * 16));
  }
  return NO_REPLY;
}

function getattr(x: Exchange): number {
  const { frame } = x;
  const fh = (frame.u32(40) & FUSE_GETATTR_FH) === 0 ? undefined : frame.u64(48);
  return answer(x, x.fileSystem.getattr(frame, frame.nodeid, fh), encodeAttr);
}

function statx(x: Exchange): number {
  const { frame } = x;
  const fh = (frame.u32(40) & FUSE_GETATTR_FH) === 0 ? undefined : frame.u64(48);
  return answer(x, x.fileSystem.getattr(frame, frame.nodeid, fh), encodeStatx);
}

function setattr(x: Exchange): number {
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
  if (valid & FATTR_MODE) change.mode = frame.u32(108);
  if (valid & FATTR_UID) change.uid = frame.u32(116);
  if (valid & FATTR_GID) change.gid = frame.u32(120);
  if (valid & FATTR_KILL_SUIDGID) change.killSuidGid = true;
  return change;
}

function readlink(x: Exchange): number {
  return answer(x, x.fileSystem.readlink(x.frame, x.frame.nodeid), encodeText);
}

function symlink(x: Exchange): number {
  const { frame } = x;
  const name = frame.name(40);
  const target = frame.string(40 + name.length + 1);
  return answer(x, x.fileSystem.symlink(frame, frame.nodeid, name, target), encodeEntry);
}

function mknod(x: Exchange): number {
  const { frame } = x;
  const [mode, rdev] = [frame.u32(40), frame.u32(44)];
  const entry = x.fileSystem.mknod(frame, frame.nodeid, frame.name(56), mode, rdev);
  return answer(x, entry, encodeEntry);
}

function mkdir(x: Exchange): number {
  const { frame } = x;
  const entry = x.fileSystem.mkdir(frame, frame.nodeid, frame.name(48), frame.u32(40));
  return answer(x, entry, encodeEntry);
}

function unlink(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.unlink(frame, frame.nodeid, frame.name(40)), encodeNothing);
}

function rmdir(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.rmdir(frame, frame.nodeid, frame.name(40)), encodeNothing);
}

function rename(x: Exchange): number {
  return renameAt(x, 48, 0);
}

function rename2(x: Exchange): number {
  return renameAt(x, 56, x.frame.u32(48));
}

function renameAt(x: Exchange, namesAt: number, flags: number): number {
  const { frame } = x;
  const newParent = frame.nodeId(40);
  const name = frame.name(namesAt);
  const newName = frame.name(namesAt + name.length + 1);
  const done = x.fileSystem.rename(frame, frame.nodeid, name, newParent, newName, flags);
  return answer(x, done, encodeNothing);
}

function link(x: Exchange): number {
  const { frame } = x;
  const entry = x.fileSystem.link(frame, frame.nodeId(40), frame.nodeid, frame.name(48));
  return answer(x, entry, encodeEntry);
}

function open(x: Exchange): number {
  const { frame } = x;
  if (x.options.messagelessOpen === true) return -Errno.ENOSYS;
  const killSuidGid = (frame.u32(44) & FUSE_OPEN_KILL_SUIDGID) !== 0;
  const opened = x.fileSystem.open(frame, frame.nodeid, frame.u32(40), killSuidGid);
  return answer(x, opened, encodeOpen);
}

function opendir(x: Exchange): number {
  const { frame } = x;
  if (x.options.messagelessOpendir === true) return -Errno.ENOSYS;
  return answer(x, x.fileSystem.opendir(frame, frame.nodeid, frame.u32(40)), encodeOpen);
}

function create(x: Exchange): number {
  const { frame } = x;
  const [flags, mode] = [frame.u32(40), frame.u32(44)];
  const made = x.fileSystem.create(frame, frame.nodeid, frame.name(56), mode, flags);
  return answer(x, made, encodeCreated);
}

function tmpfile(x: Exchange): number {
  const { frame, fileSystem } = x;
  if (fileSystem.tmpfile === undefined) return -Errno.ENOSYS;
  const made = fileSystem.tmpfile(frame, frame.nodeid, frame.u32(44), frame.u32(40));
  return answer(x, made, encodeCreated);
}

function read(x: Exchange): number {
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

function write(x: Exchange): number {
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

function release(x: Exchange): number {
  const { frame } = x;
  x.fileSystem.release(frame, frame.nodeid, frame.u64(40), frame.u32(48));
  return 0;
}

function releasedir(x: Exchange): number {
  x.fileSystem.releasedir(x.frame, x.frame.nodeid, x.frame.u64(40));
  return 0;
}

function fsync(x: Exchange): number {
  const { frame } = x;
  const dataOnly = (frame.u32(48) & FUSE_FSYNC_FDATASYNC) !== 0;
  return answer(x, x.fileSystem.fsync(frame, frame.nodeid, frame.u64(40), dataOnly), encodeNothing);
}

function fsyncdir(x: Exchange): number {
  const { frame, fileSystem } = x;
  const dataOnly = (frame.u32(48) & FUSE_FSYNC_FDATASYNC) !== 0;
  const done = fileSystem.fsyncdir(frame, frame.nodeid, frame.u64(40), dataOnly);
  return answer(x, done, encodeNothing);
}

function readdir(x: Exchange): number {
  return readDirectory(x, false);
}

function readdirplus(x: Exchange): number {
  return readDirectory(x, true);
}

function readDirectory(x: Exchange, plus: boolean): number {
  const { frame } = x;
  const sizeBytes = frame.u32(56);
  const reply = x.takeDirReply(sizeBytes).begin({ plus, sizeBytes });
  let done: Promise<void> | void;
  try {
    done = x.fileSystem.readdir(frame, frame.nodeid, frame.u64(40), frame.u64(48), reply);
  } catch (error) {
    // The buffer goes back also when there is nothing to send from it.
    done = Promise.reject(error);
  }
  return x.sendDirReply(reply, done);
}

function statfs(x: Exchange): number {
  return answer(x, x.fileSystem.statfs(x.frame, x.frame.nodeid), encodeStatfs);
}

function syncfs(x: Exchange): number {
  if (x.fileSystem.syncfs === undefined) return -Errno.ENOSYS;
  return answer(x, x.fileSystem.syncfs(x.frame), encodeNothing);
}

function setxattr(x: Exchange): number {
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

function getxattr(x: Exchange): number {
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

function listxattr(x: Exchange): number {
  const { frame } = x;
  const sizeBytes = frame.u32(40);
  const names = x.fileSystem.listxattr(frame, frame.nodeid);
  return answer(x, names, (reply, list) => {
    const joined = Buffer.from(list.map((name) => `${name}\0`).join(''), 'latin1');
    return encodeXattr(reply, joined, sizeBytes);
  });
}

function removexattr(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.removexattr(frame, frame.nodeid, frame.string(40)), encodeNothing);
}

function fallocate(x: Exchange): number {
  const { frame, fileSystem } = x;
  if (fileSystem.fallocate === undefined) return -Errno.ENOSYS;
  const [offset, length] = [frame.fileOffset(48), frame.fileOffset(56)];
  if (offset + length >= MAX_OFFSET) return -Errno.EFBIG;
  const fh = frame.u64(40);
  const done = fileSystem.fallocate(frame, frame.nodeid, fh, offset, length, frame.u32(64));
  return answer(x, done, encodeNothing);
}

function lseek(x: Exchange): number {
  const { frame, fileSystem } = x;
  if (fileSystem.lseek === undefined) return -Errno.ENOSYS;
  const offset = frame.u64(48);
  if (offset >= MAX_OFFSET) return -Errno.ENXIO;
  const found = fileSystem.lseek(frame, frame.nodeid, frame.u64(40), offset, frame.u32(56));
  return answer(x, found, encodeOffset);
}

function copyFileRange(x: Exchange): number {
  // The answer of the older operation has 32 bits; the kernel asks again for the rest.
  return copyRange(x, 0xfffff000, encodeSize);
}

function copyFileRange64(x: Exchange): number {
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

/** An operation that the kernel stops asking for once it is told that there is none. */
const refused = (errno: number): Operation => ({ minBytes: 40, run: () => -errno });

const rows: readonly (readonly [opcode: number, operation: Operation])[] = [
  [Opcode.LOOKUP, { minBytes: 42, run: lookup }],
  [Opcode.FORGET, { minBytes: 48, run: forget }],
  [Opcode.BATCH_FORGET, { minBytes: 48, run: batchForget }],
  [Opcode.GETATTR, { minBytes: 56, run: getattr }],
  [Opcode.STATX, { minBytes: 64, run: statx }],
  [Opcode.SETATTR, { minBytes: 128, run: setattr }],
  [Opcode.READLINK, { minBytes: 40, run: readlink }],
  [Opcode.SYMLINK, { minBytes: 43, run: symlink }],
  [Opcode.MKNOD, { minBytes: 58, run: mknod }],
  [Opcode.MKDIR, { minBytes: 50, run: mkdir }],
  [Opcode.UNLINK, { minBytes: 42, run: unlink }],
  [Opcode.RMDIR, { minBytes: 42, run: rmdir }],
  [Opcode.RENAME, { minBytes: 52, run: rename }],
  [Opcode.RENAME2, { minBytes: 60, run: rename2 }],
  [Opcode.LINK, { minBytes: 50, run: link }],
  [Opcode.OPEN, { minBytes: 48, run: open }],
  [Opcode.READ, { minBytes: 80, run: read }],
  [Opcode.WRITE, { minBytes: 80, run: write }],
  [Opcode.STATFS, { minBytes: 40, run: statfs }],
  [Opcode.RELEASE, { minBytes: 64, run: release }],
  [Opcode.FSYNC, { minBytes: 56, run: fsync }],
  [Opcode.SETXATTR, { minBytes: 50, run: setxattr }],
  [Opcode.GETXATTR, { minBytes: 50, run: getxattr }],
  [Opcode.LISTXATTR, { minBytes: 48, run: listxattr }],
  [Opcode.REMOVEXATTR, { minBytes: 42, run: removexattr }],
  [Opcode.OPENDIR, { minBytes: 48, run: opendir }],
  [Opcode.READDIR, { minBytes: 80, run: readdir }],
  [Opcode.READDIRPLUS, { minBytes: 80, run: readdirplus }],
  [Opcode.RELEASEDIR, { minBytes: 64, run: releasedir }],
  [Opcode.FSYNCDIR, { minBytes: 56, run: fsyncdir }],
  [Opcode.CREATE, { minBytes: 58, run: create }],
  [Opcode.TMPFILE, { minBytes: 56, run: tmpfile }],
  [Opcode.SYNCFS, { minBytes: 40, run: syncfs }],
  [Opcode.FALLOCATE, { minBytes: 72, run: fallocate }],
  [Opcode.LSEEK, { minBytes: 64, run: lseek }],
  [Opcode.COPY_FILE_RANGE, { minBytes: 96, run: copyFileRange }],
  [Opcode.COPY_FILE_RANGE_64, { minBytes: 96, run: copyFileRange64 }],
  [Opcode.DESTROY, { minBytes: 40, run: () => 0 }],
  // RELEASE tells of the last close, default_permissions checks access, locks are the kernel's own.
  [Opcode.FLUSH, refused(Errno.ENOSYS)],
  [Opcode.ACCESS, refused(Errno.ENOSYS)],
  [Opcode.GETLK, refused(Errno.ENOSYS)],
  [Opcode.SETLK, refused(Errno.ENOSYS)],
  [Opcode.SETLKW, refused(Errno.ENOSYS)],
  [Opcode.BMAP, refused(Errno.ENOSYS)],
  [Opcode.POLL, refused(Errno.ENOSYS)],
  [Opcode.IOCTL, refused(Errno.ENOTTY)],
  // Nothing here waits for long; with ENOSYS the kernel lets interrupted requests run to their end.
  [Opcode.INTERRUPT, refused(Errno.ENOSYS)],
  [Opcode.NOTIFY_REPLY, { minBytes: 40, run: () => NO_REPLY }],
];

/** By opcode; undefined is unknown. INIT is not here: it belongs to the connection. */
export const OPERATIONS: readonly (Operation | undefined)[] = makeTable();

function makeTable(): (Operation | undefined)[] {
  const table: (Operation | undefined)[] = Array.from({ length: OPCODE_LIMIT });
  for (const [opcode, operation] of rows) table[opcode] = operation;
  return table;
}

/** What an error means to the kernel: its own number, or undefined for one that nobody foresaw. */
export function errnoOf(error: unknown): number | undefined {
  return error instanceof FsError ? error.errno : undefined;
}
