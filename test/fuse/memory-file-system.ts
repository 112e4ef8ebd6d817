/**
 * A small complete file system in memory: what the drivers are tested and measured with.
 *
 * Rule: it is plain POSIX and nothing else; a difference between it and ext4 is a fault of the driver.
 */

import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import type { Name, NodeId } from '../../src/shared/brands.ts';
import * as mode from '../../src/shared/mode.ts';
import type { Time } from '../../src/shared/time.ts';
import type * as fuse from '../../src/fuse/file-system.ts';

const TTL_MS = 3_600_000;
const O_ACCMODE = 3;
const O_TRUNC = 0o1000;
const O_EXCL = 0o200;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 16;
const FALLOC_KNOWN = FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE;

export class Inode implements fuse.Attr {
  ino = 0 as NodeId;
  size = 0;
  nlink = 1;
  rdev = 0;
  mode: number;
  uid: number;
  gid: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  btime: Time;
  bytes = Buffer.alloc(0);
  target = '';
  parent: Inode | undefined;
  opens = 0;
  readonly names = new Map<string, Inode>();
  readonly xattrs = new Map<string, Buffer>();

  constructor(bits: number, req: { uid: number; gid: number }) {
    this.mode = bits;
    this.uid = req.uid;
    this.gid = req.gid;
    this.atime = this.mtime = this.ctime = this.btime = currentTime();
  }

  get blocks(): number {
    return Math.ceil(this.size / 4096) * 8;
  }
}

function currentTime(): Time {
  const ms = Date.now();
  return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1e6 };
}

const fail = (errno: Errno): never => {
  throw new FsError(errno);
};

export class MemoryFileSystem implements fuse.FileSystem {
  /** Answers of everything that may be a promise are promises, to test the way they take. */
  isAsync = false;
  notifier: fuse.Notifier | undefined;
  info: fuse.ConnectionInfo | undefined;
  readonly inodes = new Map<number, Inode>();
  #nextIno = 2;

  constructor(owner: { uid: number; gid: number } = { uid: 0, gid: 0 }) {
    const root = new Inode(mode.S_IFDIR | 0o755, owner);
    root.ino = 1 as NodeId;
    root.nlink = 2;
    root.parent = root;
    this.inodes.set(1, root);
  }

  connected(info: fuse.ConnectionInfo, notifier: fuse.Notifier): void {
    this.info = info;
    this.notifier = notifier;
  }

