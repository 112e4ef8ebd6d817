/**
 * npm start: a daemon with its store in this folder, a first session, and where to write and look.
 *
 * Stays in the foreground; Ctrl-C stops the daemon cleanly. A second start finds the session again.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ControlClient } from '../dist/control/client.js';
import { storeLayout } from '../dist/daemon/store-layout.js';
import { EXIT_CODES, SessfsError } from '../dist/shared/errors.js';

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
const SESSFS = join(PROJECT, 'bin/sessfs');
const SESSION = 'first';

/** Why there is no session, as an exit code: the daemon itself then ends well. */
let failure = 0;

const root = resolve(process.env.SESSFS_ROOT ?? join(PROJECT, '.sessfs'));

/** Starts the daemon; resolves when it is ready, ends this process when it could not start. */
async function startDaemon() {
  const child = spawn(
    process.execPath,
    [SESSFS, 'daemon', '--root', root, '--json', '--stop-with-stdin'],
    // A group of its own: Ctrl-C reaches this process, which then stops the daemon in order.
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  child.once('exit', (code) => process.exit(failure || (code ?? 1)));
  await once(child.stdout, 'data');
  return child;
}

/** The session of this folder: the one from last time, or a new one; mounted. */
async function openSession(client) {
  const known = (await client.listSessions()).find((session) => session.name === SESSION);
  if (known === undefined) return client.createSession({ name: SESSION });
  if (known.state === 'active') return client.mount(known.id);
  throw new SessfsError('SESSION_STATE', `Cannot mount session "${SESSION}": it has ended`, {
    hint: `Delete it for a new one, history and all: ${SESSFS} delete ${SESSION} --root ${root}`,
  });
}

const daemon = await startDaemon();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => daemon.kill('SIGTERM'));
}

const session = await openSession(new ControlClient(storeLayout(root).controlSocket)).catch(
  (error) => {
    process.stderr.write(`sessfs: ${error.message}\n${error.hint ? `  ${error.hint}\n` : ''}`);
    process.stderr.write('  What is missing on this host: node bin/sessfs doctor\n');
    failure = EXIT_CODES[error.code] ?? EXIT_CODES.FAILED;
    daemon.kill('SIGTERM');
    return undefined;
  },
);

if (session !== undefined) {
  process.stdout.write(`
The session "${SESSION}" is mounted.

  write here   ${session.mountPoint}
  look here    ${session.mountPoint}/.versions

Try, in another terminal:

  cd ${session.mountPoint}
  echo one > notes.md; echo two > notes.md
  ls .versions/notes.md
  ${SESSFS} log notes.md
  ${SESSFS} diff notes.md

Ctrl-C stops it; npm start brings it back as it was.
`);
}
