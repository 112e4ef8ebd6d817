/**
 * The same work done twice, on a target and on a plain directory, and compared byte for byte.
 *
 * Rules: the work is done by tools in child processes with deadlines; what a tool needs and the host
 * lacks is a failure where CI is set, a skip elsewhere.
 */

import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import { TARGETS } from '../behaviour/targets.ts';
import type { Target } from '../behaviour/targets.ts';
import { shell } from '../harness/run.ts';

const WORK_TIMEOUT_MS = 240_000;
const PLAIN_PARENT = process.env['SESSFS_PLAIN_DIR'] ?? '/var/tmp';

/** SESSFS_FULL=1: the sizes of the issue, where the usual ones are smaller to fit a run in CI. */
export const IS_FULL = process.env['SESSFS_FULL'] === '1';

/** Names, types, modes, owners, sizes, targets, and the link counts and mtimes of files. */
const LIST = String.raw`find . -mindepth 1 ! -type d -printf '%P|%y|%m|%U|%G|%s|%l|%n\n' -o -type d -printf '%P|%y|%m|%U|%G\n' | sort`;
const LIST_TIMES = String.raw`find . -mindepth 1 ! -type l -printf '%P|%T@\n' | sort`;

export class Pair {
  readonly target: Target;
  #opened: { readonly dir: string; close(): Promise<void> } | undefined;
  #scratch = '';
  #count = 0;

  constructor(target: Target) {
    this.target = target;
  }

  /** Where inputs are made: on the plain disk, shared by all tests of a file. */
  get inputs(): string {
    return join(this.#scratch, 'inputs');
  }

  get mounted(): string {
    return join(this.#opened?.dir ?? '', `work-${this.#count}`);
  }

  get plain(): string {
    return join(this.#scratch, `work-${this.#count}`);
  }

  /** Runs a script in the target's directory, then in the plain one; $IN is where the inputs are. */
  async both(script: string): Promise<{ mounted: string; plain: string }> {
    return { mounted: await this.onMount(script), plain: await this.onPlain(script) };
  }

  onMount(script: string): Promise<string> {
    return this.#run(script, this.mounted);
  }

  onPlain(script: string): Promise<string> {
    return this.#run(script, this.plain);
  }

  /** Runs where the inputs are made. */
  async prepare(script: string): Promise<void> {
    await this.#run(script, this.inputs);
  }

  /** What the two directories do not have in common: names, attributes, bytes. Empty if nothing. */
  async differences(options: { times?: boolean } = {}): Promise<string> {
    const list = options.times === true ? `${LIST}; ${LIST_TIMES}` : LIST;
    await this.#run(`${list} > '${this.inputs}/mounted.list'`, this.mounted);
    await this.#run(`${list} > '${this.inputs}/plain.list'`, this.plain);
    const lists = await this.#run(`diff mounted.list plain.list | head -50`, this.inputs);
    return `${lists}${await this.#run(diffTrees(this.plain, this.mounted), '/')}`;
  }

  /** How the moment of now differs from what is there. On a plain directory there is no such moment. */
  async differencesFromNow(): Promise<string> {
    return this.target.isSessfs ? this.onMount(diffTrees('.versions/@now', '.')) : '';
  }

  async open(): Promise<void> {
    this.#opened = await this.target.open();
    this.#scratch = await mkdtemp(join(PLAIN_PARENT, 'sessfs-real-work-'));
    await shell(`mkdir '${this.inputs}'`);
  }

  async begin(): Promise<void> {
    this.#count += 1;
    await shell(`mkdir '${this.mounted}' '${this.plain}'`);
  }

  async close(): Promise<void> {
    await this.#opened?.close();
    await rm(this.#scratch, { recursive: true, force: true });
  }

  #run(script: string, cwd: string): Promise<string> {
    const env = { LC_ALL: 'C', IN: this.inputs, HOME: this.inputs, GIT_CONFIG_NOSYSTEM: '1' };
    return shell(script, { cwd, env, timeoutMs: WORK_TIMEOUT_MS });
  }
}

/** On a mount by the default driver; elsewhere only when asked for, to prove the comparison itself. */
const CHOSEN = TARGETS.filter(
  ({ name }) => name === 'kernel' || process.env['SESSFS_TARGETS'] !== undefined,
);

/** Declares work for every chosen target. */
export function realWork(title: string, define: (pair: Pair) => void): void {
  for (const target of CHOSEN) {
    describe(`${title} on ${target.name}`, { timeout: 2 * WORK_TIMEOUT_MS }, () => {
      const pair = new Pair(target);
      beforeAll(() => pair.open());
      beforeEach(() => pair.begin());
      afterAll(() => pair.close());
      define(pair);
    });
  }
}

/** For test.skipIf: true if one of the tools is missing, and nobody promised that it is there. */
export function lacksTools(...tools: readonly string[]): boolean {
  return process.env['CI'] === undefined && tools.some((tool) => !isInPath(tool));
}

/** Of fifos diff cannot tell whether they are the same; those of the tests are called so. */
function diffTrees(one: string, other: string): string {
  return `diff -r --no-dereference -x fifo '${one}' '${other}' | head -50`;
}

function isInPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
