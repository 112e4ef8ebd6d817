/**
 * What a file of this volume is promised: by its own tier, by the rules of the policy, by the session's tier.
 *
 * Asked at each cut, on the serving path: paths of directories are remembered until one moves.
 */

import { NO_PROMISE, ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name, PromiseId, Revision } from '../shared/brands.ts';
import { timeToMs } from '../shared/time.ts';
import { encodePromise, decodePromise } from '../policy/promise.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import { decodePolicy, DEFAULT_POLICY, encodePolicy } from '../policy/retention-policy.ts';
import type { RetentionPolicy } from '../policy/retention-policy.ts';
import { Rules } from '../policy/rules.ts';
import { TIERS } from '../policy/tier.ts';
import type { Tier } from '../policy/tier.ts';
import type { InodeRecord } from '../index/records.ts';
import type { Core } from './core.ts';
import { findMoment } from './promises.ts';
import type { PastPolicy } from './promises.ts';
import { SYSTEM_CALLER } from './store.ts';

/** Until a volume is told another one. */
const DEFAULT_TIER: Tier = 'standard';
/** The revision after the one that makes a volume: a policy from then on is the only one that there was. */
const FIRST_CHANGE = 2;
/** Deeper is no path. */
const MAX_DEPTH = 4096;
/** Directories whose path is remembered; then it begins anew. */
const MAX_PATHS = 10_000;

export interface Place {
  readonly parent: Ino;
  readonly name: Name;
}

/** A policy that holds, or held. */
export interface PolicyEpoch {
  readonly policy: RetentionPolicy;
  readonly rules: Rules;
  readonly sessionTier: Tier;
  /** The revision at which it ended; Infinity while it holds. */
  readonly to: number;
}

/** The tier that a record of the index means; undefined: none of its own. */
export const tierOf = (number: number): Tier | undefined => TIERS[number - 1];

/** How records of the log and the index name a tier: 1 is the weakest, 0 is none. */
export const tierNumber = (tier: Tier | undefined): number =>
  tier === undefined ? 0 : TIERS.indexOf(tier) + 1;

export class Promiser {
  readonly #core: Core;
  readonly #paths = new Map<Ino, string>();
  #pathsOf = -1;
  #epochs: readonly PolicyEpoch[] = [];
  #epochsOf = -1;
  readonly #ids = new WeakMap<PromiseDefinition, PromiseId>();
  readonly #definitions = new Map<PromiseId, PromiseDefinition>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** What holds now for a file; every promise of the same policy is the same object. */
  resolve(place: Place, tier: number): PromiseDefinition {
    const { rules, sessionTier } = this.current;
    return rules.resolve(this.locate(place), tierOf(tier), sessionTier);
  }

  /** The same by an inode, where it is or last was. */
  resolveInode(inode: InodeRecord): PromiseDefinition {
    return this.resolve(inode, inode.tier);
  }

  /** The number of a promise, under which a version refers to it; defined if it is new. */
  idOf(definition: PromiseDefinition): PromiseId {
    const known = this.#ids.get(definition);
    if (known !== undefined) return known;
    const text = encodePromise(definition);
    const { promises } = this.#core.state;
    let id = promises.findId(text);
    if (id === undefined) {
      id = promises.nextId;
      this.#core.commit({ kind: 'define', id, text }, SYSTEM_CALLER);
    }
    this.#ids.set(definition, id);
    return id;
  }

  /** What a version was promised when it was cut; undefined of one from before there were promises. */
  find(id: PromiseId): PromiseDefinition | undefined {
    if (id === NO_PROMISE) return undefined;
    let definition = this.#definitions.get(id);
    if (definition === undefined) {
      const text = this.#core.state.promises.definitions.get(id);
      if (text === undefined) return undefined;
      definition = decodePromise(text);
      this.#definitions.set(id, definition);
    }
    return definition;
  }

  /** The policy that holds. */
  get current(): PolicyEpoch {
    return this.epochs.at(-1) as PolicyEpoch;
  }

  /** The policy that holds, as the log keeps it. */
  get currentText(): string {
    return this.#core.state.promises.policy?.text ?? encodePolicy(DEFAULT_POLICY);
  }

  /** Every policy that there was, oldest first: what they promised is kept. */
  get epochs(): readonly PolicyEpoch[] {
    const { promises } = this.#core.state;
    if (this.#epochsOf !== promises.generation || this.#epochs.length === 0) {
      this.#epochs = readEpochs(promises.policies);
      this.#epochsOf = promises.generation;
    }
    return this.#epochs;
  }

  /**
   * Every revision at which the whole tree is kept, ascending: also by what was released, while every policy
   * since then keeps that for its grace.
   */
  listWhole(nowMs: number): Revision[] {
    const { promises } = this.#core.state;
    const whole = new Set(promises.listPinned());
    const graces = this.epochs.map(({ policy, to }) => ({ to, graceMs: policy.graceMs }));
    for (const [revision, released] of promises.released) {
      const moment = findMoment(released);
      const untilMs = timeToMs(released.releasedAt);
      // A shorter grace that held in between may have taken it.
      const isOver = graces.some(({ to, graceMs }) => to > revision && untilMs + graceMs <= nowMs);
      if (moment !== undefined && !isOver) whole.add(moment);
    }
    return [...whole].toSorted((a, b) => a - b);
  }

  /** A path in parts, from the root of the volume; of what was removed, as far as it is known. */
  locate({ parent, name }: Place): { directory: string; name: string } {
    return { directory: this.#pathOf(parent), name };
  }

  #pathOf(directory: Ino): string {
    const { state } = this.#core;
    if (this.#pathsOf !== state.treeGeneration || this.#paths.size > MAX_PATHS) {
      this.#paths.clear();
      this.#pathsOf = state.treeGeneration;
    }
    const known = this.#paths.get(directory);
    if (known !== undefined) return known;
    const names: string[] = [];
    let ino = directory;
    while (ino !== ROOT_INO && names.length < MAX_DEPTH) {
      const inode = state.findInode(ino);
      if (inode === undefined) break;
      names.unshift(inode.name);
      ino = inode.parent;
    }
    const path = names.join('/');
    this.#paths.set(directory, path);
    return path;
  }
}

function readEpochs(policies: readonly PastPolicy[]): PolicyEpoch[] {
  const epochs = policies.map(({ text, sessionTier, to }): PolicyEpoch => {
    const policy = decodePolicy(text);
    const rules = new Rules(policy);
    const tier = tierOf(sessionTier) ?? DEFAULT_TIER;
    return { policy, rules, sessionTier: tier, to: to === 0 ? Infinity : to };
  });
  const first = policies[0]?.since ?? Infinity;
  if (first <= FIRST_CHANGE) return epochs;
  // Until it was told another one, the volume promised what it promises by itself.
  const rules = new Rules(DEFAULT_POLICY);
  return [{ policy: DEFAULT_POLICY, rules, sessionTier: DEFAULT_TIER, to: first }, ...epochs];
}
