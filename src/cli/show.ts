/**
 * sessfs show: one session, its volume, and what its server counted.
 */

import type { Command } from 'commander';

import type { ControlClient } from '../control/client.ts';
import { SessfsError } from '../shared/errors.ts';
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
  // A session that nobody serves is not started just to be looked at.
  const isServed = session.server.pid !== undefined;
  const volume = isServed ? await client.volumeInfo(session.id) : undefined;
  // What a volume that is broken cannot tell must not keep the rest from being told.
  const tier = isServed ? await findTier(client, session.id) : undefined;
  if (options.json === true) printJson({ ...session, tier: tier ?? session.tier, volume });
  else printLine(formatSession(session, { volume, tier }));
}

/** The tier that the session has now; undefined if its volume does not tell. */
async function findTier(client: ControlClient, id: string): Promise<string | undefined> {
  try {
    return (await client.promises.tier(id, '')).session;
  } catch (error) {
    if (error instanceof SessfsError) return undefined;
    throw error;
  }
}
