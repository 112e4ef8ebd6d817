/**
 * Rollback and undelete: plans made from the past, carried out as one event.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { ActorId, Ino, Name, Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { isDirectory, S_IFDIR } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { timeToMs } from '../shared/time.ts';
import { versionKey } from '../index/keys.ts';
import type { Volume } from '../volume/volume.ts';
import type { AsOf, PastName } from './as-of.ts';
import type { Lineages } from './lineage.ts';
import { join, RestorePlan } from './restore-plan.ts';
import type { TreeChange } from './restore-plan.ts';
import type { DirectoryLineage, Node, RollbackResult } from './store.ts';

/** How often a plan is made anew when the volume changes under it. */
const MAX_ATTEMPTS = 20;

export interface RollbackOptions {
  readonly path: readonly Name[];
  readonly to: Revision;
  readonly exact?: boolean;
  readonly partial?: boolean;
  readonly dryRun?: boolean;
  readonly actor: ActorId;
}

export interface UndeleteOptions {
  readonly path: readonly Name[];
  readonly partial?: boolean;
  readonly dryRun?: boolean;
  readonly actor: ActorId;
}

export class Rollbacks {
  /** Called after a change, with what the kernel may have cached; the change is done when it resolves. */
  onChange: (change: TreeChange) => Promise<void> = () => Promise.resolve();
  readonly #volume: Volume;
  readonly #asOf: AsOf;
  readonly #lineages: Lineages;

  constructor(volume: Volume, asOf: AsOf, lineages: Lineages) {
    this.#volume = volume;
    this.#asOf = asOf;
    this.#lineages = lineages;
  }

  /** What it needs is not removed while it is planned. */
  rollback(options: RollbackOptions): Promise<RollbackResult> {
    return this.#volume.pins.with(options.to, () => this.#rollback(options));
  }

