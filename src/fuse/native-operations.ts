/**
 * The callbacks of fuse-native, each carried over to the FileSystem interface.
 *
 * Rule: one callback, one call of `done`, whatever happens. What libfuse 2.9 does not tell (who asks,
 * rename flags, nanoseconds) is in the table of capabilities and not made up here.
 */

import type { NativeOperations, NativeStat } from 'fuse-native';

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { nameFromText, nameToText } from '../shared/names.ts';
import type { Name, NodeId } from '../shared/brands.ts';
import { timeFromMs, timeToMs } from '../shared/time.ts';
import type {
  Attr,
  DirSink,
  Entry,
  FileSystem,
  OpenReply,
  Request,
  SetAttr,
  StatfsReply,
} from './file-system.ts';
import type { Logger } from './logger.ts';
import type { NativePaths } from './native-paths.ts';
import { BLOCK_SIZE_BYTES } from './reply.ts';

interface Handle {
  readonly nodeid: NodeId;
  readonly fh: number;
  readonly flags: number;
}

const O_RDWR = 2;
/** (uid_t)-1: leave it as it is. */
const UNCHANGED = 0xffffffff;
const UINT32 = 4294967296;

export interface NativeContext {
  readonly fileSystem: FileSystem;
  readonly paths: NativePaths;
  /** One object for all: `unique` counts on, the rest stays. */
  readonly request: Request & { unique: number };
  readonly logger: Logger;
}

/** What an operation has come to: a number of bytes or 0. */
type Work = () => number | Promise<number>;

export class NativeAdapter {
  readonly #fs: FileSystem;
  readonly #paths: NativePaths;
  readonly #req: Request & { unique: number };
  readonly #logger: Logger;
  readonly #handles = new Map<number, Handle>();
  #nextHandle = 1;

  constructor(context: NativeContext) {
    this.#fs = context.fileSystem;
    this.#paths = context.paths;
    this.#req = context.request;
    this.#logger = context.logger;
  }

  operations(): NativeOperations {
    return { ...this.#metadata(), ...this.#names(), ...this.#files(), ...this.#xattrs() };
  }

  #run(done: (result: number) => void, work: Work): void {
    this.#settle(work).then(done, (error: unknown) => done(-this.#errnoOf(error)));
  }

