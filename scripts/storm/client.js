/**
 * The process of one client: runs one phase of one workload and prints what came of it, as JSON.
 *
 * It is a process of its own so that an operation which never returns stops it and not the storm.
 * Arguments: the phase (prepare, work, verify) and a description of the place (see ClientPlan in
 * storm.js).
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deriveSeed, makeRandom } from './random.js';
import { Tally } from './tally.js';

const phase = process.argv[2] ?? '';
const plan = JSON.parse(process.argv[3] ?? '{}');
const { workload, dir, plain, seed, worker, endsAt } = plan;
const tally = new Tally();
const notePath = (name, of = worker) => join(plain, `note-${of}-${name}`);

const context = {
  tally,
  /** On the mount. */
  dir,
  /** On another disk: what only the test knows. */
  plain,
  worker,
  endsAt,
  random: makeRandom(deriveSeed(seed, `${workload} ${phase} ${worker}`)),
  isOver: () => Date.now() >= endsAt || tally.isHopeless,
  notePath,
  /** For another phase. */
  keep: (name, value) => writeFileSync(`${notePath(name)}.json`, JSON.stringify(value ?? null)),
  recall: (name, of = worker) => JSON.parse(readFileSync(`${notePath(name, of)}.json`, 'utf8')),
};

if (phase === 'prepare') tally.attempt('mkdir', () => mkdirSync(dir));
try {
  const module = await import(`./workloads/${workload}.js`);
  await module[phase]?.(context);
} catch (error) {
  tally.fail(
    `${phase} of ${workload}`,
    error instanceof Error ? (error.stack ?? '') : String(error),
  );
}
const { operations, failures, latenciesMs, slowest } = tally;
process.stdout.write(JSON.stringify({ operations, failures, latenciesMs, slowest }));
