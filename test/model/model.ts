/**
 * The model of a volume: inodes, names, versions, and the whole tree at every revision, in memory.
 *
 * Written from the rules (what POSIX says, when a version is cut), not from the code that it checks: it
 * has no extents, no index and no log. What each operation does is in model-names.ts and model-files.ts.
 */

import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import { compareTime } from '../../src/shared/time.ts';
import type { Time } from '../../src/shared/time.ts';
import type { CutCause } from '../../src/volume/cut-cause.ts';
import { Content } from './content.ts';
import { Difference } from './steps.ts';
import type { Committed, Steps } from './steps.ts';

export const ROOT = 1 as Ino;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
export const isDir = (inode: ModelInode): boolean => (inode.mode & S_IFMT) === S_IFDIR;
export const isFile = (inode: ModelInode): boolean => (inode.mode & S_IFMT) === 0o100000;
export const typeOf = (inode: ModelInode): number => inode.mode & S_IFMT;

/** Never changed: an inode that changes is a new object in its place. */
export interface ModelInode {
  readonly ino: Ino;
  readonly mode: number;
  /** Of a directory only 0 tells something: it was removed. */
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly target: string | undefined;
  readonly content: Content;
  readonly xattrs: ReadonlyMap<string, string>;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly btime: Time;
  /** Of a directory. */
  readonly entries: ReadonlyMap<Name, Ino>;
  readonly parent: Ino;
  readonly born: Revision;
  readonly contentRevision: Revision;
  /** The content as of the last version, or as found to be the same; undefined before the first. */
  readonly cut: Content | undefined;
  readonly cutRevision: number;
}

/** A file whose content was changed since its last version. */
export interface Dirty {
  readonly actor: number;
  readonly since: Time;
  /** Of what got a name again it is not known what the last version held: then a cut is right, too. */
  readonly isBaseKnown: boolean;
}

export interface ModelVersion {
  readonly ino: Ino;
  readonly revision: Revision;
  readonly time: Time;
  readonly content: Content;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly actor: number;
  readonly cause: CutCause;
}

/** A name stood for an inode from one revision until another. */
export interface Placement {
  readonly dir: Ino;
  readonly name: Name;
  readonly ino: Ino;
  readonly isDir: boolean;
  readonly since: Revision;
  to: Revision | undefined;
  by: number;
}

export interface ModelState {
  readonly inodes: ReadonlyMap<Ino, ModelInode>;
  readonly dirty: ReadonlyMap<Ino, Dirty>;
  readonly time: Time;
}

export class Model {
  inodes = new Map<Ino, ModelInode>();
  dirty = new Map<Ino, Dirty>();
  versions: ModelVersion[] = [];
  placements: Placement[] = [];
  writers = new Map<Ino, number>();
  revision = 0 as Revision;
  time: Time = { sec: 0, nsec: 0 };
  /** What the clock shows. */
  now: Time = { sec: 0, nsec: 0 };
  readonly states = new Map<Revision, ModelState>();

  /** Takes over one record: checks its number and time, changes, and remembers everything as it is then. */
  commit(committed: Committed, change: () => void): void {
    const time = compareTime(this.now, this.time) > 0 ? this.now : this.time;
    if (committed.revision !== this.revision + 1 || compareTime(committed.time, time) !== 0) {
      throw new Difference(
        `Wanted r${this.revision + 1} at ${time.sec}.${time.nsec}, ` +
          `got r${committed.revision} at ${committed.time.sec}.${committed.time.nsec}`,
      );
    }
    this.revision = committed.revision;
    this.time = committed.time;
    change();
    this.remember();
  }

  remember(): void {
    const { time } = this;
    this.states.set(this.revision, {
      inodes: new Map(this.inodes),
      dirty: new Map(this.dirty),
      time,
    });
  }

  /** Forgets everything after a revision, as a crash does; nothing is open afterwards. */
  rewind(revision: Revision): void {
    const state = this.getState(revision);
    this.inodes = new Map(state.inodes);
    this.dirty = new Map(state.dirty);
    this.time = state.time;
    this.revision = revision;
    this.versions = this.versions.filter((version) => version.revision <= revision);
    this.placements = this.placements.filter(({ since }) => since <= revision);
    for (const placement of this.placements) {
      if (placement.to !== undefined && placement.to > revision) placement.to = undefined;
    }
    for (const known of this.states.keys()) if (known > revision) this.states.delete(known);
    this.writers.clear();
  }

  /** Another server: it finds out what the last versions hold, but not who has what open. */
  restart(): void {
    for (const [ino, dirty] of this.dirty) this.dirty.set(ino, { ...dirty, isBaseKnown: true });
    this.writers.clear();
  }

  getState(revision: Revision): ModelState {
    const state = this.states.get(revision);
    if (state === undefined) throw new Difference(`The model has no revision ${revision}`);
    return state;
  }

  get(ino: Ino): ModelInode {
    const inode = this.inodes.get(ino);
    if (inode === undefined) throw new Difference(`The model has no inode ${ino}`);
    return inode;
  }

  set(ino: Ino, change: Partial<ModelInode>): ModelInode {
    const inode = { ...this.get(ino), ...change };
    this.inodes.set(ino, inode);
    return inode;
  }

