/**
 * Small files that are either the old ones or the new ones, whatever happens meanwhile.
 */

import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes beside, syncs, renames over, syncs the directory. */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
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
