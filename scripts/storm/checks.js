/**
 * What must hold of every session whatever was done in it.
 */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TIMEOUT_MS = 180_000;
/** pino's number for an error. */
const LEVEL_ERROR = 50;
const MAX_LOGGED_ERRORS = 20;

const runFile = promisify(execFile);

/**
 * @param {import('./host.js').Host} host
 * @param {import('./storm.js').Session[]} sessions
 */
export async function checkSessions(host, sessions) {
  const problems = [];
  let restarts = 0;
  let hibernations = 0;
  const status = await host.command('status');
  for (const session of sessions) {
    const server = status.sessions.find(({ id }) => id === session.id)?.server;
    restarts += server?.restarts ?? 0;
    hibernations += server?.hibernations ?? 0;
    if (server === undefined || server.state === 'down' || server.problem !== undefined) {
      const problem = JSON.stringify(server);
      problems.push({ what: `${session.name}: its server`, problem });
    }
    const difference = await compareWithNow(session.mount);
    if (difference !== '') problems.push({ what: `${session.name}: @now`, problem: difference });
  }
  return { problems, restarts, hibernations };
}

/**
 * The log, the index and every byte of content, beside the servers that serve them.
 *
 * @param {import('./host.js').Host} host
 * @param {import('./storm.js').Session[]} sessions
 */
export async function checkVolumes(host, sessions) {
  const problems = [];
  for (const { name, id } of sessions) {
    try {
      await host.command('fsck', id);
    } catch (error) {
      const problem = `${error.stdout ?? ''} ${error.stderr ?? error}`.slice(0, 3000);
      problems.push({ what: `${name}: fsck`, problem });
    }
  }
  return problems;
}

/** The moment of now, out of history, is what is there. */
async function compareWithNow(mount) {
  // It goes there itself: whoever starts a child waits until that has changed its directory.
  const script = `cd '${mount}' && diff -r --no-dereference .versions/@now . 2>&1 | head -20`;
  try {
    const options = { cwd: '/', timeout: TIMEOUT_MS, killSignal: 'SIGKILL' };
    const { stdout } = await runFile('/bin/sh', ['-c', script], options);
    return stdout;
  } catch (error) {
    return String(error);
  }
}

/** @param {string[]} lines Of the log: an error there is a failure, but that a server was killed is not. */
export function findLoggedErrors(lines) {
  const errors = lines.flatMap((line) => {
    try {
      const entry = JSON.parse(line);
      const isExpected = /was killed by SIGKILL/.test(`${entry.msg} ${entry.err?.message}`);
      return entry.level >= LEVEL_ERROR && !isExpected ? [{ entry, line }] : [];
    } catch {
      return line === '' ? [] : [{ entry: { msg: 'not JSON' }, line }];
    }
  });
  return errors.slice(0, MAX_LOGGED_ERRORS).map(({ entry, line }) => ({
    at: typeof entry.time === 'number' ? new Date(entry.time).toISOString() : String(entry.time),
    what: `the log of the daemon: ${entry.msg}`,
    problem: line.slice(0, 2000),
  }));
}
