/**
 * What a path below `.versions` was in the past: the versions of a file, the past names of a directory,
 * whose they are, and where that directory was at a moment.
 *
 * Rule: nothing is remembered beyond the revision at which it was asked, so that a listing is right
 * immediately after a write.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Ino, Name, Revision } from '../shared/brands.ts';
import { isDirectory } from '../shared/mode.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import type {
  DirectoryLineage,
  FileHistory,
  History,
  Node,
  NodeEntry,
  Version,
} from '../history/store.ts';
import { orderVersions } from '../history/version-spec.ts';
import { pathKey } from './virtual-nodes.ts';
import type { Ownership, PastPath } from './virtual-nodes.ts';

/** What retention has taken from a moment's tree. */
export interface MissingContent {
  /** Relative to the directory that was asked about, bytes as latin1. */
  readonly path: string;
}

/** History, and what it may be able to tell besides. */
export interface VersionsHistory extends History {
  /** Every file below a directory at a revision whose content retention has removed. */
  listMissing?(dir: Ino, at: Revision): Promise<readonly MissingContent[]>;
}

/** What is promised of one version. */
export interface KeptVersion {
  readonly ino: Ino;
  readonly revision: Revision;
  /** Milliseconds since 1970; Infinity is for ever. */
  readonly keptUntilMs: number;
  /** As a sentence, the strongest reason. */
  readonly why: string;
  readonly tier: string;
}

/** Tells what is promised of each version of a file. */
export type ExplainKept = (file: FileHistory) => Promise<readonly KeptVersion[]>;

export interface Past extends PastPath {
  /** Set if the name is or was a directory's. */
  readonly lineage: DirectoryLineage | undefined;
  /** Set if the name is or was a file's; its versions as orderVersions gives them. */
  readonly file: FileHistory | undefined;
  /** Until when its versions are kept; none if nobody can tell. Asked for once. */
  readonly listKept: () => Promise<readonly KeptVersion[]>;
}

/** Each may hold the versions of one file: 10,000 of them are some megabytes. */
const MAX_REMEMBERED = 16;
/** For a directory of which nothing but its names is known any more. */
const UNKNOWN_PERMISSIONS = 0o500;
const READ_ONLY_PERMISSIONS = 0o555;

export class PastFinder {
  readonly #history: VersionsHistory;
  readonly #pathOf: ((dir: Ino) => readonly Name[] | undefined) | undefined;
  readonly #explain: ExplainKept | undefined;
  readonly #remembered = new Map<string, Promise<Past | undefined>>();
  #rememberedAt: Revision | undefined;

  /** @param options.pathOf Where a live directory is now, from the root of the volume. */
  constructor(options: {
    history: VersionsHistory;
    pathOf?: ((dir: Ino) => readonly Name[] | undefined) | undefined;
    explain?: ExplainKept | undefined;
  }) {
    this.#explain = options.explain;
    this.#history = options.history;
    this.#pathOf = options.pathOf;
  }

