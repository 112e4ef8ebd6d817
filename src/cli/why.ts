/**
 * sessfs why: until when something is kept, by what, and what would change it.
 */

import type { Command } from 'commander';

import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatWhy } from './promise-text.ts';
import { parseTarget } from './target.ts';

export function addWhy(program: Command): void {
  const command = program
    .command('why')
    .description('Until when a file and each of its versions are kept, why, and what changes that')
    .argument('<path[@version]>', 'PATH for all versions, PATH@r42 or PATH@10m for one');
  withCommon(command, 'sessfs why notes.md\nsessfs why notes.md@~1').action(run);
}

async function run(path: string, options: CommonOptions): Promise<void> {
  const { client, session, ...where } = parseTarget(path, { ...options, withVersion: true });
  const reply = await client.promises.why(session, where);
  if (options.json === true) printJson(reply);
  else printLine(formatWhy(reply, Date.now()));
}
