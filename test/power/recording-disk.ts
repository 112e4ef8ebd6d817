/**
 * A disk for a store: a file system in memory that writes down what was changed and synced when, and
 * that fails when it is told to.
 *
 * Rule: it is no kinder than a real one. A sync covers what had reached it when it was asked for; a sync
 * that fails leaves what it should have covered readable, but never durable.
 */

import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import type { Name, NodeId } from '../../src/shared/brands.ts';
import * as mode from '../../src/shared/mode.ts';
import type * as fuse from '../../src/fuse/file-system.ts';
import { MemoryFileSystem } from '../fuse/memory-file-system.ts';
import { JournalWriter, nowNs } from './journal.ts';

export type FaultKind = 'write' | 'sync' | 'make' | 'read';

/** One way to fail. */
export interface Fault {
  readonly on: FaultKind;
  /** A regular expression for the path from the root of the disk. */
  readonly path: string;
  readonly errno: number;
  /** How many calls fail; for ever if it is not there. */
  count?: number;
  /** How many calls are let through first. */
  after?: number;
}

export interface Behaviour {
  /** How long a sync takes, in milliseconds: anything between the two. */
  syncMs?: readonly [number, number];
  /** What the disk holds, in bytes. */
  capacity?: number;
  /** Taken by somebody else, in bytes. */
  foreign?: number;
  faults?: Fault[];
}

const BLOCK_BYTES = 4096;

export class RecordingDisk extends MemoryFileSystem {
  behaviour: Behaviour = {};
  readonly #journal: JournalWriter;
  readonly #paths = new Map<number, string>([[1, '']]);
  #used = 0;

  constructor(journal: JournalWriter) {
    super();
    this.#journal = journal;
  }

  // --- names --------------------------------------------------------------------------------------

  override mknod(
    req: fuse.Request,
    parent: NodeId,
    name: Name,
    bits: number,
    rdev: number,
  ): fuse.Entry {
    this.#fail('make', this.#pathIn(parent, name));
    const entry = super.mknod(req, parent, name, bits, rdev) as fuse.Entry;
    this.#made(parent, name, entry.nodeid, bits);
    return entry;
  }

  override mkdir(req: fuse.Request, parent: NodeId, name: Name, bits: number): fuse.Entry {
    this.#fail('make', this.#pathIn(parent, name));
    const entry = super.mkdir(req, parent, name, bits) as fuse.Entry;
    this.#made(parent, name, entry.nodeid, mode.S_IFDIR | bits);
    return entry;
  }

  override create(
    req: fuse.Request,
    parent: NodeId,
    name: Name,
    bits: number,
    flags: number,
  ): { entry: fuse.Entry; open: fuse.OpenReply } {
    const present = this.inodes.get(parent)?.names.get(name);
    if (present === undefined) this.#fail('make', this.#pathIn(parent, name));
    const sizeBefore = present?.size ?? 0;
    const made = super.create(req, parent, name, bits, flags) as {
      entry: fuse.Entry;
      open: fuse.OpenReply;
    };
    const ino = made.entry.nodeid;
    if (present === undefined) this.#made(parent, name, ino, mode.S_IFREG | bits);
    else this.#resized(ino, sizeBefore);
    return made;
  }

  override link(req: fuse.Request, nodeid: NodeId, parent: NodeId, name: Name): fuse.Entry {
    const entry = super.link(req, nodeid, parent, name);
    this.#journal.add({ k: 'link', dir: parent, name, ino: nodeid });
    return entry;
  }

  override unlink(req: fuse.Request, parent: NodeId, name: Name): void {
    const inode = this.inodes.get(parent)?.names.get(name);
    void super.unlink(req, parent, name);
    if (inode?.nlink === 0) this.#used -= inode.size;
    this.#journal.add({ k: 'remove', dir: parent, name });
  }

  override rmdir(req: fuse.Request, parent: NodeId, name: Name): void {
    super.rmdir(req, parent, name);
    this.#journal.add({ k: 'remove', dir: parent, name });
  }

  override rename(
    req: fuse.Request,
    parent: NodeId,
    name: Name,
    newParent: NodeId,
    newName: Name,
    flags: number,
  ): void {
    // An exchange would need an entry of its own, and a store makes none.
    if (flags !== 0) throw new FsError(Errno.EINVAL);
    const inode = this.inodes.get(parent)?.names.get(name);
    const replaced = this.inodes.get(newParent)?.names.get(newName);
    super.rename(req, parent, name, newParent, newName, flags);
    if (replaced?.nlink === 0) this.#used -= replaced.size;
    if (inode !== undefined) this.#paths.set(inode.ino, this.#pathIn(newParent, newName));
    this.#journal.add({ k: 'move', dir: parent, name, newDir: newParent, newName });
  }

