/**
 * What a sweep costs those who work on the mount meanwhile: small files saved and read, with and without a
 * sweep that has segments to pack all the time, in turn.
 *
 *   node scripts/bench/beside-sweep.js [--rounds 5] [--seconds 8] [--megabytes 192] [--json FILE]
 *
 * Mark: at least 0.9 of the speed without one.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable, median } from './report.js';
import { startSession } from './session.js';
import { runProgram, runShell, watchMachine } from './shell.js';

const CLIENT = fileURLToPath(new URL('beside-client.js', import.meta.url));
const MARK = 0.9;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
    megabytes: { type: 'string', default: '192' },
    json: { type: 'string' },
  },
});

async function timeClient(session) {
  const dir = join(session.mount, 'work');
  const { stdout } = await runProgram(process.execPath, [CLIENT, dir, options.seconds], {
    cwd: '/',
  });
  return JSON.parse(stdout).rounds / Number(options.seconds);
}

/** Content of which a third can be made smaller, for the next sweep. */
async function fill(session, round) {
  const megabytes = Number(options.megabytes);
  const script = `head -c ${Math.round((megabytes * 2) / 3)}M /dev/urandom > random-${round}
    yes "line of round ${round}" | head -c ${Math.round(megabytes / 3)}M > text-${round}`;
  await runShell(script, { cwd: session.mount });
}

const root = await mkdtemp(join(tmpdir(), 'sessfs-beside-'));
const watched = await watchMachine();
const alone = [];
const beside = [];
let outlasted = 0;
const session = await startSession(join(root, 'store'));
try {
  await timeClient(session);
  for (let round = 0; round < Number(options.rounds); round += 1) {
    await fill(session, round);
    // What was filled in is on disk before anything is timed.
    await runShell('sync', { cwd: '/' });
    alone.push(await timeClient(session));
    let isOver = false;
    const sweep = session.command('sweep', session.id, '--apply', '--all').finally(() => {
      isOver = true;
    });
    beside.push(await timeClient(session));
    if (!isOver) outlasted += 1;
    await sweep;
  }
} finally {
  await session.stop();
  await rm(root, { recursive: true, force: true });
}
const ratios = beside.map((each, index) => each / alone[index]);
const show = (values) => [
  median(values).toFixed(2),
  Math.min(...values).toFixed(2),
  Math.max(...values).toFixed(2),
];
console.log(
  formatTable([
    ['saves and reads a second', 'median', 'least', 'most'],
    ['alone', ...show(alone)],
    ['beside a sweep', ...show(beside)],
    [`ratio (mark ${MARK})`, ...show(ratios)],
  ]),
);
console.log(`The sweep went on throughout in ${outlasted} of ${options.rounds} rounds`);
const warning = await watched();
if (warning !== undefined) console.log(warning);
const report = { alone, beside, ratios, outlasted, warning };
if (options.json !== undefined) await writeFile(options.json, JSON.stringify(report, undefined, 2));
