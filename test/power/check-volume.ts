/**
 * Opens a volume as a power cut left it and reads what is live; has fsck look at all the rest.
 */

import { runFsck } from '../../src/fsck/fsck.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino } from '../../src/shared/brands.ts';
import { isDirectory, isSymlink } from '../../src/shared/mode.ts';
import { SystemClock } from '../../src/shared/time.ts';
import { readFile } from '../../src/volume/files.ts';
import { getInode } from '../../src/volume/names.ts';
import { Volume } from '../../src/volume/volume.ts';
import type { Leaf, Tree } from './plan.ts';

export interface Recovered {
  readonly tree: Tree;
  readonly revision: number;
  readonly tornBytes: number;
  /** What is not as it must be; empty if all is well. */
  readonly problems: string[];
  readonly openMs: number;
}

/** @param options.isThorough Has fsck look at all of it, too. */
export async function recoverVolume(
  dir: string,
  volumeId: string,
  options: { readonly isThorough: boolean },
): Promise<Recovered> {
  const beganAt = performance.now();
  const volume = await Volume.open({ dir, volumeId, clock: new SystemClock() });
  const openMs = performance.now() - beganAt;
  const problems: string[] = [];
  volume.report = (message, error) => problems.push(`${message}: ${String(error)}`);
  try {
    const tree = await readTree(volume, problems);
    const { revision } = volume.status();
    return {
      tree,
      revision,
      tornBytes: volume.log.tornTail?.bytes ?? 0,
      problems,
      openMs,
    };
  } finally {
    await volume.close();
    if (options.isThorough) await checkAll(dir, volumeId, problems);
  }
}

async function readTree(volume: Volume, problems: string[]): Promise<Tree> {
  const tree: Tree = new Map();
  const names = new Map<Ino, number>();
  const leaves = new Map<Ino, Leaf>();
  const walk = async (dir: Ino, prefix: string): Promise<void> => {
    let below = 0;
    for (const { name, ino } of await volume.listings.listAll(dir)) {
      const inode = getInode(volume, ino);
      const path = prefix + name;
      names.set(ino, (names.get(ino) ?? 0) + 1);
      const leaf = leaves.get(ino) ?? readLeaf(volume, ino);
      leaves.set(ino, leaf);
      tree.set(path, leaf);
      if (!isDirectory(inode.mode)) continue;
      below += 1;
      await walk(ino, `${path}/`);
    }
    const { nlink, size } = getInode(volume, dir);
    if (nlink !== below + 2) problems.push(`${prefix}: ${nlink} links, wanted ${below + 2}`);
    const listed = await volume.listings.listAll(dir);
    if (size !== listed.length)
      problems.push(`${prefix}: size ${size}, has ${listed.length} names`);
  };
  await walk(ROOT_INO, '');
  for (const [ino, count] of names) {
    const { nlink, mode } = getInode(volume, ino);
    if (isDirectory(mode) ? count !== 1 : count !== nlink) {
      problems.push(`inode ${ino}: ${nlink} links, ${count} names`);
    }
  }
  return tree;
}

function readLeaf(volume: Volume, ino: Ino): Leaf {
  const { mode, size, target } = getInode(volume, ino);
  const bits = mode & 0o7777;
  const leaf = { mode: bits, digest: undefined };
  if (isDirectory(mode)) return { ...leaf, kind: 'directory', content: Buffer.alloc(0) };
  if (isSymlink(mode)) {
    return { ...leaf, kind: 'symlink', content: Buffer.from(target ?? '', 'latin1') };
  }
  const content = Buffer.alloc(size);
  const count = readFile(volume, ino, 0, content);
  return { ...leaf, kind: 'file', content: content.subarray(0, count) };
}

/** What fsck finds, after everything else: the log, the index against it, every extent of every version. */
async function checkAll(volumeDir: string, volumeId: string, problems: string[]): Promise<void> {
  const report = await runFsck({ volumeDir, volumeId });
  if (report.status === 'clean') return;
  problems.push(...report.problems.map(({ kind, message }) => `fsck: ${kind}: ${message}`));
}
