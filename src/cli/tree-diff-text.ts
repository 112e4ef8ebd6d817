/**
 * What is different between two moments of a directory, as a person reads it.
 */

import type { NodeInfo, TreeDifference } from '../control/protocol.ts';
import { formatSize, printable } from './text.ts';

const WORDS = {
  added: 'added',
  removed: 'removed',
  content: 'changed',
  attributes: 'attributes',
  type: 'other type',
} as const;

/** One row: what happened, to what, and the sizes. */
export function formatDifference(difference: TreeDifference): string[] {
  const { change, kind, text, sizeBefore, sizeAfter } = difference;
  const name = kind === 'directory' ? `${text}/` : text;
  return [WORDS[change], printable(name), formatSizes(kind, sizeBefore, sizeAfter)];
}

/** "1 added, 2 changed"; empty if nothing is different. */
export function countDifferences(differences: readonly TreeDifference[]): string {
  return Object.entries(WORDS)
    .map(([change, word]) => [differences.filter((d) => d.change === change).length, word] as const)
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');
}

export const betweenMoments = (from: NodeInfo, to: NodeInfo): string =>
  `r${from.revision} to r${to.revision}`;

function formatSizes(kind: string, before: number | undefined, after: number | undefined): string {
  if (kind === 'directory') return '';
  if (before === undefined) return formatSize(after ?? 0);
  if (after === undefined || before === after) return formatSize(before);
  return `${formatSize(before)} to ${formatSize(after)}`;
}
