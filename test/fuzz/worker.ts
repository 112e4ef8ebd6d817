/**
 * Runs one fuzz target in a process of its own, so that a hang or a bloat can be ended and counted.
 *
 * Rule: before each run its seed is on standard output: whoever waits knows what it was that never ended.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fuzzKernel } from './kernel-target.ts';

type FuzzTarget = (seed: number, dir: string) => Promise<void>;

const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  kernel: fuzzKernel,
};

interface WorkerOptions {
  readonly target: string;
  readonly seed: number;
  readonly runs: number;
}

async function main(): Promise<void> {
  const { target, seed, runs } = JSON.parse(process.argv[2] ?? '{}') as WorkerOptions;
  const fuzz = TARGETS[target];
  if (fuzz === undefined) throw new Error(`No target "${target}"`);
  const dir = fs.mkdtempSync(join(tmpdir(), `sessfs-fuzz-${target}-`));
  process.once('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
  // What nobody waits for must not fail either.
  process.on('unhandledRejection', (error) => {
    throw error;
  });
  for (let run = 0; run < runs; run++) {
    tell({ seed: seed + run });
    await fuzz(seed + run, join(dir, String(run)));
  }
  tell({ done: runs, maxRssBytes: process.resourceUsage().maxRSS * 1024 });
}

function tell(message: object): void {
  fs.writeSync(1, `${JSON.stringify(message)}\n`);
}

await main();
