/**
 * A volume with a bit of everything in it, in many small segments, and what every file and version of it
 * holds.
 */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { runFsck } from '../../src/fsck/fsck.ts';
import type { FsckReport } from '../../src/fsck/report.ts';
import { nodeDisk } from '../../src/log/disk.ts';
import { readSlots } from '../../src/fsck/slots.ts';
import type { Slot } from '../../src/fsck/slots.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';
import { isDirectory } from '../../src/shared/mode.ts';
import { FsError } from '../../src/shared/errors.ts';
import { Errno } from '../../src/shared/errno.ts';
import { DESK_VOLUME_ID, Desk } from '../volume/desk.ts';

export const SEGMENT_BYTES = 16 * 1024;

/** Bytes that are the same for the same seed, and not compressible. */
export function bytesOf(seed: number, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; parts.length * 32 < length; i++) {
    parts.push(createHash('sha256').update(`${seed}/${i}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** Works for a while: files of all sizes, rewritten, appended to, moved, linked, removed. */
export function work(desk: Desk, rounds: number): void {
  desk.mkdir('dir');
  desk.mkdir('dir/sub');
  for (let round = 0; round < rounds; round++) {
    desk.clock.ms += 700;
    const name = `dir/file${round % 7}`;
    desk.save(name, bytesOf(round, 100 + ((round * 977) % 6000)));
    const log = desk.open('dir/sub/log');
    const inode = desk.volume.state.findInode(log);
    desk.write(log, `line ${round}\n`, inode?.size ?? 0);
    desk.close(log);
    if (round % 5 === 1) desk.mv(name, `dir/moved${round % 3}`);
    if (round % 5 === 2) desk.ln(name, `dir/sub/link${round}`);
    if (round % 5 === 3) desk.rm(name);
    if (round % 9 === 4) desk.mkdir(`dir/sub/d${round}`);
    if (round % 9 === 6) desk.rmdir(`dir/sub/d${round - 2}`);
  }
  desk.save('big', bytesOf(9999, 300_000));
}

export interface Workplace {
  readonly dir: string;
  readonly contents: Contents;
}

/** What every file, live and past, holds: by path or by inode and revision. */
export type Contents = ReadonlyMap<string, string>;

/** Made once, copied for each test: a volume that was closed well. */
export async function makeWorkplace(
  rounds = 40,
  options: { leavesOneOpen?: boolean } = {},
): Promise<Workplace> {
  const desk = await Desk.open({ dir: makeDir(), segmentBytes: SEGMENT_BYTES });
  work(desk, rounds);
  // Changed since its last version, and still open: no version of it is due yet.
  if (options.leavesOneOpen === true) desk.write(desk.open('big'), 'changed');
  const contents = await readContents(desk);
  await desk.leave();
  const dir = makeDir();
  fs.cpSync(desk.dir, dir, { recursive: true });
  return { dir, contents };
}

/** In memory where there is such a place: thousands of syncs are no question of these tests. */
function makeDir(): string {
  const base = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const dir = fs.mkdtempSync(join(base, 'sessfs-fsck-'));
  onTestFinished(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function copyWorkplace({ dir }: { readonly dir: string }): string {
  const copy = makeDir();
  fs.cpSync(dir, copy, { recursive: true });
  return copy;
}

export const fsck = (
  dir: string,
  options: { repair?: boolean; rebuildIndex?: boolean } = {},
): Promise<FsckReport> => runFsck({ volumeDir: dir, volumeId: DESK_VOLUME_ID, ...options });

export const reopen = (dir: string): Promise<Desk> =>
  Desk.open({ dir, segmentBytes: SEGMENT_BYTES });

export const slotsOf = (dir: string): readonly Slot[] =>
  readSlots(join(dir, 'log'), DESK_VOLUME_ID, 0).slots;

export function flipBit(path: string, offset: number, bit = 0): void {
  const fd = nodeDisk.open(path, 'r+');
  const byte = Buffer.alloc(1);
  nodeDisk.read(fd, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ (1 << bit);
  nodeDisk.write(fd, byte, 0, 1, offset);
  nodeDisk.close(fd);
}

/** EIO where the volume says so. */
export async function readContents(desk: Desk): Promise<Map<string, string>> {
  const { history, volume } = desk;
  const contents = new Map<string, string>();
  const walk = async (dir: Ino, path: string): Promise<void> => {
    for (const { name, ino } of await volume.listings.listAll(dir)) {
      const inode = volume.state.findInode(ino);
      if (inode === undefined) continue;
      const below = `${path}/${name}`;
      if (isDirectory(inode.mode)) await walk(ino, below);
      else contents.set(below, await digest(desk, ino, volume.state.revision, inode.size));
    }
  };
  await walk(ROOT_INO, '');
  await volume.flushed();
  for await (const [key] of volume.index.scanPrefix(Buffer.from('v'))) {
    const ino = key.readUIntBE(1, 6) as Ino;
    const revision = key.readUIntBE(7, 6) as Revision;
    const node = await history.findNode(ino, revision);
    const size = node?.size ?? -1;
    contents.set(`${ino}@${revision}`, await digest(desk, ino, revision, size));
  }
  return contents;
}

async function digest(desk: Desk, ino: Ino, revision: Revision, size: number): Promise<string> {
  try {
    const bytes = await desk.history.read(ino, revision, 0, size);
    return `${size} ${createHash('sha256').update(bytes).digest('hex')}`;
  } catch (error) {
    if (error instanceof FsError && error.errno === Errno.EIO) return 'EIO';
    throw error;
  }
}

/** @returns What is EIO. @throws {Error} If anything else is not what it was. */
export function compare(seen: Contents, wanted: Contents): string[] {
  const lost: string[] = [];
  for (const [what, content] of wanted) {
    const now = seen.get(what);
    if (now === 'EIO') lost.push(what);
    else if (now !== content) throw new Error(`${what} is ${now}, wanted ${content}`);
  }
  return lost;
}
