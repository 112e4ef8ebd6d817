/**
 * One run: carries commands out on a volume and on the model, and compares what each says.
 */

import { FsError } from '../../src/shared/errors.ts';
import { errnoName } from '../../src/shared/errno.ts';
import type { ActorId, Ino, Name, Revision } from '../../src/shared/brands.ts';
import type { Caller } from '../../src/volume/store.ts';
import { compareLive, compareLiveInode, compareMoment } from './compare.ts';
import { compareHistories, compareVersions } from './lineage.ts';
import { Content } from './content.ts';
import { isDir, isFile, Model, ROOT } from './model.ts';
import type { ModelInode } from './model.ts';
import { Difference, ModelError, Steps } from './steps.ts';
import type { Committed } from './steps.ts';
import type { Place } from './model-names.ts';
import { System, TestClock } from './system.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'f.tmp', '\xff\xfe', 'x'.repeat(255)] as Name[];
const LENGTHS = [1, 2, 10, 100, 100, 1000, 4096, 5000, 70_000, 131_072, 131_073, 300_000];
const SMALL = [0, 1, 100, 4096, 100_000, 131_072];
const LARGE = [(1 << 20) - 50, 1 << 20, (1 << 20) + 5000, 3 << 20, (5 << 20) - 7];

/** An open file. */
export interface Handle {
  readonly ino: Ino;
  readonly canWrite: boolean;
}

export class Run {
  readonly root: string;
  readonly clock: TestClock;
  readonly model = new Model();
  system: System;
  handles: Handle[] = [];
  actors: ActorId[] = [];
  /** What was done, to be read when something differs. */
  readonly told: string[] = [];
  readonly noActor = 0 as ActorId;
  /** Copies of the index, as it was written at some revisions. */
  indexes: { readonly revision: Revision; readonly dir: string }[] = [];
  #copies = 0;

  private constructor(root: string, clock: TestClock, system: System) {
    this.root = root;
    this.clock = clock;
    this.system = system;
  }

  static async start(root: string): Promise<Run> {
    const clock = new TestClock();
    const run = new Run(root, clock, await System.open(`${root}/0`, clock, { isNew: true }));
    run.#begin();
    return run;
  }

