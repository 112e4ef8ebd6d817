/**
 * Where a behaviour case plays: a fresh directory on a target, and client processes of several users.
 *
 * Rule: a case leaves nothing behind for the next one: its directory is its own, its descriptors are
 * closed, and processes of other users are its own.
 */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import { Syscalls } from './syscalls.ts';
import { TARGETS } from './targets.ts';
import type { Target } from './targets.ts';

/** A user without any privilege, in a group of its own. */
export const USER = { uid: 65534, gid: 65534 };
export const OTHER_USER = { uid: 65533, gid: 65533 };

const SETUP_TIMEOUT_MS = 90_000;
/** Longer than a client's own deadline, which says more. */
const CASE_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 60_000;
const isRoot = process.getuid?.() === 0;

export class Stage {
  readonly target: Target;
  #dir = '';
  #root: Syscalls | undefined;
  #mount: { readonly dir: string; close(): Promise<void> } | undefined;
  #others: Syscalls[] = [];
  #count = 0;

  constructor(target: Target) {
    this.target = target;
  }

  /** The case's own directory: mode 0755, of the user who runs the suite. */
  get dir(): string {
    return this.#dir;
  }

  /** The client process of the user who runs the suite. */
  get sys(): Syscalls {
    if (this.#root === undefined) throw new Error('The stage is not open');
    return this.#root;
  }

  path(...names: string[]): string {
    return [this.#dir, ...names].join('/');
  }

  /** A process of its own, for as long as the case runs. */
  async another(user?: {
    uid: number;
    gid: number;
    groups?: readonly number[];
  }): Promise<Syscalls> {
    const client = new Syscalls();
    this.#others.push(client);
    if (user !== undefined) await client.become(user);
    return client;
  }

  /** Runs a program; a code other than 0, or no end within a minute, is an error. */
  async run(program: string, ...args: string[]): Promise<string> {
    const options = { cwd: '/', timeout: RUN_TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
    return (await promisify(execFile)(program, args, options)).stdout;
  }

  /**
   * The options of a case that needs something: 'root', or an id of the table of capabilities.
   *
   * What the table says that the target cannot do has to fail there: a table that is wrong is found out.
   * A user without privilege skips, unless CI is set.
   */
  needs(...needs: readonly string[]): { readonly fails: boolean; readonly skip: boolean } {
    const isPrivileged = isRoot || process.env['CI'] !== undefined;
    return {
      fails: needs.some((need) => need !== 'root' && !this.target.can(need)),
      skip: needs.includes('root') && !isPrivileged,
    };
  }

  async open(): Promise<void> {
    this.#mount = await this.target.open();
    this.#root = new Syscalls();
    if (isRoot) await this.#root.chmod(this.#mount.dir, 0o755);
  }

  async begin(): Promise<void> {
    this.#count += 1;
    this.#dir = `${this.#mount?.dir}/case-${this.#count}`;
    if (!this.sys.isUsable) this.#root = new Syscalls();
    await this.sys.umask(0o022);
    await this.sys.mkdir(this.#dir);
  }

  async end(): Promise<void> {
    await Promise.all(this.#others.map((client) => client.stop()));
    this.#others = [];
    if (this.sys.isUsable) await this.sys.closeAll();
  }

  async close(): Promise<void> {
    await this.#root?.stop();
    await this.#mount?.close();
  }
}

/** Declares a part of the suite for every target. */
export function behaviour(
  title: string,
  define: (stage: Stage) => void,
  targets: readonly Target[] = TARGETS,
): void {
  for (const target of targets) {
    describe(`${title} on ${target.name}`, { timeout: CASE_TIMEOUT_MS }, () => {
      const stage = new Stage(target);
      beforeAll(() => stage.open(), SETUP_TIMEOUT_MS);
      beforeEach(() => stage.begin(), SETUP_TIMEOUT_MS);
      afterEach(() => stage.end(), SETUP_TIMEOUT_MS);
      afterAll(() => stage.close(), SETUP_TIMEOUT_MS);
      define(stage);
    });
  }
}
