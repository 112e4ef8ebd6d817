/**
 * What operations on content and attributes do to the model.
 */

import { Errno } from '../../src/shared/errno.ts';
import type { Ino } from '../../src/shared/brands.ts';
import type { Time } from '../../src/shared/time.ts';
import { isDir, isFile, withoutCapability, withoutSuidGid } from './model.ts';
import type { Model, ModelInode } from './model.ts';
import { ModelError } from './steps.ts';
import type { Steps } from './steps.ts';

export const KEEP_SIZE = 1;
export const PUNCH_HOLE = 2;
export const ZERO_RANGE = 16;

export function opened(model: Model, ino: Ino, canWrite: boolean): void {
  if (canWrite) model.writers.set(ino, (model.writers.get(ino) ?? 0) + 1);
}

/** The last writer's close cuts. A server that took over does not know how many there are. */
export function released(model: Model, steps: Steps, ino: Ino, canWrite: boolean): void {
  if (!canWrite) return;
  const writers = model.writers.get(ino) ?? 1;
  if (writers > 1) {
    model.writers.set(ino, writers - 1);
    return;
  }
  model.writers.delete(ino);
  model.cutIfChanged(steps, ino, 'close');
}

export function write(
  model: Model,
  steps: Steps,
  ino: Ino,
  change: { readonly offset: number; readonly data: Buffer; readonly killSuidGid: boolean },
): void {
  const inode = getRegular(model, ino);
  if (change.data.length === 0) return;
  const at = steps.take('write');
  const content = inode.content.write(change.offset, change.data);
  model.commit(at, () => model.changeContent(at, ino, content, change.killSuidGid));
}

export interface AttributeChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Time | 'now';
  readonly mtime?: Time | 'now';
  readonly killSuidGid?: boolean;
  readonly hasHandle?: boolean;
}

export function setAttributes(
  model: Model,
  steps: Steps,
  ino: Ino,
  change: AttributeChange & { readonly actor: number },
): void {
  const before = model.get(ino);
  const { size } = change;
  if (size !== undefined) {
    if (isDir(before)) throw new ModelError(Errno.EISDIR);
    if (!isFile(before)) throw new ModelError(Errno.EINVAL);
    // What somebody else wrote and did not close yet would be lost.
    const dirty = model.dirty.get(ino);
    if (size < before.content.size && dirty !== undefined && dirty.actor !== change.actor) {
      model.cutIfChanged(steps, ino, 'truncated');
    }
  }
  const at = steps.take('setattr');
  const now = model.now;
  model.commit(at, () => {
    if (size !== undefined && size !== before.content.size) {
      model.changeContent(at, ino, before.content.resize(size), false);
    }
    const inode = model.get(ino);
    const changesOwner = change.uid !== undefined || change.gid !== undefined;
    const losesBits = !isDir(inode) && (changesOwner || change.killSuidGid === true);
    const kept = losesBits ? withoutSuidGid(inode.mode) : inode.mode;
    const mode = change.mode ?? kept;
    const mtime = size === undefined ? inode.mtime : at.time;
    model.set(ino, {
      mode: (inode.mode & 0o170000) | (mode & 0o7777),
      uid: change.uid ?? inode.uid,
      gid: change.gid ?? inode.gid,
      xattrs: changesOwner ? withoutCapability(inode.xattrs) : inode.xattrs,
      atime: change.atime === 'now' ? now : (change.atime ?? inode.atime),
      mtime: change.mtime === 'now' ? now : (change.mtime ?? mtime),
      ctime: at.time,
    });
  });
  if (size === undefined || change.hasHandle === true || model.writers.has(ino)) return;
  model.cutIfChanged(steps, ino, 'close');
}

export function allocate(
  model: Model,
  steps: Steps,
  ino: Ino,
  range: { readonly offset: number; readonly length: number; readonly mode: number },
  uid: number,
): void {
  const { offset, length, mode } = range;
  const inode = model.get(ino);
  if (isDir(inode)) throw new ModelError(Errno.EISDIR);
  if (!isFile(inode)) throw new ModelError(Errno.ENODEV);
  const end = offset + length;
  const zeroes = (mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0;
  const grows = (mode & KEEP_SIZE) === 0 && end > inode.content.size;
  // Root may keep the bits; from anybody else they go also when nothing else happens.
  const losesBits = uid !== 0 && withoutSuidGid(inode.mode) !== inode.mode;
  if (!zeroes && !grows && !losesBits) return;
  const at = steps.take('allocate');
  const cleared = zeroes ? inode.content.clear(offset, end) : inode.content;
  const content = grows ? cleared.resize(end) : cleared;
  model.commit(at, () => model.changeContent(at, ino, content, uid !== 0));
}

export function copyRange(
  model: Model,
  steps: Steps,
  from: { readonly ino: Ino; readonly offset: number },
  to: { readonly ino: Ino; readonly offset: number; readonly length: number },
  uid: number,
): void {
  const source = getRegular(model, from.ino).content;
  const target = getRegular(model, to.ino).content;
  const length = Math.min(to.length, source.size - from.offset);
  if (length <= 0) return;
  const at = steps.take('clone');
  const content = target.take(source, from.offset, to.offset, length);
  model.commit(at, () => model.changeContent(at, to.ino, content, uid !== 0));
}

export function setXattr(
  model: Model,
  steps: Steps,
  ino: Ino,
  xattr: { readonly name: string; readonly value: string; readonly flags: number },
): void {
  const { name, value, flags } = xattr;
  const { xattrs } = model.get(ino);
  if (xattrs.has(name) && flags === 1) throw new ModelError(Errno.EEXIST);
  if (!xattrs.has(name) && flags === 2) throw new ModelError(Errno.ENODATA);
  const at = steps.take('xattr');
  model.commit(at, () => {
    model.set(ino, { xattrs: new Map(xattrs).set(name, value), ctime: at.time });
  });
}

export function removeXattr(model: Model, steps: Steps, ino: Ino, name: string): void {
  const xattrs = new Map(model.get(ino).xattrs);
  if (!xattrs.delete(name)) throw new ModelError(Errno.ENODATA);
  const at = steps.take('xattr');
  model.commit(at, () => {
    model.set(ino, { xattrs, ctime: at.time });
  });
}

function getRegular(model: Model, ino: Ino): ModelInode {
  const inode = model.get(ino);
  if (isDir(inode)) throw new ModelError(Errno.EISDIR);
  if (!isFile(inode)) throw new ModelError(Errno.EINVAL);
  return inode;
}
