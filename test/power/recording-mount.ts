/**
 * Starts a recording disk in a process of its own, and ends it on every way out.
 *
 * Rule: nothing here touches what is mounted.
 */

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { eventually, run } from '../harness/run.ts';
import { readJournal } from './journal.ts';
import type { Entry } from './journal.ts';
import type { Behaviour } from './recording-disk.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const START_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;

/** @param name Of the test file: several run at once. */
export async function buildRecordingServer(name: string): Promise<string> {
  const outDir = join(PROJECT, 'node_modules', '.cache', `sessfs-power-${name}`);
  rmSync(outDir, { recursive: true, force: true });
  const tsc = join(PROJECT, 'node_modules', '.bin', 'tsc');
  const result = await run(tsc, ['-p', join(PROJECT, 'test', 'power'), '--outDir', outDir]);
  if (result.code !== 0) throw new Error(`Cannot compile the disk: ${result.stdout}`);
  return join(outDir, 'test', 'power', 'recording-server.js');
}

/** The environment of a daemon whose syncs return later than those of the disk. */
export function slowSync(leastMs: number, mostMs: number): Record<string, string> {
  const script = join(PROJECT, 'test', 'power', 'slow-sync.mjs');
  return {
    NODE_OPTIONS: `--import=${script}`,
    SESSFS_TEST_SYNC_MS: `${leastMs},${mostMs}`,
  };
}

const mounted = new Set<string>();
process.once('exit', () => {
  for (const place of mounted) spawnSync('umount', ['-l', place], { timeout: 5000 });
});

export class RecordingMount {
  readonly mountPoint: string;
  readonly #journalDir: string;
  readonly #base: string;
  readonly #child: ChildProcess;
  readonly #messages: string[] = [];

  private constructor(script: string, base: string) {
    this.#base = mkdtempSync(join(base, 'disk-'));
    this.mountPoint = mkdtempSync(join(this.#base, 'mnt-'));
    this.#journalDir = join(this.#base, 'journal');
    const told = JSON.stringify({ mountPoint: this.mountPoint, journalDir: this.#journalDir });
    this.#child = spawn(process.execPath, [script, told], { stdio: ['pipe', 'pipe', 'inherit'] });
    mounted.add(this.mountPoint);
    if (this.#child.stdout === null) throw new Error('no pipe');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#messages.push(line));
  }

  /** @param base Where the journal is kept, and the disk mounted. */
  static async start(script: string, base: string): Promise<RecordingMount> {
    const mount = new RecordingMount(script, base);
    try {
      await mount.#says('{"mounted":true}', 0, START_TIMEOUT_MS);
      return mount;
    } catch (error) {
      await mount.end();
      throw error;
    }
  }

  /** From now on. */
  async behave(behaviour: Behaviour): Promise<void> {
    const before = this.#messages.length;
    this.#child.stdin?.write(`${JSON.stringify(behaviour)}\n`);
    await this.#says('{"behaves":true}', before, ANSWER_TIMEOUT_MS);
  }

  journal(): Entry[] {
    return readJournal(this.#journalDir);
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await eventually(
      () => {
        if (this.#child.exitCode === null) throw new Error('The disk did not end by itself');
      },
      { timeoutMs: 5000 },
    ).catch(() => this.#child.kill('SIGKILL'));
    // Ends with code 32 where nothing is mounted any more, as it should be.
    await run('umount', ['-l', this.mountPoint], { timeoutMs: 10_000 });
    mounted.delete(this.mountPoint);
    rmSync(this.#base, { recursive: true, force: true });
  }

  async #says(wanted: string, from: number, timeoutMs: number): Promise<void> {
    await eventually(
      () => {
        if (this.#messages.slice(from).includes(wanted)) return;
        throw new Error(`The disk did not say ${wanted}: ${this.#messages.join('\n')}`);
      },
      { timeoutMs, giveUpOn: () => this.#child.exitCode !== null },
    );
  }
}
