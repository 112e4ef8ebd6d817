/**
 * The contract between a file system and the kernel drivers: what src/mount implements and src/fuse calls.
 *
 * Rules for an implementation:
 * - Answer at once wherever the answer is in memory; return a promise only to wait for the disk.
 * - A request object and every Uint8Array argument are valid until the handler returns, not after:
 *   whatever a promise needs later is copied first.
 * - Failures are thrown (or rejected) as FsError; a missing name is `undefined`, not ENOENT.
 * - Nothing here is a system call's number: flags are those of Linux, as they come in the message.
 *
 * Every operation that is left out (optional members) is answered ENOSYS.
 */

import type { Name, NodeId } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';

/** Who asks, and the request's identity. One object is reused for every request of a connection. */
export interface Request {
  /** Unique among the requests of one connection, without the resend bit; even for requests. */
  readonly unique: number;
  /** The kernel sends this request for the second time (FUSE_UNIQUE_RESEND). */
  readonly resent: boolean;
  readonly uid: number;
  readonly gid: number;
  /** 0 for what the kernel does by itself (writeback of shared mappings, readahead). */
  readonly pid: number;
}

/** Attributes as stat(2) tells them. An inode of a volume satisfies this without being copied. */
export interface Attr {
  readonly ino: number;
  readonly size: number;
  /** In units of 512 bytes. */
  readonly blocks: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** As the kernel encodes it in 32 bits (new_encode_dev). */
  readonly rdev: number;
  /** Birth time, for statx(2). */
  readonly btime: Time;
}

/** How long the kernel may cache what it was told, in milliseconds; 0 is not at all. */
export interface Entry {
  readonly nodeid: NodeId;
  readonly attr: Attr;
  readonly entryTtlMs: number;
  readonly attrTtlMs: number;
}

export interface AttrReply {
  readonly attr: Attr;
  readonly attrTtlMs: number;
}

/** What setattr is asked to change; absent fields stay. */
export interface SetAttr {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  /** 'now' is the server's clock. */
  atime?: Time | 'now';
  mtime?: Time | 'now';
  ctime?: Time;
  /** Clear suid, and sgid where group execution is set (FATTR_KILL_SUIDGID). */
  killSuidGid?: boolean;
  /** The open file through which ftruncate(2) came. */
  fh?: number;
}

/** FOPEN_* by name; each defaults to false. */
export interface OpenReply {
  readonly fh: number;
  readonly keepCache?: boolean;
  readonly directIo?: boolean;
  readonly cacheDir?: boolean;
  readonly nonSeekable?: boolean;
}

export interface StatfsReply {
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
  readonly blockSize: number;
  readonly fragmentSize: number;
  readonly maxNameBytes: number;
}

/** Takes the entries of one readdir reply, until it is full. */
export interface DirSink {
  /** True for READDIRPLUS: add() wants entries, so that the kernel need not look each one up. */
  readonly plus: boolean;
  /**
   * Adds one entry.
   *
   * @param cookie Where readdir goes on after this entry: unique in its directory, above 0.
   * @param type The type bits of its mode (S_IFMT), unshifted.
   * @param entry For READDIRPLUS; without it the kernel caches nothing for this name ("." and "..").
   * @returns False if it did not fit: the reply is full, the entry was not added.
   */
  add(name: Name, ino: number, type: number, cookie: number, entry?: Entry): boolean;
}

export interface WriteOptions {
  /** Written back from a shared mapping: `fh` is only a guess and `pid` not the writer (FUSE_WRITE_CACHE). */
  readonly fromCache: boolean;
  /** FUSE_WRITE_KILL_SUIDGID. */
  readonly killSuidGid: boolean;
  /** The open flags of the file written through: O_APPEND, O_SYNC, O_DSYNC. */
  readonly openFlags: number;
}

/** Negotiated with the kernel at INIT; told to the file system before the first request. */
export interface ConnectionInfo {
  readonly maxWriteBytes: number;
  readonly maxReadBytes: number;
  readonly minor: number;
}

/** How the file system tells the kernel what changed behind its back. Never waits; see Notifier. */
export interface Notifier {
  /** Attributes, and the cached pages from offset on (length 0: to the end; offset -1: attributes only). */
  invalidateInode(nodeid: NodeId, offset: number, length: number): void;
  /** A cached name, positive or negative. */
  invalidateEntry(parent: NodeId, name: Name): void;
  /** Resolves when everything queued so far has reached the kernel. */
  drained(): Promise<void>;
}

type Answer<T> = T | Promise<T>;

export interface FileSystem {
  /** Called once, after INIT, or at once for a connection that is resumed. */
  connected?(info: ConnectionInfo, notifier: Notifier): void;
  /**
   * Called once on a connection that another process served before, when every request that it had taken
   * and not answered has been answered: from now on no request comes with `resent` set.
   */
  resendOver?(): void;
  /** The connection has ended (unmounted or aborted). */
  disconnected?(): void;

