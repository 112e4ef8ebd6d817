/**
 * A volume's file system in which a request that is sent again is carried out once.
 *
 * Rule: every handler that changes the volume asks first whether a predecessor has carried the request
 * out, and then answers from the state, as the request would have been answered. What such a request
 * does besides its record (counting an open file, cutting a version, telling the kernel) is done again:
 * nobody knows how far the predecessor came, and each of these may be done twice.
 */

import type {
  AttrReply,
  ConnectionInfo,
  Entry,
  Notifier,
  OpenReply,
  Request,
  SetAttr,
  WriteOptions,
} from '../fuse/file-system.ts';
import type { VolumeHistory } from '../history/volume-history.ts';
import type { Name, NodeId } from '../shared/brands.ts';
import type { CarriedOut } from '../volume/answers.ts';
import { settleTruncate } from '../volume/files.ts';
import { getInode } from '../volume/names.ts';
import type { Volume } from '../volume/volume.ts';
import {
  attrReplyOf,
  entryOf,
  mustBeOnDisk,
  OPEN_FILE,
  VolumeFileSystem,
} from './volume-file-system.ts';
import type { VolumeFileSystemOptions } from './volume-file-system.ts';

interface Created {
  readonly entry: Entry;
  readonly open: OpenReply;
}

export class OnceFileSystem extends VolumeFileSystem {
  readonly #volume: Volume;
  readonly #history: VolumeHistory;
  #notifier: Notifier | undefined;

  constructor(options: VolumeFileSystemOptions) {
    super(options);
    this.#volume = options.volume;
    this.#history = options.history;
  }

  override connected(info: ConnectionInfo, notifier: Notifier): void {
    this.#notifier = notifier;
    super.connected(info, notifier);
    this.#history.tellAgain().catch((error: unknown) => {
      this.#volume.report('Cannot tell the kernel of a rollback again', error);
    });
  }

  resendOver(): void {
    this.#volume.resendOver();
  }

  override mknod(req: Request, parent: NodeId, name: Name, mode: number, rdev: number): Entry {
    return this.#findEntry(req) ?? super.mknod(req, parent, name, mode, rdev);
  }

  override mkdir(req: Request, parent: NodeId, name: Name, mode: number): Entry {
    return this.#findEntry(req) ?? super.mkdir(req, parent, name, mode);
  }

  override symlink(req: Request, parent: NodeId, name: Name, target: string): Entry {
    return this.#findEntry(req) ?? super.symlink(req, parent, name, target);
  }

  override link(req: Request, nodeid: NodeId, newParent: NodeId, newName: Name): Entry {
    return this.#findEntry(req) ?? super.link(req, nodeid, newParent, newName);
  }

  override unlink(req: Request, parent: NodeId, name: Name): void {
    if (this.#find(req) === undefined) super.unlink(req, parent, name);
  }

  override rmdir(req: Request, parent: NodeId, name: Name): void {
    if (this.#find(req) === undefined) super.rmdir(req, parent, name);
  }

  override rename(
    req: Request,
    parent: NodeId,
    name: Name,
    newParent: NodeId,
    newName: Name,
    flags: number,
  ): void {
    if (this.#find(req) !== undefined) return;
    super.rename(req, parent, name, newParent, newName, flags);
  }

  override setattr(req: Request, nodeid: NodeId, change: SetAttr): AttrReply {
    const done = this.#find(req);
    if (done === undefined) return super.setattr(req, nodeid, change);
    const inode = getInode(this.#volume, done.ino);
    if (change.size !== undefined && change.fh === undefined) settleTruncate(this.#volume, inode);
    return attrReplyOf(inode);
  }

  override setxattr(
    req: Request,
    nodeid: NodeId,
    name: string,
    value: Uint8Array,
    flags: number,
  ): void {
    if (this.#find(req) === undefined) super.setxattr(req, nodeid, name, value, flags);
  }

  override removexattr(req: Request, nodeid: NodeId, name: string): void {
    if (this.#find(req) === undefined) super.removexattr(req, nodeid, name);
  }

  /** Leaves a record with O_TRUNC only. */
  override open(
    req: Request,
    nodeid: NodeId,
    flags: number,
    killSuidGid: boolean,
  ): OpenReply | Promise<OpenReply> {
    const done = this.#find(req);
    if (done === undefined) return super.open(req, nodeid, flags, killSuidGid);
    this.#tellMode(nodeid);
    this.#volume.cuts.opened(done.ino, flags, req.unique);
    return OPEN_FILE;
  }

  override create(req: Request, parent: NodeId, name: Name, mode: number, flags: number): Created {
    return this.#findCreated(req, flags) ?? super.create(req, parent, name, mode, flags);
  }

  override tmpfile(req: Request, parent: NodeId, mode: number, flags: number): Created {
    return this.#findCreated(req, flags) ?? super.tmpfile(req, parent, mode, flags);
  }

  override write(
    req: Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    data: Uint8Array,
    options: WriteOptions,
  ): number | Promise<number> {
    const done = this.#find(req);
    if (done === undefined) return super.write(req, nodeid, fh, offset, data, options);
    this.#tellMode(nodeid);
    const { length } = done;
    return mustBeOnDisk(options) ? this.#volume.sync().then(() => length) : length;
  }

  override fallocate(
    req: Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    length: number,
    mode: number,
  ): void {
    if (this.#find(req) === undefined) super.fallocate(req, nodeid, fh, offset, length, mode);
    else this.#tellMode(nodeid);
  }

  override copyFileRange(
    req: Request,
    from: { nodeid: NodeId; fh: number; offset: number },
    to: { nodeid: NodeId; fh: number; offset: number },
    length: number,
  ): number {
    const done = this.#find(req);
    if (done === undefined) return super.copyFileRange(req, from, to, length);
    this.#tellMode(to.nodeid);
    return done.length;
  }

  #find(req: Request): CarriedOut | undefined {
    return req.resent ? this.#volume.answers.find(req.unique) : undefined;
  }

  #findEntry(req: Request): Entry | undefined {
    const done = this.#find(req);
    return done && entryOf(getInode(this.#volume, done.ino));
  }

  /** Made, or opened and truncated. */
  #findCreated(req: Request, flags: number): Created | undefined {
    const done = this.#find(req);
    if (done === undefined) return undefined;
    const entry = entryOf(getInode(this.#volume, done.ino));
    this.#tellMode(entry.nodeid);
    this.#volume.cuts.opened(done.ino, flags, req.unique);
    return { entry, open: OPEN_FILE };
  }

  /** The predecessor may have cleared suid and sgid and not have told the kernel. */
  #tellMode(nodeid: NodeId): void {
    this.#notifier?.invalidateInode(nodeid, -1, 0);
  }
}
