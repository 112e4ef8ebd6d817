/**
 * sessfs rollback: brings a file, a directory or a whole session back to how it was.
 */

import type { Command } from 'commander';

import { currentActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatSteps } from './restore-text.ts';
import { parseTarget } from './target.ts';
import { nameToText } from '../shared/names.ts';

interface RollbackOptions extends CommonOptions {
  readonly to: string;
  readonly exact?: boolean;
  readonly partial?: boolean;
  readonly dryRun?: boolean;
}

export function addRollback(program: Command): void {
  const command = program
    .command('rollback')
    .description(
      'Bring a file or directory back to a version or a time; what it replaces stays in the history',
    )
    .argument('<path>', 'a path on a mount, or SESSION:path; SESSION: is all of it')
    .requiredOption(
      '--to <version|time|checkpoint>',
      'r42, ~1, 10m, "yesterday 17:00", 2026-11-22T10:15Z, before-deploy',
    )
    .option('--exact', 'also remove what came later (listed first)')
    .option('--partial', 'leave out files whose content retention has removed')
    .option('--dry-run', 'only say what would be done');
  withCommon(
    command,
    'sessfs rollback notes.md --to ~1\nsessfs rollback src --to 10m --exact --dry-run',
  ).action(run);
}

async function run(path: string, options: RollbackOptions): Promise<void> {
  const target = parseTarget(path, options);
  const isDryRun = options.dryRun === true;
  const reply = await target.client.rollback(target.session, {
    path: target.path,
    to: options.to,
    exact: options.exact === true,
    partial: options.partial === true,
    dryRun: isDryRun,
    actor: currentActor(),
  });
  if (options.json === true) {
    printJson(reply);
    return;
  }
  const text = nameToText(target.path) === '' ? '.' : nameToText(target.path);
  printLine(formatSteps(reply, { verb: 'Rolled back', path: text, isDryRun }));
  if (reply.revision === undefined) return;
  // What it created has to go as well, and only an exact rollback removes.
  const exact = reply.steps.some((step) => step.action === 'create') ? ' --exact' : '';
  printLine(`Undo it with: sessfs rollback ${path} --to r${reply.before}${exact}`);
}
