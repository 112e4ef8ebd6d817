/**
 * Puts an index that was made beside it in the place of a volume's.
 *
 * Rule: between two renames the old one lies in `index.old`; whoever finds that and no index puts it back.
 */

import fs from 'node:fs';
import { join } from 'node:path';

/**
 * @param made A directory on the same file system; nobody has it open.
 * @returns Where the one that was there is now, if there was one: for the caller to put aside or remove.
 */
export function swapIndex(volumeDir: string, made: string): string | undefined {
  for (const name of fs.readdirSync(made)) sync(join(made, name));
  sync(made);
  const { index, old } = pathsOf(volumeDir);
  const hasOld = fs.existsSync(index);
  if (hasOld) fs.renameSync(index, old);
  fs.renameSync(made, index);
  sync(volumeDir);
  return hasOld ? old : undefined;
}

/** What a swap that was killed between two renames has left: the index that was there goes back. */
export function takeBackIndex(volumeDir: string): void {
  const { index, old } = pathsOf(volumeDir);
  if (!fs.existsSync(old)) return;
  if (fs.existsSync(index)) fs.rmSync(old, { recursive: true });
  else fs.renameSync(old, index);
}

const pathsOf = (volumeDir: string): { index: string; old: string } => ({
  index: join(volumeDir, 'index'),
  old: join(volumeDir, 'index.old'),
});

function sync(path: string): void {
  const fd = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