  // --- content ------------------------------------------------------------------------------------

  override setattr(req: fuse.Request, nodeid: NodeId, change: fuse.SetAttr): fuse.AttrReply {
    const before = this.inodes.get(nodeid)?.size ?? 0;
    const reply = super.setattr(req, nodeid, change);
    if (change.size !== undefined) this.#resized(nodeid, before);
    return reply;
  }

  override open(req: fuse.Request, nodeid: NodeId, flags: number, kill: boolean): fuse.OpenReply {
    const before = this.inodes.get(nodeid)?.size ?? 0;
    const reply = super.open(req, nodeid, flags, kill) as fuse.OpenReply;
    this.#resized(nodeid, before);
    return reply;
  }

  override read(
    req: fuse.Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    into: Uint8Array,
  ): number {
    this.#fail('read', this.#paths.get(nodeid) ?? '');
    return super.read(req, nodeid, fh, offset, into) as number;
  }

  override write(
    req: fuse.Request,
    nodeid: NodeId,
    fh: number,
    offset: number,
    data: Uint8Array,
    options: fuse.WriteOptions,
  ): number {
    this.#fail('write', this.#paths.get(nodeid) ?? '');
    const before = this.inodes.get(nodeid)?.size ?? 0;
    const room = this.#freeBytes;
    const growth = offset + data.length - before;
    const bytes = growth > room ? data.subarray(0, data.length - (growth - room)) : data;
    if (growth > room && (room <= 0 || bytes.length === 0)) throw new FsError(Errno.ENOSPC);
    void super.write(req, nodeid, fh, offset, bytes, options);
    this.#used += (this.inodes.get(nodeid)?.size ?? 0) - before;
    this.#journal.add({ k: 'write', ino: nodeid, offset, bytes: Buffer.from(bytes) });
    return bytes.length;
  }

  override fallocate(): void {
    throw new FsError(Errno.EOPNOTSUPP);
  }

  override copyFileRange(): number {
    throw new FsError(Errno.EOPNOTSUPP);
  }

  // --- the medium ---------------------------------------------------------------------------------

  override fsync(_req?: fuse.Request, nodeid: NodeId = 1 as NodeId): Promise<void> {
    return this.#sync(nodeid);
  }

  override fsyncdir(_req?: fuse.Request, nodeid: NodeId = 1 as NodeId): Promise<void> {
    return this.#sync(nodeid);
  }

  override statfs(): fuse.StatfsReply {
    const { capacity } = this.behaviour;
    if (capacity === undefined) return super.statfs();
    const blocks = Math.floor(capacity / BLOCK_BYTES);
    const free = Math.max(0, Math.floor(this.#freeBytes / BLOCK_BYTES));
    return { ...super.statfs(), blocks, freeBlocks: free, availableBlocks: free };
  }

  get #freeBytes(): number {
    const { capacity = Infinity, foreign = 0 } = this.behaviour;
    return capacity - foreign - this.#used;
  }

  async #sync(ino: number): Promise<void> {
    const covers = this.#journal.seq;
    const began = nowNs();
    const [least, most] = this.behaviour.syncMs ?? [0, 0];
    const ms = least + Math.random() * (most - least);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    try {
      this.#fail('sync', this.#paths.get(ino) ?? '');
    } catch (error) {
      this.#journal.add({ k: 'lost', ino, covers });
      throw error;
    }
    this.#journal.add({ k: 'sync', ino, covers, began });
  }

  #fail(on: FaultKind, path: string): void {
    for (const fault of this.behaviour.faults ?? []) {
      if (fault.on !== on || !new RegExp(fault.path).test(path)) continue;
      if (fault.after !== undefined && fault.after > 0) {
        fault.after -= 1;
        continue;
      }
      if (fault.count === 0) continue;
      if (fault.count !== undefined) fault.count -= 1;
      throw new FsError(fault.errno as Errno, `as told: ${on} ${path}`);
    }
  }

  #made(dir: number, name: string, ino: number, bits: number): void {
    this.#paths.set(ino, this.#pathIn(dir, name));
    this.#journal.add({ k: 'make', dir, name, ino, mode: bits });
  }

  #resized(ino: number, before: number): void {
    const size = this.inodes.get(ino)?.size ?? 0;
    if (size === before) return;
    this.#used += size - before;
    this.#journal.add({ k: 'truncate', ino, size });
  }

  #pathIn(dir: number, name: string): string {
    return `${this.#paths.get(dir) ?? ''}/${name}`;
  }
}
