/**
 * sessfs audit: every removal of content, who did it, when, and why.
 */

import type { Command } from 'commander';

import type { AuditReply } from '../control/promise-protocol.ts';
import { EXIT_CODES } from '../shared/errors.ts';
import { describeActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { parseCount } from './counts.ts';
import { findSession, titleOf } from './session-target.ts';
import { count, formatSize, formatTable, formatTime, printable } from './text.ts';

/** More files of one removal are in the JSON. */
const SHOWN = 20;

type Entry = AuditReply['entries'][number];

export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('What sweeps have removed, newest last: who, when, what and why')
    .argument('[session|path]', 'default: the session of the working directory')
    .option('-n, --limit <count>', 'only so many of the newest')
    .option('--verify', 'check that no removal was left out or altered');
  withCommon(command, 'sessfs audit notes -n 20\nsessfs audit notes --verify').action(run);
}

async function run(
  what: string | undefined,
  options: CommonOptions & { limit?: string; verify?: boolean },
): Promise<void> {
  const limit = parseCount(options.limit, 'limit');
  const { client, session } = await findSession(what, options);
  const verify = options.verify === true;
  const reply = await client.promises.audit(session.id, { limit, verify });
  if (options.json === true) printJson(reply);
  else printLine(formatAudit(reply, titleOf(session)));
  if ((reply.check?.broken.length ?? 0) > 0) process.exitCode = EXIT_CODES.DAMAGE_FOUND;
}

export function formatAudit({ entries, truncated, check }: AuditReply, title: string): string {
  const lines = entries.map(formatEntry);
  if (truncated) lines.unshift('There are more, older ones: see --limit');
  if (entries.length === 0) lines.push(`Nothing was ever removed from ${title}`);
  if (check !== undefined) {
    lines.push(
      check.broken.length === 0
        ? `The chain of ${count(check.entries, 'removal')} is whole`
        : `The chain of ${count(check.entries, 'removal')} is broken at ${check.broken.map((revision) => `r${revision}`).join(', ')}: what is damaged tells sessfs fsck ${title}`,
    );
  }
  return lines.join('\n');
}

function formatEntry(entry: Entry): string {
  const { revision, time, actor, versions, bytes, names, files, confirmed } = entry;
  const what = [
    count(versions, 'version'),
    formatSize(bytes),
    ...(names > 0 ? [count(names, 'past name')] : []),
    ...(confirmed ? ['confirmed'] : []),
  ].join(', ');
  const head = `r${revision}  ${formatTime(time)}  ${printable(describeActor(actor))}: ${what}`;
  const rows = files.slice(0, SHOWN).map(formatFile);
  const left = files.length - rows.length;
  return [
    head,
    ...(rows.length === 0 ? [] : formatTable(rows).split('\n')).map((row) => `  ${row}`),
    ...(left > 0 ? [`  … and ${left} more with --json`] : []),
  ].join('\n');
}

function formatFile({ text, versions, forgotten, reason }: Entry['files'][number]): string[] {
  const which = versions.map(({ revision }) => `r${revision}`).join(' ');
  const what = forgotten ? `${which === '' ? '' : `${which}, `}nothing is left` : which;
  return [printable(text), what, printable(reason)];
}
