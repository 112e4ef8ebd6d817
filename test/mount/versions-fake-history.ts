/**
 * A history in memory for the tests of `.versions`: every revision keeps the whole tree.
 *
 * Rule: lineages are found by walking every revision, the slow and obvious way.
 */

import { createHash } from 'node:crypto';
import type { CutCause } from '../../src/volume/cut-cause.ts';
import type {
  Actor,
  DirectoryLineage,
  FileHistory,
  HistoryStatus,
  Node,
  NodeEntry,
  PastName,
  Version,
} from '../../src/history/store.ts';
import type { MissingContent, VersionsHistory } from '../../src/mount/versions-past.ts';
import type { ActorId, Ino, Name, Revision } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, isDirectory } from '../../src/shared/mode.ts';
import { compareTime } from '../../src/shared/time.ts';
import type { Clock, Time } from '../../src/shared/time.ts';

interface Inode {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly content: Buffer;
  readonly contentRevision: Revision;
  readonly target?: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly children: ReadonlyMap<Name, Ino>;
}

type Tree = ReadonlyMap<Ino, Inode>;

export const ACTOR: Actor = {
  id: 7 as ActorId,
  uid: 1000,
  gid: 1000,
  pid: 42,
  command: 'sh -c "echo"',
  label: 'agent-1',
};

const ROOT = 1 as Ino;
/** 2026-11-22T10:00:00Z, a Sunday; each revision is a minute later. */
export const START_SEC = 1_795_341_600;
const STEP_SEC = 60;

export class FakeHistory implements VersionsHistory {
  /** Index is the revision. */
  readonly #trees: Tree[] = [new Map()];
  readonly #times: Time[] = [{ sec: START_SEC, nsec: 0 }];
  readonly #versions: Version[] = [];
  readonly removedContent = new Set<string>();
  missing: MissingContent[] = [];
  hashes = 0;
  histories = 0;
  #nextIno = 1;

  constructor() {
    this.#commit((tree) => this.#put(tree, 0o40755, {}));
  }

