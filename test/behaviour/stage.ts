/**
 * Where a behaviour case plays: a fresh directory on a target, and client processes of several users.
 *
 * Rule: a case leaves nothing behind for the next one: its directory is its own, its descriptors are
 * closed, and processes of other users are its own.
 */

import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { Syscalls } from './syscalls.ts';
import { TARGETS } from './targets.ts';
import type { Capability, Target } from './targets.ts';

/** A user without any privilege, in a group of its own. */
export const USER = { uid: 65534, gid: 65534 };
export const OTHER_USER = { uid: 65533, gid: 65533 };

const SETUP_TIMEOUT_MS = 90_000;
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
  async another(
    user?: { uid: number; gid: number; groups?: readonly number[] } | undefined,
  ): Promise<Syscalls> {
    const client = new Syscalls();
    this.#others.push(client);
    if (user !== undefined) await client.become(user);
    return client;
  }

  /** Declares a case. Cases about other users are for root; a run in CI must have that. */
  case(
    name: string,
    run: () => Promise<void>,
    options: { needs?: Capability; root?: boolean } = {},
  ): void {
    const lacks = options.needs !== undefined && !this.target.can(options.needs);
    const unprivileged = options.root === true && !isRoot && process.env['CI'] === undefined;
    test.skipIf(lacks || unprivileged)(name, run);
  }

  async open(): Promise<void> {
    this.#mount = await this.target.open();
    this.#root = new Syscalls();
    if (isRoot) await this.#root.chmod(this.#mount.dir, 0o755);
  }

  async begin(): Promise<void> {
    this.#count += 1;
    this.#dir = `${this.#mount?.dir}/case-${this.#count}`;
    await this.sys.umask(0o022);
    await this.sys.mkdir(this.#dir);
  }

  async end(): Promise<void> {
    await Promise.all(this.#others.map((client) => client.stop()));
    this.#others = [];
    await this.sys.closeAll();
  }

  async close(): Promise<void> {
    await this.#root?.stop();
    await this.#mount?.close();
  }
}

/** Declares a part of the suite for every target. */
export function behaviour(title: string, define: (stage: Stage) => void): void {
  for (const target of TARGETS) {
    describe(`${title} on ${target.name}`, () => {
      const stage = new Stage(target);
      beforeAll(() => stage.open(), SETUP_TIMEOUT_MS);
      beforeEach(() => stage.begin());
      afterEach(() => stage.end());
      afterAll(() => stage.close(), SETUP_TIMEOUT_MS);
      define(stage);
    });
  }
}
