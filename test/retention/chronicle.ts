/**
 * Everything that ever was in a volume, as its events told it: the names, the contents, the attributes, what
 * was promised. Nothing here is ever removed.
 *
 * Contents are read from the live file right after each change: what retention does comes later.
 */

import type { Ino, Name, PromiseId } from '../../src/shared/brands.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import { isDirectory, isRegular } from '../../src/shared/mode.ts';
import { timeToMs } from '../../src/shared/time.ts';
import { decodePromise } from '../../src/policy/promise.ts';
import { TIERS } from '../../src/policy/tier.ts';
import type { Tier } from '../../src/policy/tier.ts';
import type { Event } from '../../src/volume/events.ts';
import { readFile } from '../../src/volume/files.ts';
import type { Volume } from '../../src/volume/volume.ts';
import { promiseOf } from './ladders.ts';
import type { OraclePolicy, Promised, Rungs } from './ladders.ts';

/** What a file held from a revision on. */
export interface Held {
  readonly revision: number;
  readonly ms: number;
  readonly bytes: Buffer;
  readonly isRollback: boolean;
  /** The version that it is the same as, if it was written anew and made none. */
  sameAs: number | undefined;
  /** The oracle has let it go. */
  isGone: boolean;
}

export interface Cut {
  readonly revision: number;
  readonly ms: number;
  readonly promised: Promised;
  isGone: boolean;
}

interface Attributes {
  readonly revision: number;
  readonly told: string;
}

export interface Thing {
  readonly ino: Ino;
  readonly born: number;
  readonly isFile: boolean;
  readonly isDir: boolean;
  readonly held: Held[];
  readonly cuts: Cut[];
  readonly attributes: Attributes[];
  tier: number;
  readonly tiers: { readonly tier: number; readonly to: number }[];
  place: { readonly parent: Ino; readonly name: Name };
  nlink: number;
  removed: { readonly revision: number; readonly ms: number; readonly actor: number } | undefined;
  cutRevision: number;
  renewedMs: number | undefined;
  ctimeMs: number;
  /** When the names of a directory last changed. */
  namesSince: number;
}

export interface Named {
  readonly parent: Ino;
  readonly name: Name;
  readonly ino: Ino;
  readonly since: number;
  to: number;
  by: number;
}

interface Epoch {
  readonly policy: OraclePolicy;
  readonly sessionTier: Tier;
  readonly since: number;
  to: number;
}

export interface HeldTarget {
  readonly ino: Ino | 0;
  readonly revision: number;
  readonly path: string;
}

export const tierAt = (tier: number): Tier | undefined => TIERS[tier - 1];

export class Chronicle {
  readonly things = new Map<Ino, Thing>();
  readonly names: Named[] = [];
  readonly #namesByIno = new Map<Ino, Named[]>();
  readonly live = new Map<string, Named>();
  readonly epochs: Epoch[] = [];
  readonly checkpoints = new Map<string, number>();
  readonly holds = new Map<string, HeldTarget>();
  /** What was released, and when: a checkpoint is a hold on the session at its revision. */
  readonly released: { readonly target: HeldTarget; readonly ms: number }[] = [];
  /** When each revision was, by its number. */
  readonly times: number[] = [-Infinity];
  purges = 0;
  #unknown: OraclePolicy | undefined;
  readonly #policies: ReadonlyMap<string, OraclePolicy>;
  readonly #defined = new Map<PromiseId, string>();
  #touched = new Set<Ino>();
  #rewritten = new Map<Ino, boolean>();

  constructor(volume: Volume, policies: readonly OraclePolicy[]) {
    this.#policies = new Map(policies.map((policy) => [policy.text, policy]));
    const { revision, time } = volume.state;
    const ms = timeToMs(time);
    for (let at = 1; at <= revision; at++) this.times.push(ms);
    this.things.set(ROOT_INO, newThing(ROOT_INO, 1, { parent: ROOT_INO, name: '' as Name }, ms));
    const root = this.get(ROOT_INO);
    Object.assign(root, { isDir: true, nlink: 2 });
  }

