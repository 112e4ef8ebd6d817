/**
 * sessfs checkpoint: a name for a moment, which is kept until the name is removed.
 */

import type { Command } from 'commander';

import type { CheckpointInfo } from '../control/promise-protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { currentActor, describeActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { findSession, titleOf } from './session-target.ts';
import { isMounted } from './session-text.ts';
import { formatTable, formatTime, printable } from './text.ts';

interface CheckpointOptions extends CommonOptions {
  readonly at?: string;
  readonly list?: boolean;
  readonly remove?: boolean;
}

export function addCheckpoint(program: Command): void {
  const command = program
    .command('checkpoint')
    .description('Name a moment of a session: it is kept whole until the name is removed')
    .usage('[options] NAME [SESSION|PATH]\n       sessfs checkpoint --list [SESSION|PATH]')
    .argument('[name]', 'letters, digits, ".", "_" and "-"; none that means a time')
    .argument('[session|path]', 'default: the session of the working directory')
    .option('--at <moment>', 'r42, 10m, "yesterday 17:00" (default: now)')
    .option('--list', 'list those that there are')
    .option('--remove', 'remove the name; its moment is kept no longer than others');
  withCommon(
    command,
    'sessfs checkpoint before-deploy\nsessfs checkpoint monday notes --at "monday 09:00"\nsessfs checkpoint before-deploy --remove',
  ).action(run);
}

async function run(
  name: string | undefined,
  what: string | undefined,
  options: CheckpointOptions,
): Promise<void> {
  if (options.list === true) {
    assertOnly(options, what, 'list');
    await list(name, options);
    return;
  }
  if (name === undefined) {
    throw new SessfsError('USAGE', 'Cannot make a checkpoint: it has no name', {
      hint: 'Give one, as in: sessfs checkpoint before-deploy',
    });
  }
  const { client, session } = await findSession(what, options);
  const title = titleOf(session);
  if (options.remove === true) {
    if (options.at !== undefined) throw misused('--at', '--remove');
    await client.promises.removeCheckpoint(session.id, name, currentActor());
    if (options.json === true) printJson({ session: session.id, removed: name });
    else printLine(`Removed checkpoint ${printable(name)} of ${title}`);
    return;
  }
  const made = await client.promises.addCheckpoint(session.id, {
    name,
    ...(options.at === undefined ? {} : { at: options.at }),
    actor: currentActor(),
  });
  if (options.json === true) {
    printJson(made);
    return;
  }
  printLine(`Checkpoint ${made.name} is r${made.revision} of ${title}, ${formatTime(made.time)}`);
  const look = isMounted(session)
    ? `${session.mountPoint}/.versions/@${made.name}/`
    : `sessfs diff ${title}:@${made.name}`;
  printLine(`  look at it  ${look}`);
  if (session.state === 'ended') return;
  printLine(`  go back     sessfs rollback ${title}: --to ${made.name} --exact`);
}

async function list(what: string | undefined, options: CheckpointOptions): Promise<void> {
  const { client, session } = await findSession(what, options);
  const checkpoints = await client.promises.checkpoints(session.id);
  if (options.json === true) printJson(checkpoints);
  else printLine(formatCheckpoints(checkpoints));
}

export function formatCheckpoints(checkpoints: readonly CheckpointInfo[]): string {
  if (checkpoints.length === 0) return 'No checkpoints yet: sessfs checkpoint NAME';
  return formatTable([
    ['NAME', 'REVISION', 'MOMENT', 'MADE', 'BY'],
    ...checkpoints.map(({ name, revision, time, created, actor }) => [
      name,
      `r${revision}`,
      formatTime(time),
      formatTime(created),
      printable(describeActor(actor)),
    ]),
  ]);
}

function assertOnly(options: CheckpointOptions, surplus: string | undefined, what: 'list'): void {
  if (surplus !== undefined) {
    throw new SessfsError('USAGE', `Cannot list: "${surplus}" is one argument too many`, {
      hint: 'sessfs checkpoint --list [SESSION|PATH]',
    });
  }
  if (options.remove === true) throw misused('--remove', `--${what}`);
  if (options.at !== undefined) throw misused('--at', `--${what}`);
}

const misused = (option: string, other: string): SessfsError =>
  new SessfsError('USAGE', `Cannot use ${option} with ${other}`, {
    hint: 'See sessfs checkpoint --help',
  });
