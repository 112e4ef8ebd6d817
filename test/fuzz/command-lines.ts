/**
 * Arguments that nobody would give a command, and a few that somebody might.
 */

import type { ControlWorld } from './control-requests.ts';
import type { Random } from './random.ts';

/** All but the daemon itself, which would go on, and what takes the session away. */
const COMMANDS = [
  'create',
  'list',
  'show',
  'mount',
  'unmount',
  'end',
  'delete',
  'log',
  'cat',
  'diff',
  'rollback',
  'undelete',
  'export',
  'status',
  'metrics',
  'fsck',
  'no-such',
];
const NEEDING_SESSION = new Set(['unmount', 'end', 'delete', 'mount', 'fsck']);
const OPTIONS = [
  '--json',
  '--help',
  '--limit',
  '-n',
  '--exact',
  '--dry-run',
  '--to',
  '--yes',
  '--name',
  '--owner',
  '--driver',
  '--allow-other',
  '--format',
  '--no-such-option',
  '-',
  '--',
  '-xyz',
  '--limit=',
  '--limit=1e999',
];

/** @returns What stands behind the name of the program. */
export function makeArguments(random: Random, world: ControlWorld): string[] {
  const command = random.pick(COMMANDS);
  const args = [command];
  const count = random.below(4);
  for (let index = 0; index < count; index++) {
    args.push(random.once(2) ? random.pick(OPTIONS) : makeOperand(random, world, command));
  }
  return args;
}

function makeOperand(random: Random, world: ControlWorld, command: string): string {
  // No name of a session: what it does is not the question here.
  const session = NEEDING_SESSION.has(command) ? 'nobody' : world.session;
  // Of the kinds that execve(2) can carry.
  const strange = random.text(random.below(30)).replaceAll('\0', '').replaceAll('/', '_');
  return random.pick([
    `${session}:notes.md`,
    `${session}:notes.md@~1`,
    `${session}:notes.md@${strange}`,
    `${session}:${strange}`,
    `${session}:`,
    `${session}:../..`,
    `${session}:.versions/x`,
    ':',
    '@',
    '',
    '.',
    '/',
    '/proc/self/mem',
    `${world.scratch}/file/x`,
    `${world.scratch}/file/${strange}`,
    '__proto__',
    'x'.repeat(5000),
    `${session}:${'d/'.repeat(2000)}`,
    '\u{1f4a9}\u202e\u0007',
    'r1',
    '-1',
  ]);
}
