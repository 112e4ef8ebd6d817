/**
 * What belongs to the history of a path, by the model: who had which name, from when to when.
 *
 * A name's history is that of every inode that ever had it, and of what those replaced under the names
 * that they had before. A directory is every directory that ever had its path.
 */

import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import { Difference } from './steps.ts';
import { isDir, ROOT } from './model.ts';
import type { Model, ModelState, ModelVersion, Placement } from './model.ts';
import { same } from './compare.ts';
import type { System } from './system.ts';

/** Every directory that ever was the one of a path; undefined if none was. */
export function findDirectories(model: Model, path: readonly Name[]): Set<Ino> | undefined {
  let dirs = new Set<Ino>([ROOT]);
  for (const name of path) {
    const placed = model.placements.filter(
      (place) => place.isDir && place.name === name && dirs.has(place.dir),
    );
    if (placed.length === 0) return undefined;
    dirs = new Set(placed.map(({ ino }) => ino));
  }
  return dirs;
}

export function listPlacements(model: Model, dirs: ReadonlySet<Ino>, name: Name): Placement[] {
  return model.placements.filter((place) => dirs.has(place.dir) && place.name === name);
}

/** Every inode whose versions belong to a name. */
export function findInodes(model: Model, dirs: ReadonlySet<Ino>, name: Name): Set<Ino> {
  /** By when each had come: the later, the more it has replaced. */
  const known = new Map<Ino, Revision>();
  const bring = (ino: Ino, before: Revision): void => {
    if ((known.get(ino) ?? -1) >= before) return;
    known.set(ino, before);
    for (const place of model.placements) {
      if (place.ino !== ino || place.since >= before) continue;
      for (const other of model.placements) {
        const isReplaced = other.to === place.since && other.ino !== ino && !other.isDir;
        if (isReplaced && other.dir === place.dir && other.name === place.name) {
          bring(other.ino, other.since);
        }
      }
    }
  };
  for (const place of listPlacements(model, dirs, name)) {
    if (!place.isDir) bring(place.ino, place.since);
  }
  return new Set(known.keys());
}

/**
 * One rollback may give a file several names at once. Only one of them is noted with the inode, so what
 * the others replaced may be missing from the history of a name that the file gets later.
 */
function hasDoubt(model: Model, inos: ReadonlySet<Ino>): boolean {
  const placed = new Set<string>();
  for (const { ino, since, isDir: isDirectory } of model.placements) {
    if (isDirectory || !inos.has(ino)) continue;
    if (placed.has(`${ino} ${since}`)) return true;
    placed.add(`${ino} ${since}`);
  }
  return false;
}

/** One for each revision: where a rollback cut two files, that of the one that had the name. */
export function listVersions(
  model: Model,
  dirs: ReadonlySet<Ino>,
  name: Name,
): ReadonlyMap<Revision, ModelVersion> {
  const inos = findInodes(model, dirs, name);
  const places = listPlacements(model, dirs, name);
  const versions = new Map<Revision, ModelVersion>();
  const sorted = model.versions
    .filter(({ ino }) => inos.has(ino))
    .toSorted((a, b) => a.revision - b.revision || a.ino - b.ino);
  for (const version of sorted) {
    const { ino, revision } = version;
    const isNamed = places.some(
      (place) => place.ino === ino && place.since <= revision && revision < (place.to ?? Infinity),
    );
    if (isNamed || !versions.has(revision)) versions.set(revision, version);
  }
  return versions;
}

/** Every path of a tree, with the inode that it leads to. */
export function listPaths(state: Pick<ModelState, 'inodes'>): { path: Name[]; ino: Ino }[] {
  const paths: { path: Name[]; ino: Ino }[] = [];
  const walk = (ino: Ino, path: Name[]): void => {
    for (const [name, child] of state.inodes.get(ino)?.entries ?? []) {
      paths.push({ path: [...path, name], ino: child });
      walk(child, [...path, name]);
    }
  };
  walk(ROOT, []);
  return paths;
}

