/**
 * The kill storm, bounded: clients at work while their volume servers are killed, many times a second at
 * worst. Nothing fails, nothing is wrong, nothing comes twice, and history is right.
 *
 * SESSFS_STORM_SECONDS and SESSFS_STORM_SEED say how long and with which choices; an hour by hand is
 * scripts/kill-storm.js.
 */

import { join, resolve } from 'node:path';

import { expect, test } from 'vitest';

import { canRun } from '../harness/needs.ts';
import { run } from '../harness/run.ts';

const SCRIPT = join(resolve(import.meta.dirname, '../..'), 'scripts/kill-storm.js');
const SECONDS = Number(process.env['SESSFS_STORM_SECONDS'] ?? (process.env['CI'] ? 120 : 30));
/** To prepare, to end the rounds that were begun, and to compare everything twice, in milliseconds. */
const AROUND_MS = 360_000;
/** Modes of killing, and at the least how many kills a second each must reach to be a storm. */
const LEAST_KILLS_EACH_SECOND = {
  calm: 0.3,
  storm: 0.3,
  targeted: 0.3,
  newborn: 0.3,
  sweeping: 0.1,
  upgrade: 0.3,
};

interface Report {
  readonly seed: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly operations: Readonly<Record<string, number>>;
  readonly upgrades: number;
  readonly upgradesStopped: number;
  readonly swept: {
    readonly sweeps: number;
    readonly versions: number;
    readonly packedSegments: number;
  };
  readonly pauses: object;
  readonly failures: readonly { readonly what: string; readonly problem: string }[];
}

test.runIf(canRun({ tools: ['git', 'npm', 'sqlite3'] }))(
  `${SECONDS} seconds of kill -9 are not noticed by any client`,
  { timeout: SECONDS * 1000 + AROUND_MS },
  async () => {
    const seed = process.env['SESSFS_STORM_SEED'];
    const args = [SCRIPT, '--json', '--seconds', String(SECONDS)];
    const { stdout, stderr } = await run(
      process.execPath,
      seed === undefined ? args : [...args, '--seed', seed],
      { timeoutMs: SECONDS * 1000 + AROUND_MS - 10_000 },
    );
    const report = parseReport(stdout, stderr);
    const { operations, kills, pauses, swept } = report;
    console.log(JSON.stringify({ seed: report.seed, kills, swept, pauses, operations }));
    expect({ seed: report.seed, failures: report.failures }).toEqual({
      seed: report.seed,
      failures: [],
    });
    expect(report.upgrades + report.upgradesStopped).toBeGreaterThan(0);
    expect(report.swept.sweeps).toBeGreaterThan(0);
    expect(report.swept.versions).toBeGreaterThan(0);
    expect(report.swept.packedSegments).toBeGreaterThan(0);
    for (const [where, count] of Object.entries(operations)) {
      expect(`${where}: ${count > 0}`).toBe(`${where}: true`);
    }
    const modes = Object.entries(LEAST_KILLS_EACH_SECOND);
    for (const [mode, each] of modes) {
      expect(kills[mode]).toBeGreaterThan((each * SECONDS) / modes.length);
    }
  },
);

function parseReport(stdout: string, stderr: string): Report {
  try {
    return JSON.parse(stdout) as Report;
  } catch (error) {
    throw new Error(`The storm has no report: ${stderr.slice(-3000)}`, { cause: error });
  }
}