  get(ino: Ino): Thing {
    const thing = this.things.get(ino);
    if (thing === undefined) throw new Error(`Nothing is ${ino}`);
    return thing;
  }

  /** For tests that ask the oracle nothing of what a policy of theirs promises. */
  allowUnknownPolicies(instead: OraclePolicy): void {
    this.#unknown = instead;
  }

  /** To be called after each commit of another volume object, too: the same volume, opened again. */
  watch(volume: Volume): void {
    const commit = volume.commit.bind(volume);
    volume.commit = (event, caller, data) => {
      commit(event, caller, data);
      const ms = timeToMs(volume.log.lastTime);
      this.times[volume.state.revision] = ms;
      this.#touched = new Set();
      this.#rewritten = new Map();
      const at = { revision: volume.state.revision, ms, actor: caller.actor ?? -1 };
      this.#note(event, at);
      this.#look(volume, at);
    };
  }

  pathOf({ parent, name }: Thing['place']): string[] {
    const path: string[] = [name];
    for (let ino = parent; ino !== ROOT_INO;) {
      const { place } = this.get(ino);
      path.unshift(place.name);
      ino = place.parent;
    }
    return path;
  }

  /** What a thing was promised at some time from a revision on, where it is or last was. */
  promisedSince(thing: Thing, revision: number): Promised[] {
    const path = this.pathOf(thing.place);
    const tiers = new Set([thing.tier]);
    for (const { tier, to } of thing.tiers) if (to > revision) tiers.add(tier);
    const found = new Map<string, Promised>();
    for (const { policy, sessionTier, to } of this.epochs) {
      if (to <= revision) continue;
      for (const tier of tiers) {
        const own = tierAt(tier);
        const promised = promiseOf(policy, path, { own, session: sessionTier });
        found.set(promised.key, promised);
      }
    }
    return [...found.values()];
  }

  /** Every name that a thing has or had. */
  namesOf(ino: Ino): readonly Named[] {
    return this.#namesByIno.get(ino) ?? [];
  }

  /** What each name stood for at a revision. */
  treeAt(revision: number): Map<Ino, Map<Name, Ino>> {
    const tree = new Map<Ino, Map<Name, Ino>>();
    for (const { parent, name, ino, since, to } of this.names) {
      if (since > revision || to <= revision) continue;
      let names = tree.get(parent);
      if (names === undefined) tree.set(parent, (names = new Map()));
      names.set(name, ino);
    }
    return tree;
  }

