/**
 * sessfs upgrade: the daemon and its volume servers become the program that is on disk now; nobody who
 * works on a mount sees more of it than a pause.
 */

import { setTimeout as delay } from 'node:timers/promises';

import type { Command } from 'commander';

import type { ControlClient } from '../control/client.ts';
import type { DaemonStatus } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

/** How long a daemon with many sessions may take, in milliseconds. */
const UPGRADE_TIMEOUT_MS = 300_000;
const POLL_MS = 50;

export function addUpgrade(program: Command): void {
  const command = program
    .command('upgrade')
    .description('Replace the daemon and all volume servers by the program on disk, under way');
  withCommon(command, 'sessfs upgrade').action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const client = openClient(options);
  const before = await client.status();
  const { generation } = await client.upgrade();
  const after = await waitForUpgrade(client, generation);
  if (options.json === true) {
    printJson({ pid: after.pid, version: after.version, generation });
    return;
  }
  const from = before.version === after.version ? '' : ` from ${before.version}`;
  printLine(`Upgraded${from} to version ${after.version}, pid ${after.pid}`);
}

async function waitForUpgrade(client: ControlClient, generation: number): Promise<DaemonStatus> {
  const endsAt = performance.now() + UPGRADE_TIMEOUT_MS;
  for (;;) {
    const status = await client.status();
    if (status.upgradeProblem !== undefined) throw failed(status.upgradeProblem);
    if (status.generation >= generation && status.toReplace === 0) return status;
    if (performance.now() > endsAt) {
      throw failed(`not over after ${UPGRADE_TIMEOUT_MS / 1000} s`);
    }
    await delay(POLL_MS);
  }
}

const failed = (reason: string): SessfsError =>
  new SessfsError('FAILED', `The upgrade was not carried through: ${reason}`, {
    hint: 'Look at the log of the daemon, and at "sessfs status"',
  });
