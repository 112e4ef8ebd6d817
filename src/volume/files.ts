/**
 * Content of files that are live: reading, writing, truncating, holes, sharing of extents.
 *
 * Offsets and lengths are in bytes and were checked to be non-negative by the kernel.
 */

import { DATA_CHUNK_BYTES } from '../log/record.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Ino } from '../shared/brands.ts';
import { isDirectory, isRegular } from '../shared/mode.ts';
import { REGION_BYTES, regionOf } from '../index/extents.ts';
import type { Extent } from '../index/extents.ts';
import type { InodeRecord } from '../index/records.ts';
import { modeWithoutSuidGid } from './apply.ts';
import { listExtents } from './content.ts';
import { getInode } from './names.ts';
import type { Caller } from './store.ts';
import { nameDamage } from './damaged-content.ts';
import type { Volume } from './volume.ts';

/** 128 TiB: offsets are stored in 48 bits. */
export const MAX_FILE_BYTES = 2 ** 47;

/** Writes below this size may be folded together with the small ones before them. */
const FOLD_BELOW_BYTES = 4096;
/** So many small extents in a row are folded. */
const FOLD_RUN = 32;

export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;
export const FALLOC_FL_ZERO_RANGE = 16;

const foldBuffer = Buffer.allocUnsafeSlow(DATA_CHUNK_BYTES);

/**
 * @returns How many bytes were put into `into`: fewer than asked for only at the end of the file.
 * @throws {FsError} EIO If the log is damaged there, ENODATA If retention has removed it, EISDIR
 */
export function readFile(volume: Volume, ino: Ino, offset: number, into: Uint8Array): number {
  const inode = getRegular(volume, ino);
  const length = Math.min(into.length, inode.size - offset);
  if (length <= 0) return 0;
  // Removed, and opened once more by a path to the inode itself (/proc/PID/fd) that keeps nothing open.
  if (inode.isGone) throw new FsError(Errno.ENODATA, `retention has removed the content of ${ino}`);
  const extents = listExtents(volume.state, inode, offset, offset + length);
  try {
    volume.content.readSync(
      extents,
      offset,
      length === into.length ? into : into.subarray(0, length),
    );
  } catch (error) {
    throw nameDamage(volume, ino, error);
  }
  return length;
}

/** @throws {FsError} EFBIG, ENOSPC, EDQUOT, EIO, EISDIR */
export function writeFile(
  volume: Volume,
  caller: Caller,
  ino: Ino,
  write: { readonly offset: number; readonly data: Uint8Array; readonly killSuidGid: boolean },
): number {
  const { offset, data, killSuidGid } = write;
  const inode = getRegular(volume, ino);
  if (offset + data.length > MAX_FILE_BYTES) throw new FsError(Errno.EFBIG);
  if (data.length === 0) return 0;
  volume.cuts.beforeChange(ino);
  // The kernel writes shared mappings back by itself: in the name of whoever changed the file last.
  const actor = caller.pid === 0 ? volume.state.dirtyFiles.get(ino)?.actor : undefined;
  const { unique, uid, gid, pid } = caller;
  const by = actor === undefined ? caller : { unique, uid, gid, pid, actor };
  const { quota } = volume;
  const end = offset + data.length;
  let start = findFoldStart(volume, inode, offset, data.length);
  let bytes = data;
  // Folding moves what was there to the history: where that is full, small extents stay as they are.
  const mayFold = start < offset && quota.hasHistoryRoom(end - start);
  quota.checkWrite(inode, mayFold ? start : offset, end);
  if (mayFold && readBefore(volume, inode, start, offset)) {
    bytes = foldBuffer.subarray(0, offset - start + data.length);
    bytes.set(data, offset - start);
  } else {
    start = offset;
  }
  volume.commit({ kind: 'write', ino, start, offset, killSuidGid }, by, bytes);
  return data.length;
}

