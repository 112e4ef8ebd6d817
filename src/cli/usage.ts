/**
 * sessfs usage: what takes room in a session, and what removing or shortening something would give back.
 */

import type { Command } from 'commander';

import type { QuotaInfo, QuotaReply, UsageReply } from '../control/promise-protocol.ts';
import { formatDuration, parseDuration } from '../policy/duration.ts';
import { SessfsError } from '../shared/errors.ts';
import { nameToText } from '../shared/names.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { findTarget } from './session-target.ts';
import { formatSize, formatTable, printable } from './text.ts';

export function addUsage(program: Command): void {
  const command = program
    .command('usage')
    .description(
      'What takes room: live files, history, checkpoints and holds. With a path, what removing it and ' +
        'its history would give back',
    )
    .argument('[session|path]', 'default: the session of the working directory')
    .option('--shorten <duration>', 'also what keeping history only so long would give back');
  withCommon(
    command,
    'sessfs usage notes\nsessfs usage notes:build\nsessfs usage notes --shorten 7d',
  ).action(run);
}

async function run(
  what: string | undefined,
  options: CommonOptions & { shorten?: string },
): Promise<void> {
  const shortenMs = options.shorten === undefined ? undefined : parseShorten(options.shorten);
  const { client, session, path } = await findTarget(what, options);
  const asked = { path: path === '' ? undefined : path, shortenMs };
  const reply = await client.promises.usage(session, asked);
  if (options.json === true) printJson(reply);
  else printLine(formatUsage(reply, asked));
}

function parseShorten(text: string): number {
  const ms = parseDuration(text);
  if (ms !== Infinity) return ms;
  throw new SessfsError('USAGE', 'Cannot shorten history to "forever": want a time, as in 7d');
}

export function formatUsage(
  reply: UsageReply,
  asked: { readonly path: string | undefined; readonly shortenMs: number | undefined },
): string {
  const { quota, freedBytes, warnings } = reply;
  const lines = [
    formatTable([
      ['live', formatSize(reply.liveBytes), 'what files hold now'],
      ['history', formatSize(reply.historyBytes), 'what only versions and moments hold'],
      ['  pinned', formatSize(reply.pinnedBytes), 'of that, kept by checkpoints and holds alone'],
      [
        'reclaimable',
        formatSize(reply.reclaimableBytes),
        'nothing refers to it: given back by a sweep',
      ],
      ['on disk', formatSize(reply.storedBytes), 'log and index, with what is packed as packed'],
      ['inodes', String(reply.inodes), ''],
      ['versions', String(reply.versions), ''],
    ]),
  ];
  const rows = formatQuota(reply);
  if (hasQuota(quota)) lines.push(`Quota:\n${formatTable(rows)}`);
  if (freedBytes !== undefined) {
    lines.push(`${describeQuestion(asked)} would give back ${formatSize(freedBytes)} of content`);
  }
  return [...lines, ...warnings.map((warning) => `Warning: ${printable(warning)}`)].join('\n');
}

/** A row for each limit: what counts against it, of how much. */
export function formatQuota({ quota, counted }: QuotaReply): string[][] {
  return [
    limitRow('live', counted.liveBytes, quota.liveBytes, formatSize),
    limitRow('history', counted.historyBytes, quota.historyBytes, formatSize),
    limitRow('inodes', counted.inodes, quota.inodes, String),
    limitRow('versions', counted.versions, quota.versions, String),
  ];
}

function limitRow(
  name: string,
  used: number,
  limit: number | null,
  format: (number: number) => string,
): string[] {
  if (limit === null) return [`  ${name}`, format(used), 'no limit'];
  const share = limit === 0 ? 100 : Math.floor((100 * used) / limit);
  return [`  ${name}`, format(used), `of ${format(limit)} (${share} %)`];
}

const hasQuota = (quota: QuotaInfo): boolean =>
  Object.values(quota).some((limit: number | null) => limit !== null);

function describeQuestion({
  path,
  shortenMs,
}: {
  path: string | undefined;
  shortenMs: number | undefined;
}): string {
  const remove =
    path === undefined ? '' : `removing "${printable(nameToText(path))}" with its history`;
  const shorten =
    shortenMs === undefined
      ? ''
      : shortenMs === 0
        ? 'keeping no history'
        : `keeping history for ${formatDuration(shortenMs)} only`;
  const text = [remove, shorten].filter((part) => part !== '').join(' and ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
