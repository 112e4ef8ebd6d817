/**
 * What fsck found, as a person reads it.
 */

import type { AffectedContent, FsckReport, Problem, RepairResult } from '../fsck/report.ts';
import { formatSize, formatTable, printable } from './text.ts';

/** More than fits a screen is in the JSON. */
const SHOWN = 20;

const STATUS_WORDS = {
  clean: 'clean',
  damaged: 'damaged',
  repaired: 'was damaged, and is repaired',
} as const;

const INDEX_WORDS = {
  kept: 'the index was sound and is kept',
  continued: 'the index was sound and went on with what the log still has',
  rebuilt: 'the index was made anew from the log',
} as const;

export function formatReport(report: FsckReport, name: string): string {
  const { problems, problemCount, known, knownCount, affected, affectedCount } = report;
  const lines = [
    `Session ${name}: ${STATUS_WORDS[report.status]}`,
    `  up to r${report.revision}: ${report.segments} segments (${formatSize(report.logBytes)}), ${report.records} records, ${report.indexEntries} entries in the index, ${report.inodes} inodes, in ${(report.durationMs / 1000).toFixed(1)} s`,
    ...report.notes.map((note) => `  ${note}`),
    ...list('problem', problems.map(problemLine), problemCount),
    ...list('damage that is known', known.map(problemLine), knownCount),
    ...list('content that cannot be read', affectedLines(affected), affectedCount),
  ];
  if (report.repair !== undefined) lines.push(...repairLines(report.repair));
  else if (report.status === 'damaged') {
    lines.push(`Put it right, keeping all that can be read: sessfs fsck ${name} --repair`);
  }
  return lines.map(printable).join('\n');
}

function list(title: string, lines: readonly string[], count: number): string[] {
  if (count === 0) return [];
  const more = count - Math.min(SHOWN, lines.length);
  return [
    `${title[0]?.toUpperCase()}${title.slice(1)}: ${count}`,
    ...lines.slice(0, SHOWN).map((line) => `  ${line}`),
    ...(more > 0 ? [`  … and ${more} more (--json lists the first of them)`] : []),
  ];
}

const problemLine = ({ message }: Problem): string => message;

function affectedLines(affected: readonly AffectedContent[]): string[] {
  if (affected.length === 0) return [];
  const rows = affected.slice(0, SHOWN).map(({ text, ino, offset, length, live, versions }) => {
    const where = [...(live ? ['now'] : []), ...versions.map((revision) => `r${revision}`)];
    const named = text === '' ? `inode ${ino}` : text;
    return [named, `bytes ${offset} to ${offset + length}`, where.join(' ') || 'in no version'];
  });
  return formatTable(rows).split('\n');
}

function repairLines(repair: RepairResult): string[] {
  const { segments, setAside, index, recovered, skipped, skippedCount, reportFile } = repair;
  return [
    `Repaired: ${segments.length} segments; ${INDEX_WORDS[index]}`,
    ...(recovered > 0 ? [`  ${recovered} files and directories are in /lost+found`] : []),
    ...list('change that could not be made again', skipped, skippedCount),
    ...setAside.map((path) => `  put aside: ${path}`),
    ...(reportFile === undefined ? [] : [`  report: ${reportFile}`]),
  ];
}
