/**
 * Small files that are either the old ones or the new ones, whatever happens meanwhile.
 */

import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { systemCode } from '../log/disk.ts';
import { SessfsError } from '../shared/errors.ts';

/**
 * Writes beside, syncs, renames over, syncs the directory.
 *
 * @throws {SessfsError} NO_SPACE, READ_ONLY, FAILED: then the old file is there, unless the last step failed.
 */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    // Half a file is no use, and on a full disk its blocks are.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(path, error);
  }
}

function writeError(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SessfsError('NO_SPACE', `Cannot write "${path}": no space is left (${code})`, {
      hint: 'Free space on the disk of the store',
      cause: error,
    });
  }
  const isReadOnly = code === 'EROFS';
  return new SessfsError(isReadOnly ? 'READ_ONLY' : 'FAILED', `Cannot write "${path}": ${code}`, {
    hint: 'Look at the disk of the store: dmesg tells of its errors',
    cause: error,
  });
}

/** Removes a file for good; one that is not there is fine. */
export async function removeFileDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

async function syncDirectory(path: string): Promise<void> {
  const dir = await open(path, 'r');
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}
