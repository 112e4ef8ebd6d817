/**
 * sessfs diff: what is different between two versions, two files, or two moments of a directory.
 *
 * Content is compared here and not in the volume server: line by line may take a while, and that
 * process has a mount to serve.
 */

import type { Command } from 'commander';

import type { NodeInfo, TreeDifference } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { compareContent } from './content-diff.ts';
import type { ContentDiff } from './content-diff.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { parseTarget } from './target.ts';
import type { Target } from './target.ts';
import { formatTable } from './text.ts';
import { betweenMoments, countDifferences, formatDifference } from './tree-diff-text.ts';

export function addDiff(program: Command): void {
  const command = program
    .command('diff')
    .description(
      'Compare two versions, files or directories. PATH alone: the version before the latest with now; ' +
        'PATH@VERSION: that one with now; a second argument @VERSION is of the same path',
    )
    .argument('<from>', 'PATH or PATH@VERSION')
    .argument('[to]', 'PATH, PATH@VERSION or @VERSION');
  withCommon(
    command,
    'sessfs diff notes.md\nsessfs diff notes.md@r42 @latest\nsessfs diff src@1h',
  ).action(run);
}

interface Side {
  readonly target: Target;
  readonly node: NodeInfo;
}

async function run(from: string, to: string | undefined, options: CommonOptions): Promise<void> {
  const sides = await findSides(from, to, options);
  const [before, after] = sides;
  if (before.node.kind === 'directory' && after.node.kind === 'directory') {
    await diffTrees(before, after, options);
    return;
  }
  if (before.node.kind === 'directory' || after.node.kind === 'directory') {
    throw new SessfsError('USAGE', 'Cannot compare a directory with a file', {
      hint: `"${before.node.text}" is a ${before.node.kind}, "${after.node.text}" a ${after.node.kind}`,
    });
  }
  const result = await compareContent(await readSide(before), await readSide(after));
  printContentDiff(result, sides, options);
}

async function findSides(
  from: string,
  to: string | undefined,
  options: CommonOptions,
): Promise<readonly [Side, Side]> {
  const first = parseTarget(from, { ...options, withVersion: true });
  const second =
    to === undefined
      ? { ...first, at: undefined }
      : to.startsWith('@')
        ? { ...first, at: to.slice(1) }
        : parseTarget(to, { ...options, withVersion: true });
  const after = { target: second, node: await second.client.node(second.session, second) };
  const needsDefault = to === undefined && first.at === undefined;
  // A directory has no version before the latest: its default is what it was one change ago.
  const at = after.node.kind === 'directory' ? `r${after.node.revision - 1}` : 'previous';
  const old = needsDefault ? { ...first, at } : first;
  return [{ target: old, node: await old.client.node(old.session, old) }, after];
}

async function readSide(
  side: Side,
): Promise<{ name: string; content: () => Promise<Buffer>; node: NodeInfo }> {
  const { target, node } = side;
  return {
    name: `${node.text}${target.at === undefined ? '' : `@${target.at}`}`,
    node,
    content: async () => {
      const { stream } = await target.client.content(target.session, target);
      const parts: Buffer[] = [];
      const source: AsyncIterable<Buffer> = stream;
      for await (const part of source) parts.push(part);
      return Buffer.concat(parts);
    },
  };
}

function printContentDiff(
  result: ContentDiff,
  [before, after]: readonly [Side, Side],
  options: CommonOptions,
): void {
  if (options.json === true) {
    const patch = result.patch?.toString('utf8');
    printJson({ from: before.node, to: after.node, ...result, patch });
  } else if (result.patch !== undefined) {
    process.stdout.write(result.patch);
  } else {
    printLine(result.sentence);
  }
}

async function diffTrees(before: Side, after: Side, options: CommonOptions): Promise<void> {
  const { target } = before;
  if (target.session !== after.target.session) {
    throw new SessfsError('USAGE', 'Cannot compare directories of two sessions', {
      hint: 'Export both, or compare them on their mounts with diff -r',
    });
  }
  const reply = await target.client.compare(target.session, target, after.target);
  if (options.json === true) {
    printJson({ kind: 'directory', isSame: reply.differences.length === 0, ...reply });
    return;
  }
  if (reply.differences.length > 0) printLine(formatTable(reply.differences.map(formatDifference)));
  printLine(summarise(reply.differences, before.node, after.node));
  if (reply.truncated) printLine('There are more: compare directories further down');
}

function summarise(differences: readonly TreeDifference[], from: NodeInfo, to: NodeInfo): string {
  const counts = countDifferences(differences);
  return `${counts === '' ? 'No difference' : counts}, ${betweenMoments(from, to)}`;
}
