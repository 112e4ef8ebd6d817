/**
 * Where a session may be mounted: an empty directory that is not on, and does not hide, one of our mounts.
 */

import { mkdir, readdir, realpath, stat } from 'node:fs/promises';

import type { SessionRecord } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import type { MountPort } from './mount-port.ts';

/** The directory below mnt that the store itself provides. */
export async function prepareDefaultMountPoint(
  record: SessionRecord,
  mounts: MountPort,
): Promise<void> {
  if (mounts.isMounted(record.mountPoint)) return;
  await mkdir(record.mountPoint, { recursive: true, mode: 0o700 });
}

/**
 * Checks a directory that the user chose; makes it if it is missing.
 *
 * @returns Its path as the table of mounts will name it: symlinks followed.
 *
 * @throws {SessfsError} MOUNT_POINT Saying what is wrong with it.
 */
export async function prepareMountPoint(mountPoint: string, mounts: MountPort): Promise<string> {
  const refuse = (reason: string, cause?: unknown): SessfsError =>
    new SessfsError('MOUNT_POINT', `Cannot mount at "${mountPoint}": ${reason}`, {
      hint: 'Choose an empty directory; one that does not exist is made',
      cause,
    });
  if (!mountPoint.startsWith('/')) throw refuse('the path is not absolute');
  // By the mount table first: a stat below a mount of ours could wait for ever.
  const above = mounts.findMountAbove(mountPoint);
  if (above !== undefined) throw refuse(`"${above}" is a mount of sessfs`);
  let real: string;
  let entries: string[];
  try {
    await mkdir(mountPoint, { recursive: true, mode: 0o700 });
    if (!(await stat(mountPoint)).isDirectory()) throw refuse('it is not a directory');
    real = await realpath(mountPoint);
    entries = await readdir(real);
  } catch (error) {
    if (error instanceof SessfsError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw refuse('it is not a directory', error);
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
  if (entries.length > 0) throw refuse(`it is not empty, it has ${entries.length} entries`);
  return real;
}
