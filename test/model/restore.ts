/**
 * Rollback and undelete: the tree that there must be afterwards, and taking it over into the model.
 *
 * Which inode a name stands for afterwards is the volume's choice; what it holds is not. So the model
 * says what must be there, compares, and goes on with the inodes that it finds.
 */

import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import type { Event } from '../../src/volume/events.ts';
import { compareLiveInode, same } from './compare.ts';
import { findDirectories, findPath, listPlacements, listVersions } from './lineage.ts';
import { isDir, isFile, ROOT } from './model.ts';
import type { Model, ModelInode, ModelState, Placement } from './model.ts';
import { Difference, Steps } from './steps.ts';
import type { Committed } from './steps.ts';
import type { System } from './system.ts';

/** What must be at a place afterwards. */
export interface Wanted {
  /** live: untouched; past: as it was; made: a directory that was needed on the way. */
  readonly from: 'live' | 'past' | 'made';
  readonly inode: ModelInode;
  readonly children: Map<Name, Wanted>;
}

/** The command must be refused. */
export class Refused extends Error {}

type Inodes = ReadonlyMap<Ino, ModelInode>;

function treeOf(inodes: Inodes, ino: Ino, from: Wanted['from']): Wanted {
  const inode = inodes.get(ino);
  if (inode === undefined) throw new Difference(`The model has no inode ${ino}`);
  const entries = [...inode.entries];
  return {
    from,
    inode,
    children: new Map(entries.map(([name, child]) => [name, treeOf(inodes, child, from)])),
  };
}

/** @throws {Refused} */
export function planRollback(
  model: Model,
  options: { readonly path: readonly Name[]; readonly to: Revision; readonly exact: boolean },
): Wanted {
  const { path, to } = options;
  const past = model.getState(to);
  const ino = findTarget(model, past, path, to);
  if (ino === undefined) throw new Refused('PATH_UNKNOWN');
  const root = treeOf(model.inodes, ROOT, 'live');
  const restored = treeOf(past.inodes, ino, 'past');
  if (path.length === 0) return merge(root, restored, options.exact);
  const name = path.at(-1) as Name;
  const parent = reach(root, path.slice(0, -1), (parents) => {
    const found = findPath(past, parents);
    return found === undefined ? undefined : past.inodes.get(found);
  });
  parent.children.set(name, merge(parent.children.get(name), restored, options.exact));
  return root;
}

/** A version of the file's whole history, or whatever the path was at that revision. */
function findTarget(
  model: Model,
  past: ModelState,
  path: readonly Name[],
  to: Revision,
): Ino | undefined {
  const dirs = findDirectories(model, path.slice(0, -1));
  const name = path.at(-1);
  if (name !== undefined && dirs !== undefined) {
    const version = listVersions(model, dirs, name).get(to);
    if (version !== undefined) return version.ino;
  }
  return findPath(past, path);
}

function merge(live: Wanted | undefined, past: Wanted, exact: boolean): Wanted {
  if (!isDir(past.inode)) return past;
  const isOver = live !== undefined && isDir(live.inode);
  const children = new Map(isOver && !exact ? live.children : []);
  for (const [name, child] of past.children) {
    children.set(name, merge(isOver ? live.children.get(name) : undefined, child, exact));
  }
  return { ...past, children };
}

/** The directory of a path; what is missing on the way is made. */
function reach(
  root: Wanted,
  path: readonly Name[],
  findPast: (parents: readonly Name[]) => ModelInode | undefined,
): Wanted {
  let at = root;
  for (const [depth, name] of path.entries()) {
    let child = at.children.get(name);
    if (child === undefined) {
      const inode = findPast(path.slice(0, depth + 1));
      if (inode === undefined || !isDir(inode)) throw new Refused('PATH_UNKNOWN');
      child = { from: 'made', inode, children: new Map() };
      at.children.set(name, child);
    }
    if (!isDir(child.inode)) throw new Refused('CONFLICT');
    at = child;
  }
  return at;
}

/** @throws {Refused} */
export function planUndelete(model: Model, path: readonly Name[]): Wanted {
  const name = path.at(-1) as Name;
  const removed = findRemoved(model, path);
  const root = treeOf(model.inodes, ROOT, 'live');
  const parent = reach(root, path.slice(0, -1), (parents) => {
    const place = findRemoved(model, parents);
    return model.getState(before(place)).inodes.get(place.ino);
  });
  if (parent.children.has(name)) throw new Refused('CONFLICT');
  parent.children.set(name, treeOfRemoved(model, removed));
  return root;
}