/** Brings what is to be folded into the fold buffer. @returns False if it is damaged: then it stays there. */
function readBefore(volume: Volume, inode: InodeRecord, start: number, end: number): boolean {
  const before = listExtents(volume.state, inode, start, end);
  try {
    volume.content.readSync(before, start, foldBuffer.subarray(0, end - start));
    return true;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    nameDamage(volume, inode.ino, error);
    return false;
  }
}

/**
 * Where the record of a small write begins: further to the front if it ends a run of small extents.
 *
 * A file that grows by lines would otherwise have an extent for each: this keeps them to some dozens a
 * region, and writes each byte about log2(128 KiB / FOLD_RUN lines) times.
 */
function findFoldStart(volume: Volume, inode: InodeRecord, offset: number, length: number): number {
  if (length >= FOLD_BELOW_BYTES || offset === 0) return offset;
  const region = regionOf(offset);
  if (regionOf(offset + length - 1) !== region) return offset;
  const extents = volume.state.getRegion(inode, region);
  if (extents.length < FOLD_RUN) return offset;
  let start = offset;
  let count = 0;
  for (let index = extents.length - 1; index >= 0; index--) {
    const extent = extents[index] as Extent;
    if (extent.offset + extent.length !== start) break;
    const folded = offset + length - start;
    if (extent.length > 2 * folded || extent.length + folded > DATA_CHUNK_BYTES) break;
    start = extent.offset;
    count += 1;
  }
  return count < FOLD_RUN ? offset : start;
}

/**
 * open(2) with O_TRUNC, ftruncate(2), truncate(2).
 *
 * @param options.hasHandle It came through an open file: its close will cut the version.
 * @throws {FsError} EFBIG, EISDIR, ENOSPC, EDQUOT (only to a larger size)
 */
export function truncateFile(
  volume: Volume,
  caller: Caller,
  ino: Ino,
  options: { readonly size: number; readonly hasHandle: boolean; readonly killSuidGid: boolean },
): InodeRecord {
  const inode = getRegular(volume, ino);
  prepareTruncate(volume, caller, inode, options.size);
  const mode = options.killSuidGid ? modeWithoutSuidGid(inode.mode) : undefined;
  volume.commit(
    {
      kind: 'setattr',
      ino,
      mode,
      uid: undefined,
      gid: undefined,
      size: options.size,
      atime: undefined,
      mtime: undefined,
    },
    caller,
  );
  if (!options.hasHandle) settleTruncate(volume, inode);
  return inode;
}

/** Before a size changes: what somebody else wrote and did not close yet becomes a version. */
export function prepareTruncate(
  volume: Volume,
  caller: Caller,
  inode: InodeRecord,
  size: number,
): void {
  if (size > MAX_FILE_BYTES) throw new FsError(Errno.EFBIG);
  volume.cuts.beforeChange(inode.ino);
  if (size > inode.size) volume.quota.checkChange(inode);
  if (size >= inode.size) return;
  const dirty = volume.state.dirtyFiles.get(inode.ino);
  if (dirty !== undefined && dirty.actor !== volume.actors.resolve(caller)) {
    volume.cuts.beforeRemoval(inode.ino, 'truncated');
  }
}

/** After truncate(2) by path, nobody will close the file: if nobody can write to it, this was all. */
export function settleTruncate(volume: Volume, inode: InodeRecord): void {
  if (!volume.cuts.hasWriters(inode.ino)) volume.cuts.cutIfChanged(inode.ino, 'close');
}

/**
 * @throws {FsError} EOPNOTSUPP For modes other than allocate, keep size, punch and zero; EFBIG, ENODEV, EDQUOT
 */
