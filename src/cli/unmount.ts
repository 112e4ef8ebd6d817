/**
 * sessfs unmount: takes a session's mount away; it stays so until it is mounted again.
 */

import type { Command } from 'commander';

import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { finish } from './warning.ts';

export function addUnmount(program: Command): void {
  const command = program
    .command('unmount')
    .description('Unmount a session; one that is in use is detached, with a warning')
    .argument('<session>', 'id or name');
  withCommon(command, 'sessfs unmount notes').action(run);
}

async function run(name: string, options: CommonOptions): Promise<void> {
  const session = await openClient(options).unmount(name);
  if (options.json === true) printJson(session);
  else printLine(`Unmounted session ${session.id} from ${session.mountPoint}`);
  finish(session.warning);
}
