/**
 * What a sweep removes, or would remove, as a person reads it.
 */

import type { SweepReply } from '../control/promise-protocol.ts';
import { count, formatSize, formatTable, formatTime, printable } from './text.ts';

/** More than fits a few screens is in the JSON. */
const SHOWN = 200;

type SweptFile = SweepReply['files'][number];

/** @param title What a person calls the session: name or id. */
export function formatSweep(reply: SweepReply, title: string, asked: { apply: boolean }): string {
  const { applied, files, nextDue, refusal, clean } = reply;
  const lines = [`Session ${title}: ${describeOutcome(reply, asked.apply)}`];
  if (files.length > 0) {
    const rows = files.slice(0, SHOWN).map(formatFile);
    lines.push(formatTable([['PATH', 'WHAT', 'BYTES', 'KEPT UNTIL', 'REASON'], ...rows]));
    const left = files.length - rows.length;
    if (left > 0 || reply.truncated) {
      lines.push(`There are more${left > 0 ? `, ${left} of them with --json` : ''}`);
    }
  }
  if (removesAnything(reply)) lines.push(formatTotals(reply, applied));
  if (clean !== undefined && clean.packedSegments > 0) {
    const sizes = `${formatSize(clean.storedBytesBefore)} to ${formatSize(clean.storedBytesAfter)}`;
    lines.push(`Packed ${count(clean.packedSegments, 'segment')}: ${sizes} on disk`);
  }
  if (nextDue !== null) lines.push(`Next due: ${formatTime(nextDue)}`);
  if (!asked.apply && refusal !== undefined) {
    lines.push(
      `A sweep would be refused: ${refusal}`,
      `If this is meant: sessfs sweep ${title} --apply --confirm`,
    );
  } else if (!asked.apply && removesAnything(reply)) {
    lines.push(`To do it now: sessfs sweep ${title} --apply`);
  }
  return lines.join('\n');
}

const removesAnything = ({ versions, liveFiles, inodes }: SweepReply): boolean =>
  versions + liveFiles + inodes > 0;

function describeOutcome(reply: SweepReply, isApplied: boolean): string {
  if (isApplied && !reply.applied) return 'refused, nothing was removed';
  if (!removesAnything(reply)) return 'nothing is due';
  return isApplied ? 'swept' : 'dry run, nothing was removed';
}

function formatFile(file: SweptFile): string[] {
  return [
    printable(file.text),
    describeWhat(file),
    formatSize(file.bytes),
    file.keptUntil === null ? '-' : formatTime(file.keptUntil),
    printable(file.reason),
  ];
}

function describeWhat({ what, versions }: SweptFile): string {
  if (what === 'live') return 'the live file';
  const first = versions[0];
  const last = versions.at(-1);
  const range =
    first === undefined || last === undefined
      ? ''
      : first === last
        ? ` (r${first.revision})`
        : ` (r${first.revision} to r${last.revision})`;
  const which = `${count(versions.length, 'version')}${range}`;
  return what === 'forgotten' ? `${which}, nothing is left` : which;
}

function formatTotals(
  { versions, liveFiles, bytes, earliest }: SweepReply,
  isDone: boolean,
): string {
  const what = [
    ...(liveFiles > 0 ? [count(liveFiles, 'live file')] : []),
    count(versions, 'version'),
  ].join(' and ');
  const seen = isDone ? 'can be seen' : 'could be seen';
  return `${isDone ? 'Removed' : 'Would remove'} ${what}, ${formatSize(bytes)}; whole moments ${seen} from r${earliest} on`;
}
