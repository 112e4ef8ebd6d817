/**
 * The history of a volume, as everything above reads and changes it: versions, moments, rollback.
 *
 * Guarantees:
 * - What is read at a revision never changes: the same question gives the same answer for as long as
 *   a promise keeps it, whatever happens to the live tree meanwhile.
 * - Every method may wait for the disk; none blocks the thread that serves the kernel.
 * - A miss is undefined. What retention has removed is FsError ENODATA, never a neighbour.
 */

import type { ActorId, Ino, Name, Revision } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';
import type { CutCause } from '../volume/cut-cause.ts';

export interface Actor {
  readonly id: ActorId;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** The command line as far as it is known; the short name of the process otherwise; "" if unknown. */
  readonly command: string;
  /** SESSFS_ACTOR of the process, if it had one. */
  readonly label: string | undefined;
}

/** One version of a file. `revision` is its name within the file's history, and a moment of the tree. */
export interface Version {
  readonly revision: Revision;
  readonly ino: Ino;
  readonly time: Time;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly actor: Actor;
  readonly cause: CutCause;
}

/** A file, directory, symlink, … as it was at one revision. */
export interface Node {
  readonly ino: Ino;
  readonly revision: Revision;
  readonly mode: number;
  readonly size: number;
  readonly blocks: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly btime: Time;
  /** Of a symlink. */
  readonly target: string | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** The newest revision that changed its content, ≤ revision: equal means equal bytes for one ino. */
  readonly contentRevision: Revision;
  /** Retention has removed its content. */
  readonly isGone: boolean;
}

export interface NodeEntry {
  readonly name: Name;
  readonly ino: Ino;
  /** The type bits of the mode. */
  readonly type: number;
}

/**
 * A directory as a person means it: every inode that ever was the directory of that path.
 * (A directory that was removed and made again has one history with a gap.)
 */
export interface DirectoryLineage {
  readonly inos: readonly Ino[];
}

/** A name that a directory has or once had. */
export interface PastName {
  readonly name: Name;
  /** It was, at some time, a file (or symlink, device, …) of which there is history. */
  readonly wasFile: boolean;
  readonly wasDirectory: boolean;
  readonly isLive: boolean;
}

export interface FileHistory {
  /** Oldest first. */
  readonly versions: readonly Version[];
  /** The inode that has the name now. */
  readonly liveIno: Ino | undefined;
  /** When the name went away, if it is not live. */
  readonly removed: { revision: Revision; time: Time; actor: Actor } | undefined;
}

/** One line of what a rollback would do, or did. Paths are relative to the volume's root. */
export interface RollbackStep {
  readonly action: 'restore' | 'create' | 'remove' | 'attributes';
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly bytes: number;
}

export interface RollbackResult {
  /** The revision of the rollback itself; undefined for a dry run or when there was nothing to do. */
  readonly revision: Revision | undefined;
  /** The moment before it: rolling back to this undoes it. */
  readonly before: Revision;
  /** Removals first. */
  readonly steps: readonly RollbackStep[];
  /** Paths that did not come back, because retention has removed what they held: only if that was asked for. */
  readonly leftOut: readonly string[];
}

export interface HistoryStatus {
  /** From here on every moment can be seen. */
  readonly earliest: Revision;
  readonly earliestTime: Time;
  readonly latest: Revision;
  readonly latestTime: Time;
  /** When the volume was made. */
  readonly bornTime: Time;
  /** Moments that are kept by a checkpoint or a hold, also before the earliest. */
  readonly pinned: readonly Revision[];
}

export interface History {
  status(): HistoryStatus;

  /** The last revision not after a time; undefined if the volume did not exist yet. */
  findRevision(time: Time): Promise<Revision | undefined>;
  getRevisionTime(revision: Revision): Promise<Time>;
  getActor(id: ActorId): Promise<Actor>;

  /** The lineage of a live directory, found through its name and those of its parents. */
  findLineage(dir: Ino): Promise<DirectoryLineage>;
  /** The directory lineage below a name; undefined if no directory ever had it. */
  findChildLineage(dir: DirectoryLineage, name: Name): Promise<DirectoryLineage | undefined>;
  /** Every name that the directory has or once had, in byte order. */
  listPastNames(dir: DirectoryLineage): Promise<PastName[]>;
  /** undefined if nothing but directories ever had the name. */
  findFileHistory(dir: DirectoryLineage, name: Name): Promise<FileHistory | undefined>;

  /** An inode as it was; undefined if it was not made yet. One that was removed has nlink 0. */
  findNode(ino: Ino, at: Revision): Promise<Node | undefined>;
  findChild(dir: Ino, name: Name, at: Revision): Promise<NodeEntry | undefined>;
  /** In byte order of the names. */
  listChildren(dir: Ino, at: Revision): Promise<NodeEntry[]>;
  /** Walks a path from the root, as it was at a revision; symlinks are not followed. */
  findPath(path: readonly Name[], at: Revision): Promise<Node | undefined>;

  /**
   * Keeps all that a revision shows from being removed, for whoever reads it for long.
   *
   * @returns To be called when it is not read any more; again does nothing.
   */
  pin(at: Revision): () => void;
  /**
   * Reads content as it was.
   *
   * @returns A fresh buffer; shorter than length only at the end of the file.
   * @throws {FsError} ENODATA If retention has removed it; EIO if the log is damaged there.
   */
  read(ino: Ino, at: Revision, offset: number, length: number): Promise<Buffer>;
  /** The next data (or hole) at or after offset, as SEEK_DATA and SEEK_HOLE; undefined at the end. */
  seek(ino: Ino, at: Revision, offset: number, want: 'data' | 'hole'): Promise<number | undefined>;
  /**
   * SHA-256 of the content as hex; computed off the serving thread once, then remembered.
   *
   * @throws {FsError} EFBIG If it has more than HASHED_MAX_BYTES.
   */
  hash(ino: Ino, at: Revision): Promise<string>;

  /**
   * Brings a path back to how it was: a new event, atomic, which keeps all that it replaces.
   *
   * @param options.path From the root; empty is the whole volume.
   * @param options.to For a file: any revision of it. Its content, mode, owner, times and xattrs come back.
   * @param options.exact Also removes what came later (default: overlay, what came later stays).
   * @param options.partial Leaves out what retention has removed the content of.
   * @throws {SessfsError} PATH_UNKNOWN If the path did not exist at that revision; CONTENT_REMOVED If the
   *   content of any of it is gone, unless partial.
   */
  rollback(options: {
    path: readonly Name[];
    to: Revision;
    exact?: boolean;
    partial?: boolean;
    dryRun?: boolean;
    actor: ActorId;
  }): Promise<RollbackResult>;
  /**
   * Brings back what was last removed under this name; for a directory, with all that the same
   * removal (the same process) took from it.
   *
   * @throws {SessfsError} PATH_UNKNOWN If the path never existed; CONFLICT if it is there now.
   */
  undelete(options: {
    path: readonly Name[];
    partial?: boolean;
    dryRun?: boolean;
    actor: ActorId;
  }): Promise<RollbackResult>;
}
