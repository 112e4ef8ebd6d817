/**
 * What fsck tells: problems, what is known already, what is affected. Data, as `--json` prints it.
 *
 * Rule: bounded. Of each kind the first ones are listed and the others counted, or the report of a disk
 * that died would not fit into memory.
 */

/** What a problem is about; the word before it in the report. */
export type ProblemKind =
  /** A segment that is missing, another's, or whose header does not hold. */
  | 'segment'
  /** Bytes in which no record can be read. */
  | 'records'
  /** Content that fails its checksum, in a record that holds. */
  | 'data'
  /** A record that holds and cannot be understood or applied. */
  | 'event'
  /** The index cannot be opened, or says something else than the log. */
  | 'index'
  /** What the index says contradicts itself: link counts, sizes, names, extents. */
  | 'tree';

export interface Problem {
  readonly kind: ProblemKind;
  /** A sentence with the place and what is wrong there. */
  readonly message: string;
  readonly file?: string;
  readonly segment?: number;
  readonly offset?: number;
  readonly length?: number;
  /** The first and the last one that are lost. */
  readonly revisions?: readonly [number, number];
}

/** Content that cannot be read, and where it can be met. */
export interface AffectedContent {
  readonly ino: number;
  /** Where the file is, or was last; bytes as latin1, and as text. */
  readonly path: string;
  readonly text: string;
  /** Which bytes of the file. */
  readonly offset: number;
  readonly length: number;
  /** It is in the file as it is now. */
  readonly live: boolean;
  /** The versions that hold it. */
  readonly versions: readonly number[];
}

export interface RepairResult {
  /** What was put aside, as it was. */
  readonly setAside: readonly string[];
  readonly segments: readonly string[];
  /** `kept` as it is, `continued` with what the log still has, or `rebuilt` from it. */
  readonly index: 'kept' | 'continued' | 'rebuilt';
  /** What lost its place and is in /lost+found now. */
  readonly recovered: number;
  /** Changes in the log that had lost what they refer to. */
  readonly skipped: readonly string[];
  readonly skippedCount: number;
  readonly reportFile: string | undefined;
}

export type FsckStatus = 'clean' | 'damaged' | 'repaired';

export interface FsckReport {
  readonly session: string | undefined;
  readonly volumeId: string;
  readonly status: FsckStatus;
  /** Everything up to it was checked. */
  readonly revision: number;
  readonly segments: number;
  readonly logBytes: number;
  readonly records: number;
  readonly dataBytes: number;
  readonly indexEntries: number;
  readonly inodes: number;
  readonly durationMs: number;
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Damage that an earlier repair has noted. */
  readonly known: readonly Problem[];
  readonly knownCount: number;
  /** What is worth knowing and no problem: a torn end that was never promised. */
  readonly notes: readonly string[];
  readonly affected: readonly AffectedContent[];
  readonly affectedCount: number;
  readonly repair: RepairResult | undefined;
}

const LISTED = 1000;

/** The first of many things, and how many there were. */
export class Listed<T> {
  readonly items: T[] = [];
  count = 0;
  readonly #most: number;

  constructor(most = LISTED) {
    this.#most = most;
  }

  add(item: T): void {
    this.count += 1;
    if (this.items.length < this.#most) this.items.push(item);
  }
}

export type Progress = (step: string, done: number, total: number) => void;
