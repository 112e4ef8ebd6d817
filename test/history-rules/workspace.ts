/**
 * A session on a real mount, worked in with ordinary tools, and what its `.versions` says afterwards.
 *
 * Rule: what is asserted is read through the mount with tools too (cat, ls, stat), never from the
 * volume itself: this is what a person sees.
 */

import { afterAll, beforeAll, beforeEach } from 'vitest';
import { startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { run, shell } from '../harness/run.ts';

/** One entry of index.json, as far as the rules speak of it. */
export interface IndexedVersion {
  readonly revision: number;
  readonly name: string;
  readonly time: string;
  readonly size: number;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
  readonly sha256: string;
  readonly cause: string;
  readonly actor: { uid: number; gid: number; pid: number; command: string; label: string | null };
}

export interface Index {
  readonly versions: readonly IndexedVersion[];
  readonly removed: { readonly revision: number; readonly time: string } | null;
}

export class Workspace {
  #daemon: TestDaemon | undefined;
  #session: TestSession | undefined;
  #dir = '';
  #count = 0;

  /** The test's own directory on the mount. */
  get dir(): string {
    return this.#dir;
  }

  get daemon(): TestDaemon {
    if (this.#daemon === undefined) throw new Error('No daemon');
    return this.#daemon;
  }

  get session(): TestSession {
    if (this.#session === undefined) throw new Error('No session');
    return this.#session;
  }

  async open(): Promise<void> {
    this.#daemon = await startDaemon();
    this.#session = await this.#daemon.createSession();
  }

  async begin(): Promise<void> {
    this.#count += 1;
    this.#dir = `${this.session.mount}/test-${this.#count}`;
    await shell(`mkdir "${this.#dir}"`);
  }

  async close(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** Runs a script in the test's directory. */
  sh(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    return shell(script, { cwd: this.#dir, env: { LC_ALL: 'C', ...env } });
  }

  /** Runs a script that must fail; what it wrote to standard error. */
  async fails(script: string): Promise<string> {
    const result = await run('/bin/sh', ['-ec', script], { cwd: this.#dir, env: { LC_ALL: 'C' } });
    if (result.code === 0) throw new Error(`The script succeeded: ${script}`);
    return result.stderr;
  }

  /** @param path Of a file, relative to the test's directory: "d/f" is looked up in d/.versions. */
  index(path: string): Promise<Index> {
    return this.indexIn(historyOf(path));
  }

  /** @param history Where the history of a file is shown, ".versions/d/f" for one. */
  async indexIn(history: string): Promise<Index> {
    const index: unknown = JSON.parse(await this.sh(`cat '${history}/index.json'`));
    if (!isIndex(index)) throw new Error(`No index of versions: ${JSON.stringify(index)}`);
    return index;
  }

  /** The content of every version, oldest first, read from the files that are listed. */
  async contents(path: string): Promise<string[]> {
    const history = historyOf(path);
    const names = (await this.sh(`ls '${history}'`)).split('\n');
    const versions = names.filter((name) => /^r\d{8,}-\d{8}T\d{6}Z/.test(name));
    const contents: string[] = [];
    for (const name of versions) contents.push(await this.sh(`cat '${history}/${name}'`));
    return contents;
  }

  /** The revision of the volume now: what a moment is named after. */
  async revision(): Promise<number> {
    const status: unknown = JSON.parse(await this.sh('cat .versions/.status.json'));
    if (!isStatus(status)) throw new Error(`No status: ${JSON.stringify(status)}`);
    return status.latest.revision;
  }
}

function isIndex(value: unknown): value is Index {
  return typeof value === 'object' && value !== null && 'versions' in value && 'removed' in value;
}

function isStatus(value: unknown): value is { latest: { revision: number } } {
  return typeof value === 'object' && value !== null && 'latest' in value;
}

/** Where the history of a path is shown: in the `.versions` beside it. */
export function historyOf(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return `${path.slice(0, slash)}.versions/${path.slice(slash)}`;
}

/** A workspace for the tests of one file. */
export function useWorkspace(): Workspace {
  const workspace = new Workspace();
  beforeAll(() => workspace.open());
  beforeEach(() => workspace.begin());
  afterAll(() => workspace.close());
  return workspace;
}
