/**
 * The same work done twice, on a target and on a plain directory, and compared byte for byte.
 *
 * Rules: the work is done by tools in child processes with deadlines; what a tool needs and the host
 * lacks is a failure where CI is set, a skip elsewhere.
 */

import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
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

  /** Both directories hold the same: every name, attribute and byte. */
  async expectSame(options: { times?: boolean } = {}): Promise<void> {
    const list = options.times === true ? `${LIST}; ${LIST_TIMES}` : LIST;
    const { mounted, plain } = await this.both(list);
    expect(mounted).toBe(plain);
    const diff = `diff -r --no-dereference '${this.mounted}' '${this.plain}'`;
    expect(await this.#run(diff, '/')).toBe('');
  }

  /** The moment of now shows what is there. On a plain directory there is nothing to compare. */
  async expectHistoryOfNow(): Promise<void> {
    if (!this.target.isSessfs) return;
    expect(await this.onMount('diff -r --no-dereference .versions/@now .')).toBe('');
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

/** Declares work for every target but the one through libfuse 2.9, which is too slow for it. */
export function realWork(title: string, define: (pair: Pair) => void): void {
  for (const target of TARGETS.filter(({ name }) => name !== 'fuse-native')) {
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
