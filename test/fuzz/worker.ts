/**
 * Runs one fuzz target in a process of its own, so that a hang or a bloat can be ended and counted.
 *
 * Rule: before each run its seed is on standard output: whoever waits knows what it was that never ended.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fuzzCodecs } from './codec-target.ts';
import { fuzzKernel } from './kernel-target.ts';
import { fuzzLog } from './log-target.ts';
import { fuzzVolume } from './volume-target.ts';

type FuzzTarget = (seed: number, dir: string) => Promise<void>;

const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  codec: fuzzCodecs,
  kernel: fuzzKernel,
  log: fuzzLog,
  volume: fuzzVolume,
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
    const own = join(dir, String(run));
    await fuzz(seed + run, own);
    fs.rmSync(own, { recursive: true, force: true });
  }
  tell({ done: runs, maxRssBytes: process.resourceUsage().maxRSS * 1024 });
}

function tell(message: object): void {
  fs.writeSync(1, `${JSON.stringify(message)}\n`);
}

await main();
