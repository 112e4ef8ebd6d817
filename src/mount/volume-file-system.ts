/**
 * A volume as the kernel sees it: the live tree, and `.versions` in every directory of it.
 *
 * nodeid = inode number, for ever; what is above every inode number belongs to the .versions tree, where
 * nothing can be written. Everything live is answered at once, but for directories not in memory and
 * what must reach the disk.
 */

import type {
  AttrReply,
  ConnectionInfo,
  DirSink,
  Entry,
  FileSystem,
  Notifier,
  OpenReply,
  Request,
  SetAttr,
  StatfsReply,
  WriteOptions,
} from '../fuse/file-system.ts';
import type { TreeChange } from '../history/restore-plan.ts';
import type { VolumeHistory } from '../history/volume-history.ts';
import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name, NodeId } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { isDirectory, isMknodType, S_IALLUGO } from '../shared/mode.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../shared/mode.ts';
import type { InodeRecord } from '../index/records.ts';
import { setAttributes } from '../volume/attributes.ts';
import type { AttributeChange } from '../volume/attributes.ts';
import {
  allocateFile,
  cloneFileRange,
  readFile,
  seekFile,
  truncateFile,
  writeFile,
} from '../volume/files.ts';
import {
  findChild,
  getInode,
  linkNode,
  makeNode,
  makeUnnamed,
  removeDirectory,
  renameNode,
  unlinkNode,
} from '../volume/names.ts';
import type { NewNode } from '../volume/names.ts';
import type { Caller } from '../volume/store.ts';
import type { Volume } from '../volume/volume.ts';
import { LiveXattrs } from './live-xattrs.ts';
import { VERSIONS_NAME } from './version-names.ts';
import { VersionsTree } from './versions-tree.ts';
import { measureSpace } from './volume-space.ts';

/** All changes come through this mount or are told to the kernel: what it knows stays true. */
const LIVE_TTL_MS = 24 * 3600 * 1000;

const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_DSYNC = 0o10000;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Where a listing goes on after ".", ".." and ".versions"; the names come after them. */
const DOT_COOKIE = 1;
const DOT_DOT_COOKIE = 2;
const VERSIONS_COOKIE = 3;

/** Handles carry nothing: a server that takes over understands every one. */
export const OPEN_FILE: OpenReply = { fh: 0, keepCache: true };
const OPEN_DIRECTORY: OpenReply = { fh: 0, keepCache: true, cacheDir: true };

export interface VolumeFileSystemOptions {
  readonly volume: Volume;
  readonly history: VolumeHistory;
  readonly versions: VersionsTree;
  /** Shows `.versions` in listings; find, grep -r and the like then walk all of history. */
  readonly listVersions?: boolean;
}

export class VolumeFileSystem implements FileSystem {
  readonly #volume: Volume;
  readonly #versions: VersionsTree;
  readonly #xattrs: LiveXattrs;
  readonly #listVersions: boolean;
  #notifier: Notifier | undefined;

  constructor(options: VolumeFileSystemOptions) {
    this.#volume = options.volume;
    this.#versions = options.versions;
    this.#xattrs = new LiveXattrs(options.volume, options.history);
    this.#listVersions = options.listVersions === true;
    options.history.onChange = (change) => this.#notify(change);
  }

  connected(_info: ConnectionInfo, notifier: Notifier): void {
    this.#notifier = notifier;
  }

  // --- names --------------------------------------------------------------------------------------

