/**
 * What operations on names do to the model: make, link, unlink, rmdir, rename.
 */

import { Errno } from '../../src/shared/errno.ts';
import type { Ino, Name } from '../../src/shared/brands.ts';
import { Content } from './content.ts';
import { isDir, ROOT } from './model.ts';
import type { Model, ModelInode } from './model.ts';
import { ModelError } from './steps.ts';
import type { Committed, Steps } from './steps.ts';

export const NOREPLACE = 1;
export const EXCHANGE = 2;
export const WHITEOUT = 4;

export interface Place {
  readonly dir: Ino;
  readonly name: Name;
}

export interface NewInode {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target?: string | undefined;
}

/** @param place undefined: O_TMPFILE, in the spirit of `dir`. */
export function make(
  model: Model,
  steps: Steps,
  dir: Ino,
  name: Name | undefined,
  node: NewInode,
): Ino {
  checkDirectory(model, dir);
  if (name !== undefined) checkFree(model, dir, name);
  const at = steps.take('make');
  let ino = 0 as Ino;
  model.commit(at, () => {
    const parent = model.get(dir);
    const inherits = (parent.mode & 0o2000) !== 0;
    const isDirectory = (node.mode & 0o170000) === 0o040000;
    ino = addInode(model, at, {
      ...node,
      mode: inherits && isDirectory ? node.mode | 0o2000 : node.mode,
      gid: inherits ? parent.gid : node.gid,
      nlink: name === undefined ? 0 : 1,
    });
    if (name !== undefined) model.addName(at, dir, name, ino);
  });
  return ino;
}

function addInode(model: Model, at: Committed, node: NewInode & { readonly nlink: number }): Ino {
  const { event } = at;
  const made = event.kind === 'batch' ? event.events.find(({ kind }) => kind === 'make') : event;
  if (made?.kind !== 'make') throw new Error('A make event makes an inode');
  const { ino } = made;
  if (model.inodes.has(ino)) throw new Error(`Inode ${ino} is not new`);
  model.inodes.set(ino, {
    ino,
    mode: node.mode,
    nlink: node.nlink,
    uid: node.uid,
    gid: node.gid,
    target: node.target,
    content: Content.EMPTY,
    xattrs: new Map(),
    atime: at.time,
    mtime: at.time,
    ctime: at.time,
    btime: at.time,
    entries: new Map(),
    parent: ROOT,
    born: at.revision,
    contentRevision: at.revision,
    cut: undefined,
    cutRevision: 0,
  });
  return ino;
}

export function link(model: Model, steps: Steps, ino: Ino, { dir, name }: Place): void {
  if (isDir(model.get(ino))) throw new ModelError(Errno.EPERM);
  checkDirectory(model, dir);
  checkFree(model, dir, name);
  const at = steps.take('link');
  model.commit(at, () => {
    const inode = model.get(ino);
    // A file without a name gets one: what was written to it is a change like any other.
    const isChanged =
      inode.contentRevision > inode.cutRevision && inode.contentRevision > inode.born;
    if (inode.nlink === 0 && isChanged) {
      model.dirty.set(ino, { actor: at.actor, since: at.time, isBaseKnown: false });
    }
    model.set(ino, { nlink: inode.nlink + 1, ctime: at.time });
    model.addName(at, dir, name, ino);
  });
}

export function unlink(model: Model, steps: Steps, { dir, name }: Place): void {
  const inode = getChild(model, dir, name);
  if (isDir(inode)) throw new ModelError(Errno.EISDIR);
  model.cutIfChanged(steps, inode.ino, 'unlinked');
  const at = steps.take('unlink');
  model.commit(at, () => {
    model.removeName(at, dir, name);
    model.drop(at, inode.ino);
  });
}

export function rmdir(model: Model, steps: Steps, { dir, name }: Place): void {
  const inode = getChild(model, dir, name);
  if (!isDir(inode)) throw new ModelError(Errno.ENOTDIR);
  if (inode.entries.size > 0) throw new ModelError(Errno.ENOTEMPTY);
  const at = steps.take('unlink');
  model.commit(at, () => {
    model.removeName(at, dir, name);
    model.drop(at, inode.ino);
  });
}

export function rename(
  model: Model,
  steps: Steps,
  from: Place,
  to: Place,
  by: { readonly flags: number; readonly uid: number; readonly gid: number },
): void {
  const { flags } = by;
  const source = getChild(model, from.dir, from.name);
  checkDirectory(model, to.dir);
  const target = model.find(to.dir, to.name);
  if (target !== undefined && (flags & NOREPLACE) !== 0) throw new ModelError(Errno.EEXIST);
  if (target === undefined && (flags & EXCHANGE) !== 0) throw new ModelError(Errno.ENOENT);
  if (target?.ino === source.ino) return;
  checkNotInto(model, source, to.dir);
  if ((flags & EXCHANGE) !== 0 && target !== undefined) {
    checkNotInto(model, target, from.dir);
    const at = steps.take('rename');
    model.commit(at, () => {
      model.removeName(at, to.dir, to.name);
      model.removeName(at, from.dir, from.name);
      move(model, at, source.ino, to);
      move(model, at, target.ino, from);
    });
    return;
  }
  if (target !== undefined) replace(model, steps, source, target);
  const isWhiteout = (flags & WHITEOUT) !== 0;
  const at = steps.take(isWhiteout ? 'batch' : 'rename');
  model.commit(at, () => {
    if (target !== undefined) {
      model.removeName(at, to.dir, to.name);
      model.drop(at, target.ino);
    }
    model.removeName(at, from.dir, from.name);
    move(model, at, source.ino, to);
    if (!isWhiteout) return;
    const ino = addInode(model, at, { ...by, mode: 0o020000, nlink: 1 });
    model.addName(at, from.dir, from.name, ino);
  });
}

function replace(model: Model, steps: Steps, source: ModelInode, target: ModelInode): void {
  if (isDir(target)) {
    if (!isDir(source)) throw new ModelError(Errno.EISDIR);
    if (target.entries.size > 0) throw new ModelError(Errno.ENOTEMPTY);
    return;
  }
  if (isDir(source)) throw new ModelError(Errno.ENOTDIR);
  model.cutIfChanged(steps, target.ino, 'replaced');
}

function move(model: Model, at: Committed, ino: Ino, to: Place): void {
  model.set(ino, { ctime: at.time });
  model.addName(at, to.dir, to.name, ino);
}

/** A directory cannot go below itself. */
function checkNotInto(model: Model, moved: ModelInode, dir: Ino): void {
  if (!isDir(moved)) return;
  for (let ino = dir; ino !== ROOT; ino = model.get(ino).parent) {
    if (ino === moved.ino) throw new ModelError(Errno.EINVAL);
  }
}

function getChild(model: Model, dir: Ino, name: Name): ModelInode {
  const inode = model.find(dir, name);
  if (inode === undefined) throw new ModelError(Errno.ENOENT);
  return inode;
}

function checkDirectory(model: Model, dir: Ino): void {
  const inode = model.get(dir);
  if (!isDir(inode)) throw new ModelError(Errno.ENOTDIR);
  if (inode.nlink === 0) throw new ModelError(Errno.ENOENT);
}

function checkFree(model: Model, dir: Ino, name: Name): void {
  if (name.length > 255) throw new ModelError(Errno.ENAMETOOLONG);
  if (model.find(dir, name) !== undefined) throw new ModelError(Errno.EEXIST);
}
