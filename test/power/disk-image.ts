/**
 * What a disk holds after losing power at some moment, as far as the journal leaves that to chance.
 *
 * Rules, no kinder than real disks:
 * - What a sync that had returned covers is there.
 * - Of other writes to a file any may be there, whatever their order, and of each any of its sectors;
 *   the file's size may have got ahead of its data or lag behind.
 * - Changes of names: see Names. A rename is whole or not at all.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { isDirectory, isRegular } from '../../src/shared/mode.ts';
import type { Entry } from './journal.ts';

/**
 * How names survive: as with a journal (ext4: a sync of anything takes every earlier change of names with
 * it, and of later ones a prefix is there), or as POSIX has it (a name is there once its directory was
 * synced; of each directory's later changes a prefix is).
 */
export type Names = 'journal' | 'posix';

/** What happens to the writes that no sync covers. */
export type Writes = 'none' | 'prefix' | 'any' | 'torn' | 'all';

export interface Fate {
  readonly names: Names;
  readonly writes: Writes;
  readonly random: () => number;
}

export interface ImageFile {
  readonly mode: number;
  readonly bytes: Buffer;
}

/** Paths below the root of the disk, without a leading slash. Directories end in one, and are empty. */
export type Image = Map<string, ImageFile>;

const SECTOR_BYTES = 512;

interface Inode {
  readonly mode: number;
  /** Writes and truncations, in order. */
  readonly changes: Entry[];
  /** All changes up to this one are on the medium. */
  durable: number;
  /** Changes that a failed sync should have covered: [after, up to]. */
  readonly lost: [number, number][];
}

/** @param cut The last entry that happened. */
export function takeImage(journal: readonly Entry[], cut: number, fate: Fate): Image {
  const inodes = new Map<number, Inode>();
  const names: Entry[] = [];
  let syncedAll = 0;
  const root = { mode: 0o040755, changes: [], durable: 0, lost: [] };
  inodes.set(1, root);
  for (const entry of journal) {
    if (entry.seq > cut) break;
    switch (entry.k) {
      case 'make':
        inodes.set(entry.ino, { mode: entry.mode, changes: [], durable: 0, lost: [] });
        names.push(entry);
        break;
      case 'link':
      case 'remove':
      case 'move':
        names.push(entry);
        break;
      case 'write':
      case 'truncate':
        inodes.get(entry.ino)?.changes.push(entry);
        break;
      case 'sync': {
        syncedAll = Math.max(syncedAll, entry.covers);
        const inode = inodes.get(entry.ino);
        if (inode !== undefined) inode.durable = Math.max(inode.durable, entry.covers);
        break;
      }
      case 'lost': {
        const inode = inodes.get(entry.ino);
        inode?.lost.push([inode.durable, entry.covers]);
        break;
      }
    }
  }
  const kept = keepNames(names, { fate, cut, syncedAll, inodes });
  return spell(kept, inodes, fate);
}

function keepNames(
  names: readonly Entry[],
  disk: {
    readonly fate: Fate;
    readonly cut: number;
    readonly syncedAll: number;
    readonly inodes: ReadonlyMap<number, Inode>;
  },
): Entry[] {
  const { fate, cut, syncedAll, inodes } = disk;
  const reachOf = new Map<number, number>();
  const reach = (dir: number): number => {
    const id = fate.names === 'journal' ? 0 : dir;
    let found = reachOf.get(id);
    if (found === undefined) {
      const least = fate.names === 'journal' ? syncedAll : (inodes.get(dir)?.durable ?? 0);
      found = least + Math.floor(fate.random() ** 2 * (cut - least + 1));
      if (fate.writes === 'none') found = least;
      if (fate.writes === 'all') found = cut;
      reachOf.set(id, found);
    }
    return found;
  };
  return names.filter((entry) => {
    if (entry.k === 'move') return entry.seq <= Math.min(reach(entry.dir), reach(entry.newDir));
    return 'dir' in entry && entry.seq <= reach(entry.dir);
  });
}

/** Applies what is left of the changes of names, and fills in the content. */
function spell(names: readonly Entry[], inodes: ReadonlyMap<number, Inode>, fate: Fate): Image {
  const directories = new Map<number, Map<string, number>>([[1, new Map()]]);
  const below = (dir: number): Map<string, number> => {
    let found = directories.get(dir);
    if (found === undefined) directories.set(dir, (found = new Map()));
    return found;
  };
  for (const entry of names) {
    if (entry.k === 'make' || entry.k === 'link') below(entry.dir).set(entry.name, entry.ino);
    else if (entry.k === 'remove') below(entry.dir).delete(entry.name);
    else if (entry.k === 'move') {
      const ino = below(entry.dir).get(entry.name);
      if (ino === undefined) continue;
      below(entry.dir).delete(entry.name);
      below(entry.newDir).set(entry.newName, ino);
    }
  }
  const image: Image = new Map();
  const walk = (dir: number, prefix: string): void => {
    for (const [name, ino] of below(dir)) {
      const inode = inodes.get(ino);
      if (inode === undefined) continue;
      const path = prefix + name;
      if (isDirectory(inode.mode)) {
        image.set(`${path}/`, { mode: inode.mode, bytes: Buffer.alloc(0) });
        walk(ino, `${path}/`);
      } else if (isRegular(inode.mode)) {
        image.set(path, { mode: inode.mode, bytes: contentOf(inode, fate) });
      }
    }
  };
  walk(1, '');
  return image;
}