  lookup(
    _req: Request,
    parent: NodeId,
    name: Name,
  ): Entry | undefined | Promise<Entry | undefined> {
    if (VersionsTree.isVirtual(parent)) return this.#versions.lookup(parent, name);
    if (name === VERSIONS_NAME) return this.#versions.rootEntry(inoOf(parent));
    const inode = findChild(this.#volume, inoOf(parent), name);
    return inode === undefined ? undefined : entryOf(inode);
  }

  negativeTtlMs(parent: NodeId): number {
    return VersionsTree.isVirtual(parent) ? this.#versions.negativeTtlMs(parent) : LIVE_TTL_MS;
  }

  forget(nodeid: NodeId, count: number): void {
    if (VersionsTree.isVirtual(nodeid)) this.#versions.forget(nodeid, count);
  }

  mknod(req: Request, parent: NodeId, name: Name, mode: number, rdev: number): Entry {
    const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
    if (!isMknodType(type)) throw new FsError(Errno.EINVAL, 'mknod of no such type');
    return this.#make(req, parent, name, { mode: (mode & S_IALLUGO) | type, rdev });
  }

  mkdir(req: Request, parent: NodeId, name: Name, mode: number): Entry {
    return this.#make(req, parent, name, { mode: (mode & S_IALLUGO) | S_IFDIR });
  }

  symlink(req: Request, parent: NodeId, name: Name, target: string): Entry {
    return this.#make(req, parent, name, { mode: S_IFLNK | 0o777, target });
  }

  link(req: Request, nodeid: NodeId, newParent: NodeId, newName: Name): Entry {
    checkNew(newParent, newName);
    if (VersionsTree.isVirtual(nodeid)) throw new FsError(Errno.EXDEV, 'link to a version');
    const place = { parent: inoOf(newParent), name: newName };
    return entryOf(linkNode(this.#volume, req, inoOf(nodeid), place));
  }

  unlink(req: Request, parent: NodeId, name: Name): void {
    checkOld(parent, name);
    unlinkNode(this.#volume, req, inoOf(parent), name);
  }

  rmdir(req: Request, parent: NodeId, name: Name): void {
    checkOld(parent, name);
    removeDirectory(this.#volume, req, inoOf(parent), name);
  }

  rename(
    req: Request,
    parent: NodeId,
    name: Name,
    newParent: NodeId,
    newName: Name,
    flags: number,
  ): void {
    checkOld(parent, name);
    checkNew(newParent, newName);
    const rename = { parent: inoOf(parent), name, newParent: inoOf(newParent), newName, flags };
    renameNode(this.#volume, req, rename);
  }

  #make(req: Request, parent: NodeId, name: Name, node: NewNode): Entry {
    checkNew(parent, name);
    return entryOf(makeNode(this.#volume, req, { parent: inoOf(parent), name }, node));
  }

  // --- attributes ---------------------------------------------------------------------------------

  getattr(_req: Request, nodeid: NodeId): AttrReply | Promise<AttrReply> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.getattr(nodeid);
    return attrReplyOf(getInode(this.#volume, inoOf(nodeid)));
  }

  setattr(req: Request, nodeid: NodeId, change: SetAttr): AttrReply {
    checkLive(nodeid);
    return attrReplyOf(setAttributes(this.#volume, req, inoOf(nodeid), toAttributeChange(change)));
  }

  readlink(_req: Request, nodeid: NodeId): string | Promise<string> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.readlink(nodeid);
    const { target } = getInode(this.#volume, inoOf(nodeid));
    if (target === undefined) throw new FsError(Errno.EINVAL);
    return target;
  }

  setxattr(req: Request, nodeid: NodeId, name: string, value: Uint8Array, flags: number): void {
    checkLive(nodeid);
    this.#xattrs.set(req, inoOf(nodeid), { name, value, flags });
  }

  getxattr(
    _req: Request,
    nodeid: NodeId,
    name: string,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.getxattr(nodeid, name);
    return this.#xattrs.find(inoOf(nodeid), name);
  }

  listxattr(_req: Request, nodeid: NodeId): string[] | Promise<string[]> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.listxattr(nodeid);
    return [...(getInode(this.#volume, inoOf(nodeid)).xattrs?.keys() ?? [])];
  }

  removexattr(req: Request, nodeid: NodeId, name: string): void {
    checkLive(nodeid);
    this.#xattrs.remove(req, inoOf(nodeid), name);
  }

  // --- open files ---------------------------------------------------------------------------------

  open(
    req: Request,
    nodeid: NodeId,
    flags: number,
    killSuidGid: boolean,
  ): OpenReply | Promise<OpenReply> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.open(nodeid, flags);
    const ino = inoOf(nodeid);
    if ((flags & O_TRUNC) !== 0) {
      const options = { size: 0, hasHandle: true, killSuidGid };
      this.#changeContent(nodeid, () => truncateFile(this.#volume, req, ino, options));
    }
    this.#volume.cuts.opened(ino, flags, req.unique);
    return OPEN_FILE;
  }

  create(
    req: Request,
    parent: NodeId,
    name: Name,
    mode: number,
    flags: number,
  ): { entry: Entry; open: OpenReply } {
    checkNew(parent, name);
    const present = findChild(this.#volume, inoOf(parent), name);
    if (present !== undefined && (flags & O_EXCL) === 0) {
      if (isDirectory(present.mode)) throw new FsError(Errno.EISDIR);
      const open = this.open(req, present.ino as number as NodeId, flags, true) as OpenReply;
      return { entry: entryOf(present), open };
    }
    const node = { mode: (mode & S_IALLUGO) | S_IFREG };
    const inode = makeNode(this.#volume, req, { parent: inoOf(parent), name }, node);
    this.#volume.cuts.opened(inode.ino, flags, req.unique);
    return { entry: entryOf(inode), open: OPEN_FILE };
  }

  tmpfile(
    req: Request,
    parent: NodeId,
    mode: number,
    flags: number,
  ): { entry: Entry; open: OpenReply } {
    checkLive(parent);
    const inode = makeUnnamed(this.#volume, req, inoOf(parent), (mode & S_IALLUGO) | S_IFREG);
    this.#volume.cuts.opened(inode.ino, flags, req.unique);
    return { entry: entryOf(inode), open: OPEN_FILE };
  }

  read(
    _req: Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    into: Uint8Array,
  ): number | Promise<Uint8Array> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.read(nodeid, offset, into.length);
    return readFile(this.#volume, inoOf(nodeid), offset, into);
  }

  write(
    req: Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    data: Uint8Array,
    options: WriteOptions,
  ): number | Promise<number> {
    checkLive(nodeid);
    const { killSuidGid } = options;
    const by = options.fromCache ? withoutPid(req) : req;
    const change = { offset, data, killSuidGid };
    const run = (): number =>
      this.#changeContent(nodeid, (ino) => writeFile(this.#volume, by, ino, change));
    return mustBeOnDisk(options) ? this.#volume.syncAfter(run) : run();
  }

  release(req: Request, nodeid: NodeId, _fh: number, flags: number): void {
    if (VersionsTree.isVirtual(nodeid)) {
      this.#versions.release(nodeid);
      return;
    }
    try {
      this.#volume.cuts.released(inoOf(nodeid), flags, req.unique);
    } catch (error) {
      // Nobody waits for the answer. What was not cut stays uncut, and is tried again.
      this.#volume.report('Cannot cut a version', error);
    }
  }

  fsync(_req: Request, nodeid: NodeId): void | Promise<void> {
    return VersionsTree.isVirtual(nodeid) ? undefined : this.#volume.sync();
  }

  fallocate(
    req: Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    length: number,
    mode: number,
  ): void {
    checkLive(nodeid);
    const range = { offset, length, mode };
    this.#changeContent(nodeid, (ino) => allocateFile(this.#volume, req, ino, range));
  }

  lseek(
    _req: Request,
    nodeid: NodeId,
    _fh: number,
    offset: number,
    whence: number,
  ): number | Promise<number> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.lseek(nodeid, offset, whence);
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FsError(Errno.EINVAL);
    return seekFile(this.#volume, inoOf(nodeid), offset, whence === SEEK_DATA ? 'data' : 'hole');
  }

  copyFileRange(
    req: Request,
    from: { nodeid: NodeId; fh: number; offset: number },
    to: { nodeid: NodeId; fh: number; offset: number },
    length: number,
  ): number {
    checkLive(to.nodeid);
    // The kernel then copies by reading and writing.
    if (VersionsTree.isVirtual(from.nodeid)) throw new FsError(Errno.EXDEV);
    const source = { ino: inoOf(from.nodeid), offset: from.offset };
    const target = { ino: inoOf(to.nodeid), offset: to.offset, length };
    return this.#changeContent(to.nodeid, () => cloneFileRange(this.#volume, req, source, target));
  }

  // --- directories --------------------------------------------------------------------------------

  opendir(_req: Request, nodeid: NodeId): OpenReply {
    return VersionsTree.isVirtual(nodeid) ? this.#versions.opendir(nodeid) : OPEN_DIRECTORY;
  }

  readdir(
    _req: Request,
    nodeid: NodeId,
    fh: number,
    cookie: number,
    sink: DirSink,
  ): void | Promise<void> {
    if (VersionsTree.isVirtual(nodeid)) return this.#versions.readdir(nodeid, fh, cookie, sink);
    const ino = inoOf(nodeid);
    if (!this.#addOwn(ino, cookie, sink)) return undefined;
    return this.#volume.listings.read(ino, cookie, (listed) => {
      if (!sink.plus) return sink.add(listed.name, listed.ino, listed.type, listed.cookie);
      const inode = this.#volume.state.findInode(listed.ino);
      const entry = inode === undefined ? undefined : entryOf(inode);
      return sink.add(listed.name, listed.ino, listed.type, listed.cookie, entry);
    });
  }

  releasedir(_req: Request, nodeid: NodeId, fh: number): void {
    if (VersionsTree.isVirtual(nodeid)) this.#versions.releasedir(fh);
  }

  fsyncdir(_req: Request, nodeid: NodeId): void | Promise<void> {
    return VersionsTree.isVirtual(nodeid) ? undefined : this.#volume.sync();
  }

  syncfs(): Promise<void> {
    return this.#volume.sync();
  }

  statfs(): StatfsReply {
    return measureSpace(this.#volume);
  }

  /** ".", ".." and, where that is asked for, ".versions". @returns False if the reply is full. */
  #addOwn(ino: Ino, cookie: number, sink: DirSink): boolean {
    if (cookie < DOT_COOKIE && !sink.add('.' as Name, ino, S_IFDIR, DOT_COOKIE)) return false;
    if (cookie < DOT_DOT_COOKIE) {
      const { parent } = getInode(this.#volume, ino);
      if (!sink.add('..' as Name, parent, S_IFDIR, DOT_DOT_COOKIE)) return false;
    }
    if (!this.#listVersions || cookie >= VERSIONS_COOKIE) return true;
    return sink.add(VERSIONS_NAME, ino, S_IFDIR, VERSIONS_COOKIE);
  }

  /** Linux 6.18: having left suid and sgid to us, the kernel keeps the mode it knew, for execve(2) too. */
  #changeContent<T>(nodeid: NodeId, change: (ino: Ino) => T): T {
    const inode = getInode(this.#volume, inoOf(nodeid));
    const { mode } = inode;
    const result = change(inode.ino);
    if (inode.mode !== mode) this.#notifier?.invalidateInode(nodeid, -1, 0);
    return result;
  }

  /** Resolves when the kernel has heard of it: whoever asked for the change then sees it. */
  async #notify({ inodes, names }: TreeChange): Promise<void> {
    const notifier = this.#notifier;
    if (notifier === undefined) return;
    for (const ino of inodes) notifier.invalidateInode(ino as number as NodeId, 0, 0);
    for (const { parent, name } of names) {
      notifier.invalidateEntry(parent as number as NodeId, name);
    }
    await notifier.drained();
  }
}

/** The path of a live directory from the root, or undefined for one that was removed. */
export function pathOf(volume: Volume, dir: Ino): Name[] | undefined {
  const path: Name[] = [];
  for (let ino = dir; ino !== ROOT_INO;) {
    const inode = volume.state.findInode(ino);
    if (inode === undefined || inode.nlink === 0) return undefined;
    path.unshift(inode.name);
    ino = inode.parent;
  }
  return path;
}

/** The kernel writes shared mappings back in nobody's name. */
const withoutPid = ({ unique, uid, gid }: Request): Caller => ({ unique, uid, gid, pid: 0 });

const inoOf = (nodeid: NodeId): Ino => nodeid as number as Ino;

export const entryOf = (inode: InodeRecord): Entry => ({
  nodeid: inode.ino as number as NodeId,
  attr: inode,
  entryTtlMs: LIVE_TTL_MS,
  attrTtlMs: LIVE_TTL_MS,
});

export const attrReplyOf = (attr: InodeRecord): AttrReply => ({ attr, attrTtlMs: LIVE_TTL_MS });

/** O_SYNC has the bit of O_DSYNC as well. */
export const mustBeOnDisk = ({ openFlags }: WriteOptions): boolean => (openFlags & O_DSYNC) !== 0;

/** @throws {FsError} EROFS In history. */
function checkLive(nodeid: NodeId): void {
  if (VersionsTree.isVirtual(nodeid)) throw new FsError(Errno.EROFS);
}

/** @throws {FsError} EROFS In history; EEXIST For the one name that every directory has already. */
function checkNew(parent: NodeId, name: Name): void {
  checkLive(parent);
  if (name === VERSIONS_NAME) throw new FsError(Errno.EEXIST);
}

/** @throws {FsError} EROFS For history, which cannot be removed. */
function checkOld(parent: NodeId, name: Name): void {
  checkLive(parent);
  if (name === VERSIONS_NAME) throw new FsError(Errno.EROFS);
}

function toAttributeChange(change: SetAttr): AttributeChange {
  const { mode, uid, gid, size, atime, mtime, killSuidGid, fh } = change;
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(size === undefined ? {} : { size }),
    ...(atime === undefined ? {} : { atime }),
    ...(mtime === undefined ? {} : { mtime }),
    ...(killSuidGid === undefined ? {} : { killSuidGid }),
    hasHandle: fh !== undefined,
  };
}
