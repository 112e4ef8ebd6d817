/**
 * What a history takes on disk, after cleaning, beside what restic, borg and git take for the same states.
 *
 *   node scripts/bench/history-bytes.js [--case source,log,sqlite,prepend,modules] [--json FILE]
 *
 * Needs sqlite3, git, restic and borg (Debian: sqlite3 git restic borgbackup), and npm for node_modules.
 * sessfs keeps a version at each close; the others are told to take a snapshot of each state. What is
 * counted: for sessfs log and index of the volume; for restic, borg and git their repositories.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CASES } from './history-states.js';
import { formatTable } from './report.js';
import { startSession } from './session.js';
import { runProgram, runShell } from './shell.js';

const STATES = fileURLToPath(new URL('history-states.js', import.meta.url));
const PASSWORD = 'not-a-secret';
/** Two versions each, some months apart. */
const MODULES = [
  ['express@4.18.2', 'lodash@4.17.20', 'prettier@3.0.0', 'eslint@8.50.0', 'rxjs@7.8.0'],
  ['express@4.21.2', 'lodash@4.17.21', 'prettier@3.3.0', 'eslint@8.57.0', 'rxjs@7.8.1'],
];

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: Object.keys(CASES).join(',') },
    json: { type: 'string' },
  },
});

async function sizeOf(path) {
  const { stdout } = await runProgram('du', ['-sb', path], { cwd: '/' });
  return Number(stdout.split(/\s/)[0]);
}

const applyState = (name, dir, state, inputs) =>
  runProgram(process.execPath, [STATES, name, dir, String(state), inputs], { cwd: '/' });

async function makeModules(inputs) {
  for (const [index, packages] of MODULES.entries()) {
    const dir = join(inputs, `modules-${index + 1}`);
    if (existsSync(join(dir, 'node_modules'))) continue;
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'package.json'), '{"private":true}');
    await runProgram(
      'npm',
      ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages],
      {
        cwd: dir,
      },
    );
  }
}

async function measureSessfs(root, name, inputs) {
  const session = await startSession(join(root, 'store'));
  try {
    const dir = join(root, 'store', 'volumes', session.id);
    const freshIndex = await sizeOf(join(dir, 'index'));
    for (let state = 0; state <= CASES[name].states; state += 1) {
      await applyState(name, session.mount, state, inputs);
    }
    const dirty = await sizeOf(join(dir, 'log'));
    await session.command('sweep', session.id, '--apply', '--all');
    const { volume } = await session.show();
    const [log, index] = [await sizeOf(join(dir, 'log')), await sizeOf(join(dir, 'index'))];
    const report = await runProgram(
      process.execPath,
      [fileURLToPath(new URL('../../bin/sessfs', import.meta.url)), 'fsck', session.id, '--json'],
      { cwd: '/', env: { SESSFS_ROOT: join(root, 'store') } },
    );
    if (JSON.parse(report.stdout).status !== 'clean') throw new Error('fsck found damage');
    return {
      written: dirty,
      log,
      index,
      versions: volume.versions,
      indexPerVersion: (index - freshIndex) / volume.versions,
    };
  } finally {
    await session.stop();
  }
}

/** The states one after another in an ordinary directory, with a snapshot of each by every tool. */
async function measureOthers(root, name, inputs) {
  const work = join(root, 'work');
  const [restic, borg] = [join(root, 'restic'), join(root, 'borg')];
  await mkdir(work);
  const env = {
    RESTIC_PASSWORD: PASSWORD,
    BORG_PASSPHRASE: PASSWORD,
    BORG_BASE_DIR: join(root, 'borg-base'),
    XDG_CACHE_HOME: join(root, 'cache'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  };
  await runShell(
    `restic -q -r ${restic} init --repository-version 2; borg init -e none ${borg}
     git init -q .; git config user.name bench; git config user.email bench@example.org; git config gc.auto 0`,
    { cwd: work, env },
  );
  for (let state = 0; state <= CASES[name].states; state += 1) {
    await applyState(name, work, state, inputs);
    await runShell(
      `restic -q -r ${restic} backup --compression max --exclude .git .
       borg create -C zstd --exclude .git ${borg}::s${state} .
       git add -A -f . && git commit -q --allow-empty -m ${state}`,
      { cwd: work, env },
    );
  }
  await runShell('git gc -q --aggressive --prune=now', { cwd: work, env });
  return {
    restic: await sizeOf(restic),
    borg: await sizeOf(borg),
    git: await sizeOf(join(work, '.git')),
  };
}

const megabytes = (bytes) => (bytes === undefined ? '' : (bytes / 1e6).toFixed(2));

const root = await mkdtemp(join(tmpdir(), 'sessfs-bytes-'));
const inputs = join(tmpdir(), 'sessfs-bench-inputs');
const rows = [];
try {
  for (const name of options.case.split(',')) {
    if (CASES[name] === undefined) throw new Error(`Unknown case "${name}"`);
    if (name === 'modules') await makeModules(inputs);
    const dir = join(root, name);
    await mkdir(dir);
    const sessfs = await measureSessfs(dir, name, inputs);
    const others = await measureOthers(dir, name, inputs);
    rows.push({ name, mark: CASES[name].markBytes, ...sessfs, ...others });
    console.error(`${CASES[name].title}: ${JSON.stringify(rows.at(-1))}`);
    await rm(dir, { recursive: true, force: true });
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
const head = [
  'MB',
  'mark',
  'sessfs',
  'of it index',
  'restic',
  'borg',
  'git gc',
  'written',
  'versions',
  'index B/version',
];
console.log(
  formatTable([
    head,
    ...rows.map((row) => [
      CASES[row.name].title,
      megabytes(row.mark),
      megabytes(row.log + row.index),
      megabytes(row.index),
      megabytes(row.restic),
      megabytes(row.borg),
      megabytes(row.git),
      megabytes(row.written),
      String(row.versions),
      row.indexPerVersion.toFixed(0),
    ]),
  ]),
);
if (options.json !== undefined) await writeFile(options.json, JSON.stringify(rows, undefined, 2));
