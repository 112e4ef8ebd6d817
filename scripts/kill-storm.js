#!/usr/bin/env node
/**
 * The kill storm by hand: node scripts/kill-storm.js --seconds 3600
 *
 *   --seconds N     how long (default 120)
 *   --seed N        the same choices as in another run (default: from the clock; it is printed)
 *   --modes A,B     calm, storm, targeted, newborn, upgrade, none; one after the other (default: the first
 *                   five)
 *   --only A,B      only these workloads
 *   --log FILE      keep what the daemon logged
 *   --json          print the report as JSON
 *
 * Exit code 0: nothing was lost, nothing came twice, nothing failed.
 */

import { parseArgs } from 'node:util';
import { MODES } from './storm/killer.js';
import { runStorm, WORKLOADS } from './storm/storm.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string' },
    modes: { type: 'string', default: 'calm,storm,targeted,newborn,sweeping,upgrade' },
    only: { type: 'string' },
    log: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

function listOf(text, known, what) {
  const names = text.split(',');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    console.error(`Cannot run ${what} "${unknown}": want ${known.join(', ')}`);
    process.exit(2);
  }
  return names;
}

const seed = Number(values.seed ?? Date.now() % 1_000_000);
const seconds = Number(values.seconds);
const beganAt = performance.now();
const elapsed = () => `${((performance.now() - beganAt) / 1000).toFixed(1).padStart(7)} s`;
console.error(`seed ${seed}`);
const report = await runStorm({
  seconds,
  seed,
  modes: listOf(values.modes, Object.keys(MODES), 'mode'),
  ...(values.only === undefined ? {} : { workloads: listOf(values.only, WORKLOADS, 'workload') }),
  ...(values.log === undefined ? {} : { logFile: values.log }),
  log: (text) => console.error(`${elapsed()}  ${text}`),
});
if (values.json) console.log(JSON.stringify(report));
else print(report);
process.exitCode = report.failures.length === 0 ? 0 : 1;

function print(facts) {
  const { kills, upgrades, upgradesStopped, servers, hibernations, operations } = facts;
  const { pauses, failures } = facts;
  console.log(`Kills: ${JSON.stringify(kills)}; servers that were seen: ${servers}`);
  console.log(`Upgrades: ${upgrades}, and ${upgradesStopped} that stopped half way`);
  console.log(`Hibernations: ${hibernations}`);
  console.log(`Sweeps: ${JSON.stringify(facts.swept)}; space: ${JSON.stringify(facts.space)}`);
  console.log(`Operations: ${JSON.stringify(operations, undefined, 1)}`);
  console.log(
    `A small write: median ${pauses.medianMs} ms, p99 ${pauses.p99Ms} ms, longest ${pauses.maxMs} ms (${pauses.count})`,
  );
  console.log(`The longest: ${JSON.stringify(pauses.slowest)}`);
  for (const { at, what, problem } of failures) console.log(`FAILED ${at} ${what}: ${problem}`);
  console.log(`${failures.length} failures, seed ${seed}`);
}
