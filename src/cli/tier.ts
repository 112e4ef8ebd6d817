/**
 * sessfs tier: how long something is kept, as a choice for a file, a directory or a session.
 */

import type { Command } from 'commander';

import type { SetTierReply, TierListReply } from '../control/promise-protocol.ts';
import { parseTier } from '../policy/tier.ts';
import { SessfsError } from '../shared/errors.ts';
import { currentActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatTier } from './promise-text.ts';
import { findTarget } from './session-target.ts';
import { parseTarget } from './target.ts';
import { count, formatTable, printable } from './text.ts';

/** What takes a choice back. */
const NO_TIER = new Set(['none', 'default']);

interface SetOptions extends CommonOptions {
  readonly recursive?: boolean;
}

export function addTier(program: Command): void {
  const group = program
    .command('tier')
    .description('How long something is kept: see it, choose it, list what was chosen');
  withCommon(group, 'sessfs tier set notes.md permanent\nsessfs tier get notes.md');
  const get = group
    .command('get')
    .description('The tier of a file, a directory or a session (SESSION:), and what it promises')
    .argument('<path>', 'a path on a mount, or SESSION:path');
  withCommon(get, 'sessfs tier get src/main.c').action(runGet);
  const set = group
    .command('set')
    .description(
      'Choose a tier. More is kept from now on; what was promised before is never shortened',
    )
    .argument('<path>', 'a path on a mount, or SESSION:path; SESSION: is all of it')
    .argument('<tier>', 'ephemeral, standard, persistent, permanent; none takes the choice back')
    .option('-R, --recursive', 'also what is below it and has a tier of its own');
  withCommon(set, 'sessfs tier set src persistent -R\nsessfs tier set notes: standard').action(
    runSet,
  );
  const list = group
    .command('list')
    .description('Everything in a session that somebody chose a tier for')
    .argument('[session|path]', 'default: the session of the working directory');
  withCommon(list, 'sessfs tier list notes').action(runList);
}

async function runGet(path: string, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  const target = parseTarget(path, options);
  const reply = await target.client.promises.tier(target.session, target.path);
  if (options.json === true) printJson(reply);
  else printLine(formatTier(reply));
}

async function runSet(path: string, word: string, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<SetOptions>();
  const tier = NO_TIER.has(word) ? null : parseTier(word);
  const target = parseTarget(path, options);
  if (tier === null && target.path === '') {
    throw new SessfsError('USAGE', 'Cannot take the tier of a session away: it always has one', {
      hint: `Choose another, as in: sessfs tier set ${path} standard`,
    });
  }
  const reply = await target.client.promises.setTier(target.session, {
    path: target.path,
    tier,
    recursive: options.recursive === true,
    actor: currentActor(),
  });
  if (options.json === true) printJson(reply);
  else printLine(formatSet(reply, { path, isTakenBack: tier === null }));
}

function formatSet(reply: SetTierReply, asked: { path: string; isTakenBack: boolean }): string {
  const { changed, others, tier } = reply;
  const what = tier.text === '.' ? 'the session' : `"${printable(tier.text)}"`;
  const lines = [
    asked.isTakenBack
      ? `No tier is chosen for ${what} any more: it is ${tier.promise.tier} now`
      : `The tier of ${what} is ${tier.own ?? tier.session} now`,
  ];
  if (changed > 1) lines[0] += `, and of ${count(changed - 1, 'other')} below it`;
  if (others > 0) {
    const word = asked.isTakenBack ? 'none' : (tier.own ?? tier.session);
    lines.push(
      `${count(others, 'file')} below keep a tier of their own; to change them too: sessfs tier set ${asked.path} ${word} -R`,
    );
  }
  return lines.join('\n');
}

async function runList(what: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  const target = await findTarget(what, options);
  const reply = below(await target.client.promises.listTiers(target.session), target.path);
  if (options.json === true) printJson(reply);
  else printLine(formatList(reply));
}

/** Of a path, only what is in it. */
function below(reply: TierListReply, path: string): TierListReply {
  if (path === '') return reply;
  const tiers = reply.tiers.filter((each) => `${each.path}/`.startsWith(`${path}/`));
  return { ...reply, tiers };
}

function formatList({ session, tiers, truncated }: TierListReply): string {
  const lines = [`The session is ${session}`];
  if (tiers.length === 0) lines.push('Nothing has a tier of its own');
  else lines.push(formatTable(tiers.map(({ tier, text }) => [tier, printable(text)])));
  if (truncated) lines.push('There are more: --json has no more of them either');
  return lines.join('\n');
}
