/**
 * What keeps a given inode of a volume: the promises, holds and checkpoints that concern it, looked up in
 * the state of the volume.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Revision } from '../shared/brands.ts';
import { timeToMs } from '../shared/time.ts';
import type { Hold, Release } from '../policy/policy.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import type { HoldRecord } from '../index/promised-records.ts';
import type { InodeRecord } from '../index/records.ts';
import { tierOf } from '../volume/promiser.ts';
import type { Volume } from '../volume/volume.ts';
import { findEverBelow } from './ever-below.ts';
import type { SurveyedInode } from './inode-survey.ts';
import type { PastVersion } from './content-intervals.ts';
import { latestOf } from './verdict.ts';
import type { Pin } from './verdict.ts';

/** An inode, and where it is or was for as long as it is judged; undefined: where that is now. */
type PlacedInode = Pick<SurveyedInode, 'inode' | 'tiers'> & {
  readonly place?: { readonly directory: string; readonly name: string };
};

/** Deeper is no path. */
const MAX_DEPTH = 4096;

/** As of one state of the volume's promises: made anew for each sweep and each question. */
export class Commitments {
  readonly #volume: Volume;
  readonly #sessionHolds: Hold[] = [];
  /** Of holds on the session. */
  readonly #releases: Release[] = [];
  readonly #pathHolds: {
    readonly name: string;
    readonly record: HoldRecord;
    readonly path: string;
    /** If it counts for the grace only. */
    readonly release: Release | undefined;
    /** What was in it at some time, or at its revision, if it is a directory: see lookBelow. */
    below: ReadonlySet<Ino>;
  }[] = [];
  readonly #pins: Pin[] = [];
  readonly #above = new Map<Ino, readonly Ino[]>();
  /** What is promised of the inode that was asked for last, from a revision on. */
  #latest:
    | (Pick<SurveyedInode, 'inode' | 'tiers'> & {
        readonly from: number;
        readonly promises: PromiseDefinition[];
      })
    | undefined;

  /** @param nowMs What was released longer ago than the grace does not count. */
  constructor(volume: Volume, nowMs: number) {
    this.#volume = volume;
    const { checkpoints, holds, released } = volume.state.promises;
    for (const [checkpoint, { at }] of checkpoints) {
      this.#pins.push({ revision: at, hold: undefined, checkpoint, release: undefined });
    }
    for (const [name, record] of holds) this.#addHold(name, record, undefined);
    const { graceMs } = volume.promiser.current.policy;
    for (const { kind, name, releasedAt, kept } of released.values()) {
      const releasedMs = timeToMs(releasedAt);
      if (releasedMs + graceMs <= nowMs) continue;
      const release = { what: kind, name, releasedMs };
      if (kind === 'hold') this.#addHold(name, kept, release);
      else this.#pins.push({ revision: kept.at, hold: undefined, checkpoint: undefined, release });
    }
    this.#pins.sort(byRevision);
  }

  #addHold(name: string, record: HoldRecord, release: Release | undefined): void {
    const { reason, ino, revision } = record;
    if (ino !== 0) {
      const path = Buffer.from(record.path).toString('latin1');
      this.#pathHolds.push({ name, record, path, release, below: new Set() });
    } else if (revision !== 0) {
      this.#pins.push({ revision, ...holdOrRelease({ name, reason }, release) });
    } else if (release === undefined) this.#sessionHolds.push({ name, reason });
    else this.#releases.push(release);
  }

  /** Finds what directories that are held had in them, also if it has left since. */
  async lookBelow(pause?: () => Promise<void>): Promise<void> {
    if (this.#pathHolds.length === 0) return;
    await this.#volume.flushed();
    const found = new Map<string, ReadonlySet<Ino>>();
    for (const hold of this.#pathHolds) {
      const { ino, revision } = hold.record;
      const key = `${ino} ${revision}`;
      const to = revision === 0 ? Infinity : revision + 1;
      const top = { ino: ino as Ino, from: revision, to };
      hold.below = found.get(key) ?? (await findEverBelow(this.#volume.index, top, pause));
      found.set(key, hold.below);
    }
  }

  /** Where the inode is or last was, from the root, one char per byte. */
  pathOf(inode: InodeRecord): string {
    const { directory, name } = this.#volume.promiser.locate(inode);
    return directory === '' ? name : `${directory}/${name}`;
  }

  /** Every promise that was in force at some time since a revision. */
  promisesSince(
    { inode, tiers, place: known }: PlacedInode,
    revision: Revision,
  ): PromiseDefinition[] {
    const { promiser } = this.#volume;
    const latest = this.#latest;
    // Asked for each content and each version of a file, of which there may be many.
    if (latest?.inode === inode && latest.tiers === tiers && revision >= latest.from)
      return latest.promises;
    const place = known ?? promiser.locate(inode);
    const had = new Set([inode.tier]);
    for (const { tier, to } of tiers) if (to > revision) had.add(tier);
    const promises = new Set<PromiseDefinition>();
    for (const { rules, sessionTier, to } of promiser.epochs) {
      if (to <= revision) continue;
      for (const tier of had) promises.add(rules.resolve(place, tierOf(tier), sessionTier));
    }
    const ends = [...tiers, ...promiser.epochs].map(({ to }) => to).filter(Number.isFinite);
    const from = Math.max(0, ...ends);
    if (revision >= from) this.#latest = { inode, tiers, from, promises: [...promises] };
    return [...promises];
  }

  /** The same for a version, with what was recorded when it was cut. */
  promisesOf(placed: PlacedInode, version: PastVersion): PromiseDefinition[] {
    const promises = this.promisesSince(placed, version.revision);
    const recorded = this.#volume.promiser.find(version.promise);
    return recorded === undefined ? promises : [recorded, ...promises];
  }

  /** Holds on the session, on the inode, on a directory that it is or was below, or on its path. */
  holdsOf(inode: InodeRecord): Hold[] {
    const holds = [...this.#sessionHolds];
    for (const hold of this.#pathHolds) {
      const { name, record, release } = hold;
      if (release !== undefined || record.revision !== 0) continue;
      if (this.#concerns(inode, hold)) holds.push({ name, reason: record.reason });
    }
    return holds;
  }

  /** The latest release of such a hold in the grace. */
  releaseOf(inode: InodeRecord): Release | undefined {
    const releases = [...this.#releases];
    for (const hold of this.#pathHolds) {
      const { record, release } = hold;
      if (release === undefined || record.revision !== 0) continue;
      if (this.#concerns(inode, hold)) releases.push(release);
    }
    return latestOf(releases);
  }

  /** Revisions that are kept in the whole tree, or in this inode; ascending. */
  pinsOf(inode: InodeRecord): Pin[] {
    const pins = [...this.#pins];
    for (const hold of this.#pathHolds) {
      const { name, record, release } = hold;
      const { reason, revision } = record;
      if (revision === 0 || !this.#concerns(inode, hold)) continue;
      pins.push({ revision, ...holdOrRelease({ name, reason }, release) });
    }
    return pins.length > this.#pins.length ? pins.toSorted(byRevision) : pins;
  }

  /** Revisions that are kept in the whole tree, whatever the inode; ascending. */
  get treePins(): readonly Pin[] {
    return this.#pins;
  }

  renewedMs(inode: InodeRecord): number | undefined {
    const root = this.#volume.state.findInode(ROOT_INO)?.renewed;
    const times = [inode.renewed, root].flatMap((time) =>
      time === undefined ? [] : timeToMs(time),
    );
    return times.length === 0 ? undefined : Math.max(...times);
  }

  #concerns(
    inode: InodeRecord,
    {
      record: { ino },
      path,
      below,
    }: {
      readonly record: HoldRecord;
      readonly path: string;
      readonly below: ReadonlySet<Ino>;
    },
  ): boolean {
    if (inode.ino === ino || below.has(inode.ino)) return true;
    if (this.#listAbove(inode.parent).includes(ino as Ino)) return true;
    // What replaced it under its name is the same file to whoever held it.
    const own = this.pathOf(inode);
    return own === path || own.startsWith(`${path}/`);
  }

  #listAbove(directory: Ino): readonly Ino[] {
    const known = this.#above.get(directory);
    if (known !== undefined) return known;
    const above: Ino[] = [];
    let ino = directory;
    while (above.length < MAX_DEPTH) {
      above.push(ino);
      if (ino === ROOT_INO) break;
      const inode = this.#volume.state.findInode(ino);
      if (inode === undefined) break;
      ino = inode.parent;
    }
    this.#above.set(directory, above);
    return above;
  }
}

const byRevision = (a: Pin, b: Pin): number => a.revision - b.revision;

const holdOrRelease = (hold: Hold, release: Release | undefined): Omit<Pin, 'revision'> => ({
  hold: release === undefined ? hold : undefined,
  checkpoint: undefined,
  release,
});
