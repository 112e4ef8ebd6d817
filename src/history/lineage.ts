/**
 * Lineages: what a person means by a file or a directory, through its renames, rewrites and removals.
 *
 * A name's history is that of every inode that ever had it. An inode brings along what it replaced under
 * the names that it had before: after `sed -i a; mv a b`, b has all of a's. What it replaces later it does
 * not bring back: a temporary name has nothing of the file that it is renamed over. Nothing is guessed by
 * time or process.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name, Revision } from '../shared/brands.ts';
import { S_IFDIR } from '../shared/mode.ts';
import { versionKey } from '../index/keys.ts';
import { decodeVersion } from '../index/records.ts';
import type { VersionRecord } from '../index/records.ts';
import type { Volume } from '../volume/volume.ts';
import type { AsOf } from './as-of.ts';
import type { DirectoryLineage, PastName } from './store.ts';

export interface VersionEntry extends VersionRecord {
  readonly ino: Ino;
  readonly revision: Revision;
}

export interface NameHistory {
  /** Every inode whose versions belong to the name. */
  readonly inos: readonly Ino[];
  /** The inode that has the name now. */
  readonly liveIno: Ino | undefined;
  /** How the name went away, if nothing has it now. */
  readonly removed: { readonly revision: Revision; readonly actor: number } | undefined;
}

export class Lineages {
  readonly #volume: Volume;
  readonly #asOf: AsOf;

  constructor(volume: Volume, asOf: AsOf) {
    this.#volume = volume;
    this.#asOf = asOf;
  }

  /** The lineage of a live directory. */
  async findDirectory(dir: Ino): Promise<DirectoryLineage> {
    const inode = this.#volume.state.findInode(dir);
    if (inode === undefined || dir === ROOT_INO) return { inos: [dir] };
    const parents = await this.findDirectory(inode.parent);
    const named = await this.findChildDirectory(parents, inode.name);
    return { inos: [...new Set([dir, ...(named?.inos ?? [])])] };
  }

  async findChildDirectory(
    lineage: DirectoryLineage,
    name: Name,
  ): Promise<DirectoryLineage | undefined> {
    const inos = new Set<Ino>();
    for (const dir of lineage.inos) {
      const live = this.#volume.state.findDentry(dir, name);
      if (live !== undefined && live.type === S_IFDIR) inos.add(live.ino);
      for (const past of await this.#asOf.listPast(dir, name)) {
        if (past.type === S_IFDIR) inos.add(past.ino);
      }
    }
    return inos.size === 0 ? undefined : { inos: [...inos] };
  }

  /** In byte order. */
  async listNames(lineage: DirectoryLineage): Promise<PastName[]> {
    const names = new Map<Name, { wasFile: boolean; wasDirectory: boolean; isLive: boolean }>();
    const note = (name: Name, type: number, isLive: boolean): void => {
      let entry = names.get(name);
      if (entry === undefined) {
        names.set(name, (entry = { wasFile: false, wasDirectory: false, isLive: false }));
      }
      if (type === S_IFDIR) entry.wasDirectory = true;
      else entry.wasFile = true;
      if (isLive) entry.isLive = true;
    };
    for (const dir of lineage.inos) {
      for (const { name, type } of await this.#volume.listings.listAll(dir)) note(name, type, true);
      for (const { name, type } of await this.#asOf.listAllPast(dir)) note(name, type, false);
    }
    return [...names]
      .map(([name, entry]) => ({ name, ...entry }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** undefined if no file ever had the name. */
  async findName(lineage: DirectoryLineage, name: Name): Promise<NameHistory | undefined> {
    const arrivals: Arrival[] = [];
    let liveIno: Ino | undefined;
    let isTaken = false;
    let removed: NameHistory['removed'];
    for (const dir of lineage.inos) {
      const live = this.#volume.state.findDentry(dir, name);
      if (live !== undefined) {
        isTaken = true;
        if (live.type !== S_IFDIR) {
          liveIno = live.ino;
          arrivals.push(live);
        }
      }
      for (const past of await this.#asOf.listPast(dir, name)) {
        if (past.type === S_IFDIR) continue;
        arrivals.push(past);
        if (removed === undefined || removed.revision < past.to) {
          removed = { revision: past.to, actor: past.removedBy };
        }
      }
    }
    if (arrivals.length === 0) return undefined;
    const inos = await this.#listWithReplaced(arrivals);
    return { inos, liveIno, removed: isTaken ? undefined : removed };
  }

  /** Every version of an inode, oldest first. */
  async listVersions(ino: Ino): Promise<VersionEntry[]> {
    await this.#volume.cuts.settled();
    await this.#volume.flushed();
    const versions: VersionEntry[] = [];
    const prefix = Buffer.from(versionKey(ino, 0)).subarray(0, REVISION_AT);
    for await (const [key, value] of this.#volume.index.scanPrefix(prefix)) {
      const revision = key.readUIntBE(REVISION_AT, 6) as Revision;
      versions.push({ ...decodeVersion(value), ino, revision });
    }
    return versions;
  }

  /** The inodes that arrived, those that they had replaced before, and so on. */
  async #listWithReplaced(arrivals: readonly Arrival[]): Promise<Ino[]> {
    const latest = new Map<Ino, Revision>();
    const queue = [...arrivals];
    for (let arrival = queue.pop(); arrival !== undefined; arrival = queue.pop()) {
      const known = latest.get(arrival.ino);
      if (known !== undefined && known >= arrival.since) continue;
      latest.set(arrival.ino, arrival.since);
      queue.push(...(await this.#listReplaced(arrival)));
    }
    return [...latest.keys()];
  }

  /** What an inode replaced, by being renamed over it, under names that it got before it arrived. */
  async #listReplaced({ ino, since }: Arrival): Promise<Arrival[]> {
    const replaced: Arrival[] = [];
    const places = new Map<string, { parent: Ino; name: Name }>();
    for (const { inode } of await this.#asOf.listStates(ino)) {
      if (inode.name !== '') places.set(`${inode.parent}/${inode.name}`, inode);
    }
    for (const { parent, name } of places.values()) {
      const past = await this.#asOf.listPast(parent, name);
      const live = this.#volume.state.findDentry(parent, name);
      for (const own of live === undefined ? past : [...past, live]) {
        if (own.ino !== ino || own.since >= since) continue;
        const before = past.find((entry) => entry.to === own.since && entry.ino !== ino);
        if (before !== undefined && before.type !== S_IFDIR) replaced.push(before);
      }
    }
    return replaced;
  }
}

/** An inode got a name at a revision. */
interface Arrival {
  readonly ino: Ino;
  readonly since: Revision;
}

const REVISION_AT = 1 + 6;
