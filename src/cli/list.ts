/**
 * sessfs list: every session of the store.
 */

import type { Command } from 'commander';

import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatSessions } from './session-text.ts';

export function addList(program: Command): void {
  const command = program.command('list').description('List the sessions');
  withCommon(command, 'sessfs list --json').action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const sessions = await openClient(options).listSessions();
  if (options.json === true) printJson(sessions);
  else if (sessions.length === 0) printLine('No sessions yet: sessfs create NAME');
  else printLine(formatSessions(sessions));
}