export function allocateFile(
  volume: Volume,
  caller: Caller,
  ino: Ino,
  range: { readonly offset: number; readonly length: number; readonly mode: number },
): void {
  const { offset, length, mode } = range;
  const known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if ((mode & ~known) !== 0) throw new FsError(Errno.EOPNOTSUPP);
  const inode = getInode(volume, ino);
  if (isDirectory(inode.mode)) throw new FsError(Errno.EISDIR);
  if (!isRegular(inode.mode)) throw new FsError(Errno.ENODEV);
  if (offset + length > MAX_FILE_BYTES) throw new FsError(Errno.EFBIG);
  const { quota } = volume;
  const end = offset + length;
  const punches = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
  const zero = punches || (mode & FALLOC_FL_ZERO_RANGE) !== 0;
  if (!zero) quota.checkAllocate(inode, offset, end);
  const keepSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  const killSuidGid = losesSuidGid(caller);
  // Space is never promised ahead: a log has no place to keep it. The bits go all the same.
  const losesBits = killSuidGid && modeWithoutSuidGid(inode.mode) !== inode.mode;
  if (!zero && !losesBits && (keepSize || end <= inode.size)) return;
  volume.cuts.beforeChange(ino);
  if (zero && !punches) quota.checkZero(inode, offset, end);
  else if (!punches) quota.checkChange(inode);
  volume.commit({ kind: 'allocate', ino, offset, length, zero, keepSize, killSuidGid }, caller);
}

/**
 * copy_file_range(2): shares extents, copies no byte.
 *
 * @returns How many bytes the target got: fewer at the end of the source.
 * @throws {FsError} EFBIG, EDQUOT, ENOSPC, EISDIR, EINVAL
 */
export function cloneFileRange(
  volume: Volume,
  caller: Caller,
  from: { readonly ino: Ino; readonly offset: number },
  to: { readonly ino: Ino; readonly offset: number; readonly length: number },
): number {
  const source = getRegular(volume, from.ino);
  const target = getRegular(volume, to.ino);
  const length = Math.min(to.length, source.size - from.offset);
  if (length <= 0) return 0;
  if (to.offset + length > MAX_FILE_BYTES) throw new FsError(Errno.EFBIG);
  volume.cuts.beforeChange(to.ino);
  volume.quota.checkClone(source, from.offset, target, { offset: to.offset, length });
  volume.commit(
    {
      kind: 'clone',
      source: from.ino,
      sourceOffset: from.offset,
      ino: to.ino,
      offset: to.offset,
      length,
      killSuidGid: losesSuidGid(caller),
    },
    caller,
  );
  return length;
}

/**
 * lseek(2) with SEEK_DATA or SEEK_HOLE.
 *
 * @throws {FsError} ENXIO If offset is at or beyond the end, or no data follows.
 */
export function seekFile(volume: Volume, ino: Ino, offset: number, want: 'data' | 'hole'): number {
  const inode = getInode(volume, ino);
  if (offset < 0 || offset >= inode.size) throw new FsError(Errno.ENXIO);
  let at = offset;
  for (const region of volume.state.regionsBetween(inode, regionOf(offset), regionOf(inode.size))) {
    const start = Math.max(offset, region * REGION_BYTES);
    if (want === 'hole' && start > at) return at;
    const end = Math.min(inode.size, (region + 1) * REGION_BYTES);
    for (const extent of listExtents(volume.state, inode, start, end)) {
      if (want === 'data') return extent.offset;
      if (extent.offset > at) return at;
      at = extent.offset + extent.length;
    }
  }
  if (want === 'hole') return at;
  throw new FsError(Errno.ENXIO);
}

/** CAP_FSETID: FALLOCATE and COPY_FILE_RANGE, unlike WRITE, do not tell whether the caller has it. */
function losesSuidGid(caller: Caller): boolean {
  return caller.uid !== 0;
}

function getRegular(volume: Volume, ino: Ino): InodeRecord {
  const inode = getInode(volume, ino);
  if (isDirectory(inode.mode)) throw new FsError(Errno.EISDIR);
  if (!isRegular(inode.mode)) throw new FsError(Errno.EINVAL);
  return inode;
}
