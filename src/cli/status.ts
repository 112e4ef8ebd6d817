/**
 * sessfs status: the daemon and how its sessions are.
 */

import type { Command } from 'commander';

import type { SessionInfo } from '../control/protocol.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatSessions, isMounted } from './session-text.ts';
import { formatSize, formatTable, formatTime } from './text.ts';

/** A daemon that is well answers at once, in milliseconds. */
const STATUS_TIMEOUT_MS = 10_000;

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('Tell whether the daemon runs, and how its sessions are');
  withCommon(command, 'sessfs status').action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const status = await openClient(options).status(STATUS_TIMEOUT_MS);
  if (options.json === true) {
    printJson(status);
    return;
  }
  const { sessions } = status;
  const mounted = sessions.filter(isMounted).length;
  printLine(
    formatTable([
      ['daemon', `pid ${status.pid}, version ${status.version}`],
      ['store', status.root],
      ['started', formatTime(status.started)],
      ['memory', formatSize(status.rssBytes)],
      ['sessions', `${sessions.length}, of which ${mounted} mounted`],
      ['last sweep', describeLastSweep(sessions)],
    ]),
  );
  if (sessions.length > 0) printLine(`\n${formatSessions(sessions)}`);
  for (const { id, server, sweep } of sessions) {
    if (server.problem !== undefined) printLine(`\n${id} is ${server.state}: ${server.problem}`);
    const { refusal, problem } = sweep ?? {};
    if (refusal !== undefined) {
      printLine(`\n${id} was not swept: ${refusal}; see what is due: sessfs sweep ${id}`);
    }
    if (problem !== undefined) printLine(`\nThe last sweep of ${id} failed: ${problem}`);
  }
}

/** The latest of all sessions. */
function describeLastSweep(sessions: readonly SessionInfo[]): string {
  const last = sessions
    .flatMap(({ sweep }) => sweep?.last ?? [])
    .toSorted()
    .at(-1);
  return last === undefined ? 'none since the daemon started' : formatTime(last);
}
