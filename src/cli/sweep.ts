/**
 * sessfs sweep: removes what nothing keeps any more, and gives its bytes back. Without --apply it only
 * says what it would do: the plan is the same.
 */

import type { Command } from 'commander';

import type { ControlClient } from '../control/client.ts';
import type { SweepReply, SweepWireRequest } from '../control/promise-protocol.ts';
import type { SessionInfo } from '../control/protocol.ts';
import { encodeWireError } from '../control/wire-error.ts';
import type { WireError } from '../control/wire-error.ts';
import { EXIT_CODES, SessfsError } from '../shared/errors.ts';
import { currentActor } from './actor.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { printFailure } from './failure.ts';
import { findSession, titleOf } from './session-target.ts';
import { formatSweep } from './sweep-text.ts';

interface SweepOptions extends CommonOptions {
  readonly apply?: boolean;
  readonly confirm?: boolean;
  readonly all?: boolean;
}

interface Swept {
  readonly session: SessionInfo;
  readonly reply?: SweepReply;
  readonly error?: WireError;
}

export function addSweep(program: Command): void {
  const command = program
    .command('sweep')
    .description('Say what nothing keeps any more; with --apply, remove it and give back its bytes')
    .argument('[session|path]', 'default: all sessions')
    .option('--apply', 'do it')
    .option('--confirm', 'with --apply: also if it is much, or the clock has jumped')
    .option('--all', 'with --apply: pack also what was written lately');
  withCommon(command, 'sessfs sweep notes\nsessfs sweep notes --apply').action(run);
}

async function run(what: string | undefined, options: SweepOptions): Promise<void> {
  const { client, sessions } = await findSessions(what, options);
  const request: SweepWireRequest = {
    apply: options.apply === true,
    confirm: options.confirm === true,
    force: options.all === true,
    actor: currentActor(),
  };
  const all: Swept[] = [];
  for (const session of sessions) {
    const swept = await sweepOne(client, session, request, what !== undefined);
    all.push(swept);
    if (options.json !== true) printSwept(swept, request);
  }
  if (options.json === true) {
    printJson(
      all.map(({ session, reply, error }) => ({
        session: session.id,
        name: session.name,
        ...reply,
        ...(error === undefined ? {} : { error }),
      })),
    );
  } else if (all.length === 0) printLine('No sessions yet: sessfs create NAME');
  if (all.some(({ error }) => error !== undefined)) process.exitCode = EXIT_CODES.PARTLY_DONE;
  const refused = all.find(({ reply }) => request.apply && reply?.applied === false);
  if (refused !== undefined) throw refusalOf(refused);
}

async function findSessions(
  what: string | undefined,
  options: SweepOptions,
): Promise<{ client: ControlClient; sessions: readonly SessionInfo[] }> {
  if (what !== undefined) {
    const { client, session } = await findSession(what, options);
    return { client, sessions: [session] };
  }
  const client = openClient(options);
  return { client, sessions: await client.listSessions() };
}

/** One of many that cannot be swept does not keep the others from it. */
async function sweepOne(
  client: ControlClient,
  session: SessionInfo,
  request: SweepWireRequest,
  isOnly: boolean,
): Promise<Swept> {
  try {
    return { session, reply: await client.promises.sweep(session.id, request) };
  } catch (error) {
    if (isOnly) throw error;
    return { session, error: encodeWireError(error) };
  }
}

function printSwept({ session, reply, error }: Swept, request: SweepWireRequest): void {
  if (reply !== undefined) printLine(formatSweep(reply, titleOf(session), request));
  if (error === undefined) return;
  const { code, message, hint } = error;
  const told = new SessfsError(code, `Session ${titleOf(session)}: ${message}`, { hint });
  printFailure(told, { json: false });
}

function refusalOf({ session, reply }: Swept): SessfsError {
  const title = titleOf(session);
  const reason = reply?.refusal ?? 'the session does not say why';
  return new SessfsError('SWEEP_REFUSED', `Cannot sweep session ${title}: ${reason}`, {
    hint: `If the list is what you mean to remove: sessfs sweep ${title} --apply --confirm`,
  });
}