  /** @returns undefined if nothing ever had that path. */
  find(where: PastPath): Promise<Past | undefined> {
    const { latest } = this.#history.status();
    if (latest !== this.#rememberedAt) this.#remembered.clear();
    this.#rememberedAt = latest;
    const key = pathKey(where);
    let past = this.#remembered.get(key);
    if (past === undefined) {
      past = this.#read(where);
      // A failure is not remembered: the next request asks again.
      past.catch(() => this.#remembered.delete(key));
    }
    this.#remembered.delete(key);
    this.#remembered.set(key, past);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
    return past;
  }

  /** @throws {FsError} ESTALE If nothing has that path any more. */
  async get(where: PastPath): Promise<Past> {
    const past = await this.find(where);
    if (past === undefined) throw new FsError(Errno.ESTALE, pathKey(where));
    return past;
  }

  /**
   * Whose a directory of `.versions` is: that of the directory it speaks of, made read-only. What a
   * user could not list while it lived must not be listed by everybody afterwards.
   */
  async ownershipOf(past: Past): Promise<Ownership> {
    const parent = past.path.length > 0 ? await this.find(parentOf(past)) : undefined;
    if (past.lineage === undefined && parent !== undefined) {
      return { ...(await this.ownershipOf(parent)), time: this.#changedAt(past) };
    }
    const node = await this.#findLastNode(past);
    if (node !== undefined) {
      const permissions = node.mode & READ_ONLY_PERMISSIONS;
      return { permissions, uid: node.uid, gid: node.gid, time: this.#changedAt(past) };
    }
    const above = parent === undefined ? { uid: 0, gid: 0 } : await this.ownershipOf(parent);
    return { ...above, permissions: UNKNOWN_PERMISSIONS, time: this.#changedAt(past) };
  }

  /**
   * The inode of a directory at a revision: what had its path then, else what has its name now and
   * had another then. A directory that lost the name before that revision does not stand in for it.
   */
  async findDirectoryAt(past: Past, at: Revision): Promise<Ino | undefined> {
    const byPath = await this.#findByPath(past, at);
    if (byPath !== undefined) return byPath;
    const candidates = [await this.#findLiveDirectory(past)];
    const isPathUnknown = past.path.length === 0 && this.#pathOf === undefined;
    if (isPathUnknown) candidates.push(...[...(past.lineage?.inos ?? [])].toReversed());
    for (const ino of candidates) {
      const node = ino && (await this.#history.findNode(ino, at));
      if (node && isDirectory(node.mode) && node.nlink > 0) return node.ino;
    }
    return undefined;
  }

  /**
   * The version of a file that was current at a revision.
   *
   * @returns undefined if the file did not exist then: after it was removed no neighbour stands in.
   */
  async findVersionAt(past: Past, at: Revision): Promise<Version | undefined> {
    const earlier = (past.file?.versions ?? []).filter((version) => version.revision <= at);
    const entry = await this.#findEntryAt(past, at);
    // Without an entry it may have had another name then, if it has this one now.
    const ino = entry?.ino ?? past.file?.liveIno;
    const node = ino === undefined ? undefined : await this.#history.findNode(ino, at);
    if (node === undefined) return undefined;
    if (node.isGone) throw new FsError(Errno.ENODATA, `the version of inode ${ino} at r${at}`);
    return earlier.findLast((version) => version.ino === ino);
  }

  async #read(where: PastPath): Promise<Past | undefined> {
    const name = where.path.at(-1);
    if (name === undefined) {
      const lineage = await this.#history.findLineage(where.dir);
      return { dir: where.dir, path: where.path, lineage, file: undefined, listKept: keepsNothing };
    }
    const parent = await this.find(parentOf(where));
    if (parent?.lineage === undefined) return undefined;
    const lineage = await this.#history.findChildLineage(parent.lineage, name);
    const file = await this.#history.findFileHistory(parent.lineage, name);
    if (lineage === undefined && file === undefined) return undefined;
    const ordered = file && { ...file, versions: orderVersions(file.versions, file.liveIno) };
    let kept: Promise<readonly KeptVersion[]> | undefined;
    const explain = this.#explain;
    const listKept = (): Promise<readonly KeptVersion[]> => {
      kept ??= ordered && explain ? explain(ordered) : keepsNothing();
      return kept;
    };
    return { dir: where.dir, path: where.path, lineage, file: ordered, listKept };
  }

  async #findByPath(past: Past, at: Revision): Promise<Ino | undefined> {
    const name = past.path.at(-1);
    if (name === undefined) {
      const path = this.#pathOf?.(past.dir);
      const node = path && (await this.#history.findPath(path, at));
      return node && isDirectory(node.mode) ? node.ino : undefined;
    }
    const entry = await this.#findEntryAt(past, at);
    return entry && isDirectory(entry.type) ? entry.ino : undefined;
  }

  /** What had the name at a revision, in what the directory above was then. */
  async #findEntryAt(past: Past, at: Revision): Promise<NodeEntry | undefined> {
    const name = past.path.at(-1);
    const parent = name === undefined ? undefined : await this.find(parentOf(past));
    const dir = parent && (await this.findDirectoryAt(parent, at));
    return dir && name ? this.#history.findChild(dir, name, at) : undefined;
  }

  async #findLiveDirectory(past: Past): Promise<Ino | undefined> {
    if (past.path.length === 0) return past.dir;
    const entry = await this.#findEntryAt(past, this.#history.status().latest);
    return entry && isDirectory(entry.type) ? entry.ino : undefined;
  }

  /** What is the directory now; else what was it last, as far as history still knows the inode. */
  async #findLastNode(past: Past): Promise<Node | undefined> {
    const { latest } = this.#history.status();
    const inos = [...(past.lineage?.inos ?? [])].toReversed();
    if (past.path.length === 0) inos.unshift(past.dir);
    let last: Node | undefined;
    for (const ino of inos) {
      const node = await this.#history.findNode(ino, latest);
      if (node !== undefined && node.nlink > 0) return node;
      last ??= node;
    }
    return last;
  }

  /** Changes whenever the listing may have changed: a kernel that caches it compares this time. */
  #changedAt(past: Past): Time {
    const last = past.file?.versions.at(-1)?.time;
    if (past.lineage !== undefined || past.file === undefined || last === undefined) {
      return this.#history.status().latestTime;
    }
    const removed = past.file.removed?.time;
    const newest = past.file.versions.reduce(
      (a, v) => (compareTime(v.time, a) > 0 ? v.time : a),
      last,
    );
    return removed !== undefined && compareTime(removed, newest) > 0 ? removed : newest;
  }
}

const keepsNothing = (): Promise<readonly KeptVersion[]> => Promise.resolve([]);

/** The name of a file's history: the number of the first inode that is in it. */
export function lineageOf(file: FileHistory): string {
  const ino = file.versions[0]?.ino ?? file.liveIno;
  return ino === undefined ? '' : String(ino);
}

function parentOf(where: PastPath): PastPath {
  return { dir: where.dir, path: where.path.slice(0, -1) };
}
