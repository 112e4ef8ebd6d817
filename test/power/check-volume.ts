/**
 * Opens a volume as a power cut left it, and reads all of it: what is live, every version, every link.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { Space } from '../../src/index/keys.ts';
import { decodeMeta, decodeVersion } from '../../src/index/records.ts';
import { VolumeHistory } from '../../src/history/volume-history.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';
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
  readonly versions: number;
  readonly openMs: number;
}

/** @param options.rebuild Compares the index with one made anew from the log, too. */
export async function recoverVolume(
  dir: string,
  volumeId: string,
  options: { readonly rebuild: boolean },
): Promise<Recovered> {
  const beganAt = performance.now();
  const volume = await Volume.open({ dir, volumeId, clock: new SystemClock() });
  const openMs = performance.now() - beganAt;
  const problems: string[] = [];
  volume.report = (message, error) => problems.push(`${message}: ${String(error)}`);
  try {
    const tree = await readTree(volume, problems);
    const versions = await readVersions(volume, problems);
    const { revision } = volume.status();
    if (options.rebuild) await compareRebuilt(volume, volumeId, problems);
    return {
      tree,
      revision,
      versions,
      tornBytes: volume.log.tornTail?.bytes ?? 0,
      problems,
      openMs,
    };
  } finally {
    await volume.close();
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

/** Every version that the index knows can be read, and has the size that it says. */
async function readVersions(volume: Volume, problems: string[]): Promise<number> {
  await volume.flushed();
  const history = new VolumeHistory(volume);
  let count = 0;
  for await (const [key, value] of volume.index.scanPrefix(Buffer.from([Space.VERSION]))) {
    const ino = key.readUIntBE(1, 6) as Ino;
    const revision = key.readUIntBE(7, 6) as Revision;
    const { size } = decodeVersion(value);
    count += 1;
    try {
      const bytes = await history.read(ino, revision, 0, size);
      if (bytes.length !== size)
        problems.push(`version r${revision} of ${ino}: ${bytes.length} bytes`);
    } catch (error) {
      problems.push(`version r${revision} of ${ino}: ${String(error)}`);
    }
  }
  return count;
}

async function compareRebuilt(volume: Volume, volumeId: string, problems: string[]): Promise<void> {
  const dir = `${volume.dir}-rebuilt`;
  fs.mkdirSync(dir);
  fs.cpSync(join(volume.dir, 'log'), join(dir, 'log'), { recursive: true });
  const other = await Volume.open({ dir, volumeId, clock: new SystemClock() });
  try {
    const before = await dumpIndex(volume);
    const after = await dumpIndex(other);
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(key) === after.get(key)) continue;
      problems.push(`index key ${key}: ${before.get(key)}, made anew ${after.get(key)}`);
    }
  } finally {
    await other.close();
    fs.rmSync(dir, { recursive: true });
  }
}

async function dumpIndex(volume: Volume): Promise<Map<string, string>> {
  await volume.flushed();
  const dump = new Map<string, string>();
  const range = { gte: Buffer.from([0]), lt: Buffer.from([0xff]) };
  for await (const [key, value] of volume.index.scan(range)) {
    // The first comes from content, the second says how often the index was written.
    if (key[0] === Space.HASH || key[0] === Space.BATCH) continue;
    const isMeta = key[0] === Space.META;
    dump.set(key.toString('hex'), isMeta ? describeMeta(value) : value.toString('hex'));
  }
  return dump;
}

/** The order of the uncut files is that of their last changes in memory. */
function describeMeta(value: Uint8Array): string {
  const meta = decodeMeta(value);
  return JSON.stringify({ ...meta, uncut: meta?.uncut.toSorted((a, b) => a.ino - b.ino) });
}
