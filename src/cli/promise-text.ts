/**
 * Tiers, ladders and reasons as a person reads them.
 */

import type {
  KeptInfo,
  LadderInfo,
  PromiseInfo,
  TierReply,
  WhyReply,
} from '../control/promise-protocol.ts';
import { formatDuration } from '../policy/duration.ts';
import { formatLeft, formatSize, formatTable, formatTime, printable } from './text.ts';

/** How long versions stay, from when they are superseded: "every version 1d, the last of each hour 7d". */
export function describeHistory({ makesVersions, ladder }: PromiseInfo): string {
  if (!makesVersions) return 'no versions are made';
  const { all, hourly, daily, minVersions } = ladder;
  const steps = [
    { ms: all, what: 'every version' },
    { ms: hourly, what: 'the last of each hour' },
    { ms: daily, what: 'the last of each day' },
  ];
  const parts: string[] = [];
  let longest = 0;
  for (const { ms, what } of steps) {
    // A step that ends no later than one before it keeps nothing of its own.
    if (spanOf(ms) <= longest) continue;
    longest = spanOf(ms);
    parts.push(`${what} ${describeSpan(ms)}`);
  }
  if (parts.length === 0) parts.push('no version once it is superseded');
  if (minVersions > 1) parts.push(`the newest ${minVersions} whatever their age`);
  return parts.join(', ');
}

/** How long a live file stays. */
export function describeLive({ live }: LadderInfo): string {
  if (live === null) return 'for ever';
  if (live === 0) return 'until the session ends';
  return `${describeSpan(live)} after its last write and the end of the session`;
}

/** What a path was promised, and by what. */
export function formatTier(reply: TierReply): string {
  const { promise, earlier } = reply;
  const rows = [
    ['path', nameOf(reply.text)],
    ['tier', `${promise.tier}, ${describeSource(reply)}`],
    ...(isOfSession(reply) ? [] : [['session', reply.session]]),
    ['versions', describeHistory(promise)],
    ['live file', describeLive(promise.ladder)],
    ...earlier.map((each) => ['earlier', `${describePromise(each)}: ${describeHistory(each)}`]),
  ];
  return formatTable(rows);
}

/** The root of a volume is the session. */
export const nameOf = (text: string): string => (text === '.' ? 'the session' : printable(text));

function describeSource({ own, promise }: TierReply): string {
  if (own !== null) return 'chosen for it or a directory that it was made in';
  return promise.rule === null ? 'the one of the session' : `by rule ${printable(promise.rule)}`;
}

const isOfSession = ({ own, promise }: TierReply): boolean => own === null && promise.rule === null;

const describePromise = ({ tier, rule }: PromiseInfo): string =>
  rule === null ? tier : `rule ${printable(rule)}`;

/** For each version, and for what the file holds now, until when it is kept and why. */
export function formatWhy(reply: WhyReply, nowMs: number): string {
  const { live, versions, tier, hints } = reply;
  const promised = tier === undefined ? '' : `: tier ${tier.promise.tier}, ${describeSource(tier)}`;
  const lines = [`${nameOf(reply.text)}${promised}`];
  const rows = versions
    .toReversed()
    .map((version) => [
      `r${version.revision}`,
      formatTime(version.time),
      formatSize(version.size),
      ...describeKept(version, nowMs),
    ]);
  if (live !== undefined) rows.unshift(['live', '', '', ...describeKept(live, nowMs)]);
  if (rows.length === 0) lines.push('It has no versions');
  else lines.push(formatTable([['VERSION', 'TIME', 'SIZE', 'KEPT UNTIL', 'WHY'], ...rows]));
  return [...lines, ...hints.map(printable)].join('\n');
}

function describeKept({ keptUntil, reasons }: KeptInfo, nowMs: number): [string, string] {
  const until =
    keptUntil === null ? 'for ever' : `${formatTime(keptUntil)} (${formatLeft(keptUntil, nowMs)})`;
  return [until, reasons.length === 0 ? 'nothing keeps it' : reasons.map(printable).join('; ')];
}

const spanOf = (ms: number | null): number => ms ?? Infinity;

const describeSpan = (ms: number | null): string => (ms === null ? 'for ever' : formatDuration(ms));