  #note(event: Event, at: { revision: number; ms: number; actor: number }): void {
    switch (event.kind) {
      case 'make': {
        const { ino, name } = event;
        const parent = event.parent as Ino;
        const thing = newThing(ino, at.revision, { parent, name }, at.ms);
        const isDir = isDirectory(event.mode);
        const nlink = parent === 0 ? 0 : isDir ? 2 : 1;
        Object.assign(thing, { isDir, isFile: isRegular(event.mode), nlink });
        if (parent === 0) thing.removed = at;
        else if (parent !== ROOT_INO) thing.tier = this.get(parent).tier;
        this.things.set(ino, thing);
        if (thing.isFile) {
          const bytes = Buffer.alloc(0);
          const { revision, ms } = at;
          const sameAs = undefined;
          thing.held.push({ revision, ms, bytes, isRollback: false, sameAs, isGone: false });
        }
        this.#touched.add(ino);
        if (parent !== 0) this.#name(parent, name, ino, at);
        return;
      }
      case 'link': {
        const thing = this.get(event.ino);
        thing.nlink = thing.isDir ? 2 : thing.nlink + 1;
        thing.removed = undefined;
        this.#name(event.parent, event.name, event.ino, at);
        thing.place = event;
        return;
      }
      case 'unlink':
        this.#unlink(event.parent, event.name, at);
        return;
      case 'rename':
        this.#rename(event, at);
        return;
      case 'write':
      case 'allocate':
      case 'clone':
        this.#rewritten.set(event.ino, false);
        this.#touched.add(event.ino);
        return;
      case 'setattr': {
        const size = this.get(event.ino).held.at(-1)?.bytes.length;
        if (event.size !== undefined && event.size !== size) this.#rewritten.set(event.ino, false);
        this.#touched.add(event.ino);
        return;
      }
      case 'restore':
        if (event.extents !== undefined) this.#rewritten.set(event.ino, true);
        this.#touched.add(event.ino);
        return;
      case 'xattr':
        this.#touched.add(event.ino);
        return;
      case 'cut': {
        const thing = this.get(event.ino);
        thing.cuts.push({
          revision: at.revision,
          ms: at.ms,
          promised: this.#promisedNow(thing, event.promise),
          isGone: false,
        });
        thing.cutRevision = at.revision;
        return;
      }
      case 'unchanged': {
        const thing = this.get(event.ino);
        thing.cutRevision = at.revision;
        const last = thing.held.at(-1);
        if (last !== undefined) last.sameAs = thing.cuts.at(-1)?.revision;
        return;
      }
      case 'tier':
        this.#setTier(this.get(event.ino), event.tier, at.revision);
        this.#touched.add(event.ino);
        return;
      case 'renew':
        this.get(event.ino).renewedMs = at.ms;
        return;
      case 'policy': {
        const policy = this.#policies.get(event.text) ?? this.#unknown;
        if (policy === undefined) throw new Error('A policy that the oracle does not know');
        const last = this.epochs.at(-1);
        if (last !== undefined) last.to = at.revision;
        const sessionTier = tierAt(event.sessionTier) ?? 'standard';
        this.epochs.push({ policy, sessionTier, since: at.revision, to: Infinity });
        return;
      }
      case 'checkpoint':
        if (event.at === undefined) {
          const revision = this.checkpoints.get(event.name);
          this.checkpoints.delete(event.name);
          if (revision === undefined) return;
          this.released.push({ target: { ino: 0, revision, path: '' }, ms: at.ms });
        } else this.checkpoints.set(event.name, event.at);
        return;
      case 'hold':
        if (event.target === undefined) {
          const target = this.holds.get(event.name);
          this.holds.delete(event.name);
          if (target !== undefined) this.released.push({ target, ms: at.ms });
        } else this.holds.set(event.name, event.target);
        return;
      case 'batch':
        for (const part of event.events) this.#note(part, at);
        return;
      case 'define':
        this.#defined.set(event.id, event.text);
        return;
      case 'purge':
        this.purges += 1;
        return;
      default:
    }
  }

  /** By the place of the file; of a linked file that was rolled back, by the name that was. */
  #promisedNow(thing: Thing, id: PromiseId): Promised {
    const epoch = this.epochs.at(-1);
    if (epoch === undefined) throw new Error('A volume of these tests has a policy');
    const links = [...this.live.values()].filter(({ ino }) => ino === thing.ino);
    const own = tierAt(thing.tier);
    const promises = [thing.place, ...links].map((place) =>
      promiseOf(epoch.policy, this.pathOf(place), { own, session: epoch.sessionTier }),
    );
    const recorded = decodePromise(this.#defined.get(id) ?? '');
    const found = promises.find(
      ({ rungs, makesVersions }) =>
        makesVersions === recorded.makesVersions && isSame(rungs, recorded.ladder),
    );
    if (found === undefined && this.#unknown !== undefined) return promises[0] as Promised;
    if (found === undefined) {
      throw new Error(`${this.#defined.get(id)} is recorded of ${JSON.stringify(promises)}`);
    }
    return found;
  }

  #rename(
    event: Extract<Event, { kind: 'rename' }>,
    at: { revision: number; ms: number; actor: number },
  ): void {
    const from = this.#dropName(event.parent, event.name, at);
    const source = this.get(from.ino);
    if (event.exchange) {
      const target = this.get(this.#dropName(event.newParent, event.newName, at).ino);
      this.#name(event.parent, event.name, target.ino, at);
      target.place = { parent: event.parent, name: event.name };
    } else if (this.live.has(`${event.newParent}/${event.newName}`)) {
      const replaced = this.#unlink(event.newParent, event.newName, at);
      if (replaced.tier > source.tier) this.#setTier(source, replaced.tier, at.revision);
    }
    this.#name(event.newParent, event.newName, source.ino, at);
    source.place = { parent: event.newParent, name: event.newName };
  }

  #unlink(parent: Ino, name: Name, at: { revision: number; ms: number; actor: number }): Thing {
    const thing = this.get(this.#dropName(parent, name, at).ino);
    thing.nlink = thing.isDir ? 0 : thing.nlink - 1;
    if (thing.nlink === 0) thing.removed = at;
    return thing;
  }

  #dropName(parent: Ino, name: Name, at: { revision: number; actor: number }): Named {
    const key = `${parent}/${name}`;
    const named = this.live.get(key);
    if (named === undefined) throw new Error(`${key} is no name`);
    named.to = at.revision;
    named.by = at.actor;
    this.live.delete(key);
    this.#touched.add(named.ino);
    this.#touched.add(parent);
    this.get(parent).namesSince = at.revision;
    return named;
  }

  #name(parent: Ino, name: Name, ino: Ino, at: { revision: number }): void {
    const named = { parent, name, ino, since: at.revision, to: Infinity, by: -1 };
    this.names.push(named);
    this.#namesByIno.set(ino, [...this.namesOf(ino), named]);
    this.live.set(`${parent}/${name}`, named);
    this.#touched.add(ino);
    this.#touched.add(parent);
    this.get(parent).namesSince = at.revision;
  }

  #setTier(thing: Thing, tier: number, to: number): void {
    thing.tiers.push({ tier: thing.tier, to });
    thing.tier = tier;
  }

  /** What the touched things are now, as the live volume tells it. */
  #look(volume: Volume, at: { revision: number; ms: number }): void {
    for (const ino of this.#touched) {
      const thing = this.get(ino);
      const inode = volume.state.findInode(ino);
      if (inode === undefined) throw new Error(`Inode ${ino} is not there`);
      thing.ctimeMs = at.ms;
      const isRollback = this.#rewritten.get(ino);
      if (isRollback !== undefined) {
        const bytes = Buffer.alloc(inode.size);
        readFile(volume, ino, 0, bytes);
        // What lived for no revision never was.
        if (thing.held.at(-1)?.revision === at.revision) thing.held.pop();
        const { revision, ms } = at;
        thing.held.push({ revision, ms, bytes, isRollback, sameAs: undefined, isGone: false });
      }
      thing.attributes.push({ revision: at.revision, told: describeAttributes(inode) });
    }
  }
}

const isSame = (a: Rungs, b: Rungs): boolean =>
  a.all === b.all &&
  a.hourly === b.hourly &&
  a.daily === b.daily &&
  a.live === b.live &&
  a.minVersions === b.minVersions;

/** What a moment must tell of a file or symlink. */
export function describeAttributes(node: {
  readonly mode: number;
  readonly size: number;
  readonly nlink: number;
  readonly mtime: { readonly sec: number; readonly nsec: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
}): string {
  const { mode, size, nlink, mtime, xattrs } = node;
  const told = [...(xattrs ?? [])].map(
    ([name, value]) => `${name}=${Buffer.from(value).toString()}`,
  );
  return `${mode.toString(8)} ${size} ${nlink} ${mtime.sec}.${mtime.nsec} ${told.join()}`;
}

function newThing(ino: Ino, born: number, place: Thing['place'], ms: number): Thing {
  return {
    ino,
    born,
    isFile: false,
    isDir: false,
    held: [],
    cuts: [],
    attributes: [],
    tier: 0,
    tiers: [],
    place,
    nlink: 0,
    removed: undefined,
    cutRevision: 0,
    renewedMs: undefined,
    ctimeMs: ms,
    namesSince: born,
  };
}