function findRemoved(model: Model, path: readonly Name[]): Placement {
  const dirs = findDirectories(model, path.slice(0, -1)) ?? new Set<Ino>();
  const removed = listPlacements(model, dirs, path.at(-1) as Name).filter(
    ({ to }) => to !== undefined,
  );
  const latest = removed.toSorted((a, b) => (b.to ?? 0) - (a.to ?? 0))[0];
  if (latest === undefined) throw new Refused('never there');
  return latest;
}

/** A directory with all that the same actor removed from it, last under each name. */
function treeOfRemoved(model: Model, removed: Placement): Wanted {
  const children = new Map<Name, Wanted>();
  const latest = new Map<Name, Placement>();
  for (const place of model.placements) {
    if (place.dir !== removed.ino || (place.to ?? Infinity) > (removed.to ?? 0)) continue;
    if ((latest.get(place.name)?.to ?? 0) < (place.to ?? 0)) latest.set(place.name, place);
  }
  let first = removed;
  for (const [name, place] of latest) {
    const isMoved = model.placements.some(
      ({ ino, since }) => ino === place.ino && since === place.to,
    );
    if (place.by !== removed.by || isMoved) continue;
    children.set(name, treeOfRemoved(model, place));
    if ((place.to ?? 0) < (first.to ?? 0)) first = place;
  }
  const inode = model.getState(before(removed.isDir ? first : removed)).inodes.get(removed.ino);
  if (inode === undefined) throw new Difference(`The model has no inode ${removed.ino}`);
  return { from: 'past', inode, children };
}

const before = (place: Placement): Revision => ((place.to ?? 0) - 1) as Revision;

/** Takes over what a rollback committed: the versions that it cut, then its one event. */
export async function takeOver(
  system: System,
  model: Model,
  wanted: Wanted,
  committed: readonly Committed[],
): Promise<void> {
  const last = committed.at(-1);
  if (last === undefined) {
    await adopt(system, model, wanted, undefined);
    return;
  }
  const define = (committedBefore: Committed): void =>
    model.commit(committedBefore, () => undefined);
  const steps = new Steps(committed.slice(0, -1), define);
  for (let next = steps.peek(); next !== undefined; next = steps.peek()) {
    const { event } = next;
    if (event.kind !== 'cut' && event.kind !== 'unchanged') steps.take('cut', 'unchanged');
    else model.cutIfChanged(steps, event.ino, 'replaced');
  }
  steps.takeDefines();
  same('the kind of event', last.event.kind, 'batch');
  await adopt(system, model, wanted, last);
}

async function adopt(
  system: System,
  model: Model,
  wanted: Wanted,
  at: Committed | undefined,
): Promise<void> {
  const { wants, entries, places } = await collect(system, wanted);
  const found = new Map<Ino, ModelInode>();
  for (const [ino, all] of wants) {
    const inode = toInode(system, model, { ino, wants: all });
    found.set(ino, { ...inode, entries: entries.get(ino) ?? new Map() });
  }
  checkLinks(wanted, found);
  if (at === undefined) return;
  model.commit(at, () => {
    for (const { ino, nlink } of model.inodes.values()) {
      if (found.has(ino) || nlink === 0) continue;
      model.set(ino, { nlink: 0, ctime: at.time, entries: new Map() });
    }
    takePlaces(system, model, at, places);
    for (const [ino, inode] of found) {
      const parent = places.find((place) => place.ino === ino)?.dir ?? ROOT;
      model.inodes.set(ino, { ...inode, parent });
    }
    takeVersions(system, model, at, found);
  });
  for (const ino of found.keys()) compareLiveInode(system, model, ino);
}

interface Named {
  readonly dir: Ino;
  readonly name: Name;
  readonly ino: Ino;
}

interface Found {
  /** What each inode must be, by each of its names. */
  readonly wants: Map<Ino, Wanted[]>;
  readonly entries: Map<Ino, ReadonlyMap<Name, Ino>>;
  readonly places: Named[];
}

/** The live names, which must be the wanted ones. */
async function collect(system: System, wanted: Wanted): Promise<Found> {
  const found: Found = { wants: new Map(), entries: new Map(), places: [] };
  const visit = async (ino: Ino, want: Wanted): Promise<void> => {
    found.wants.set(ino, [...(found.wants.get(ino) ?? []), want]);
    if (!isDir(want.inode)) return;
    const names = await system.listLive(ino);
    same(`names in ${ino}`, [...names.keys()].toSorted(), [...want.children.keys()].toSorted());
    found.entries.set(ino, names);
    for (const [name, child] of names) {
      found.places.push({ dir: ino, name, ino: child });
      await visit(child, want.children.get(name) as Wanted);
    }
  };
  await visit(ROOT, wanted);
  return found;
}

