/**
 * Names: looking up, making, linking, removing, renaming.
 *
 * Each function checks, then commits one event. Permissions are the kernel's (default_permissions).
 */

import { isDirectory, S_IFCHR, S_ISGID } from '../shared/mode.ts';
import { NAME_MAX_BYTES } from '../shared/names.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import type { InodeRecord } from '../index/records.ts';
import type { MakeEvent, RenameEvent } from './events.ts';
import type { Place } from './promiser.ts';
import type { Caller } from './store.ts';
import type { Volume } from './volume.ts';

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

/** As ext4: a count that programs have met. */
const LINK_MAX = 65_000;

/** PATH_MAX without its NUL: the kernel reads a target into one page. */
const TARGET_MAX_BYTES = 4095;

export interface NewNode {
  /** With the type bits. */
  readonly mode: number;
  readonly rdev?: number;
  /** Of a symlink. */
  readonly target?: string;
}

/**
 * @returns The inode that a name stands for, or undefined.
 * @throws {FsError} ENAMETOOLONG, ENOTDIR
 */
export function findChild(volume: Volume, parent: Ino, name: Name): InodeRecord | undefined {
  if (name.length > NAME_MAX_BYTES) throw new FsError(Errno.ENAMETOOLONG);
  const dentry = volume.state.findDentry(parent, name);
  return dentry === undefined ? undefined : volume.state.findInode(dentry.ino);
}

/**
 * An inode that the kernel, or a caller, knows by number.
 *
 * @throws {FsError} ESTALE If there is none.
 */
export function getInode(volume: Volume, ino: Ino): InodeRecord {
  const inode = volume.state.findInode(ino);
  if (inode === undefined) throw new FsError(Errno.ESTALE, `inode ${ino}`);
  return inode;
}

/**
 * Makes a file, directory, symlink or special file.
 *
 * @throws {FsError} EEXIST, ENOENT (the directory was removed), ENOTDIR, ENAMETOOLONG, EDQUOT
 */
export function makeNode(
  volume: Volume,
  caller: Caller,
  place: { readonly parent: Ino; readonly name: Name },
  node: NewNode,
): InodeRecord {
  const directory = getDirectory(volume, place.parent);
  checkFree(volume, place.parent, place.name);
  if ((node.target?.length ?? 0) > TARGET_MAX_BYTES) throw new FsError(Errno.ENAMETOOLONG);
  return make(volume, caller, directory, place, node);
}

/**
 * O_TMPFILE: an inode in the spirit of a directory, without a name in it.
 *
 * @throws {FsError} ENOENT, ENOTDIR, EDQUOT
 */
export function makeUnnamed(
  volume: Volume,
  caller: Caller,
  parent: Ino,
  mode: number,
): InodeRecord {
  const directory = getDirectory(volume, parent);
  return make(volume, caller, directory, { parent: 0, name: '' as Name }, { mode });
}

function make(
  volume: Volume,
  caller: Caller,
  directory: InodeRecord,
  place: { readonly parent: Ino | 0; readonly name: Name },
  node: NewNode,
): InodeRecord {
  volume.quota.checkInode();
  const inheritsGroup = (directory.mode & S_ISGID) !== 0;
  const event: MakeEvent = {
    kind: 'make',
    parent: place.parent,
    name: place.name,
    ino: volume.state.nextIno as Ino,
    mode: inheritsGroup && isDirectory(node.mode) ? node.mode | S_ISGID : node.mode,
    uid: caller.uid,
    gid: inheritsGroup ? directory.gid : caller.gid,
    rdev: node.rdev ?? 0,
    target: node.target,
  };
  volume.commit(event, caller);
  return getInode(volume, event.ino);
}

/**
 * @throws {FsError} EEXIST, EPERM (a directory), EMLINK, ENOENT, ENOTDIR, ENAMETOOLONG, EDQUOT (only for a
 *   file without a name)
 */
export function linkNode(
  volume: Volume,
  caller: Caller,
  ino: Ino,
  place: { readonly parent: Ino; readonly name: Name },
): InodeRecord {
  const inode = getInode(volume, ino);
  if (isDirectory(inode.mode)) throw new FsError(Errno.EPERM, 'link to a directory');
  if (inode.nlink >= LINK_MAX) throw new FsError(Errno.EMLINK);
  getDirectory(volume, place.parent);
  checkFree(volume, place.parent, place.name);
  if (inode.nlink === 0) volume.quota.checkRevival(inode);
  volume.commit({ kind: 'link', ino, parent: place.parent, name: place.name }, caller);
  return inode;
}

/** @throws {FsError} ENOENT, EISDIR */
export function unlinkNode(volume: Volume, caller: Caller, parent: Ino, name: Name): InodeRecord {
  const inode = getChild(volume, parent, name);
  if (isDirectory(inode.mode)) throw new FsError(Errno.EISDIR);
  volume.cuts.beforeRemoval(inode.ino, 'unlinked');
  volume.commit({ kind: 'unlink', parent, name }, caller);
  return inode;
}

