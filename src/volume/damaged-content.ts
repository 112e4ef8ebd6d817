/**
 * Content that the log has lost: an error that names the file and the way out, told to the operator once.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { Ino } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { nameToText } from '../shared/names.ts';
import type { Core } from './core.ts';

/** Deeper is no path. */
const MAX_DEPTH = 4096;
/** Of so many files damage is told; a disk that is gone says nothing new. */
const MAX_TOLD = 1000;

const told = new WeakMap<object, Set<Ino>>();

/** @returns What is to be thrown in place of the failure of a read. */
export function nameDamage(core: Core, ino: Ino, failure: unknown): unknown {
  if (!(failure instanceof FsError) || failure.errno !== Errno.EIO) return failure;
  const reason = failure.message.replace(/^EIO: /, '');
  const error = new FsError(
    Errno.EIO,
    `"${pathText(core, ino)}" (inode ${ino}): ${reason}; "sessfs fsck SESSION" tells what else is damaged`,
  );
  const known = told.get(core.state) ?? new Set();
  told.set(core.state, known);
  if (!known.has(ino) && known.size < MAX_TOLD) {
    known.add(ino);
    core.report('Content is damaged, and was answered EIO', error);
  }
  return error;
}

function pathText({ state }: Core, ino: Ino): string {
  const names: string[] = [];
  let inode = state.findInode(ino);
  for (let depth = 0; inode !== undefined && inode.ino !== ROOT_INO; depth++) {
    if (depth > MAX_DEPTH) break;
    names.unshift(inode.name);
    inode = state.findInode(inode.parent);
  }
  return nameToText(names.join('/'));
}
