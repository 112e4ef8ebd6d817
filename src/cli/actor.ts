/**
 * Who runs a command, as the history will remember it.
 */

import type { ActorInfo } from '../control/protocol.ts';

export function currentActor(): ActorInfo {
  return {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pid: process.pid,
    command: ['sessfs', ...process.argv.slice(2)].join(' '),
    label: process.env['SESSFS_ACTOR'],
  };
}

/** A command line longer than this is cut off for people; JSON has all of it. */
const COMMAND_SHOWN_CHARS = 48;

/** "make (uid 1000)", with the label first if there is one. */
export function describeActor(actor: ActorInfo): string {
  const command = actor.command === '' ? 'unknown' : shorten(actor.command);
  const who = `${command} (uid ${actor.uid})`;
  return actor.label === undefined ? who : `${actor.label}: ${who}`;
}

function shorten(command: string): string {
  const line = command.replaceAll(/\s+/g, ' ');
  return line.length <= COMMAND_SHOWN_CHARS ? line : `${line.slice(0, COMMAND_SHOWN_CHARS - 1)}…`;
}
