/**
 * sessfs undelete: brings back what was last removed under a name.
 */

import type { Command } from 'commander';

import { nameToText } from '../shared/names.ts';
import { currentActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatSteps } from './restore-text.ts';
import { parseTarget } from './target.ts';

export function addUndelete(program: Command): void {
  const command = program
    .command('undelete')
    .description(
      'Bring back a file or directory that was removed; a directory with all that went with it',
    )
    .argument('<path>', 'where it was: a path on a mount, or SESSION:path')
    .option('--partial', 'leave out files whose content retention has removed')
    .option('--dry-run', 'only say what would be done');
  withCommon(command, 'sessfs undelete src').action(run);
}

async function run(
  path: string,
  options: CommonOptions & { dryRun?: boolean; partial?: boolean },
): Promise<void> {
  const target = parseTarget(path, options);
  const isDryRun = options.dryRun === true;
  const reply = await target.client.undelete(target.session, {
    path: target.path,
    partial: options.partial === true,
    dryRun: isDryRun,
    actor: currentActor(),
  });
  if (options.json === true) printJson(reply);
  else
    printLine(formatSteps(reply, { verb: 'Undeleted', path: nameToText(target.path), isDryRun }));
}