  #begin(): void {
    const { model, system } = this;
    const root = system.volume.state.findInode(ROOT);
    if (root === undefined) throw new Error('A volume has a root');
    const now = this.clock.now();
    model.now = now;
    model.time = now;
    model.revision = system.volume.state.revision;
    model.inodes.set(ROOT, makeRoot(root.mode, now));
    model.remember();
    this.actors = ['alice', 'bob', 'carol'].map((label) => system.intern(label));
    for (const committed of system.takeCommitted()) model.commit(committed, () => undefined);
  }

  /** Opens a volume's directory in place of the one that was open. */
  async replaceSystem(dir: string, options: { readonly isResumed?: boolean }): Promise<void> {
    this.system = await System.open(dir, this.clock, options);
  }

  newDir(): string {
    this.#copies += 1;
    return `${this.root}/${this.#copies}`;
  }

  /** Does the same to the volume and to the model. @returns True if it succeeded. */
  async step(
    what: string,
    act: (system: System) => void,
    expect: (steps: Steps) => void,
  ): Promise<boolean> {
    const { system, model } = this;
    model.now = this.clock.now();
    let errno: number | undefined;
    try {
      act(system);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      errno = error.errno;
    }
    // Large comparisons are made off the thread: here they end before the next command.
    await system.volume.cuts.settled();
    const committed = system.takeCommitted();
    this.tell(
      `${what}${errno === undefined ? '' : `: ${errnoName(errno)}`}`,
      committed.at(-1)?.revision,
    );
    const steps = this.#stepsOf(committed);
    let expected: number | undefined;
    try {
      expect(steps);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      expected = error.errno;
    }
    steps.end();
    if (errno !== expected) {
      const [actual, wanted] = [errno, expected].map((e) =>
        e === undefined ? 'ok' : errnoName(e),
      );
      throw new Difference(`${what}: ${actual}, the model says ${wanted}`);
    }
    return errno === undefined;
  }

  #stepsOf(committed: readonly Committed[]): Steps {
    return new Steps(committed, (define) => this.model.commit(define, () => undefined));
  }

  /** Takes over what a start did for one file, as far as it can be told. */
  replay(committed: Committed, ino: Ino): void {
    const steps = this.#stepsOf([committed]);
    this.model.cutIfChanged(steps, ino, 'close');
    steps.end();
  }

  /** Writes the index out and keeps a copy of it, for a crash to go back to. */
  async keepIndex(): Promise<void> {
    const dir = this.newDir();
    await this.system.volume.flushed();
    this.system.copyIndexTo(dir);
    this.indexes.push({ revision: this.model.revision, dir });
  }

  /** Everything at once: live, history, and some moments. */
  async compareAll(): Promise<void> {
    await this.compareLive();
    await compareHistories(this.system, this.model);
    await compareVersions(this.system, this.model);
    for (let n = 0; n < 6; n++) await this.compareMoment(n * 131);
  }

  tell(what: string, revision?: Revision): void {
    const text = what.replace(/x{9,}/g, 'x…');
    this.told.push(revision === undefined ? text : `r${revision}: ${text}`);
  }

  // --- choosing -----------------------------------------------------------------------------------

  caller(n: number): Caller {
    const id = n % this.actors.length;
    const actor = this.actors[id] as ActorId;
    return { unique: 0, uid: id * 1000, gid: 100 + id, pid: 10_000 + id, actor };
  }

  live(): ModelInode[] {
    const found = new Map<Ino, ModelInode>();
    const walk = (ino: Ino): void => {
      const inode = this.model.get(ino);
      found.set(ino, inode);
      for (const child of inode.entries.values()) walk(child);
    };
    walk(ROOT);
    return [...found.values()];
  }

  /** Every name of the tree. */
  places(): Place[] {
    return this.live().flatMap(({ ino, entries }) =>
      [...entries.keys()].map((name) => ({ dir: ino, name })),
    );
  }

  directory(n: number): Ino {
    return pick(this.live().filter(isDir), n)?.ino ?? ROOT;
  }

  /** Any live file, or one that is open. */
  file(n: number): Ino | undefined {
    const open = this.handles.map(({ ino }) => this.model.get(ino));
    return pick([...new Set([...this.live(), ...open])].filter(isFile), n)?.ino;
  }

  handle(n: number, options: { readonly canWrite: boolean }): Handle | undefined {
    return pick(
      this.handles.filter(({ canWrite }) => canWrite || !options.canWrite),
      n,
    );
  }

  name(n: number): Name {
    return pick(NAMES, n) as Name;
  }

  newPlace(dir: number, name: number): Place {
    return { dir: this.directory(dir), name: this.name(name) };
  }

  /** Somewhere in a file, or a little beyond its end. */
  offset(n: number, size: number): number {
    if (n % 3 === 0) return size;
    if (n % 3 === 1) return Math.floor((size * (n % 100)) / 100);
    return pick(n % 20 === 5 ? LARGE : SMALL, n) as number;
  }

  data(n: number, fill: number): Buffer {
    return Buffer.alloc(pick(LENGTHS, n) as number, `${fill % 5} line of text\n`);
  }

  /** Compares everything that is live. */
  async compareLive(): Promise<void> {
    await compareLive(
      this.system,
      this.model,
      this.handles.map(({ ino }) => ino),
    );
  }

  compareInode(ino: Ino): void {
    compareLiveInode(this.system, this.model, ino);
  }

  /** One of those that there were. */
  revision(n: number): Revision {
    return pick([...this.model.states.keys()], n * 7919) as Revision;
  }

  async compareMoment(n: number): Promise<void> {
    const revision = this.revision(n);
    this.tell(`look at r${revision}`);
    await compareMoment(this.system, this.model, revision);
  }
}

export function pick<T>(from: readonly T[], n: number): T | undefined {
  return from[n % Math.max(1, from.length)];
}

function makeRoot(mode: number, now: { readonly sec: number; readonly nsec: number }): ModelInode {
  return {
    ino: ROOT,
    mode,
    nlink: 2,
    uid: 0,
    gid: 0,
    target: undefined,
    content: Content.EMPTY,
    xattrs: new Map(),
    atime: now,
    mtime: now,
    ctime: now,
    btime: now,
    entries: new Map(),
    parent: ROOT,
    born: 1 as Revision,
    contentRevision: 1 as Revision,
    cut: undefined,
    cutRevision: 0,
  };
}
