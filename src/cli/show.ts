/**
 * sessfs show: one session, its volume, and what its server counted.
 */

import type { Command } from 'commander';

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
  const tier = isServed ? (await client.promises.tier(session.id, '')).session : undefined;
  if (options.json === true) printJson({ ...session, tier: tier ?? session.tier, volume });
  else printLine(formatSession(session, { volume, tier }));
}