  async #rollback(options: RollbackOptions): Promise<RollbackResult> {
    const { to } = options;
    if (to < 1 || to > this.#volume.state.revision) {
      throw new SessfsError(
        'VERSION_UNKNOWN',
        `Cannot roll back to r${to}: the volume has r1 to r${this.#volume.state.revision}`,
      );
    }
    return this.#carryOut(options, (plan) => this.#planRollback(plan, options));
  }

  undelete(options: UndeleteOptions): Promise<RollbackResult> {
    // What was removed may be from any revision.
    return this.#volume.pins.withAll(() => this.#undelete(options));
  }

  #undelete(options: UndeleteOptions): Promise<RollbackResult> {
    return this.#carryOut(options, (plan) => this.#planUndelete(plan, options.path));
  }

  /**
   * Tells the kernel of the rollbacks that a predecessor logged and then may have died of.
   *
   * Some are told twice. A name that was given to something since is not: the kernel knows that, and to
   * forget a directory's name is to lose it to whoever works in it.
   */
  async tellAgain(): Promise<void> {
    const { restored, told } = this.#volume.answers.takeRestored();
    for (const { revision, inodes, names } of restored) {
      const mayTell = names.filter(({ parent, name }) => {
        const live = this.#volume.state.findDentry(parent, name);
        return live === undefined || live.since <= revision;
      });
      // Before anything waits: nobody must meet what is out of date for longer than need be.
      await this.onChange({ inodes: [...inodes], names: mayTell });
      const removed = new Set<Ino>();
      for (const { parent, name } of names) {
        const past = await this.#asOf.findName(parent, name, (revision - 1) as Revision);
        if (past !== undefined) removed.add(past.ino);
      }
      await this.onChange({ inodes: [...removed], names: [] });
    }
    told();
  }

  async #carryOut(
    options: { readonly actor: ActorId; readonly dryRun?: boolean; readonly partial?: boolean },
    fill: (plan: RestorePlan) => Promise<void>,
  ): Promise<RollbackResult> {
    const { state } = this.#volume;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await this.#volume.cuts.settled();
      const isPartial = options.partial === true;
      const plan = new RestorePlan(this.#volume, this.#asOf, { isPartial });
      await fill(plan);
      const { gone: leftOut } = plan;
      if (leftOut.length > 0 && !isPartial) throw goneError(leftOut);
      if (options.dryRun === true || plan.isEmpty) {
        return { revision: undefined, before: state.revision, steps: plan.steps, leftOut };
      }
      if (!plan.isCurrent()) continue;
      for (const ino of plan.cuts) this.#volume.cuts.beforeRemoval(ino, 'replaced');
      const before = state.revision;
      const by = { unique: 0, uid: 0, gid: 0, pid: 0, actor: options.actor };
      const told = this.#volume.answers.owe(this.#volume.log.head);
      try {
        this.#volume.commit(plan.batch, by);
        const { revision } = state;
        await this.onChange(plan.change);
        return { revision, before, steps: plan.steps, leftOut };
      } finally {
        told();
      }
    }
    throw new SessfsError(
      'CONFLICT',
      'Cannot roll back: the files change faster than it is planned',
      {
        hint: 'Stop what writes to them, or roll back a smaller part',
      },
    );
  }

  // --- rollback -----------------------------------------------------------------------------------

  async #planRollback(plan: RestorePlan, options: RollbackOptions): Promise<void> {
    const { path, to } = options;
    const name = path.at(-1);
    const node = await this.#findTarget(path, to);
    if (node === undefined) {
      throw new SessfsError(
        'PATH_UNKNOWN',
        `Cannot roll back "${pathText(path)}": it did not exist at r${to}`,
        { hint: 'sessfs log PATH lists its versions' },
      );
    }
    if (isDirectory(node.mode)) this.#assertWhole(to);
    if (name === undefined) {
      plan.noteInode(ROOT_INO);
      const size = plan.size;
      await this.#planTree(plan, node, { ino: ROOT_INO, path: '', exact: options.exact === true });
      plan.restoreDirectory(node, ROOT_INO, '', plan.size > size);
      return;
    }
    const parent = await this.#planParents(plan, path, (parents) => this.#findPath(parents, to));
    const place = { parent, name, path: path.join('/') };
    const ino = await plan.restore(node, place);
    if (!isDirectory(node.mode)) return;
    const size = plan.size;
    await this.#planTree(plan, node, { ino, path: place.path, exact: options.exact === true });
    plan.restoreDirectory(node, ino, place.path, plan.size > size);
  }

  /** @throws {SessfsError} CONTENT_REMOVED If names of that moment may be gone: a part is not the whole. */
  #assertWhole(to: Revision): void {
    const { state, promiser, clock } = this.#volume;
    const { horizon } = state;
    if (to >= horizon || promiser.listWhole(timeToMs(clock.now())).includes(to)) return;
    throw new SessfsError(
      'CONTENT_REMOVED',
      `Cannot roll back to r${to}: retention has removed some of it`,
      { hint: `The earliest moment that is whole is r${horizon}; a file can be older` },
    );
  }

  async #planTree(
    plan: RestorePlan,
    node: Node,
    target: { readonly ino: Ino; readonly path: string; readonly exact: boolean },
  ): Promise<void> {
    const at = node.revision;
    const wanted = new Set<Name>();
    for (const entry of await this.#asOf.listNames(node.ino, at)) {
      wanted.add(entry.name);
      const child = await this.#asOf.findNode(entry.ino, at);
      if (child === undefined) continue;
      const path = join(target.path, entry.name);
      const ino = await plan.restore(child, { parent: target.ino, name: entry.name, path });
      if (!isDirectory(child.mode)) continue;
      const size = plan.size;
      await this.#planTree(plan, child, { ...target, ino, path });
      plan.restoreDirectory(child, ino, path, plan.size > size);
    }
    if (!target.exact) return;
    if (this.#volume.state.findInode(target.ino) === undefined) return;
    for (const { name, ino } of await this.#volume.listings.listAll(target.ino)) {
      const live = wanted.has(name) ? undefined : this.#volume.state.findInode(ino);
      if (live === undefined) continue;
      await plan.remove(live, { parent: target.ino, name, path: join(target.path, name) });
    }
  }

  /** A version of the file's whole history, or whatever the path was at that revision. */
  async #findTarget(path: readonly Name[], to: Revision): Promise<Node | undefined> {
    const name = path.at(-1);
    const parents = name === undefined ? undefined : await this.#findLineage(path.slice(0, -1));
    if (name !== undefined && parents !== undefined) {
      const history = await this.#lineages.findName(parents, name);
      await this.#volume.flushed();
      // One rollback may have made versions of two files of this history: the path's own comes first.
      const own = await this.#findPath(path, to);
      const inos = (history?.inos ?? []).toSorted((a, b) => a - b);
      for (const ino of own === undefined ? inos : [own.ino, ...inos]) {
        if (!inos.includes(ino)) continue;
        if (this.#volume.index.get(versionKey(ino, to)) !== undefined)
          return this.#asOf.findNode(ino, to);
      }
    }
    return this.#findPath(path, to);
  }

  async #findLineage(path: readonly Name[]): Promise<DirectoryLineage | undefined> {
    let lineage: DirectoryLineage | undefined = { inos: [ROOT_INO] };
    for (const name of path) {
      if (lineage === undefined) return undefined;
      lineage = await this.#lineages.findChildDirectory(lineage, name);
    }
    return lineage;
  }

  async #findPath(path: readonly Name[], at: Revision): Promise<Node | undefined> {
    let ino = ROOT_INO;
    for (const name of path) {
      const dentry = await this.#asOf.findName(ino, name, at);
      if (dentry === undefined) return undefined;
      ino = dentry.ino;
    }
    return this.#asOf.findNode(ino, at);
  }

  /** Makes the directories above a path that are not there, as they were. */
  async #planParents(
    plan: RestorePlan,
    path: readonly Name[],
    findPast: (parents: readonly Name[]) => Promise<Node | undefined>,
  ): Promise<Ino> {
    let ino = ROOT_INO;
    for (let depth = 1; depth < path.length; depth++) {
      const name = path[depth - 1] as Name;
      const parents = path.slice(0, depth);
      const live = plan.noteName(ino, name);
      if (live !== undefined && live.type === S_IFDIR) {
        ino = live.ino;
        continue;
      }
      if (live !== undefined) {
        throw new SessfsError(
          'CONFLICT',
          `Cannot bring back "${pathText(path)}": "${pathText(parents)}" is a file now`,
          { hint: 'Move that file away first' },
        );
      }
      const node = await findPast(parents);
      if (node === undefined || !isDirectory(node.mode)) {
        throw new SessfsError('PATH_UNKNOWN', `Cannot find "${pathText(parents)}" in the past`);
      }
      const place = { parent: ino, name, path: parents.join('/') };
      ino = await plan.restore(node, place);
      plan.restoreDirectory(node, ino, place.path, true);
    }
    return ino;
  }

  // --- undelete -----------------------------------------------------------------------------------

  async #planUndelete(plan: RestorePlan, path: readonly Name[]): Promise<void> {
    const name = path.at(-1);
    if (name === undefined) {
      throw new SessfsError('CONFLICT', 'Cannot undelete the root of a volume: it is always there');
    }
    const removed = await this.#findRemoved(path);
    const parent = await this.#planParents(plan, path, async (parents) => {
      const entry = await this.#findRemoved(parents);
      return this.#asOf.findNode(entry.ino, (entry.to - 1) as Revision);
    });
    if (this.#volume.state.findDentry(parent, name) !== undefined) {
      throw new SessfsError('CONFLICT', `Cannot undelete "${pathText(path)}": it is there`, {
        hint: 'sessfs rollback PATH --to VERSION brings back an earlier state of what is there',
      });
    }
    await this.#planRemoved(plan, removed, { parent, name, path: path.join('/') });
  }

  /** The last thing that was taken away under a path. */
  async #findRemoved(path: readonly Name[]): Promise<PastName> {
    const parents = await this.#findLineage(path.slice(0, -1));
    let latest: PastName | undefined;
    for (const dir of parents?.inos ?? []) {
      for (const past of await this.#asOf.listPast(dir, path.at(-1) as Name)) {
        if (latest === undefined || latest.to < past.to) latest = past;
      }
    }
    if (latest !== undefined) return latest;
    const isLive = (await this.#findPath(path, this.#volume.state.revision)) !== undefined;
    throw isLive
      ? new SessfsError('CONFLICT', `Cannot undelete "${pathText(path)}": it is there`, {
          hint: 'sessfs rollback PATH --to VERSION brings back an earlier state of what is there',
        })
      : new SessfsError('PATH_UNKNOWN', `Cannot undelete "${pathText(path)}": it never existed`);
  }

  async #planRemoved(
    plan: RestorePlan,
    removed: PastName,
    place: { readonly parent: Ino; readonly name: Name; readonly path: string },
  ): Promise<void> {
    if (removed.type !== S_IFDIR) {
      const node = await this.#asOf.findNode(removed.ino, (removed.to - 1) as Revision);
      if (node !== undefined) await plan.restore(node, place);
      return;
    }
    const children = await this.#listRemovedWith(removed);
    const first = children.reduce<number>((least, child) => Math.min(least, child.to), removed.to);
    const node = await this.#asOf.findNode(removed.ino, (first - 1) as Revision);
    if (node === undefined) return;
    const ino = await plan.restore(node, place);
    for (const child of children) {
      const path = join(place.path, child.name);
      await this.#planRemoved(plan, child, { parent: ino, name: child.name, path });
    }
    plan.restoreDirectory(node, ino, place.path, true);
  }

  /** What the actor that removed a directory had removed from it: the last thing under each name. */
  async #listRemovedWith(directory: PastName): Promise<PastName[]> {
    const latest = new Map<Name, PastName>();
    for (const past of await this.#asOf.listAllPast(directory.ino)) {
      if (past.to <= directory.to) latest.set(past.name, past);
    }
    const removed: PastName[] = [];
    for (const past of latest.values()) {
      if (past.removedBy !== directory.removedBy || (await this.#wasMoved(past))) continue;
      removed.push(past);
    }
    return removed;
  }

  /** True if the name went away because the inode got another one, whatever became of that. */
  async #wasMoved({ ino, to }: PastName): Promise<boolean> {
    const place = await this.#asOf.findPlace(ino, to);
    if (place === undefined || place.name === '') return false;
    const dentry = await this.#asOf.findName(place.parent, place.name, to);
    return dentry?.ino === ino && dentry.since === to;
  }
}

/** Half of what there was is not brought back in silence. */
function goneError(gone: readonly string[]): SessfsError {
  const first = `"${nameToText(gone[0] ?? '')}"`;
  const others = gone.length > 1 ? ` and ${gone.length - 1} more` : '';
  return new SessfsError(
    'CONTENT_REMOVED',
    `Cannot bring back ${first}${others}: retention has removed the content`,
    {
      hint: 'What is kept comes back with --partial; sessfs log PATH lists the versions that are',
    },
  );
}

const pathText = (path: readonly Name[]): string => nameToText(path.join('/'));