function contentOf(inode: Inode, fate: Fate): Buffer {
  const isDurable = ({ seq }: Entry): boolean =>
    seq <= inode.durable && !inode.lost.some(([after, until]) => seq > after && seq <= until);
  let bytes: Buffer = Buffer.alloc(0);
  for (const change of inode.changes) if (isDurable(change)) bytes = place(bytes, change);
  const durableSize = bytes.length;
  const open = inode.changes.filter((change) => !isDurable(change));
  if (open.length === 0) return bytes;
  const first = open[0]?.seq ?? 0;
  // A durable change may stand behind one that is not: from the first of those on, again in order.
  bytes = Buffer.alloc(0);
  for (const change of inode.changes) if (change.seq < first) bytes = place(bytes, change);
  const share = [0.2, 0.5, 0.8][Math.floor(fate.random() * 3)] ?? 0.5;
  const last = open[Math.floor(fate.random() * open.length)]?.seq ?? 0;
  for (const change of inode.changes) {
    if (change.seq < first) continue;
    if (isDurable(change) || fate.writes === 'all') bytes = place(bytes, change);
    else if (fate.writes === 'prefix') {
      if (change.seq <= last) bytes = place(bytes, change);
    } else if (fate.writes === 'any') {
      if (fate.random() < share) bytes = place(bytes, change);
    } else if (fate.writes === 'torn') {
      bytes = placeSectors(bytes, change, () => fate.random() < share);
    }
  }
  if (fate.writes !== 'any' && fate.writes !== 'torn') return bytes;
  return resize(bytes, { inode, durableSize, random: fate.random });
}

/** The size as some moment of the journal of names had it. */
function resize(
  bytes: Buffer,
  how: { inode: Inode; durableSize: number; random: () => number },
): Buffer {
  const { inode, durableSize, random } = how;
  const chance = random();
  if (chance < 0.4) return bytes;
  if (chance < 0.7) {
    let size = durableSize;
    for (const change of inode.changes) {
      if (change.k === 'write') size = Math.max(size, change.offset + change.bytes.length);
      else if (change.k === 'truncate') size = change.size;
    }
    return size > bytes.length ? Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]) : bytes;
  }
  if (bytes.length <= durableSize) return bytes;
  const size = durableSize + Math.floor(random() * (bytes.length - durableSize + 1));
  return bytes.subarray(0, size);
}

function place(bytes: Buffer, change: Entry): Buffer {
  if (change.k === 'truncate') return sized(bytes, change.size);
  if (change.k !== 'write') return bytes;
  const end = change.offset + change.bytes.length;
  const result = end > bytes.length ? sized(bytes, end) : bytes;
  change.bytes.copy(result, change.offset);
  return result;
}

function placeSectors(bytes: Buffer, change: Entry, survives: () => boolean): Buffer {
  if (change.k !== 'write') return survives() ? place(bytes, change) : bytes;
  let result = bytes;
  const end = change.offset + change.bytes.length;
  for (let at = change.offset; at < end;) {
    const until = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (survives()) {
      if (until > result.length) result = sized(result, until);
      change.bytes.copy(result, at, at - change.offset, until - change.offset);
    }
    at = until;
  }
  return result;
}

/** Grows by doubling behind what is seen, so that thousands of small appends stay cheap. */
function sized(bytes: Buffer, size: number): Buffer {
  if (size <= bytes.length) return bytes.subarray(0, size);
  const whole = bytes.buffer;
  if (
    whole instanceof ArrayBuffer &&
    bytes.byteOffset === 0 &&
    size <= whole.byteLength &&
    whole.byteLength > 8192
  ) {
    const grown = Buffer.from(whole, 0, size);
    grown.fill(0, bytes.length);
    return grown;
  }
  const room = Buffer.from(new ArrayBuffer(Math.max(size * 2, 16384)), 0, size);
  bytes.copy(room);
  return room;
}

/** Writes out what lies below `prefix` ("" or ending in a slash). */
export function writeImage(image: Image, dir: string, prefix = ''): void {
  fs.mkdirSync(dir, { recursive: true });
  for (const [path, file] of image) {
    if (!path.startsWith(prefix)) continue;
    const target = join(dir, path.slice(prefix.length));
    if (path.endsWith('/')) fs.mkdirSync(target, { recursive: true, mode: file.mode & 0o7777 });
    else fs.writeFileSync(target, file.bytes, { mode: file.mode & 0o7777 });
  }
}

/** A repeatable stream of numbers from 0 to below 1 (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