  /** Shows one minute after the last revision. */
  readonly clock: Clock = {
    now: () => ({ sec: (this.#times.at(-1)?.sec ?? 0) + STEP_SEC, nsec: 0 }),
  };

  mkdir(path: string, mode = 0o755, uid = 0): Revision {
    return this.#commit((tree) => {
      this.#attach(tree, path, this.#put(tree, S_IFDIR | mode, { uid }));
    });
  }

  /** Creates or overwrites, and cuts the version in the same revision. */
  write(path: string, text: string, options: { mode?: number; cause?: CutCause } = {}): Revision {
    return this.#commit((tree, revision, mtime) => {
      let ino = this.find(path, tree);
      if (ino === undefined) {
        ino = this.#put(tree, S_IFREG | (options.mode ?? 0o644), {});
        this.#attach(tree, path, ino);
      }
      const content = Buffer.from(text);
      const old = get(tree, ino);
      tree.set(ino, { ...old, content, mtime, contentRevision: revision });
      const { mode, uid, gid } = old;
      const rest = { mode, uid, gid, mtime, actor: ACTOR, cause: options.cause ?? 'close' };
      this.#versions.push({ revision, ino, time: mtime, size: content.length, ...rest });
    });
  }

  /** Writes without a cut, as while a file is open. */
  scribble(path: string, text: string): Revision {
    return this.#commit((tree, contentRevision) => {
      const ino = this.#get(path, tree);
      tree.set(ino, { ...get(tree, ino), content: Buffer.from(text), contentRevision });
    });
  }

  symlink(path: string, target: string): Revision {
    return this.#commit((tree) =>
      this.#attach(tree, path, this.#put(tree, S_IFLNK | 0o777, { target })),
    );
  }

  setxattr(path: string, name: string, value: string): Revision {
    return this.#commit((tree) => {
      const ino = this.#get(path, tree);
      const old = get(tree, ino);
      tree.set(ino, { ...old, xattrs: new Map([...old.xattrs, [name, Buffer.from(value)]]) });
    });
  }

  chmod(path: string, mode: number): Revision {
    return this.#commit((tree) => {
      const ino = this.#get(path, tree);
      const old = get(tree, ino);
      tree.set(ino, { ...old, mode: (old.mode & S_IFMT) | mode });
    });
  }

  link(path: string, newPath: string): Revision {
    return this.#commit((tree) => this.#attach(tree, newPath, this.#get(path, tree)));
  }

  rename(path: string, newPath: string): Revision {
    return this.#commit((tree) => {
      const ino = this.#get(path, tree);
      this.#detach(tree, path);
      if (this.find(newPath, tree) !== undefined) this.#detach(tree, newPath);
      this.#attach(tree, newPath, ino);
      this.#collect(tree);
    });
  }

  /** rm -rf */
  remove(path: string): Revision {
    return this.#commit((tree) => {
      this.#detach(tree, path);
      this.#collect(tree);
    });
  }

  find(path: string, tree: Tree = this.#last): Ino | undefined {
    let ino: Ino | undefined = tree.has(ROOT) ? ROOT : undefined;
    for (const name of path.split('/').filter(Boolean)) {
      ino = ino && tree.get(ino)?.children.get(name as Name);
    }
    return ino;
  }

  pathOf(dir: Ino): Name[] | undefined {
    return pathsIn(this.#last).get(dir)?.[0] as Name[] | undefined;
  }

  status(): HistoryStatus {
    return {
      earliest: 1 as Revision,
      earliestTime: this.#times[1] ?? { sec: 0, nsec: 0 },
      latest: (this.#trees.length - 1) as Revision,
      latestTime: this.#times.at(-1) ?? { sec: 0, nsec: 0 },
      bornTime: this.#times[1] ?? { sec: 0, nsec: 0 },
      pinned: [],
    };
  }

  findRevision(time: Time): Promise<Revision | undefined> {
    const revision = this.#times.findLastIndex((at) => compareTime(at, time) <= 0);
    return Promise.resolve(revision < 1 ? undefined : (revision as Revision));
  }

  getRevisionTime(revision: Revision): Promise<Time> {
    return Promise.resolve(this.#times[revision] ?? { sec: 0, nsec: 0 });
  }

  getActor(): Promise<Actor> {
    return Promise.resolve(ACTOR);
  }

  findLineage(dir: Ino): Promise<DirectoryLineage> {
    const path = this.pathOf(dir)?.join('/');
    const inos = new Set<Ino>([dir]);
    for (const tree of this.#trees) {
      const ino = path === undefined ? undefined : this.find(path, tree);
      if (ino !== undefined && isDirectory(get(tree, ino).mode)) inos.add(ino);
    }
    return Promise.resolve({ inos: [...inos] });
  }

  findChildLineage(dir: DirectoryLineage, name: Name): Promise<DirectoryLineage | undefined> {
    const inos = [...this.#everNamed(dir, name)].filter(([, isDir]) => isDir).map(([ino]) => ino);
    return Promise.resolve(inos.length === 0 ? undefined : { inos });
  }

  listPastNames(dir: DirectoryLineage): Promise<PastName[]> {
    const names = new Set<Name>();
    for (const tree of this.#trees) {
      for (const ino of dir.inos)
        for (const name of tree.get(ino)?.children.keys() ?? []) names.add(name);
    }
    const past = [...names].toSorted().map((name) => {
      const kinds = new Set(this.#everNamed(dir, name).values());
      const isLive = dir.inos.some((ino) => this.#last.get(ino)?.children.has(name));
      return { name, wasFile: kinds.has(false), wasDirectory: kinds.has(true), isLive };
    });
    return Promise.resolve(past);
  }

  findFileHistory(dir: DirectoryLineage, name: Name): Promise<FileHistory | undefined> {
    this.histories += 1;
    const named = [...this.#everNamed(dir, name)].filter(([, isDir]) => !isDir);
    const inos = new Set(named.map(([ino]) => ino));
    if (inos.size === 0) return Promise.resolve(undefined);
    const live = dir.inos.map((ino) => this.#last.get(ino)?.children.get(name)).find(Boolean);
    const versions = this.#versions.filter((version) => inos.has(version.ino));
    let revision = this.#trees.length - 1;
    const had = (tree: Tree | undefined): boolean =>
      dir.inos.some((ino) => tree?.get(ino)?.children.has(name));
    while (revision > 0 && !had(this.#trees[revision - 1])) revision -= 1;
    const time = this.#times[revision] ?? { sec: 0, nsec: 0 };
    const removed = live ? undefined : { revision: revision as Revision, time, actor: ACTOR };
    return Promise.resolve({ versions, liveIno: live, removed });
  }

  findNode(ino: Ino, at: Revision): Promise<Node | undefined> {
    const tree = this.#trees[at];
    const inode = tree?.get(ino);
    if (tree === undefined || inode === undefined) return Promise.resolve(undefined);
    const { mode, uid, gid, mtime, xattrs, target, contentRevision } = inode;
    const size = target?.length ?? inode.content.length;
    const times = { atime: mtime, mtime, ctime: mtime, btime: mtime };
    const nlink = pathsIn(tree).get(ino)?.length ?? 0;
    const rest = { mode, uid, gid, xattrs, target, contentRevision, size, nlink, ...times };
    const isGone = this.removedContent.has(`${ino}@${at}`);
    const blocks = Math.ceil(size / 512);
    return Promise.resolve({ ino, revision: at, blocks, rdev: 0, isGone, ...rest });
  }

  async findChild(dir: Ino, name: Name, at: Revision): Promise<NodeEntry | undefined> {
    return (await this.listChildren(dir, at)).find((entry) => entry.name === name);
  }

  listChildren(dir: Ino, at: Revision): Promise<NodeEntry[]> {
    const tree = this.#trees[at] ?? new Map<Ino, Inode>();
    const entries = [...(tree.get(dir)?.children ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Promise.resolve(
      entries.map(([name, ino]) => ({ name, ino, type: get(tree, ino).mode & S_IFMT })),
    );
  }

  findPath(path: readonly Name[], at: Revision): Promise<Node | undefined> {
    const ino = this.find(path.join('/'), this.#trees[at]);
    return ino === undefined ? Promise.resolve(undefined) : this.findNode(ino, at);
  }

  pin(): () => void {
    return () => undefined;
  }

  async read(ino: Ino, at: Revision, offset: number, length: number): Promise<Buffer> {
    const inode = this.#trees[at]?.get(ino);
    if (inode === undefined) throw new Error(`No ino ${ino} at r${at}`);
    if (this.removedContent.has(`${ino}@${at}`)) throw new FsError(Errno.ENODATA);
    return Promise.resolve(Buffer.from(inode.content.subarray(offset, offset + length)));
  }

  async seek(
    ino: Ino,
    at: Revision,
    offset: number,
    want: 'data' | 'hole',
  ): Promise<number | undefined> {
    const { length } = await this.read(ino, at, 0, Infinity);
    return want === 'data' && offset < length ? offset : undefined;
  }

  async hash(ino: Ino, at: Revision): Promise<string> {
    this.hashes += 1;
    return createHash('sha256')
      .update(await this.read(ino, at, 0, Infinity))
      .digest('hex');
  }

  listMissing(): Promise<readonly MissingContent[]> {
    return Promise.resolve(this.missing);
  }

  rollback(): never {
    throw new Error('Not here');
  }

  undelete(): never {
    throw new Error('Not here');
  }

  get #last(): Tree {
    return this.#trees.at(-1) ?? new Map<Ino, Inode>();
  }

  /** Every inode that had a name, and whether it is a directory. */
  #everNamed(dir: DirectoryLineage, name: Name): Map<Ino, boolean> {
    const named = new Map<Ino, boolean>();
    for (const tree of this.#trees) {
      for (const parent of dir.inos) {
        const ino = tree.get(parent)?.children.get(name);
        if (ino !== undefined) named.set(ino, isDirectory(get(tree, ino).mode));
      }
    }
    return named;
  }

  #commit(change: (tree: Map<Ino, Inode>, revision: Revision, time: Time) => void): Revision {
    const revision = this.#trees.length as Revision;
    const time = { sec: START_SEC + (revision - 1) * STEP_SEC, nsec: 0 };
    const tree = new Map(this.#last);
    change(tree, revision, time);
    this.#trees.push(tree);
    this.#times.push(time);
    return revision;
  }

  #put(tree: Map<Ino, Inode>, mode: number, more: { target?: string; uid?: number }): Ino {
    const ino = this.#nextIno as Ino;
    this.#nextIno += 1;
    const empty = { content: Buffer.alloc(0), xattrs: new Map(), children: new Map() };
    const mtime = { sec: START_SEC, nsec: 5 };
    const contentRevision = this.#trees.length as Revision;
    tree.set(ino, { mode, uid: 0, gid: 0, mtime, contentRevision, ...empty, ...more });
    return ino;
  }

  #get(path: string, tree: Tree): Ino {
    const ino = this.find(path, tree);
    if (ino === undefined) throw new Error(`No ${path}`);
    return ino;
  }

  #attach(tree: Map<Ino, Inode>, path: string, ino: Ino): void {
    const { dir, name } = this.#split(tree, path);
    const old = get(tree, dir);
    tree.set(dir, { ...old, children: new Map([...old.children, [name, ino]]) });
  }

  #detach(tree: Map<Ino, Inode>, path: string): void {
    const { dir, name } = this.#split(tree, path);
    const old = get(tree, dir);
    const children = new Map([...old.children].filter(([other]) => other !== name));
    tree.set(dir, { ...old, children });
  }

  #split(tree: Tree, path: string): { dir: Ino; name: Name } {
    const parts = path.split('/').filter(Boolean);
    const name = parts.pop() as Name;
    return { dir: this.#get(parts.join('/'), tree), name };
  }

  #collect(tree: Map<Ino, Inode>): void {
    const reachable = pathsIn(tree);
    for (const ino of tree.keys()) if (!reachable.has(ino)) tree.delete(ino);
  }
}

function get(tree: Tree, ino: Ino): Inode {
  const inode = tree.get(ino);
  if (inode === undefined) throw new Error(`No ino ${ino}`);
  return inode;
}

/** Every path of every inode that can be reached. */
function pathsIn(tree: Tree): Map<Ino, string[][]> {
  const paths = new Map<Ino, string[][]>();
  const walk = (ino: Ino, path: string[]): void => {
    paths.set(ino, [...(paths.get(ino) ?? []), path]);
    for (const [name, child] of tree.get(ino)?.children ?? []) walk(child, [...path, name]);
  };
  if (tree.has(ROOT)) walk(ROOT, []);
  return paths;
}
