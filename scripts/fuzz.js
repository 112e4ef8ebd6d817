#!/usr/bin/env node
/**
 * Fuzz for as long as one likes: node scripts/fuzz.js [--minutes 60] [--seed N]
 *
 * Runs test/fuzz again and again with other seeds, until the time is over or something is found; then the
 * output says how to see it again. It needs what the tests need: root for real mounts, and a build.
 */

import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const PROJECT = resolve(import.meta.dirname, '..');
/** So that each round takes some minutes, and shows that it goes on. */
const RUNS_A_ROUND = 40;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
});
const endsAt = Date.now() + Number(values.minutes) * 60_000;
let seed = Number(values.seed);
if (!Number.isSafeInteger(seed) || Number.isNaN(endsAt)) {
  console.error('Usage: node scripts/fuzz.js [--minutes 60] [--seed N]');
  process.exit(2);
}

for (let round = 1; Date.now() < endsAt; round++) {
  console.log(`Round ${round}: seeds from ${seed} on`);
  const vitest = resolve(PROJECT, 'node_modules/.bin/vitest');
  const { status } = spawnSync(vitest, ['run', 'test/fuzz'], {
    cwd: PROJECT,
    stdio: 'inherit',
    env: {
      ...process.env,
      SESSFS_FUZZ_SEED: String(seed),
      SESSFS_FUZZ_RUNS: String(RUNS_A_ROUND),
    },
  });
  if (status !== 0) {
    console.error(`Found in the round of seed ${seed}`);
    process.exit(1);
  }
  seed += RUNS_A_ROUND;
}
console.log('Found nothing');