  #runWith<T>(done: (errno: number, value?: T) => void, work: () => T | Promise<T>): void {
    this.#settle(work).then(
      (value) => done(0, value),
      (error: unknown) => done(-this.#errnoOf(error)),
    );
  }

  async #settle<T>(work: () => T | Promise<T>): Promise<T> {
    this.#req.unique += 2;
    return work();
  }

  #errnoOf(error: unknown): number {
    if (error instanceof FsError) return error.errno;
    this.#logger.error({ err: error }, 'An operation failed unexpectedly and was answered EIO');
    return Errno.EIO;
  }

  #metadata(): Pick<
    NativeOperations,
    | 'getattr'
    | 'fgetattr'
    | 'statfs'
    | 'readdir'
    | 'readlink'
    | 'truncate'
    | 'ftruncate'
    | 'utimens'
    | 'chown'
    | 'chmod'
  > {
    const getattr: NativeOperations['getattr'] = (path, done) =>
      this.#runWith(done, async () => {
        const nodeid = await this.#paths.resolve(path);
        return toStat((await this.#fs.getattr(this.#req, nodeid, undefined)).attr);
      });
    const set = (path: string, change: SetAttr): Work => {
      return async () => {
        await this.#fs.setattr(this.#req, await this.#paths.resolve(path), change);
        return 0;
      };
    };
    return {
      getattr,
      // The module calls getattr for both; it only looks whether this one is there.
      fgetattr: (path, _handle, done) => getattr(path, done),
      statfs: (_path, done) =>
        this.#runWith(done, async () => toStatfs(await this.#fs.statfs(this.#req, 1 as NodeId))),
      readdir: (path, done) => this.#readdir(path, done),
      readlink: (path, done) =>
        this.#runWith(done, async () =>
          nameToText(await this.#fs.readlink(this.#req, await this.#paths.resolve(path))),
        ),
      truncate: (path, size, done) => this.#run(done, set(path, { size })),
      ftruncate: (path, handle, size, done) =>
        this.#run(done, async () => {
          const open = this.#handles.get(handle);
          if (open === undefined) return set(path, { size })();
          await this.#fs.setattr(this.#req, open.nodeid, { size, fh: open.fh });
          return 0;
        }),
      utimens: (path, atimeMs, mtimeMs, done) =>
        this.#run(done, set(path, { atime: timeFromMs(atimeMs), mtime: timeFromMs(mtimeMs) })),
      chown: (path, uid, gid, done) =>
        this.#run(
          done,
          set(path, {
            ...(uid === UNCHANGED ? {} : { uid }),
            ...(gid === UNCHANGED ? {} : { gid }),
          }),
        ),
      chmod: (path, mode, done) => this.#run(done, set(path, { mode })),
    };
  }

  #readdir(path: string, done: Parameters<NativeOperations['readdir']>[1]): void {
    const list = async (): Promise<ListSink> => {
      const nodeid = await this.#paths.resolve(path);
      const { fh } = await this.#fs.opendir(this.#req, nodeid, 0);
      const sink = new ListSink();
      try {
        while (sink.beginsRound()) {
          await this.#fs.readdir(this.#req, nodeid, fh, sink.cookie, sink);
        }
      } finally {
        this.#fs.releasedir(this.#req, nodeid, fh);
      }
      return sink;
    };
    list().then(
      (sink) => done(0, sink.names, sink.stats),
      (error: unknown) => done(-this.#errnoOf(error)),
    );
  }

  #names(): Pick<
    NativeOperations,
    'mknod' | 'mkdir' | 'symlink' | 'link' | 'unlink' | 'rmdir' | 'rename'
  > {
    const at =
      (path: string, work: (parent: NodeId, name: Name) => unknown): Work =>
      async () => {
        const { parent, name } = await this.#paths.resolveParent(path);
        await work(parent, name);
        return 0;
      };
    const moving =
      (path: string, work: (parent: NodeId, name: Name) => unknown): Work =>
      async () => {
        try {
          return await at(path, work)();
        } finally {
          this.#paths.forgetAll();
        }
      };
    return {
      mknod: (path, mode, device, done) =>
        this.#run(
          done,
          at(path, (parent, name) => this.#fs.mknod(this.#req, parent, name, mode, device)),
        ),
      mkdir: (path, mode, done) =>
        this.#run(
          done,
          at(path, (parent, name) => this.#fs.mkdir(this.#req, parent, name, mode)),
        ),
      symlink: (target, path, done) =>
        this.#run(
          done,
          at(path, (parent, name) =>
            this.#fs.symlink(this.#req, parent, name, nameFromText(target)),
          ),
        ),
      link: (path, newPath, done) =>
        this.#run(
          done,
          at(newPath, async (parent, name) =>
            this.#fs.link(this.#req, await this.#paths.resolve(path), parent, name),
          ),
        ),
      unlink: (path, done) =>
        this.#run(
          done,
          moving(path, (parent, name) => this.#fs.unlink(this.#req, parent, name)),
        ),
      rmdir: (path, done) =>
        this.#run(
          done,
          moving(path, (parent, name) => this.#fs.rmdir(this.#req, parent, name)),
        ),
      rename: (path, newPath, done) =>
        this.#run(
          done,
          moving(path, async (parent, name) => {
            const to = await this.#paths.resolveParent(newPath);
            await this.#fs.rename(this.#req, parent, name, to.parent, to.name, 0);
          }),
        ),
    };
  }

  #files(): Pick<NativeOperations, 'open' | 'create' | 'read' | 'write' | 'release' | 'fsync'> {
    return {
      open: (path, flags, done) =>
        this.#runWith(done, async () => {
          const nodeid = await this.#paths.resolve(path);
          return this.#remember(
            nodeid,
            await this.#fs.open(this.#req, nodeid, flags, false),
            flags,
          );
        }),
      create: (path, mode, done) =>
        this.#runWith(done, async () => {
          const { parent, name } = await this.#paths.resolveParent(path);
          // The flags do not come through; the kernel checks them itself before each read and write.
          const made = await this.#fs.create(this.#req, parent, name, mode, O_RDWR);
          return this.#remember(made.entry.nodeid, made.open, O_RDWR);
        }),
      read: (_path, handle, into, length, offset, done) =>
        this.#run(done, async () => {
          const { nodeid, fh } = this.#get(handle);
          const part = into.subarray(0, length);
          const got = this.#fs.read(this.#req, nodeid, fh, offset, part);
          if (typeof got === 'number') return got;
          const bytes = await got;
          into.set(bytes);
          return bytes.length;
        }),
      write: (_path, handle, data, length, offset, done) =>
        this.#run(done, () => {
          const { nodeid, fh, flags } = this.#get(handle);
          const options = { fromCache: false, killSuidGid: false, openFlags: flags };
          const part = data.subarray(0, length);
          return this.#fs.write(this.#req, nodeid, fh, offset, part, options);
        }),
      release: (_path, handle, done) =>
        this.#run(done, () => {
          const { nodeid, fh, flags } = this.#get(handle);
          this.#handles.delete(handle);
          this.#fs.release(this.#req, nodeid, fh, flags);
          return 0;
        }),
      fsync: (_path, dataOnly, handle, done) =>
        this.#run(done, async () => {
          const { nodeid, fh } = this.#get(handle);
          await this.#fs.fsync(this.#req, nodeid, fh, dataOnly !== 0);
          return 0;
        }),
    };
  }

  #remember(nodeid: NodeId, { fh }: OpenReply, flags: number): number {
    // 32 bits are all that comes back, so the handle is ours and not the file system's.
    while (this.#handles.has(this.#nextHandle))
      this.#nextHandle = (this.#nextHandle % 0x7fffffff) + 1;
    const handle = this.#nextHandle;
    this.#nextHandle = (handle % 0x7fffffff) + 1;
    this.#handles.set(handle, { nodeid, fh, flags });
    return handle;
  }

  #get(handle: number): Handle {
    const open = this.#handles.get(handle);
    if (open === undefined) throw new FsError(Errno.EBADF);
    return open;
  }

  #xattrs(): Pick<NativeOperations, 'setxattr' | 'getxattr' | 'listxattr' | 'removexattr'> {
    return {
      setxattr: (path, name, value, _position, flags, done) =>
        this.#run(done, async () => {
          // Copied first: the bytes are the caller's, and resolving the path may take a turn.
          const copy = Buffer.from(value);
          const nodeid = await this.#paths.resolve(path);
          await this.#fs.setxattr(this.#req, nodeid, nameFromText(name), copy, flags);
          return 0;
        }),
      getxattr: (path, name, _position, done) =>
        this.#runWith(done, async () => {
          const nodeid = await this.#paths.resolve(path);
          const value = await this.#fs.getxattr(this.#req, nodeid, nameFromText(name));
          if (value === undefined) throw new FsError(Errno.ENODATA);
          return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        }),
      listxattr: (path, done) =>
        this.#runWith(done, async () => {
          const nodeid = await this.#paths.resolve(path);
          return (await this.#fs.listxattr(this.#req, nodeid)).map(nameToText);
        }),
      removexattr: (path, name, done) =>
        this.#run(done, async () => {
          const nodeid = await this.#paths.resolve(path);
          await this.#fs.removexattr(this.#req, nodeid, nameFromText(name));
          return 0;
        }),
    };
  }
}