export function findPath(
  state: Pick<ModelState, 'inodes'>,
  path: readonly Name[],
): Ino | undefined {
  let ino: Ino | undefined = ROOT;
  for (const name of path) {
    if (ino === undefined) return undefined;
    ino = state.inodes.get(ino)?.entries.get(name);
  }
  return ino;
}

/** Every path that there is now, and every name that was removed from a directory that is there. */
export async function compareHistories(system: System, model: Model): Promise<void> {
  const directories = [ROOT, ...listPaths(model).map(({ ino }) => ino)].filter((ino) =>
    isDir(model.get(ino)),
  );
  const paths = new Map<Ino, Name[]>(listPaths(model).map(({ path, ino }) => [ino, path]));
  for (const dir of directories) {
    const dirs = findDirectories(model, paths.get(dir) ?? []);
    if (dirs === undefined) throw new Difference(`The model has no directory ${dir}`);
    const lineage = await system.history.findLineage(dir);
    same(`lineage of ${dir}`, lineage.inos.toSorted(byNumber), [...dirs].toSorted(byNumber));
    await compareNames(system, model, dirs);
  }
}

async function compareNames(system: System, model: Model, dirs: ReadonlySet<Ino>): Promise<void> {
  const expected = new Map<Name, Placement[]>();
  for (const place of model.placements) {
    if (!dirs.has(place.dir)) continue;
    expected.set(place.name, [...(expected.get(place.name) ?? []), place]);
  }
  const lineage = { inos: [...dirs] };
  same(
    `past names of ${[...dirs].join(', ')}`,
    await system.history.listPastNames(lineage),
    [...expected]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, places]) => ({
        name,
        wasFile: places.some((place) => !place.isDir),
        wasDirectory: places.some((place) => place.isDir),
        isLive: places.some(({ to }) => to === undefined),
      })),
  );
  for (const [name, places] of expected) {
    await compareHistory(system, model, { dirs, name, places });
  }
}

async function compareHistory(
  system: System,
  model: Model,
  of: { dirs: ReadonlySet<Ino>; name: Name; places: readonly Placement[] },
): Promise<void> {
  const { dirs, name } = of;
  const what = `history of ${name} in ${[...dirs].join(', ')}`;
  const history = await system.history.findFileHistory({ inos: [...dirs] }, name);
  const asFile = of.places.filter((place) => !place.isDir);
  if (asFile.length === 0) {
    same(what, history, undefined);
    return;
  }
  const told = new Set(history?.versions.map(({ ino }) => ino));
  const isCertain = !hasDoubt(model, findInodes(model, dirs, name));
  const versions = [...listVersions(model, dirs, name).values()].filter(
    ({ ino }) => isCertain || told.has(ino),
  );
  same(
    what,
    history?.versions.map((version) => ({ ...version, actor: version.actor.id })),
    versions.map(({ ino, revision, time, content, mode, uid, gid, mtime, actor, cause }) => ({
      time,
      size: content.size,
      mode,
      uid,
      gid,
      mtime,
      ino,
      revision,
      actor,
      cause,
    })),
  );
  const live = asFile.filter(({ to }) => to === undefined).map(({ ino }) => ino);
  if (live.length === 0) same(`${what}: live`, history?.liveIno, undefined);
  else if (!live.includes(history?.liveIno as Ino))
    throw new Difference(`${what}: wrong live inode`);
  const isTaken = of.places.some(({ to }) => to === undefined);
  const last = Math.max(...asFile.map(({ to }) => to ?? 0));
  same(`${what}: removed`, history?.removed?.revision, isTaken ? undefined : last);
  if (!isTaken)
    same(`${what}: removed at`, history?.removed?.time, model.states.get(last as Revision)?.time);
}

/** The content of every version, by whatever name. */
export async function compareVersions(system: System, model: Model): Promise<void> {
  for (const { ino, revision, content } of model.versions) {
    const bytes = await system.history.read(ino, revision, 0, content.size + 1);
    if (!bytes.equals(content.bytes())) {
      throw new Difference(`version r${revision} of ${ino}: other bytes than the model's`);
    }
  }
}

const byNumber = (a: number, b: number): number => a - b;
