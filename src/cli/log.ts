/**
 * sessfs log: the versions of a file, or of everything in a directory.
 */

import type { Command } from 'commander';

import type { LogReply, VersionInfo } from '../control/protocol.ts';
import { describeActor } from './actor.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { parseCount } from './counts.ts';
import { parseTarget } from './target.ts';
import { formatSize, formatTable, formatTime, printable } from './text.ts';

export function addLog(program: Command): void {
  const command = program
    .command('log')
    .description(
      'List the versions of a file, newest first; of a directory, those of all its files',
    )
    .argument('<path>', 'a path on a mount, or SESSION:path; also one that was removed')
    .option('-n, --limit <count>', 'only so many of the newest');
  withCommon(command, 'sessfs log notes.md\nsessfs log notes:src -n 20').action(run);
}

async function run(path: string, options: CommonOptions & { limit?: string }): Promise<void> {
  const target = parseTarget(path, options);
  const limit = parseCount(options.limit, 'limit');
  const reply = await target.client.log(target.session, target.path, limit);
  if (options.json === true) printJson(reply);
  else printLine(formatLog(reply));
}

function formatLog(reply: LogReply): string {
  const isTree = reply.kind === 'directory';
  const head = ['VERSION', 'TIME', 'SIZE', 'MODE', 'CAUSE', ...(isTree ? ['PATH'] : []), 'BY'];
  const row = (version: VersionInfo): string[] => [
    `r${version.revision}`,
    formatTime(version.time),
    formatSize(version.size),
    version.mode,
    version.cause,
    ...(isTree ? [printable(version.text)] : []),
    printable(describeActor(version.actor)),
  ];
  const lines = [formatTable([head, ...reply.versions.toReversed().map(row)])];
  const { removed } = reply;
  if (removed !== undefined) {
    const by = printable(describeActor(removed.actor));
    lines.unshift(`Removed at ${formatTime(removed.time)} (r${removed.revision}) by ${by}`);
  }
  if (reply.truncated) lines.push('There are more, older ones: see --limit');
  return lines.join('\n');
}
