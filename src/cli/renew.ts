/**
 * sessfs renew: the time of a file, a directory or a session begins anew.
 */

import type { Command } from 'commander';

import { nameToText } from '../shared/names.ts';
import { currentActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { findTarget } from './session-target.ts';
import { count, printable } from './text.ts';

export function addRenew(program: Command): void {
  const command = program
    .command('renew')
    .description('Let the time for which something is kept begin anew, for it and all below it')
    .argument('<session|path>', 'a session, a path on a mount, or SESSION:path');
  withCommon(command, 'sessfs renew notes.md\nsessfs renew notes').action(run);
}

async function run(what: string, options: CommonOptions): Promise<void> {
  const { client, session, path } = await findTarget(what, options);
  const reply = await client.promises.renew(session, { path, actor: currentActor() });
  if (options.json === true) {
    printJson(reply);
    return;
  }
  const named = path === '' ? 'the session' : `"${printable(nameToText(path))}"`;
  const below = reply.renewed > 1 ? ` and ${count(reply.renewed - 1, 'other')} below it` : '';
  printLine(`Renewed ${named}${below}: what is promised of it counts from now`);
}