/** @throws {FsError} ENOENT, ENOTDIR, ENOTEMPTY */
export function removeDirectory(volume: Volume, caller: Caller, parent: Ino, name: Name): void {
  const inode = getChild(volume, parent, name);
  if (!isDirectory(inode.mode)) throw new FsError(Errno.ENOTDIR);
  if (inode.size > 0) throw new FsError(Errno.ENOTEMPTY);
  volume.commit({ kind: 'unlink', parent, name }, caller);
}

export interface Rename {
  readonly parent: Ino;
  readonly name: Name;
  readonly newParent: Ino;
  readonly newName: Name;
  /** RENAME_* as in renameat2(2). */
  readonly flags: number;
}

/**
 * @throws {FsError} ENOENT, EEXIST (NOREPLACE), ENOTEMPTY, EISDIR, ENOTDIR, EINVAL (into itself, or flags
 *   that do not go together), ENAMETOOLONG
 */
export function renameNode(volume: Volume, caller: Caller, rename: Rename): void {
  const { parent, name, newParent, newName, flags } = rename;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) {
    throw new FsError(Errno.EINVAL);
  }
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  if (isExchange && flags !== RENAME_EXCHANGE) throw new FsError(Errno.EINVAL);
  const source = getChild(volume, parent, name);
  getDirectory(volume, newParent);
  const target = findChild(volume, newParent, newName);
  if (target !== undefined && (flags & RENAME_NOREPLACE) !== 0) throw new FsError(Errno.EEXIST);
  if (target === undefined && isExchange) throw new FsError(Errno.ENOENT);
  // As fs/namei.c vfs_rename(): two names of one inode both stay, whatever the flags.
  if (target === source) return;
  checkNotInto(volume, source, newParent);
  const event: RenameEvent = {
    kind: 'rename',
    parent,
    name,
    newParent,
    newName,
    exchange: isExchange,
  };
  if (target !== undefined) {
    if (isExchange) checkNotInto(volume, target, parent);
    else checkReplaceable(volume, source, target);
  }
  cutBeforeMove(volume, source, { parent: newParent, name: newName });
  if (target !== undefined && isExchange) cutBeforeMove(volume, target, { parent, name });
  if ((flags & RENAME_WHITEOUT) === 0) {
    volume.commit(event, caller);
    return;
  }
  const whiteout: MakeEvent = {
    kind: 'make',
    parent,
    name,
    ino: volume.state.nextIno as Ino,
    mode: S_IFCHR,
    uid: caller.uid,
    gid: caller.gid,
    rdev: 0,
    target: undefined,
  };
  volume.commit({ kind: 'batch', events: [event, whiteout] }, caller);
}

/** Under a name that makes no versions what has changed would never become one. */
function cutBeforeMove(volume: Volume, moved: InodeRecord, to: Place): void {
  if (!volume.state.dirtyFiles.has(moved.ino)) return;
  if (volume.promiser.resolve(to, moved.tier).makesVersions) return;
  volume.cuts.beforeRemoval(moved.ino, 'replaced');
}

function checkReplaceable(volume: Volume, source: InodeRecord, target: InodeRecord): void {
  if (isDirectory(target.mode)) {
    if (!isDirectory(source.mode)) throw new FsError(Errno.EISDIR);
    if (target.size > 0) throw new FsError(Errno.ENOTEMPTY);
  } else {
    if (isDirectory(source.mode)) throw new FsError(Errno.ENOTDIR);
    volume.cuts.beforeRemoval(target.ino, 'replaced');
  }
}

/** A directory cannot go below itself. */
function checkNotInto(volume: Volume, moved: InodeRecord, parent: Ino): void {
  if (!isDirectory(moved.mode)) return;
  for (let ino = parent; ino !== ROOT_INO; ino = getInode(volume, ino).parent) {
    if (ino === moved.ino) throw new FsError(Errno.EINVAL, 'a directory into itself');
  }
}

function getChild(volume: Volume, parent: Ino, name: Name): InodeRecord {
  const inode = findChild(volume, parent, name);
  if (inode === undefined) throw new FsError(Errno.ENOENT);
  return inode;
}

/** A directory that can take names: a removed one cannot. */
function getDirectory(volume: Volume, ino: Ino): InodeRecord {
  const inode = getInode(volume, ino);
  if (!isDirectory(inode.mode)) throw new FsError(Errno.ENOTDIR);
  if (inode.nlink === 0) throw new FsError(Errno.ENOENT, 'the directory was removed');
  return inode;
}

function checkFree(volume: Volume, parent: Ino, name: Name): void {
  if (name.length > NAME_MAX_BYTES) throw new FsError(Errno.ENAMETOOLONG);
  if (volume.state.findDentry(parent, name) !== undefined) throw new FsError(Errno.EEXIST);
}