  #get(nodeid: NodeId): Inode {
    return this.inodes.get(nodeid) ?? fail(Errno.ESTALE);
  }

  #child(parent: Inode, name: Name): Inode {
    return parent.names.get(name) ?? fail(Errno.ENOENT);
  }

  #entry(inode: Inode): fuse.Entry {
    return { nodeid: inode.ino, attr: inode, entryTtlMs: TTL_MS, attrTtlMs: TTL_MS };
  }

  #answer<T>(value: T): T | Promise<T> {
    return this.isAsync ? new Promise((resolve) => setImmediate(resolve, value)) : value;
  }

  lookup(
    _req: fuse.Request,
    parent: NodeId,
    name: Name,
  ): fuse.Entry | undefined | Promise<fuse.Entry | undefined> {
    const inode = this.#get(parent).names.get(name);
    return this.#answer(inode === undefined ? undefined : this.#entry(inode));
  }

  negativeTtlMs(): number {
    return TTL_MS;
  }

  forget(): void {}

  getattr(_req: fuse.Request, nodeid: NodeId): fuse.AttrReply | Promise<fuse.AttrReply> {
    return this.#answer({ attr: this.#get(nodeid), attrTtlMs: TTL_MS });
  }

  setattr(_req: fuse.Request, nodeid: NodeId, change: fuse.SetAttr): fuse.AttrReply {
    const inode = this.#get(nodeid);
    const time = currentTime();
    if (change.size !== undefined) {
      resize(inode, change.size);
      inode.mtime = time;
    }
    if (change.mode !== undefined) inode.mode = (inode.mode & mode.S_IFMT) | (change.mode & 0o7777);
    if (change.uid !== undefined) inode.uid = change.uid;
    if (change.gid !== undefined) inode.gid = change.gid;
    if (change.atime !== undefined) inode.atime = change.atime === 'now' ? time : change.atime;
    if (change.mtime !== undefined) inode.mtime = change.mtime === 'now' ? time : change.mtime;
    if (change.killSuidGid === true) killSuidGid(inode);
    inode.ctime = change.ctime ?? time;
    return { attr: inode, attrTtlMs: TTL_MS };
  }

  readlink(_req: fuse.Request, nodeid: NodeId): string | Promise<string> {
    return this.#answer(this.#get(nodeid).target);
  }

  #make(req: fuse.Request, parentId: NodeId, name: Name, bits: number): Inode {
    const parent = this.#get(parentId);
    if (parent.names.has(name)) fail(Errno.EEXIST);
    const inode = new Inode(bits, req);
    inode.ino = this.#nextIno as NodeId;
    this.#nextIno += 1;
    if ((parent.mode & mode.S_ISGID) !== 0) {
      inode.gid = parent.gid;
      if (mode.isDirectory(bits)) inode.mode |= mode.S_ISGID;
    }
    if (mode.isDirectory(bits)) {
      inode.nlink = 2;
      inode.parent = parent;
      parent.nlink += 1;
    }
    this.inodes.set(inode.ino, inode);
    parent.names.set(name, inode);
    parent.mtime = parent.ctime = currentTime();
    return inode;
  }

  mknod(
    req: fuse.Request,
    parent: NodeId,
    name: Name,
    bits: number,
    rdev: number,
  ): fuse.Entry | Promise<fuse.Entry> {
    const inode = this.#make(req, parent, name, bits);
    inode.rdev = rdev;
    return this.#answer(this.#entry(inode));
  }

  mkdir(
    req: fuse.Request,
    parent: NodeId,
    name: Name,
    bits: number,
  ): fuse.Entry | Promise<fuse.Entry> {
    return this.#answer(this.#entry(this.#make(req, parent, name, mode.S_IFDIR | (bits & 0o7777))));
  }

  symlink(req: fuse.Request, parent: NodeId, name: Name, target: string): fuse.Entry {
    const inode = this.#make(req, parent, name, mode.S_IFLNK | 0o777);
    inode.target = target;
    inode.size = target.length;
    return this.#entry(inode);
  }

  link(_req: fuse.Request, nodeid: NodeId, parentId: NodeId, name: Name): fuse.Entry {
    const parent = this.#get(parentId);
    const inode = this.#get(nodeid);
    if (parent.names.has(name)) fail(Errno.EEXIST);
    parent.names.set(name, inode);
    inode.nlink += 1;
    inode.ctime = parent.mtime = parent.ctime = currentTime();
    return this.#entry(inode);
  }

  #drop(parent: Inode, name: Name, inode: Inode): void {
    parent.names.delete(name);
    parent.mtime = parent.ctime = inode.ctime = currentTime();
    if (mode.isDirectory(inode.mode)) {
      parent.nlink -= 1;
      inode.nlink = 0;
    } else inode.nlink -= 1;
    if (inode.nlink === 0 && inode.opens === 0) this.inodes.delete(inode.ino);
  }

  unlink(_req: fuse.Request, parentId: NodeId, name: Name): void | Promise<void> {
    const parent = this.#get(parentId);
    const inode = this.#child(parent, name);
    if (mode.isDirectory(inode.mode)) fail(Errno.EISDIR);
    this.#drop(parent, name, inode);
    return this.isAsync ? this.#answer<void>(undefined) : undefined;
  }

  rmdir(_req: fuse.Request, parentId: NodeId, name: Name): void {
    const parent = this.#get(parentId);
    const inode = this.#child(parent, name);
    if (!mode.isDirectory(inode.mode)) fail(Errno.ENOTDIR);
    if (inode.names.size > 0) fail(Errno.ENOTEMPTY);
    this.#drop(parent, name, inode);
  }

  rename(
    _req: fuse.Request,
    parentId: NodeId,
    name: Name,
    newParentId: NodeId,
    newName: Name,
    flags: number,
  ): void {
    const from = this.#get(parentId);
    const to = this.#get(newParentId);
    const inode = this.#child(from, name);
    const target = to.names.get(newName);
    if ((flags & 1) !== 0 && target !== undefined) fail(Errno.EEXIST);
    if ((flags & 4) !== 0) fail(Errno.EINVAL);
    if ((flags & 2) !== 0) {
      if (target === undefined) return fail(Errno.ENOENT);
      this.#move(target, to, from);
      from.names.set(name, target);
    } else {
      if (target === inode) return;
      if (target !== undefined) {
        if (target.names.size > 0) fail(Errno.ENOTEMPTY);
        this.#drop(to, newName, target);
      }
      from.names.delete(name);
    }
    this.#move(inode, from, to);
    to.names.set(newName, inode);
    from.mtime = from.ctime = to.mtime = to.ctime = inode.ctime = currentTime();
  }

  #move(inode: Inode, from: Inode, to: Inode): void {
    if (!mode.isDirectory(inode.mode)) return;
    inode.parent = to;
    from.nlink -= 1;
    to.nlink += 1;
  }

  #opened(inode: Inode): fuse.OpenReply {
    inode.opens += 1;
    return { fh: 7, keepCache: true };
  }

  open(
    _req: fuse.Request,
    nodeid: NodeId,
    flags: number,
    kill: boolean,
  ): fuse.OpenReply | Promise<fuse.OpenReply> {
    const inode = this.#get(nodeid);
    if ((flags & O_TRUNC) !== 0 && (flags & O_ACCMODE) !== 0) {
      resize(inode, 0);
      inode.mtime = inode.ctime = currentTime();
      if (kill) killSuidGid(inode);
    }
    return this.#answer(this.#opened(inode));
  }

  create(
    req: fuse.Request,
    parent: NodeId,
    name: Name,
    bits: number,
    flags: number,
  ):
    | { entry: fuse.Entry; open: fuse.OpenReply }
    | Promise<{ entry: fuse.Entry; open: fuse.OpenReply }> {
    const existing = this.#get(parent).names.get(name);
    if (existing !== undefined && (flags & O_EXCL) !== 0) fail(Errno.EEXIST);
    const inode = existing ?? this.#make(req, parent, name, mode.S_IFREG | (bits & 0o7777));
    if (existing !== undefined && (flags & O_TRUNC) !== 0) resize(inode, 0);
    return this.#answer({ entry: this.#entry(inode), open: this.#opened(inode) });
  }

  tmpfile(
    req: fuse.Request,
    parent: NodeId,
    bits: number,
  ): { entry: fuse.Entry; open: fuse.OpenReply } {
    const name = ' tmpfile' as Name;
    const inode = this.#make(req, parent, name, mode.S_IFREG | (bits & 0o7777));
    this.#get(parent).names.delete(name);
    inode.nlink = 0;
    return { entry: this.#entry(inode), open: this.#opened(inode) };
  }

  read(
    _req: fuse.Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    into: Uint8Array,
  ): number | Promise<Uint8Array> {
    const inode = this.#get(nodeid);
    const part = inode.bytes.subarray(
      Math.min(offset, inode.size),
      Math.min(inode.size, offset + into.length),
    );
    if (this.isAsync) return Promise.resolve(Buffer.from(part));
    into.set(part);
    return part.length;
  }

  write(
    _req: fuse.Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    data: Uint8Array,
    options: fuse.WriteOptions,
  ): number | Promise<number> {
    const inode = this.#get(nodeid);
    if (options.killSuidGid) killSuidGid(inode);
    if (offset + data.length > inode.size) resize(inode, offset + data.length);
    inode.bytes.set(data, offset);
    inode.mtime = inode.ctime = currentTime();
    return this.#answer(data.length);
  }

  release(_req: fuse.Request, nodeid: NodeId): void {
    const inode = this.#get(nodeid);
    inode.opens -= 1;
    if (inode.nlink === 0 && inode.opens === 0) this.inodes.delete(nodeid);
  }

  fsync(): void | Promise<void> {
    return this.isAsync ? this.#answer<void>(undefined) : undefined;
  }

  opendir(): fuse.OpenReply {
    return { fh: 0, cacheDir: true, keepCache: true };
  }

  readdir(
    _req: fuse.Request,
    nodeid: NodeId,
    _fh: number,
    cookie: number,
    sink: fuse.DirSink,
  ): void | Promise<void> {
    const dir = this.#get(nodeid);
    if (!this.isAsync) return this.#list(dir, cookie, sink);
    return new Promise((resolve) =>
      setImmediate(() => {
        this.#list(dir, cookie, sink);
        resolve();
      }),
    );
  }

  #list(dir: Inode, cookie: number, sink: fuse.DirSink): void {
    const rows: [string, Inode][] = [['.', dir], ['..', dir.parent ?? dir], ...dir.names];
    for (let i = cookie; i < rows.length; i += 1) {
      const row = rows[i];
      if (row === undefined) return;
      const [name, inode] = row;
      const entry = i < 2 ? undefined : this.#entry(inode);
      if (!sink.add(name as Name, inode.ino, inode.mode & mode.S_IFMT, i + 1, entry)) return;
    }
  }

  releasedir(): void {}
  fsyncdir(): void {}

  statfs(): fuse.StatfsReply {
    return {
      blocks: 1 << 24,
      freeBlocks: 1 << 23,
      availableBlocks: 1 << 23,
      files: 1 << 20,
      freeFiles: (1 << 20) - this.inodes.size,
      blockSize: 4096,
      fragmentSize: 4096,
      maxNameBytes: 255,
    };
  }

  setxattr(
    _req: fuse.Request,
    nodeid: NodeId,
    name: string,
    value: Uint8Array,
    flags: number,
  ): void {
    const { xattrs } = this.#get(nodeid);
    if ((flags & 1) !== 0 && xattrs.has(name)) fail(Errno.EEXIST);
    if ((flags & 2) !== 0 && !xattrs.has(name)) fail(Errno.ENODATA);
    xattrs.set(name, Buffer.from(value));
  }

  getxattr(
    _req: fuse.Request,
    nodeid: NodeId,
    name: string,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.#answer<Uint8Array | undefined>(this.#get(nodeid).xattrs.get(name));
  }

  listxattr(_req: fuse.Request, nodeid: NodeId): string[] {
    return [...this.#get(nodeid).xattrs.keys()];
  }

  removexattr(_req: fuse.Request, nodeid: NodeId, name: string): void {
    if (!this.#get(nodeid).xattrs.delete(name)) fail(Errno.ENODATA);
  }

  fallocate(
    _req: fuse.Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    length: number,
    flags: number,
  ): void {
    const inode = this.#get(nodeid);
    if ((flags & ~FALLOC_KNOWN) !== 0) fail(Errno.EOPNOTSUPP);
    if ((flags & FALLOC_KEEP_SIZE) === 0 && offset + length > inode.size) {
      resize(inode, offset + length);
    }
    if ((flags & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0) {
      inode.bytes.fill(0, Math.min(offset, inode.size), Math.min(offset + length, inode.size));
    }
  }

  lseek(
    _req: fuse.Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    whence: number,
  ): number | Promise<number> {
    const inode = this.#get(nodeid);
    if (offset >= inode.size) fail(Errno.ENXIO);
    return this.#answer(whence === 3 ? offset : inode.size);
  }

  copyFileRange(
    _req: fuse.Request,
    from: { nodeid: NodeId; offset: number },
    to: { nodeid: NodeId; offset: number },
    length: number,
  ): number {
    const source = this.#get(from.nodeid);
    const target = this.#get(to.nodeid);
    const end = Math.min(source.size, from.offset + length);
    const part = Buffer.from(source.bytes.subarray(Math.min(from.offset, source.size), end));
    if (to.offset + part.length > target.size) resize(target, to.offset + part.length);
    target.bytes.set(part, to.offset);
    return part.length;
  }
}

/** Grows by doubling, so that appends stay cheap; what is past the size is always zero. */
function resize(inode: Inode, size: number): void {
  if (size > 0x4000_0000) fail(Errno.EFBIG);
  if (size > inode.bytes.length) {
    const grown = Buffer.alloc(Math.max(size, inode.bytes.length * 2));
    inode.bytes.copy(grown);
    inode.bytes = grown;
  } else if (size < inode.size) {
    inode.bytes.fill(0, size, inode.size);
  }
  inode.size = size;
}

function killSuidGid(inode: Inode): void {
  inode.mode &= ~mode.S_ISUID;
  if ((inode.mode & mode.S_IXGRP) !== 0) inode.mode &= ~mode.S_ISGID;
}
