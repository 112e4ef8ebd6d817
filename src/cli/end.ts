/**
 * sessfs end: the work is over; the session can be read, no more written.
 */

import type { Command } from 'commander';

import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { finish } from './warning.ts';

export function addEnd(program: Command): void {
  const command = program
    .command('end')
    .description('End a session: unmount it for good and keep its history')
    .argument('<session>', 'id or name');
  withCommon(command, 'sessfs end notes').action(run);
}

async function run(name: string, options: CommonOptions): Promise<void> {
  const session = await openClient(options).end(name);
  if (options.json === true) printJson(session);
  else printLine(`Ended session ${session.id} at ${session.ended ?? ''}`);
  finish(session.warning);
}
