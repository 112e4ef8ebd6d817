#!/usr/bin/env node
/**
 * Power cuts by thousands: records several runs and rebuilds the disk as cuts would have left it.
 *
 *   node scripts/power-cut.js [--images 5000] [--runs 5] [--seconds 20] [--seed N]
 *
 * Prints one line a run; exits 1 if anything that was covered is missing or anything is half done. Each
 * run is test/power/power-cut.test.ts with larger numbers, and --every also cuts a log at every byte of
 * its tail beside each of several indexes.
 */

import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const PROJECT = resolve(import.meta.dirname, '..');
const VITEST = join(PROJECT, 'node_modules', '.bin', 'vitest');

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '5000' },
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    every: { type: 'boolean', default: false },
  },
});

function runTest(file, env) {
  const result = spawnSync(VITEST, ['run', join('test', 'power', file)], {
    cwd: PROJECT,
    encoding: 'utf8',
    env: { ...process.env, CI: '1', NO_COLOR: '1', ...env },
    maxBuffer: 1 << 28,
  });
  const told = result.stdout.split('\n').filter((line) => /^SESSFS_POWER_SEED|logs cut/.test(line));
  for (const line of told) console.log(line);
  if (result.status !== 0) console.log(result.stdout, result.stderr);
  return result.status === 0;
}

spawnSync('npm', ['run', '--silent', 'build'], { cwd: PROJECT, stdio: 'inherit' });
const runs = Number(values.runs);
const seed = Number(values.seed ?? Date.now() % 1e9);
let isGood = true;
for (let run = 0; run < runs; run += 1) {
  isGood &&= runTest('power-cut.test.ts', {
    SESSFS_POWER_IMAGES: String(Math.ceil(Number(values.images) / runs)),
    SESSFS_POWER_SECONDS: values.seconds,
    SESSFS_POWER_SEED: String(seed + run),
  });
}
if (values.every) isGood &&= runTest('every-byte.test.ts', { SESSFS_POWER_EVERY: '1' });
process.exitCode = isGood ? 0 : 1;
