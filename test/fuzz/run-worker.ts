/**
 * Starts a fuzz target in a process of its own, and ends it when it hangs.
 *
 * SESSFS_FUZZ_SEED and SESSFS_FUZZ_RUNS repeat or prolong a run; a failure names the seed that shows it.
 */

import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { run } from '../harness/run.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const OUT_DIR = join(PROJECT, 'node_modules', '.cache', 'sessfs-fuzz');
const SCRIPT = join(OUT_DIR, 'test', 'fuzz', 'worker.js');
/** Of the worker's JavaScript: a target that keeps what it was sent does not end. */
const HEAP_MB = 256;
const DEFAULT_SEED = 20_261_122;
/** One run of any target takes a second or two; other processes may take all processors for a while. */
const RUN_TIMEOUT_MS = 90_000;

export const FUZZ_SEED = Number(process.env['SESSFS_FUZZ_SEED'] ?? DEFAULT_SEED);

/** How often to run something that is run `usual` times in CI. */
export function fuzzRuns(usual: number): number {
  return Number(process.env['SESSFS_FUZZ_RUNS'] ?? usual);
}

/** Compiles the worker: plain Node cannot run TypeScript. */
export async function buildWorker(): Promise<void> {
  rmSync(OUT_DIR, { recursive: true, force: true });
  const tsc = join(PROJECT, 'node_modules', '.bin', 'tsc');
  const result = await run(tsc, ['-p', join(PROJECT, 'test', 'fuzz')]);
  if (result.code !== 0 || !existsSync(SCRIPT)) {
    throw new Error(`Cannot compile the worker: ${result.stdout}`);
  }
}

export interface WorkerResult {
  readonly done: number;
  readonly maxRssBytes: number;
}

/** @throws {Error} With the seed and what was found. */
export function runWorker(target: string, runs: number): Promise<WorkerResult> {
  const told = JSON.stringify({ target, seed: FUZZ_SEED, runs });
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MB}`, SCRIPT, told], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let seed = FUZZ_SEED;
  let stderr = '';
  let result: WorkerResult | undefined;
  let isLate = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const onLate = (): void => {
    isLate = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(onLate, RUN_TIMEOUT_MS);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as { seed: number } | WorkerResult;
    if ('done' in message) result = message;
    else ({ seed } = message);
    clearTimeout(timer);
    timer = setTimeout(onLate, RUN_TIMEOUT_MS);
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0 && result !== undefined) {
        done(result);
        return;
      }
      const how = isLate ? `hung for ${RUN_TIMEOUT_MS} ms` : `ended with ${code ?? signal}`;
      const again = `SESSFS_FUZZ_SEED=${seed} SESSFS_FUZZ_RUNS=1`;
      fail(new Error(`Target ${target} ${how}; again with ${again}\n${stderr}`));
    });
  });
}