/** The inode that is there, made of what must be there and of what the volume may choose. */
function toInode(
  system: System,
  model: Model,
  place: { readonly ino: Ino; readonly wants: readonly Wanted[] },
): ModelInode {
  const { ino, wants } = place;
  const live = system.volume.state.findInode(ino);
  if (live === undefined) throw new Difference(`inode ${ino} is not there`);
  const pasts = wants.filter(({ from }) => from !== 'live');
  const others = new Set(pasts.map(({ inode }) => inode.ino));
  if (others.size > 1) throw new Difference(`inode ${ino} stands for ${[...others].join(' and ')}`);
  // A live file that shares its inode with one that was brought back changes with it.
  const [chosen] = [...pasts, ...wants];
  if (chosen === undefined) throw new Difference(`inode ${ino} has no name`);
  const { inode, from } = chosen;
  const { atime, btime, ctime, born, contentRevision } = live;
  const nlink = isDir(inode) ? 2 : live.nlink;
  const mtime = isDir(inode) ? live.mtime : inode.mtime;
  if (from === 'live') {
    if (ino !== inode.ino) throw new Difference(`inode ${inode.ino} is now ${ino}`);
    return { ...model.get(ino), mtime, ctime, nlink };
  }
  const isWhole = isDir(inode) && from === 'past';
  if (isWhole) same(`directory ${ino}: second of mtime`, live.mtime.sec, inode.mtime.sec);
  const { cut, cutRevision } = model.inodes.get(ino) ?? { cut: undefined, cutRevision: 0 };
  const own = { ino, nlink, mtime, atime, btime, ctime, born, contentRevision };
  return { ...inode, ...own, cut, cutRevision };
}

/** Names of one file in the past are names of one file now. */
function checkLinks(wanted: Wanted, found: Inodes): void {
  const nowOf = new Map<Ino, Ino>();
  const visit = (want: Wanted, ino: Ino): void => {
    if (want.from === 'past' && !isDir(want.inode)) {
      const known = nowOf.get(want.inode.ino) ?? ino;
      if (known !== ino) {
        throw new Difference(`links to ${want.inode.ino} lead to ${known} and to ${ino}`);
      }
      nowOf.set(want.inode.ino, ino);
    }
    for (const [name, child] of want.children) {
      visit(child, found.get(ino)?.entries.get(name) as Ino);
    }
  };
  visit(wanted, ROOT);
}

function takePlaces(system: System, model: Model, at: Committed, places: readonly Named[]): void {
  const kept = new Set<string>();
  for (const place of places) {
    const dentry = system.volume.state.findDentry(place.dir, place.name);
    if (dentry?.since !== at.revision) kept.add(key(place));
  }
  for (const place of model.placements) {
    if (place.to !== undefined || kept.has(key(place))) continue;
    place.to = at.revision;
    place.by = at.actor;
  }
  const open = new Set(model.placements.filter(({ to }) => to === undefined).map(key));
  for (const place of places) {
    if (open.has(key(place))) continue;
    const type = system.volume.state.findDentry(place.dir, place.name)?.type;
    const since = at.revision;
    model.placements.push({ ...place, isDir: type === 0o040000, since, to: undefined, by: 0 });
  }
}

const key = ({ dir, name, ino }: Named): string => `${dir} ${ino} ${name}`;

/** What was brought back is a version; what was changed and not cut is known to be so, and not lost. */
function takeVersions(system: System, model: Model, at: Committed, found: Inodes): void {
  for (const [ino, dirty] of model.dirty) {
    const inode = model.get(ino);
    if (inode.nlink > 0 && inode.contentRevision !== at.revision) continue;
    const lost = model.getState((at.revision - 1) as Revision).inodes.get(ino);
    if (lost !== undefined && (lost.cutRevision > 0 || lost.content.size > 0)) {
      throw new Difference(
        `inode ${ino}: changes by ${dirty.actor} were replaced and are no version`,
      );
    }
  }
  const events: readonly Event[] = at.event.kind === 'batch' ? at.event.events : [];
  for (const event of events)
    if (event.kind === 'cut') model.addVersion(at, event.ino, event.cause);
  model.dirty = new Map(
    [...system.volume.state.dirtyFiles].map(([ino, { actor, since }]) => [
      ino,
      { actor, since, isBaseKnown: false },
    ]),
  );
  for (const ino of model.dirty.keys()) {
    if (!isFile(model.get(ino))) throw new Difference(`inode ${ino} is dirty and not a file`);
  }
  for (const ino of found.keys()) {
    const { content, contentRevision, cutRevision, born } = model.get(ino);
    if (content.size === 0 || contentRevision <= cutRevision || contentRevision === born) continue;
    if (!model.dirty.has(ino))
      throw new Difference(`inode ${ino} has changed and will never be cut`);
  }
}
