/**
 * sessfs create: a new session, mounted.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Option } from 'commander';
import type { Command } from 'commander';

import { DRIVERS } from '../control/protocol.ts';
import type { Driver } from '../control/protocol.ts';
import { TIERS } from '../policy/tier.ts';
import type { Tier } from '../policy/tier.ts';
import { SessfsError } from '../shared/errors.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

interface CreateOptions extends CommonOptions {
  readonly mount?: string;
  readonly owner?: string;
  readonly allowOther?: boolean;
  readonly dev?: boolean;
  readonly suid?: boolean;
  readonly listVersions?: boolean;
  readonly driver?: Driver;
  readonly tier?: Tier;
}

export function addCreate(program: Command): void {
  const command = program
    .command('create')
    .description('Create a session and mount it')
    .argument('[name]', 'a name for it, beside its id')
    .option('--mount <dir>', 'mount it there (default: in the store)')
    .option('--owner <uid[:gid]>', 'whose it is (default: of the daemon; only root has others)')
    .option('--allow-other', 'let other users in, as file permissions say')
    .option('--dev', 'device files work')
    .option('--suid', 'suid and sgid bits work')
    .option(
      '--list-versions',
      'show .versions in listings (find and grep -r then walk all history)',
    )
    .addOption(
      new Option('--tier <tier>', 'how long its files are kept (default: standard)').choices(TIERS),
    )
    .addOption(new Option('--driver <driver>', 'how it is served').choices(DRIVERS));
  withCommon(command, 'sessfs create notes --mount ~/notes --tier persistent').action(run);
}

async function run(name: string | undefined, options: CreateOptions): Promise<void> {
  const { mount, owner, allowOther, dev, suid, listVersions, driver, tier } = options;
  const session = await openClient(options).createSession({
    ...(name === undefined ? {} : { name }),
    ...(mount === undefined ? {} : { mountPoint: resolve(mount) }),
    ...(owner === undefined ? {} : { owner: parseOwner(owner) }),
    ...(tier === undefined ? {} : { tier }),
    options: {
      ...(allowOther === undefined ? {} : { allowOther }),
      ...(dev === undefined ? {} : { dev }),
      ...(suid === undefined ? {} : { suid }),
      ...(listVersions === undefined ? {} : { listVersions }),
      ...(driver === undefined ? {} : { driver }),
    },
  });
  if (options.json === true) {
    printJson(session);
    return;
  }
  printLine(`Created session ${session.id}${name === undefined ? '' : ` (${name})`}`);
  printLine(`  write here  ${session.mountPoint}`);
  printLine(`  look here   ${session.mountPoint}/.versions`);
}

/** UID or UID:GID; without a group that of the user in /etc/passwd, else the same number. */
export function parseOwner(text: string, passwd?: string): { uid: number; gid: number } {
  const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  if (match === null) {
    throw new SessfsError('USAGE', `Cannot use owner "${text}": want UID or UID:GID in digits`, {
      hint: 'The uid of a user: id -u NAME',
    });
  }
  const uid = Number(match[1]);
  if (match[2] !== undefined) return { uid, gid: Number(match[2]) };
  const line = (passwd ?? readFileSync('/etc/passwd', 'utf8'))
    .split('\n')
    .map((entry) => entry.split(':'))
    .find((fields) => fields[2] === String(uid));
  return { uid, gid: Number(line?.[3] ?? uid) };
}
