/**
 * sessfs guard: runs a command between two checkpoints, says what it changed, and how to undo it.
 *
 * Rule: the exit code is the command's, whatever becomes of the rest once it has run.
 */

import type { Command } from 'commander';

import type { CheckpointInfo } from '../control/promise-protocol.ts';
import type { CompareReply, SessionInfo } from '../control/protocol.ts';
import type { ControlClient } from '../control/client.ts';
import { SessfsError } from '../shared/errors.ts';
import { currentActor } from './actor.ts';
import { withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { printFailure } from './failure.ts';
import { runGuarded } from './guarded-run.ts';
import { bytesOfArgument } from './raw-arguments.ts';
import { findSession, titleOf } from './session-target.ts';
import { formatTable } from './text.ts';
import { betweenMoments, countDifferences, formatDifference } from './tree-diff-text.ts';
import { nameFromText } from '../shared/names.ts';

/** More is shown by diff. */
const SHOWN = 10;
/** So many guards may begin in one second. */
const MAX_TRIES = 100;

interface GuardOptions extends CommonOptions {
  readonly name?: string;
}

interface Guarded {
  readonly client: ControlClient;
  readonly session: SessionInfo;
  readonly name: string;
  readonly before: CheckpointInfo;
}

interface Outcome {
  readonly exitCode: number;
  readonly after: CheckpointInfo | undefined;
  readonly compared: CompareReply | undefined;
}

export function addGuard(program: Command): void {
  const command = program
    .command('guard')
    .description(
      'Run a command between two checkpoints, pass its exit code on, and print how to undo it ' +
        '(on standard error, also with --json)',
    )
    .usage('[options] [SESSION|PATH] -- COMMAND [ARGUMENTS]')
    .argument('[words...]', 'SESSION|PATH (default: of the working directory) -- COMMAND')
    .option('--name <name>', 'of the checkpoints NAME-before and NAME-after (default: by time)');
  withCommon(
    command,
    'sessfs guard -- npm update\nsessfs guard --name tidy notes -- ./tidy.sh',
  ).action(run);
}

async function run(words: readonly string[], options: GuardOptions): Promise<void> {
  const { what, commandLine } = splitWords(words, process.argv);
  const { client, session } = await findSession(what, options);
  const guarded = await begin(client, session, options);
  const end = await runGuarded(commandLine);
  if (end.kind === 'not-started') {
    // Nothing has run, so there is nothing to guard.
    await ignoreFailure(removeBoth(guarded, undefined));
    printFailure(end.error, { json: options.json === true });
    process.exitCode = end.exitCode;
    return;
  }
  process.exitCode = end.exitCode;
  try {
    const outcome = await finish(guarded, end.exitCode);
    if (!isChanged(outcome) && options.name === undefined) await removeBoth(guarded, outcome.after);
    report(guarded, outcome, options);
  } catch (error) {
    // It has run: that it cannot be told what it did does not change how it ended.
    printFailure(error, { json: options.json === true });
  }
}

/** What stands before and behind the "--", which commander takes away. */
export function splitWords(
  words: readonly string[],
  argv: readonly string[],
): { what: string | undefined; commandLine: readonly string[] } {
  const dashes = argv.indexOf('--', 2);
  const commandLine = dashes < 0 ? [] : argv.slice(dashes + 1);
  const before = words.slice(0, words.length - commandLine.length);
  if (dashes < 0 || commandLine.length === 0) {
    throw new SessfsError('USAGE', 'Cannot guard: there is no command behind a "--"', {
      hint: `As in: sessfs guard -- ${before.length === 0 ? 'make install' : before.join(' ')}`,
    });
  }
  if (before.length > 1) {
    throw new SessfsError(
      'USAGE',
      `Cannot guard: "${before[1]}" is one word too many before "--"`,
      {
        hint: 'sessfs guard [SESSION|PATH] -- COMMAND',
      },
    );
  }
  for (const word of commandLine) assertUtf8(word);
  return { what: before[0], commandLine };
}

function assertUtf8(word: string): void {
  if (bytesOfArgument(word) === nameFromText(word)) return;
  throw new SessfsError('USAGE', `Cannot pass on the argument "${word}": it is not UTF-8`, {
    hint: 'Put the command into a script, and guard that',
  });
}

async function begin(
  client: ControlClient,
  session: SessionInfo,
  options: GuardOptions,
): Promise<Guarded> {
  if (options.name !== undefined) {
    await assertFree(client, session, `${options.name}-after`);
    return { client, session, ...(await makeBefore(client, session, options.name)) };
  }
  const base = `guard-${compactTime(new Date())}`;
  for (let tries = 1; ; tries += 1) {
    const name = tries === 1 ? base : `${base}-${tries}`;
    try {
      return { client, session, ...(await makeBefore(client, session, name)) };
    } catch (error) {
      const isTaken = error instanceof SessfsError && error.code === 'CONFLICT';
      if (!isTaken || tries >= MAX_TRIES) throw error;
    }
  }
}

async function makeBefore(
  client: ControlClient,
  session: SessionInfo,
  name: string,
): Promise<{ name: string; before: CheckpointInfo }> {
  const request = { name: `${name}-before`, actor: currentActor() };
  return { name, before: await client.promises.addCheckpoint(session.id, request) };
}

/** To find out before the command has run that its end cannot be named. */
async function assertFree(
  client: ControlClient,
  session: SessionInfo,
  name: string,
): Promise<void> {
  const checkpoints = await client.promises.checkpoints(session.id);
  if (!checkpoints.some((each) => each.name === name)) return;
  throw new SessfsError('CONFLICT', `Cannot guard: there is a checkpoint "${name}" already`, {
    hint: `Take another --name, or: sessfs checkpoint ${name} ${titleOf(session)} --remove`,
  });
}

/** "20261122T101502", in UTC. */
const compactTime = (date: Date): string =>
  date
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replaceAll(/[-:]/g, '');

async function finish(guarded: Guarded, exitCode: number): Promise<Outcome> {
  const { client, session, name, before } = guarded;
  const request = { name: `${name}-after`, actor: currentActor() };
  const after = await client.promises.addCheckpoint(session.id, request);
  const compared = await client.compare(
    session.id,
    { path: '', at: `r${before.revision}` },
    { path: '', at: `r${after.revision}` },
  );
  return { exitCode, after, compared };
}

const isChanged = ({ compared }: Outcome): boolean =>
  compared === undefined || compared.differences.length > 0;

async function removeBoth(
  { client, session, before }: Guarded,
  after: CheckpointInfo | undefined,
): Promise<void> {
  for (const checkpoint of [before, after]) {
    if (checkpoint === undefined) continue;
    await client.promises.removeCheckpoint(session.id, checkpoint.name, currentActor());
  }
}

async function ignoreFailure(work: Promise<void>): Promise<void> {
  await work.catch(() => undefined);
}

function report(guarded: Guarded, outcome: Outcome, options: GuardOptions): void {
  const { session, name, before } = guarded;
  const title = titleOf(session);
  const undo = `sessfs rollback ${title}: --to ${before.name} --exact`;
  if (options.json === true) {
    const { exitCode, after, compared } = outcome;
    const { differences = [], truncated = false } = compared ?? {};
    const told = {
      session: session.id,
      name,
      before,
      after,
      exitCode,
      differences,
      truncated,
      undo,
    };
    process.stderr.write(`${JSON.stringify(told)}\n`);
    return;
  }
  process.stderr.write(`${formatOutcome(outcome, { title, name, undo })}\n`);
}

export function formatOutcome(
  { compared }: Outcome,
  { title, name, undo }: { title: string; name: string; undo: string },
): string {
  if (compared === undefined || compared.differences.length === 0) {
    return `sessfs: nothing changed in ${title}`;
  }
  const { differences, from, to, truncated } = compared;
  const rows = formatTable(differences.slice(0, SHOWN).map(formatDifference)).split('\n');
  const left = differences.length - SHOWN;
  return [
    `sessfs: ${countDifferences(differences)} in ${title}, ${betweenMoments(from, to)}`,
    ...rows.map((row) => `  ${row}`),
    ...(left > 0 || truncated
      ? [
          `  … and ${left}${truncated ? ' or' : ''} more: sessfs diff ${title}:@${name}-before @${name}-after`,
        ]
      : []),
    `sessfs: to undo it: ${undo}`,
  ].join('\n');
}
