/**
 * Random sequences of operations on a volume and on a simple model of it: every answer is the same.
 *
 * SESSFS_MODEL_RUNS makes more or fewer runs, of up to SESSFS_MODEL_LENGTH commands; SESSFS_MODEL_SEED
 * repeats them. All are printed.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';

import { commands } from './commands.ts';
import type { Command } from './commands.ts';
import { compareRebuilt, crashAt } from './crash.ts';
import { perform } from './perform.ts';
import { Run } from './run.ts';

const RUNS = Number(process.env['SESSFS_MODEL_RUNS'] ?? 40);
const LENGTH = Number(process.env['SESSFS_MODEL_LENGTH'] ?? 80);
/** The short run is always the same; long ones look for what was not met yet. */
const NEW_SEED = process.env['SESSFS_MODEL_RUNS'] === undefined ? 104 : Date.now() % 2 ** 31;
const SEED = Number(process.env['SESSFS_MODEL_SEED'] ?? NEW_SEED);

// In memory where there is such a place: what is synced to a disk is a question of other tests.
const base = fs.mkdtempSync(
  join(fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sessfs-model-'),
);
let count = 0;

// What a volume does by itself after a while, it does here when it is told to.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

/** Shrinking a failure ends after this long: the rest is then taken to be needed. */
const SHRINK_MS = 20_000;
let shrinkUntilMs = Infinity;

async function carryOut(
  sequence: readonly Command[],
  then: (run: Run) => Promise<void>,
): Promise<void> {
  if (performance.now() > shrinkUntilMs) return;
  const run = await Run.start(join(base, String(count++)));
  try {
    for (const command of sequence) await perform(run, command);
    await then(run);
  } catch (error) {
    shrinkUntilMs = Math.min(shrinkUntilMs, performance.now() + SHRINK_MS);
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${run.told.slice(-60).join('\n')}\n${reason}`, { cause: error });
  } finally {
    await run.system.volume.close().catch(() => undefined);
    fs.rmSync(run.root, { recursive: true, force: true });
  }
}

function checkSequences(
  options: { readonly maxLength: number; readonly numRuns: number },
  then: (run: Run) => Promise<void>,
): Promise<void> {
  shrinkUntilMs = Infinity;
  console.log(`SESSFS_MODEL_SEED=${SEED} SESSFS_MODEL_RUNS=${RUNS} SESSFS_MODEL_LENGTH=${LENGTH}`);
  const property = fc.asyncProperty(commands(options.maxLength), (sequence) =>
    carryOut(sequence, then),
  );
  return fc.assert(property, { seed: SEED, numRuns: options.numRuns, endOnFailure: false });
}

test('the live tree, earlier trees and every history are those of the model', async () => {
  await checkSequences({ maxLength: LENGTH, numRuns: RUNS }, (run) => run.compareAll());
  expect(count).toBeGreaterThan(0);
}, 3_600_000);

test('a log that is cut at any byte is the model at its last whole record', async () => {
  await checkSequences({ maxLength: LENGTH, numRuns: RUNS }, async (run) => {
    for (const n of [run.told.length, run.told.length + 1]) {
      await crashAt(run, n);
      await run.compareAll();
    }
  });
  expect(count).toBeGreaterThan(0);
}, 3_600_000);

test('an index that is made anew says what the one said that grew', async () => {
  await checkSequences({ maxLength: LENGTH, numRuns: RUNS }, compareRebuilt);
  expect(count).toBeGreaterThan(0);
}, 3_600_000);