  /** @returns The child, or undefined: a negative dentry that the kernel may keep (see negativeTtlMs). */
  lookup(req: Request, parent: NodeId, name: Name): Answer<Entry | undefined>;
  /** How long the kernel may remember that a name is missing in `parent`, in milliseconds. */
  negativeTtlMs(parent: NodeId): number;
  forget(nodeid: NodeId, count: number): void;

  getattr(req: Request, nodeid: NodeId, fh: number | undefined): Answer<AttrReply>;
  setattr(req: Request, nodeid: NodeId, change: SetAttr): Answer<AttrReply>;
  readlink(req: Request, nodeid: NodeId): Answer<string>;

  mknod(req: Request, parent: NodeId, name: Name, mode: number, rdev: number): Answer<Entry>;
  mkdir(req: Request, parent: NodeId, name: Name, mode: number): Answer<Entry>;
  symlink(req: Request, parent: NodeId, name: Name, target: string): Answer<Entry>;
  link(req: Request, nodeid: NodeId, newParent: NodeId, newName: Name): Answer<Entry>;
  unlink(req: Request, parent: NodeId, name: Name): Answer<void>;
  rmdir(req: Request, parent: NodeId, name: Name): Answer<void>;
  /** @param flags RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4. */
  rename(
    req: Request,
    parent: NodeId,
    name: Name,
    newParent: NodeId,
    newName: Name,
    flags: number,
  ): Answer<void>;

  /**
   * @param flags As in open(2), with O_TRUNC (atomic_o_trunc is negotiated), without O_CREAT and O_EXCL.
   * @param killSuidGid With O_TRUNC: as for a write (FUSE_OPEN_KILL_SUIDGID).
   */
  open(req: Request, nodeid: NodeId, flags: number, killSuidGid: boolean): Answer<OpenReply>;
  /** Makes and opens a file; opens the one that is there unless flags have O_EXCL. */
  create(
    req: Request,
    parent: NodeId,
    name: Name,
    mode: number,
    flags: number,
  ): Answer<{ entry: Entry; open: OpenReply }>;
  /** O_TMPFILE: makes and opens a file without a name. */
  tmpfile?(
    req: Request,
    parent: NodeId,
    mode: number,
    flags: number,
  ): Answer<{ entry: Entry; open: OpenReply }>;
  /**
   * Reads into the reply.
   *
   * @param into Where the bytes go; its length is what the kernel asked for. Valid until the handler returns.
   * @returns How many bytes were put there, or a promise of the bytes themselves. Fewer only at the end.
   */
  read(
    req: Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    into: Uint8Array,
  ): number | Promise<Uint8Array>;
  /** @returns How many bytes were written: all of them. */
  write(
    req: Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    data: Uint8Array,
    options: WriteOptions,
  ): Answer<number>;
  /** The last descriptor of one open file is gone. `flags` are those that it was opened with. */
  release(req: Request, nodeid: NodeId, fh: number, flags: number): void;
  fsync(req: Request, nodeid: NodeId, fh: number, dataOnly: boolean): Answer<void>;

  opendir(req: Request, nodeid: NodeId, flags: number): Answer<OpenReply>;
  /** @param cookie That of the last entry seen, 0 at the start. */
  readdir(req: Request, nodeid: NodeId, fh: number, cookie: number, sink: DirSink): Answer<void>;
  releasedir(req: Request, nodeid: NodeId, fh: number): void;
  fsyncdir(req: Request, nodeid: NodeId, fh: number, dataOnly: boolean): Answer<void>;
  syncfs?(req: Request): Answer<void>;
  statfs(req: Request, nodeid: NodeId): Answer<StatfsReply>;

  /** @param flags XATTR_CREATE 1, XATTR_REPLACE 2. */
  setxattr(
    req: Request,
    nodeid: NodeId,
    name: string,
    value: Uint8Array,
    flags: number,
  ): Answer<void>;
  /** @returns The value, or undefined for ENODATA. */
  getxattr(req: Request, nodeid: NodeId, name: string): Answer<Uint8Array | undefined>;
  listxattr(req: Request, nodeid: NodeId): Answer<string[]>;
  removexattr(req: Request, nodeid: NodeId, name: string): Answer<void>;

  /** @param mode FALLOC_FL_* as in fallocate(2). */
  fallocate?(
    req: Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    length: number,
    mode: number,
  ): Answer<void>;
  /** SEEK_DATA 3 or SEEK_HOLE 4. */
  lseek?(req: Request, nodeid: NodeId, fh: number, offset: number, whence: number): Answer<number>;
  copyFileRange?(
    req: Request,
    from: { nodeid: NodeId; fh: number; offset: number },
    to: { nodeid: NodeId; fh: number; offset: number },
    length: number,
  ): Answer<number>;
}
