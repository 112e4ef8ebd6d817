/**
 * npm run demo: the tour of the README as a script. It writes, overwrites, edits with sed -i, removes
 * with rm -rf, and shows each getting back. Every step is checked; the first that is wrong ends it.
 *
 * It has a store of its own in a temporary directory, and leaves nothing behind.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SESSFS = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin/sessfs');
/** No step takes longer, in milliseconds: a hang is a failure. */
const STEP_TIMEOUT_MS = 30_000;

const runFile = promisify(execFile);
const root = await mkdtemp(join(tmpdir(), 'sessfs-demo-'));
const daemon = spawn(
  process.execPath,
  [SESSFS, 'daemon', '--root', root, '--json', '--stop-with-stdin'],
  { stdio: ['pipe', 'pipe', 'pipe'], detached: true },
);
let daemonLog = '';
daemon.stderr.on('data', (part) => (daemonLog += part));
const stopped = once(daemon, 'exit');
process.once('SIGINT', () => daemon.stdin.end());

/** Runs a command line in the session, shows it, and returns what it printed. */
async function show(line, cwd) {
  process.stdout.write(`\n$ ${line}\n`);
  const { stdout } = await runFile(
    '/bin/sh',
    ['-ec', `sessfs() { "$NODE" "$SESSFS" "$@"; }\n${line}`],
    {
      cwd,
      timeout: STEP_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      env: { ...process.env, NODE: process.execPath, SESSFS, SESSFS_ROOT: root },
    },
  );
  process.stdout.write(stdout);
  return stdout;
}

function say(text) {
  process.stdout.write(`\n# ${text}\n`);
}

function check(what, actual, wanted) {
  if (actual === wanted) return;
  throw new Error(`${what}: got ${JSON.stringify(actual)}, want ${JSON.stringify(wanted)}`);
}

async function tour() {
  say('A session is a directory. This one is called "demo".');
  await show('sessfs create demo', root);
  const listed = await runFile(process.execPath, [SESSFS, 'list', '--json', '--root', root]);
  const [{ mountPoint }] = JSON.parse(listed.stdout);
  const here = (line) => show(line, mountPoint);

  say('Write, overwrite, append, edit in place: every content that was closed is a version.');
  await here('echo "first draft" > notes.md');
  await here('echo "second draft" > notes.md');
  await here('echo "one more line" >> notes.md');
  await here('sed -i s/second/third/ notes.md');
  check('notes.md', await here('cat notes.md'), 'third draft\none more line\n');
  const versions = await here('ls .versions/notes.md');
  check('the number of versions', versions.match(/^r\d+/gm)?.length, 4);
  await here('sessfs log notes.md');

  say('Look at an earlier one, as a file or by command, and at what changed.');
  check(
    'the version before the latest',
    await here('cat .versions/notes.md/~1'),
    'second draft\none more line\n',
  );
  check('three versions back', await here('sessfs cat notes.md@~3'), 'first draft\n');
  const diff = await here('sessfs diff notes.md');
  if (!diff.includes('-second draft\n+third draft\n')) throw new Error('diff shows no change');

  say('Bring it back. That is a change like any other: what it replaces is kept too.');
  await here('sessfs rollback notes.md --to ~3');
  check('notes.md after the rollback', await here('cat notes.md'), 'first draft\n');
  check(
    'what it replaced',
    await here('cat .versions/notes.md/~1'),
    'third draft\none more line\n',
  );

  say('Remove a whole directory, and get it back.');
  await here('mkdir -p src/deep && echo "int x;" > src/x.c && echo "int y;" > src/deep/y.c');
  const before = await here('find src | sort; cat src/x.c src/deep/y.c');
  await here('rm -rf src');
  check('what is left', await here('ls'), 'notes.md\n');
  await here('ls .versions/src');
  await here('sessfs undelete src');
  check('src after undelete', await here('find src | sort; cat src/x.c src/deep/y.c'), before);

  say('Run what may do harm under guard: it says what happened, and how to undo all of it.');
  await here('sessfs guard --name tidy -- sh -c "rm -r src; echo oops > notes.md" 2>&1');
  await here('sessfs rollback demo: --to tidy-before --exact');
  check('src after the guard', await here('find src | sort; cat src/x.c src/deep/y.c'), before);
  await here('sessfs why notes.md');

  say('The directory as it was at any moment, and the whole session in an archive.');
  check('a minute ago there was nothing', await here('ls .versions/@r1'), '');
  await show('sessfs export demo -o demo.tar.gz && tar tzf demo.tar.gz', root);
  await here('sessfs diff demo:@r1');
}

try {
  await Promise.race([
    once(daemon.stdout, 'data'),
    stopped.then(() => {
      throw new Error(`The daemon did not start:\n${daemonLog}`);
    }),
  ]);
  await tour();
  process.stdout.write('\nEverything came back.\n');
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error.message}\n${error.stderr ?? ''}${daemonLog}\n`);
  process.exitCode = 1;
} finally {
  daemon.stdin.end();
  await stopped;
  await rm(root, { recursive: true, force: true });
}
