/**
 * What a rollback or an undelete did, or would do: removals first, then the rest, then how to undo it.
 */

import type { RollbackReply } from '../control/protocol.ts';
import { formatSize, formatTable, printable } from './text.ts';

const WORDS = { remove: 'remove', restore: 'restore', create: 'create', attributes: 'attributes' };

/** @param verb "Rolled back" or "Undeleted". */
export function formatSteps(
  reply: RollbackReply,
  options: { verb: string; path: string; isDryRun: boolean },
): string {
  const { verb, path, isDryRun } = options;
  if (reply.steps.length === 0) return `Nothing to do: "${printable(path)}" is like that already`;
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
  return lines.join('\n');
}
