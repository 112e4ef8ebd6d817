/**
 * How cost grows: with the files of a volume, and with the versions of one file.
 *
 *   node scripts/bench/growth.js [--max-files 1000000] [--max-versions 10000] [--json FILE] [--dir DIR]
 *
 * With --dir it works in a plain directory, and only what needs no daemon is measured.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from './report.js';
import { startSession } from './session.js';
import { dropCaches, runProgram, runShell, watchMachine } from './shell.js';

const CLIENT = fileURLToPath(new URL('growth-client.js', import.meta.url));
/** How many operations a figure is the mean of. */
const SAMPLE = 1000;
const MARKS = { mountMs: 1000, rssMb: 300 };

const { values: options } = parseArgs({
  options: {
    'max-files': { type: 'string', default: '1000000' },
    'max-versions': { type: 'string', default: '10000' },
    json: { type: 'string' },
    dir: { type: 'string' },
  },
});

/** @returns {Promise<number>} µs for one operation. */
async function cost(kind, { dir, count, extra = 0 }) {
  const args = [CLIENT, kind, dir, String(count), String(extra)];
  return Number((await runProgram(process.execPath, args, { cwd: '/' })).stdout);
}

/** 10³, 10⁴, … up to the largest. */
function powersOfTen(from, to) {
  const powers = [];
  for (let power = from; power <= to; power *= 10) powers.push(power);
  return powers;
}

async function measureFiles({ dir, maxFiles }) {
  const rows = [];
  let made = 0;
  for (const files of powersOfTen(1000, maxFiles)) {
    const fill = await cost('fill', { dir, count: files - made, extra: made });
    made = files;
    const scratch = join(dir, `scratch-${files}`);
    await runShell(`mkdir "${scratch}"`, { cwd: '/' });
    const row = { files, fill };
    for (const kind of ['create', 'overwrite', 'append', 'rename', 'unlink']) {
      row[kind] = await cost(kind, { dir: scratch, count: SAMPLE });
    }
    await dropCaches();
    for (const kind of ['stat', 'read'])
      row[kind] = await cost(kind, { dir, count: SAMPLE, extra: files });
    row.list = await cost('list', { dir, count: 10, extra: files });
    process.stderr.write(`${files} files\n`);
    rows.push(row);
  }
  return rows;
}

async function measureVersions({ dir, maxVersions, session }) {
  const rows = [];
  let made = 0;
  const bytesBefore = await session?.readIndexBytes();
  for (const versions of powersOfTen(1, maxVersions)) {
    const count = versions - made;
    const row = { versions, write: await cost('versions', { dir, count, extra: made }) };
    if (session !== undefined) {
      row.list = await cost('listVersions', { dir, count: 10 });
      if (versions > 1) row.read = await cost('readVersion', { dir, count: 100 });
    }
    made = versions;
    process.stderr.write(`${versions} versions\n`);
    rows.push(row);
  }
  if (session === undefined) return { rows };
  return { rows, indexBytesPerVersion: ((await session.readIndexBytes()) - bytesBefore) / made };
}

/** Unmounts, drops every cache if it is to be cold, mounts: until the first ls of the root has its answer. */
async function measureMount(session, isCold) {
  await session.command('unmount', session.id);
  if (isCold) await dropCaches();
  const start = performance.now();
  await session.command('mount', session.id);
  const mounted = performance.now();
  await runShell(`ls "${session.mount}" > /dev/null`, { cwd: '/' });
  const end = performance.now();
  await cost('stat', { dir: session.mount, count: SAMPLE, extra: 1000 });
  return {
    mountMs: mounted - start,
    firstListMs: end - mounted,
    rssMb: await session.readServerRssMb(),
  };
}

const figure = (value) =>
  value === undefined ? '-' : value < 10 ? value.toFixed(1) : value.toFixed(0);

function formatRows(rows) {
  const keys = Object.keys(rows.at(-1));
  return formatTable([keys, ...rows.map((row) => keys.map((key) => figure(row[key])))]);
}

/** What the daemon's own directory and processes tell, beyond what the mount shows. */
async function openSession(root) {
  const session = await startSession(root);
  return {
    ...session,
    /** Unmounted: what is gathered in memory goes out when a volume is closed. */
    readIndexBytes: async () => {
      await session.command('unmount', session.id);
      const text = `find "${root}" -type d -name index -exec du -sb {} + | cut -f1`;
      const { stdout } = await runShell(text, { cwd: '/' });
      await session.command('mount', session.id);
      return stdout.split('\n').reduce((sum, line) => sum + Number(line), 0);
    },
    readServerRssMb: async () => (await session.show()).volume.rssBytes / 2 ** 20,
  };
}

async function main() {
  const work = await mkdtemp(join(process.env.SESSFS_PLAIN_DIR ?? '/var/tmp', 'sessfs-growth-'));
  const session = options.dir === undefined ? await openSession(join(work, 'root')) : undefined;
  try {
    const dir = session?.mount ?? resolve(options.dir);
    const describeMachine = await watchMachine();
    const figures = {};
    figures.versions = await measureVersions({
      dir,
      maxVersions: Number(options['max-versions']),
      session,
    });
    figures.files = await measureFiles({ dir, maxFiles: Number(options['max-files']) });
    if (session !== undefined) {
      figures.mount = await measureMount(session, false);
      figures.coldMount = await measureMount(session, true);
    }
    finish(figures);
    figures.warning = await describeMachine();
    if (figures.warning !== undefined) process.stdout.write(`${figures.warning}\n`);
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(figures, undefined, 2)}\n`);
  } finally {
    await session?.stop();
    await rm(work, { recursive: true, force: true });
  }
}

function finish(figures) {
  process.stdout.write(
    `Versions of one file: µs per operation\n${formatRows(figures.versions.rows)}\n\n`,
  );
  process.stdout.write(`Files of a volume: µs per operation\n${formatRows(figures.files)}\n\n`);
  if (figures.mount === undefined) return;
  process.stdout.write(
    `index bytes per version: ${figure(figures.versions.indexBytesPerVersion)}\n`,
  );
  writeMount('warm', figures.mount);
  writeMount('cold', figures.coldMount);
}

function writeMount(caches, { mountMs, firstListMs, rssMb }) {
  const isFast = mountMs + firstListMs <= MARKS.mountMs;
  process.stdout.write(
    `${caches}: mount ${figure(mountMs)} ms and first ls ${figure(firstListMs)} ms (mark ${MARKS.mountMs}): ${isFast ? 'yes' : 'NO'}\n` +
      `${caches}: RSS of the server ${figure(rssMb)} MB (mark ${MARKS.rssMb}): ${rssMb <= MARKS.rssMb ? 'yes' : 'NO'}\n`,
  );
}

await main();
