/**
 * What a rollback or an undelete did, or would do: removals first, then the rest, then how to undo it.
 */

import type { RollbackReply } from '../control/protocol.ts';
import { formatSize, formatTable, printable } from './text.ts';

/** All of them are in the JSON. */
const LEFT_OUT_NAMED = 5;
const WORDS = { remove: 'remove', restore: 'restore', create: 'create', attributes: 'attributes' };

/** @param verb "Rolled back" or "Undeleted". */
export function formatSteps(
  reply: RollbackReply,
  options: { verb: string; path: string; isDryRun: boolean },
): string {
  const { verb, path, isDryRun } = options;
  const leftOut = describeLeftOut(reply.leftOut);
  if (reply.steps.length === 0) {
    return [`Nothing to do: "${printable(path)}" is like that already`, ...leftOut].join('\n');
  }
  const lines = [
    formatTable(
      reply.steps.map((step) => [
        WORDS[step.action],
        printable(step.kind === 'directory' ? `${step.text}/` : step.text),
        step.kind === 'file' ? formatSize(step.bytes) : '',
      ]),
    ),
  ];
  const target = reply.to === undefined ? '' : ` to r${reply.to}`;
  if (isDryRun || reply.revision === undefined) {
    lines.push(`Dry run: ${reply.steps.length} steps, nothing was changed`);
  } else {
    lines.push(`${verb} "${printable(path)}"${target} as r${reply.revision}`);
  }
  return [...lines, ...leftOut].join('\n');
}

function describeLeftOut(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const named = paths.slice(0, LEFT_OUT_NAMED).map(printable).join(', ');
  const more = paths.length > LEFT_OUT_NAMED ? `, and ${paths.length - LEFT_OUT_NAMED} more` : '';
  return [`Left out, retention has removed their content: ${named}${more}`];
}
