/**
 * What must hold of a volume whatever it was sent: a tree that is whole, and a log that tells the same.
 */

import fs from 'node:fs';

import type { Clock } from '../../src/shared/time.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino } from '../../src/shared/brands.ts';
import { isDirectory, isRegular, S_IFMT } from '../../src/shared/mode.ts';
import { readFile } from '../../src/volume/files.ts';
import type { Volume } from '../../src/volume/volume.ts';
import { System } from '../model/system.ts';
import { demand } from './finding.ts';

const READ_BYTES = 1 << 18;

/** Every name leads to an inode, every count is right, every byte can be read. */
export async function checkTree(volume: Volume): Promise<void> {
  const links = new Map<Ino, number>();
  const seen = new Set<Ino>([ROOT_INO]);
  for (const dir of seen) {
    const inode = volume.state.findInode(dir);
    demand(inode !== undefined && isDirectory(inode.mode), `inode ${dir} is a directory`);
    const names = await volume.listings.listAll(dir);
    demand(inode.size === names.length, `directory ${dir} has as many names as it says`);
    let directories = 0;
    for (const { name, ino, type } of names) {
      const child = volume.state.findInode(ino);
      demand(child !== undefined, `"${name}" in ${dir} is an inode`);
      demand((child.mode & S_IFMT) === type, `"${name}" in ${dir} is of the type that it says`);
      demand(/^[^/\0]{1,255}$/s.test(name) && !/^\.\.?$/.test(name), `"${name}" is a name`);
      links.set(ino, (links.get(ino) ?? 0) + 1);
      if (!isDirectory(child.mode)) continue;
      directories += 1;
      demand(!seen.has(ino), `directory ${ino} has one name`);
      demand(child.parent === dir && child.name === name, `directory ${ino} knows where it is`);
      seen.add(ino);
    }
    demand(inode.nlink === 2 + directories, `directory ${dir} counts its directories`);
  }
  for (const [ino, count] of links) checkFile(volume, ino, count);
  demand(volume.status().inodes === links.size + 1, 'the volume counts its inodes');
}

function checkFile(volume: Volume, ino: Ino, count: number): void {
  const inode = volume.state.findInode(ino);
  if (inode === undefined || isDirectory(inode.mode)) return;
  demand(inode.nlink === count, `inode ${ino} has ${count} names, not ${inode.nlink}`);
  if (!isRegular(inode.mode)) return;
  const into = Buffer.alloc(READ_BYTES);
  for (const offset of [0, Math.max(0, inode.extentEnd - READ_BYTES)]) {
    readFile(volume, ino, offset, into);
  }
}

/** Opened again it is the same, with its index and without. */
export async function checkReplay(
  system: System,
  dirs: { readonly copy: string; readonly clock: Clock },
): Promise<void> {
  // Else it is done by a timer, at a moment of its own.
  system.volume.cuts.cutAll('interval');
  await system.volume.cuts.settled();
  const before = await system.dumpIndex();
  const { revision } = system.volume.state;
  system.copyTo(dirs.copy, { withIndex: false });
  await system.volume.close();
  for (const dir of [system.dir, dirs.copy]) {
    const again = await System.open(dir, dirs.clock, { isResumed: true });
    try {
      demand(again.volume.state.revision === revision, `it goes on at r${revision}`);
      const after = await again.dumpIndex();
      for (const key of new Set([...before.keys(), ...after.keys()])) {
        const [was, is] = [before.get(key), after.get(key)];
        demand(was === is, `${dir}: key ${key} was ${was} and is ${is}`);
      }
      await checkTree(again.volume);
    } finally {
      await again.volume.close();
    }
  }
  fs.rmSync(dirs.copy, { recursive: true });
}
