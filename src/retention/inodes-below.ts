/**
 * Which inodes would go with a path: those that are there or below, and those that were when they were
 * removed.
 *
 * Rule: what was moved away, or has another name outside, would stay with all its versions: it is not among
 * them, be it live or removed from there.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { isDirectory, S_IFDIR } from '../shared/mode.ts';
import { dentryHistoryDirKey, dentryHistoryKey, inodeKey, Space } from '../index/keys.ts';
import { decodeDentry, decodeInode, decodePastDentry } from '../index/records.ts';
import type { Dentry, InodeRecord } from '../index/records.ts';
import type { Volume } from '../volume/volume.ts';

/** Names between two pauses. */
const PAUSE_EVERY = 500;
const REVISION_BYTES = 6;
/** Space byte and directory: what stands before the name in a key. */
const NAME_AT = 1 + 6;

/** An inode that had a name, from one revision up to before another. */
interface Stay {
  readonly ino: Ino;
  readonly parent: Ino;
  readonly name: Name;
  readonly isDirectory: boolean;
  readonly from: number;
  readonly to: number;
}

const ROOT_STAY: Stay = {
  ino: ROOT_INO,
  parent: ROOT_INO,
  name: '' as Name,
  isDirectory: true,
  from: 0,
  to: Infinity,
};

/** @returns undefined if nothing is there, or ever was. */
export async function findInodesBelow(
  volume: Volume,
  path: readonly Name[],
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<Set<Ino> | undefined> {
  await volume.flushed();
  const search = new Search(volume, pause);
  const { live, past } = await search.findPath(path);
  if (live === undefined && past.length === 0) return undefined;
  if (live !== undefined) await search.addLive(live);
  for (const stay of past) await search.addPast(stay);
  return search.takeFound();
}

class Search {
  readonly #volume: Volume;
  readonly #pause: () => Promise<void>;
  /** How many live names below the path an inode has. */
  readonly #liveNames = new Map<Ino, number>();
  readonly #removed = new Set<Ino>();
  readonly #seen = new Set<string>();
  #steps = 0;

  constructor(volume: Volume, pause: () => Promise<void>) {
    this.#volume = volume;
    this.#pause = pause;
  }

  /** What has the path now, and everything that ever had it, what has it now among them. */
  async findPath(path: readonly Name[]): Promise<{ live: Ino | undefined; past: Stay[] }> {
    let live: Ino | undefined = ROOT_INO;
    let past = [ROOT_STAY];
    for (const name of path) {
      live = live === undefined ? undefined : this.#volume.state.findDentry(live, name)?.ino;
      const next: Stay[] = [];
      for (const directory of past) {
        if (!directory.isDirectory) continue;
        const prefix = Buffer.from(dentryHistoryKey(directory.ino, name, 0));
        next.push(...(await this.#listPast(prefix.subarray(0, -REVISION_BYTES), directory)));
        const now = this.#volume.state.findDentry(directory.ino, name);
        if (now === undefined) continue;
        next.push(...overlap(directory, { ...now, name, to: Infinity }));
      }
      past = next;
    }
    return { live, past };
  }

  /** Everything that lives below, itself included. */
  async addLive(ino: Ino): Promise<void> {
    this.#liveNames.set(ino, (this.#liveNames.get(ino) ?? 0) + 1);
    const inode = this.#findInode(ino);
    if (inode === undefined || !isDirectory(inode.mode)) return;
    const below: Ino[] = [];
    const prefix = Buffer.from(dentryHistoryDirKey(ino));
    prefix[0] = Space.DENTRY;
    for await (const [, value] of this.#volume.index.scanPrefix(prefix)) {
      below.push(decodeDentry(value).ino);
      await this.#step();
    }
    for (const child of below) await this.addLive(child);
    const { parent, name } = inode;
    await this.addPast({ ino, parent, name, isDirectory: true, from: 0, to: Infinity });
  }

  /** Everything that was removed from below, itself included. */
  async addPast(stay: Stay): Promise<void> {
    const key = `${stay.ino} ${stay.from} ${stay.to}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const inode = this.#findInode(stay.ino);
    if (inode === undefined) return;
    if (inode.nlink === 0) {
      if (inode.parent !== stay.parent || inode.name !== stay.name) return;
      this.#removed.add(stay.ino);
    } else if (!this.#liveNames.has(stay.ino)) {
      // What lives below was found before.
      return;
    }
    if (!stay.isDirectory) return;
    const prefix = Buffer.from(dentryHistoryDirKey(stay.ino));
    for (const below of await this.#listPast(prefix, stay)) await this.addPast(below);
  }

  takeFound(): Set<Ino> {
    const found = this.#removed;
    for (const [ino, names] of this.#liveNames) {
      const inode = this.#findInode(ino);
      const isOnlyHere = inode !== undefined && (isDirectory(inode.mode) || names >= inode.nlink);
      if (isOnlyHere) found.add(ino);
    }
    return found;
  }

  /** Who had a name while the directory was there. */
  async #listPast(prefix: Buffer, directory: Stay): Promise<Stay[]> {
    const stays: Stay[] = [];
    for await (const [key, value] of this.#volume.index.scanPrefix(prefix)) {
      const { ino, type, since } = decodePastDentry(value);
      const end = key.length - REVISION_BYTES;
      const to = key.readUIntBE(end, REVISION_BYTES);
      const name = key.toString('latin1', NAME_AT, end - 1) as Name;
      stays.push(...overlap(directory, { ino, type, since, name, to }));
      await this.#step();
    }
    return stays;
  }

  /** As the index has it: a walk over everything must not push out what is cached. */
  #findInode(ino: Ino): InodeRecord | undefined {
    const value = this.#volume.index.get(inodeKey(ino));
    return value === undefined ? undefined : decodeInode(ino, value);
  }

  async #step(): Promise<void> {
    this.#steps += 1;
    if (this.#steps % PAUSE_EVERY === 0) await this.#pause();
  }
}

/** The part of a name's time in which its directory was there; none or one. */
function overlap(
  directory: Stay,
  named: Dentry & { readonly name: Name; readonly to: number },
): Stay[] {
  const { ino, name, type } = named;
  const from = Math.max(directory.from, named.since);
  const to = Math.min(directory.to, named.to);
  const stay = { ino, parent: directory.ino, name, isDirectory: type === S_IFDIR, from, to };
  return from < to ? [stay] : [];
}
