/**
 * sessfs mount: mounts a session that is not.
 */

import { resolve } from 'node:path';

import type { Command } from 'commander';

import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

export function addMount(program: Command): void {
  const command = program
    .command('mount')
    .description('Mount a session')
    .argument('<session>', 'id or name')
    .argument('[dir]', 'where, from now on (default: where it was)');
  withCommon(command, 'sessfs mount notes ~/notes').action(run);
}

async function run(name: string, dir: string | undefined, options: CommonOptions): Promise<void> {
  const session = await openClient(options).mount(name, dir === undefined ? dir : resolve(dir));
  if (options.json === true) printJson(session);
  else printLine(`Mounted session ${session.id} at ${session.mountPoint}`);
}
