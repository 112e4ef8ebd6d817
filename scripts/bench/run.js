/**
 * The benchmark: each workload alternately on a mount and on plain ext4 of the same disk.
 *
 *   node scripts/bench/run.js [--rounds 5] [--only tar-x,sqlite] [--scale 1] [--json FILE]
 *                             [--mount DIR --plain DIR] [--tree node_modules]
 *
 * Without --mount it starts a daemon of its own. Exit code 0: it ran; 4 with --strict: a mark was missed.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeInputs } from './inputs.js';
import { formatMessages, formatResults, geometricMean, summarize } from './report.js';
import { startSession } from './session.js';
import { dropCaches, runShell, settle, watchMachine } from './shell.js';
import { MARK_OF_ALL, WORKLOADS } from './workloads.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const MARK_MISSED = 4;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    scale: { type: 'string', default: '1' },
    json: { type: 'string' },
    mount: { type: 'string' },
    plain: { type: 'string' },
    tree: { type: 'string', default: join(PROJECT, 'node_modules') },
    strict: { type: 'boolean', default: false },
  },
});

const slug = (name) => name.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '');

/** One measurement: a fresh directory, what is not timed, a quiet disk, then the run. */
async function measure({ workload, side, inputs, round }) {
  const cwd = join(side.dir, `${slug(workload.name)}-${round}`);
  const env = { IN: inputs };
  await runShell(`mkdir "${cwd}"`, { cwd: '/' });
  if (workload.setup !== undefined) await runShell(workload.setup, { cwd, env });
  if (workload.isCold === true) await dropCaches();
  else await settle();
  if (workload.warmUp !== undefined) await runShell(workload.warmUp, { cwd, env });
  const before = await side.readMessages?.();
  const { ms } = await runShell(workload.run, { cwd, env });
  const after = await side.readMessages?.();
  await runShell(`rm -rf "${cwd}"`, { cwd: '/' });
  await settle();
  return { ms, messages: countMessages({ workload, before, after }) };
}

/** What the kernel asked during one run, by kind, the costliest first. */
function countMessages({ workload, before, after }) {
  if (before === undefined || after === undefined) return undefined;
  const kinds = Object.entries(after)
    .map(([kind, { count, totalNs }]) => ({
      kind,
      count: count - (before[kind]?.count ?? 0),
      ms: (totalNs - (before[kind]?.totalNs ?? 0)) / 1e6,
    }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.ms - a.ms);
  const total = kinds.reduce((sum, { count }) => sum + count, 0);
  const totalMs = kinds.reduce((sum, { ms }) => sum + ms, 0);
  const [operations, unit] = workload.operations;
  const done = workload.scales === true ? operations * Number(options.scale) : operations;
  return {
    perOperation: total / done,
    unit,
    busyMs: totalMs,
    usPerMessage: total === 0 ? 0 : (totalMs * 1000) / total,
    kinds,
  };
}

async function runWorkload({ workload, sides, inputs, rounds }) {
  const times = { plain: [], mount: [] };
  let messages;
  for (let round = 0; round < rounds; round += 1) {
    // Whoever goes first finds the machine as the other left it: take turns.
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const measured = await measure({ workload, side, inputs, round });
      times[side.kind].push(measured.ms);
      messages = measured.messages ?? messages;
    }
  }
  return summarize(workload, times, messages);
}

async function main() {
  const only = options.only?.split(',');
  const chosen = WORKLOADS.filter(({ name }) => only === undefined || only.includes(slug(name)));
  const known = WORKLOADS.map(({ name }) => slug(name)).join(', ');
  if (chosen.length === 0) throw new Error(`No such workload: ${options.only}; there are ${known}`);
  const work = await mkdtemp(join(process.env.SESSFS_PLAIN_DIR ?? '/var/tmp', 'sessfs-bench-'));
  const session = options.mount === undefined ? await startSession(join(work, 'root')) : undefined;
  try {
    const plain = resolve(options.plain ?? join(work, 'plain'));
    await mkdir(plain, { recursive: true });
    const inputs = join(work, 'inputs');
    process.stderr.write('Making the inputs\n');
    await makeInputs({ dir: inputs, scale: Number(options.scale), tree: options.tree });
    const sides = [
      { kind: 'plain', dir: plain },
      {
        kind: 'mount',
        dir: session?.mount ?? resolve(options.mount),
        readMessages: session?.readMessages,
      },
    ];
    const describeMachine = await watchMachine();
    const results = [];
    for (const workload of chosen) {
      process.stderr.write(`${workload.name}: `);
      const result = await runWorkload({ workload, sides, inputs, rounds: Number(options.rounds) });
      process.stderr.write(`${result.ratio.toFixed(2)}\n`);
      results.push(result);
    }
    return await finish(results, await describeMachine());
  } finally {
    await session?.stop();
    await rm(work, { recursive: true, force: true });
  }
}

async function finish(results, warning) {
  const mean = geometricMean(results.map(({ ratio }) => ratio));
  const missed = results.filter(({ isMet }) => !isMet).length;
  process.stdout.write(`${formatResults(results)}\n\n`);
  const messages = formatMessages(results);
  if (messages !== undefined) process.stdout.write(`${messages}\n\n`);
  process.stdout.write(
    `geometric mean of ${results.length}: ${mean.toFixed(2)} (mark ${MARK_OF_ALL})\n`,
  );
  process.stdout.write(`marks met: ${results.length - missed} of ${results.length}\n`);
  if (warning !== undefined) process.stdout.write(`${warning}\n`);
  if (options.json !== undefined) {
    const figures = {
      rounds: Number(options.rounds),
      scale: Number(options.scale),
      mean,
      warning,
      results,
    };
    await writeFile(options.json, `${JSON.stringify(figures, undefined, 2)}\n`);
  }
  return options.strict && (missed > 0 || mean > MARK_OF_ALL) ? MARK_MISSED : 0;
}

process.exitCode = await main();
