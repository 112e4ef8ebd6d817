/**
 * How long the first request to a hibernated session takes, and how long others are held up by a server
 * that is killed or replaced.
 *
 *   node scripts/bench/wake.js [--files 100000] [--rounds 15] [--json FILE]
 *
 * Mark: 200 ms (median) from the request to its answer, for a volume of 100,000 files.
 */

import { statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable, median } from './report.js';
import { startSession } from './session.js';
import { runProgram, watchMachine } from './shell.js';

const CLIENT = fileURLToPath(new URL('growth-client.js', import.meta.url));
const MARK_MS = 200;
const STATE_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '15' },
    json: { type: 'string' },
  },
});

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function untilState(session, state) {
  const deadline = Date.now() + STATE_TIMEOUT_MS;
  for (;;) {
    const { sessions } = await session.command('status');
    const { server } = sessions.find(({ id }) => id === session.id);
    if (server.state === state) return server;
    if (Date.now() > deadline) throw new Error(`The session is ${server.state}, not ${state}`);
    await pause(POLL_MS);
  }
}

/** The time of a request that no cache of the kernel answers: a name that nobody has asked for. */
function timeRequest(session, name) {
  const start = performance.now();
  statSync(join(session.mount, name), { throwIfNoEntry: false });
  return performance.now() - start;
}

async function measure(session, rounds) {
  const times = { wake: [], killed: [], awake: [] };
  for (let round = 0; round < rounds; round += 1) {
    await untilState(session, 'hibernated');
    times.wake.push(timeRequest(session, `nobody-${round}`));
    times.awake.push(timeRequest(session, `nobody-again-${round}`));
    const { pid } = await untilState(session, 'active');
    process.kill(pid, 'SIGKILL');
    times.killed.push(timeRequest(session, `nobody-killed-${round}`));
  }
  return times;
}

const root = await mkdtemp(join(process.env.SESSFS_BENCH_DIR ?? tmpdir(), 'sessfs-wake-'));
const machine = watchMachine();
try {
  await mkdir(join(root, 'store'));
  await writeFile(join(root, 'store/config.json'), '{"hibernateAfterSeconds":1}');
  const session = await startSession(join(root, 'store'));
  try {
    const files = Number(options.files);
    await runProgram(process.execPath, [CLIENT, 'fill', session.mount, String(files), '0'], {
      cwd: '/',
    });
    const times = await measure(session, Number(options.rounds));
    const rows = Object.entries(times).map(([name, values]) => [
      { wake: 'hibernated', killed: 'server killed', awake: 'awake' }[name],
      median(values).toFixed(1),
      Math.min(...values).toFixed(1),
      Math.max(...values).toFixed(1),
    ]);
    console.log(`First answer of a volume of ${files} files, ms (${options.rounds} rounds)\n`);
    console.log(formatTable([['after', 'median', 'least', 'most'], ...rows]));
    const isMet = median(times.wake) <= MARK_MS;
    console.log(`\nMark for hibernated: ${MARK_MS} ms, ${isMet ? 'met' : 'NOT met'}`);
    if (options.json) {
      await writeFile(options.json, JSON.stringify({ files, times, machine: machine.read?.() }));
    }
  } finally {
    await session.stop();
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
