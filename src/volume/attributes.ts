/**
 * Attributes: mode, owner, times, size, extended attributes.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Ino } from '../shared/brands.ts';
import { isDirectory, isRegular } from '../shared/mode.ts';
import type { Time } from '../shared/time.ts';
import type { InodeRecord } from '../index/records.ts';
import { modeWithoutSuidGid } from './apply.ts';
import { prepareTruncate, settleTruncate } from './files.ts';
import { getInode } from './names.ts';
import type { Caller } from './store.ts';
import type { Volume } from './volume.ts';

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/** XATTR_LIST_MAX: a longer list of names could not be read back. */
const MAX_XATTR_LIST_BYTES = 64 * 1024;
/** Four values of XATTR_SIZE_MAX: every state of an inode in the history carries them all. */
const MAX_XATTR_VALUES_BYTES = 256 * 1024;

export interface AttributeChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Time | 'now';
  readonly mtime?: Time | 'now';
  /** With a size: as for a write. A change of owner clears the bits in any case. */
  readonly killSuidGid?: boolean;
  /** The size came through an open file, whose close will cut the version. */
  readonly hasHandle?: boolean;
}

/**
 * Changes attributes, in one event.
 *
 * @throws {FsError} EFBIG, EISDIR, EINVAL (a size for what has none), ENOSPC, EDQUOT (to a larger
 *   size)
 */
export function setAttributes(
  volume: Volume,
  caller: Caller,
  ino: Ino,
  change: AttributeChange,
): InodeRecord {
  const inode = getInode(volume, ino);
  const { size } = change;
  if (size !== undefined) {
    if (isDirectory(inode.mode)) throw new FsError(Errno.EISDIR);
    if (!isRegular(inode.mode)) throw new FsError(Errno.EINVAL);
    prepareTruncate(volume, caller, inode, size);
  }
  const changesOwner = change.uid !== undefined || change.gid !== undefined;
  const losesBits = !isDirectory(inode.mode) && (changesOwner || change.killSuidGid === true);
  const mode = change.mode ?? (losesBits ? modeWithoutSuidGid(inode.mode) : undefined);
  const now = volume.clock.now();
  volume.commit(
    {
      kind: 'setattr',
      ino,
      mode,
      uid: change.uid,
      gid: change.gid,
      size,
      atime: change.atime === 'now' ? now : change.atime,
      mtime: change.mtime === 'now' ? now : change.mtime,
    },
    caller,
  );
  if (size !== undefined && change.hasHandle !== true) settleTruncate(volume, inode);
  return inode;
}

/** @throws {FsError} EEXIST (CREATE), ENODATA (REPLACE), ENOSPC (too much altogether) */
export function setXattr(
  volume: Volume,
  caller: Caller,
  ino: Ino,
  xattr: { readonly name: string; readonly value: Uint8Array; readonly flags: number },
): void {
  const { name, value, flags } = xattr;
  const inode = getInode(volume, ino);
  const present = inode.xattrs?.get(name);
  if (present !== undefined && (flags & XATTR_CREATE) !== 0) throw new FsError(Errno.EEXIST);
  if (present === undefined && (flags & XATTR_REPLACE) !== 0) throw new FsError(Errno.ENODATA);
  let listBytes = name.length + 1;
  let valuesBytes = value.length;
  for (const [other, held] of inode.xattrs ?? []) {
    if (other === name) continue;
    listBytes += other.length + 1;
    valuesBytes += held.length;
  }
  if (listBytes > MAX_XATTR_LIST_BYTES || valuesBytes > MAX_XATTR_VALUES_BYTES) {
    throw new FsError(Errno.ENOSPC, 'extended attributes of one inode');
  }
  volume.commit({ kind: 'xattr', ino, name, value: Buffer.from(value) }, caller);
}

/** @throws {FsError} ENODATA */
export function removeXattr(volume: Volume, caller: Caller, ino: Ino, name: string): void {
  const inode = getInode(volume, ino);
  if (inode.xattrs?.has(name) !== true) throw new FsError(Errno.ENODATA);
  volume.commit({ kind: 'xattr', ino, name, value: undefined }, caller);
}