/** Collects a whole directory, round by round. */
class ListSink implements DirSink {
  readonly plus = false;
  readonly names: string[] = [];
  readonly stats: Partial<NativeStat>[] = [];
  cookie = 0;
  #seen = -1;

  /** @returns False when the last round brought nothing: the end. */
  beginsRound(): boolean {
    if (this.#seen === this.names.length) return false;
    this.#seen = this.names.length;
    return true;
  }

  add(name: string, ino: number, type: number, cookie: number, _entry?: Entry): boolean {
    this.names.push(nameToText(name));
    this.stats.push({ ino: ino % UINT32, mode: type });
    this.cookie = cookie;
    return true;
  }
}

function toStat(attr: Attr): NativeStat {
  return {
    mode: attr.mode,
    uid: attr.uid,
    gid: attr.gid,
    size: attr.size,
    nlink: attr.nlink,
    ino: attr.ino % UINT32,
    rdev: attr.rdev,
    blksize: BLOCK_SIZE_BYTES,
    blocks: attr.blocks,
    atime: Math.max(0, Math.floor(timeToMs(attr.atime))),
    mtime: Math.max(0, Math.floor(timeToMs(attr.mtime))),
    ctime: Math.max(0, Math.floor(timeToMs(attr.ctime))),
  };
}

/** Block counts have 32 bits: larger ones are told in larger blocks. */
function toStatfs(reply: StatfsReply): {
  bsize: number;
  frsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  favail: number;
  namemax: number;
} {
  let scale = 1;
  while (reply.blocks / scale >= UINT32) scale *= 2;
  const files = Math.min(reply.files, UINT32 - 1);
  const freeFiles = Math.min(reply.freeFiles, UINT32 - 1);
  return {
    bsize: reply.blockSize,
    frsize: reply.fragmentSize * scale,
    blocks: Math.floor(reply.blocks / scale),
    bfree: Math.floor(reply.freeBlocks / scale),
    bavail: Math.floor(reply.availableBlocks / scale),
    files,
    ffree: freeFiles,
    favail: freeFiles,
    namemax: reply.maxNameBytes,
  };
}
