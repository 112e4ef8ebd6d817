/**
 * sessfs hold: keeps a version, a path, a checkpoint or a session until it is released, with a reason.
 */

import type { Command } from 'commander';

import type { HoldInfo } from '../control/promise-protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { currentActor, describeActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { findSession, titleOf } from './session-target.ts';
import { parseTarget } from './target.ts';
import type { Target } from './target.ts';
import { formatTable, formatTime, printable } from './text.ts';

interface AddOptions extends CommonOptions {
  readonly reason?: string;
}

export function addHold(program: Command): void {
  const group = program
    .command('hold')
    .description('Keep something whatever its age, until the hold is released');
  withCommon(group, 'sessfs hold add audit-2026 report.md@r42 --reason "tax audit"');
  const add = group
    .command('add')
    .description('Keep a path with all its versions, one version, a checkpoint or a session')
    .argument('<name>', 'a name for it, by which it is released')
    .argument('<what>', 'PATH, PATH@VERSION, @CHECKPOINT, or SESSION: for all of it')
    .option('--reason <text>', 'why: whoever finds the hold later reads it (needed)');
  withCommon(
    add,
    'sessfs hold add audit-2026 report.md --reason "tax audit"\nsessfs hold add bug-7 @before-deploy --reason "evidence"',
  ).action(runAdd);
  const release = group
    .command('release')
    .description('Keep it no longer than its tier does')
    .argument('<name>', 'as sessfs hold list has it')
    .argument('[session|path]', 'default: the session of the working directory');
  withCommon(release, 'sessfs hold release audit-2026 notes').action(runRelease);
  const list = group
    .command('list')
    .description('The holds of a session')
    .argument('[session|path]', 'default: the session of the working directory');
  withCommon(list, 'sessfs hold list notes').action(runList);
}

async function runAdd(name: string, what: string, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<AddOptions>();
  const reason = options.reason?.trim() ?? '';
  if (reason === '') {
    throw new SessfsError('USAGE', `Cannot add hold "${name}": it has no reason`, {
      hint: 'Say why with --reason "…": whoever finds the hold later has to know',
    });
  }
  const { client, session, path, at } = parseHeld(what, options);
  const hold = await client.promises.addHold(session, {
    name,
    reason,
    path,
    ...(at === undefined ? {} : { at }),
    actor: currentActor(),
  });
  if (options.json === true) {
    printJson(hold);
    return;
  }
  printLine(`Hold ${printable(hold.name)} keeps ${printable(hold.target)} until it is released`);
  const title = titleOf(await client.getSession(session));
  printLine(`  release it  sessfs hold release ${printable(hold.name)} ${title}`);
}

/** `@NAME` is a moment of the session in whose mount the caller is. */
function parseHeld(what: string, options: CommonOptions): Target {
  if (!what.startsWith('@')) return parseTarget(what, { ...options, withVersion: true });
  return { ...parseTarget('.', options), path: '', at: what.slice(1) };
}

async function runRelease(
  name: string,
  what: string | undefined,
  _: unknown,
  command: Command,
): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  const { client, session } = await findSession(what, options);
  await client.promises.releaseHold(session.id, name, currentActor());
  if (options.json === true) printJson({ session: session.id, released: name });
  else printLine(`Released hold ${printable(name)} of ${titleOf(session)}`);
}

async function runList(what: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  const { client, session } = await findSession(what, options);
  const holds = await client.promises.holds(session.id);
  if (options.json === true) printJson(holds);
  else printLine(formatHolds(holds));
}

export function formatHolds(holds: readonly HoldInfo[]): string {
  if (holds.length === 0) return 'No holds: sessfs hold add NAME PATH --reason TEXT';
  return formatTable([
    ['NAME', 'KEEPS', 'SINCE', 'BY', 'REASON'],
    ...holds.map(({ name, target, created, actor, reason }) => [
      printable(name),
      printable(target),
      formatTime(created),
      printable(describeActor(actor)),
      printable(reason),
    ]),
  ]);
}
