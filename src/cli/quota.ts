/**
 * sessfs quota: how much a session may hold, and how much of that it does.
 */

import type { Command } from 'commander';

import type { SetQuotaRequest } from '../control/promise-protocol.ts';
import { parseBytes } from '../policy/bytes-text.ts';
import { SessfsError } from '../shared/errors.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { parseCount } from './counts.ts';
import { findSession, titleOf } from './session-target.ts';
import { formatTable, printable } from './text.ts';
import { formatQuota } from './usage.ts';

interface SetOptions extends CommonOptions {
  readonly live?: string;
  readonly history?: string;
  readonly inodes?: string;
  readonly versions?: string;
  readonly force?: boolean;
}

export function addQuota(program: Command): void {
  const group = program
    .command('quota')
    .description('How much a session may hold, and how much of it it does')
    .argument('[session|path]', 'default: the session of the working directory');
  withCommon(group, 'sessfs quota notes\nsessfs quota set notes --live 10GB').action(runShow);
  const set = group
    .command('set')
    .description('Limit a session: who goes beyond gets "disk quota exceeded"')
    .argument('<session|path>', 'id or name')
    .option('--live <bytes>', 'of what files hold, as in 10GB or 500MiB; none')
    .option('--history <bytes>', 'of what only the history holds; none')
    .option('--inodes <count>', 'files, directories and symlinks; none')
    .option('--versions <count>', 'versions of all files together; none')
    .option('--force', 'also below what is used: nothing more can be written then');
  withCommon(set, 'sessfs quota set notes --live 10GB --history none').action(runSet);
}

async function runShow(what: string | undefined, options: CommonOptions): Promise<void> {
  const { client, session } = await findSession(what, options);
  const reply = await client.quota(session.id);
  if (options.json === true) {
    const { quota, counted, warnings } = reply;
    printJson({ session: session.id, quota, used: counted, warnings });
    return;
  }
  printLine(`Quota of ${titleOf(session)}:\n${formatTable(formatQuota(reply))}`);
  for (const warning of reply.warnings) printLine(`Warning: ${printable(warning)}`);
}

async function runSet(what: string, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<SetOptions>();
  const limits = readLimits(options);
  const { client, session } = await findSession(what, options);
  const quota = await client.setQuota(session.id, {
    ...limits,
    force: options.force === true,
  });
  if (options.json === true) {
    printJson({ session: session.id, quota });
    return;
  }
  const reply = await client.quota(session.id);
  printLine(`Quota of ${titleOf(session)} is now:\n${formatTable(formatQuota(reply))}`);
}

/** null is no limit; what was not named stays as it is. */
function readLimits(options: SetOptions): Omit<SetQuotaRequest, 'force'> {
  const live = readBytes(options.live);
  const history = readBytes(options.history);
  const inodes = readCount(options.inodes, '--inodes');
  const versions = readCount(options.versions, '--versions');
  const limits = {
    ...(live === undefined ? {} : { live }),
    ...(history === undefined ? {} : { history }),
    ...(inodes === undefined ? {} : { inodes }),
    ...(versions === undefined ? {} : { versions }),
  };
  if (Object.keys(limits).length > 0) return limits;
  throw new SessfsError('USAGE', 'Cannot set a quota: no limit is named', {
    hint: 'Name one or more of --live, --history, --inodes, --versions; "none" takes a limit away',
  });
}

function readBytes(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  const bytes = parseBytes(text);
  return bytes === Infinity ? null : bytes;
}

function readCount(text: string | undefined, option: string): number | null | undefined {
  return text === 'none' ? null : parseCount(text, option);
}
