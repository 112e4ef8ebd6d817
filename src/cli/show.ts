/**
 * sessfs show: one session, its volume, and what its server counted.
 */

import type { Command } from 'commander';

import type { ControlClient } from '../control/client.ts';
import type { SessionInfo, VolumeInfo } from '../control/protocol.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatSession } from './session-text.ts';

export function addShow(program: Command): void {
  const command = program
    .command('show')
    .description('Show one session: its state, its volume, its server')
    .argument('<session>', 'id or name');
  withCommon(command, 'sessfs show notes').action(run);
}

async function run(name: string, options: CommonOptions): Promise<void> {
  const client = openClient(options);
  const session = await client.getSession(name);
  const volume = await findVolume(client, session);
  if (options.json === true) printJson({ ...session, volume });
  else printLine(formatSession(session, volume));
}

/** A session that nobody serves is not started just to be looked at. */
async function findVolume(
  client: ControlClient,
  session: SessionInfo,
): Promise<VolumeInfo | undefined> {
  return session.server.pid === undefined ? undefined : client.volumeInfo(session.id);
}