  find(dir: Ino, name: Name): ModelInode | undefined {
    const ino = this.get(dir).entries.get(name);
    return ino === undefined ? undefined : this.get(ino);
  }

  // --- names --------------------------------------------------------------------------------------

  addName(at: Committed, dir: Ino, name: Name, ino: Ino): void {
    const directory = this.get(dir);
    const entries = new Map(directory.entries).set(name, ino);
    this.set(dir, { entries, mtime: at.time, ctime: at.time });
    const inode = this.get(ino);
    if (isDir(inode)) this.set(ino, { parent: dir });
    const since = at.revision;
    this.placements.push({ dir, name, ino, isDir: isDir(inode), since, to: undefined, by: 0 });
  }

  removeName(at: Committed, dir: Ino, name: Name): void {
    const entries = new Map(this.get(dir).entries);
    entries.delete(name);
    this.set(dir, { entries, mtime: at.time, ctime: at.time });
    const open = this.placements.findIndex(
      (place) => place.dir === dir && place.name === name && place.to === undefined,
    );
    const placement = this.placements[open];
    if (placement === undefined) throw new Difference(`The model has no name ${name} in ${dir}`);
    if (placement.since === at.revision) {
      this.placements.splice(open, 1);
      return;
    }
    placement.to = at.revision;
    placement.by = at.actor;
  }

  /** One link less. */
  drop(at: Committed, ino: Ino): void {
    const inode = this.get(ino);
    const nlink = isDir(inode) ? 0 : inode.nlink - 1;
    this.set(ino, { nlink, ctime: at.time });
    if (nlink === 0) this.dirty.delete(ino);
  }

  // --- content and versions -----------------------------------------------------------------------

  changeContent(at: Committed, ino: Ino, content: Content, losesBits: boolean): void {
    const inode = this.get(ino);
    const known = this.dirty.get(ino);
    if (known !== undefined) this.dirty.set(ino, { ...known, actor: at.actor });
    else if (inode.nlink > 0) {
      this.dirty.set(ino, { actor: at.actor, since: at.time, isBaseKnown: true });
    }
    this.set(ino, {
      content,
      mode: losesBits ? withoutSuidGid(inode.mode) : inode.mode,
      xattrs: withoutCapability(inode.xattrs),
      contentRevision: at.revision,
      mtime: at.time,
      ctime: at.time,
    });
  }

  /** What a file holds becomes a version if it has changed and is not what the last version holds. */
  cutIfChanged(steps: Steps, ino: Ino, cause: CutCause): void {
    const dirty = this.dirty.get(ino);
    const inode = this.get(ino);
    if (dirty === undefined || inode.nlink === 0) return;
    if (inode.cutRevision === 0) {
      if (inode.content.size > 0) this.applyCut(steps.takeCut(ino, cause), ino, cause);
      else if (cause === 'close') this.applyUnchanged(steps.takeUnchanged(ino), ino);
      return;
    }
    const isSame = inode.cut?.equals(inode.content) === true;
    // Much to compare, and no time: what is about to go becomes a version in any case.
    const isHasty = cause !== 'close' && inode.content.size > 1 << 20;
    const mayCutAnyway = !dirty.isBaseKnown || isHasty;
    const isCutAnyway = mayCutAnyway && steps.peek()?.event.kind === 'cut';
    if (isSame && !isCutAnyway) this.applyUnchanged(steps.takeUnchanged(ino), ino);
    else this.applyCut(steps.takeCut(ino, cause), ino, cause);
  }

  /** Several files; those that take long to compare come last. */
  cutEach(steps: Steps, inos: readonly Ino[], cause: CutCause): void {
    const left = new Set(inos);
    while (left.size > 0) {
      const event = steps.peek()?.event;
      const next = event?.kind === 'cut' || event?.kind === 'unchanged' ? event.ino : undefined;
      const [first] = left;
      const ino = next !== undefined && left.has(next) ? next : (first as Ino);
      left.delete(ino);
      this.cutIfChanged(steps, ino, cause);
    }
  }

  applyCut(at: Committed, ino: Ino, cause: CutCause): void {
    const actor = this.dirty.get(ino)?.actor;
    if (at.actor !== actor) throw new Difference(`Version by ${at.actor}, wanted ${actor}`);
    this.commit(at, () => this.addVersion(at, ino, cause));
  }

  addVersion(at: Committed, ino: Ino, cause: CutCause): void {
    const { content, mode, uid, gid, mtime } = this.get(ino);
    const { revision, time, actor } = at;
    this.versions.push({ ino, revision, time, content, mode, uid, gid, mtime, actor, cause });
    this.set(ino, { cut: content, cutRevision: revision });
    this.dirty.delete(ino);
  }

  applyUnchanged(at: Committed, ino: Ino): void {
    this.commit(at, () => {
      this.set(ino, { cut: this.get(ino).content, cutRevision: at.revision });
      this.dirty.delete(ino);
    });
  }
}

export function withoutSuidGid(mode: number): number {
  return (mode & 0o010) === 0 ? mode & ~0o4000 : mode & ~0o6000;
}

export function withoutCapability(
  xattrs: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  if (!xattrs.has('security.capability')) return xattrs;
  return new Map([...xattrs].filter(([name]) => name !== 'security.capability'));
}
