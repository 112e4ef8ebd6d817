/**
 * How a person names a moment of a volume: a revision, a time, some time ago, or a checkpoint.
 *
 * Rules:
 * - Times are UTC unless the text carries an offset. A time is exact: "10:15Z" is 10:15:00.000, and
 *   means the last revision not after it.
 * - A day's word without a time of day ("yesterday", "monday") is that day at the present time of day,
 *   as in date(1) and git; "today" and a bare date are the day's first instant.
 * - What looks like a time and is none ("2026-13-01", "yesterday 25:00") is undefined, never a name.
 */

import type { Revision } from '../shared/brands.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import type { History, HistoryStatus } from './store.ts';

export type MomentSpec =
  | { readonly kind: 'revision'; readonly revision: Revision }
  /** `isFixed`: the text names the same instant whenever it is read; "10m" does not. */
  | { readonly kind: 'time'; readonly time: Time; readonly isFixed: boolean }
  /** A checkpoint's name, perhaps. */
  | { readonly kind: 'name'; readonly name: string };

/** A moment that was found. `isFixed`: the same spec will always find this revision. */
export interface Moment {
  readonly revision: Revision;
  readonly isFixed: boolean;
}

export interface MomentSource {
  readonly history: Pick<History, 'status' | 'findRevision'>;
  readonly findCheckpoint?: ((name: string) => Revision | undefined) | undefined;
}

/** Longer than any: patterns that look for blanks take the square of their number. */
const SPEC_MAX_CHARS = 512;

const REVISION = /^r?(\d{1,15})$/;
const OFFSET = String.raw`(?:\s*(Z|[+-]\d{2}(?::?\d{2})?))?`;
const CLOCK = String.raw`(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,18}))?)?`;
const ISO = new RegExp(String.raw`^(\d{4})-(\d{2})-(\d{2})(?:[T ]${CLOCK}${OFFSET})?$`, 'i');
const COMPACT = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(?:(\d{2}))?Z?$/i;
const TIME_OF_DAY = new RegExp(`^${CLOCK}${OFFSET}$`, 'i');
const DAY_WORD = new RegExp(
  String.raw`^(today|yesterday|(?:sun|mon|tues|wednes|thurs|fri|satur)day)(?:[T ]\s*(.+))?$`,
  'i',
);
/** What can only have been meant as a date or a day's word, so that a slip is not taken for a name. */
const LOOKS_LIKE_TIME =
  /^\d{4}-\d|^\d+:\d|^\d{8}T|^(?:now|today|yesterday|(?:sun|mon|tues|wednes|thurs|fri|satur)day)\b[\sT]/i;
const AGO_PART =
  /(\d{1,9})\s*(weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])\s*/giy;

const SECONDS_BY_UNIT: Readonly<Record<string, number>> = {
  w: 604_800,
  d: 86_400,
  h: 3600,
  m: 60,
  s: 1,
};
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const DAY_SEC = 86_400;

/** Hours, minutes and so on of a day, and how far the day's zone is from UTC. */
interface TimeOfDay {
  readonly sec: number;
  readonly nsec: number;
  readonly offsetSec: number;
}

/**
 * Reads a moment as a person writes it.
 *
 * @param text r42, 42; 2026-11-22, 2026-11-22T10:15[:02[.5]][Z|+02:00], 20261122T101502Z; 10m, 2h30m,
 *   "3 days ago"; now, today, yesterday, monday, each day with an optional HH:MM[:SS]; HH:MM (today); a name.
 * @param now What relative times count from.
 * @returns undefined if it is none of these.
 */
export function parseMomentSpec(text: string, now: Time): MomentSpec | undefined {
  if (text.length > SPEC_MAX_CHARS) return undefined;
  const spec = text.trim();
  if (spec === '' || /[\0/]/.test(spec)) return undefined;
  const revision = REVISION.exec(spec);
  if (revision) return { kind: 'revision', revision: Number(revision[1]) as Revision };
  const fixed = parseDate(spec);
  if (fixed) return { kind: 'time', time: fixed, isFixed: true };
  const relative = parseAgo(spec, now) ?? parseDay(spec, now);
  if (relative) return { kind: 'time', time: relative, isFixed: false };
  return LOOKS_LIKE_TIME.test(spec) ? undefined : { kind: 'name', name: spec };
}

/**
 * Finds the revision that a moment means.
 *
 * @param now The same as was given to parseMomentSpec.
 * @returns undefined if there is no such moment: before what is kept, in the future, no such checkpoint.
 */
export async function findMoment(
  spec: MomentSpec,
  source: MomentSource,
  now: Time,
): Promise<Moment | undefined> {
  const { earliest, earliestTime, latest, latestTime, pinned } = source.history.status();
  const within = (revision: Revision | undefined, isFixed: boolean): Moment | undefined =>
    revision === undefined ||
    revision > latest ||
    (revision < earliest && !pinned.includes(revision))
      ? undefined
      : { revision, isFixed };
  if (spec.kind === 'revision') return within(spec.revision, true);
  if (spec.kind === 'name') return within(source.findCheckpoint?.(spec.name), false);
  // A volume's time never goes back, so it may be ahead of a clock that was set back.
  if (compareTime(spec.time, now) > 0 && compareTime(spec.time, latestTime) > 0) return undefined;
  if (compareTime(spec.time, earliestTime) < 0) return undefined;
  // Until the volume's time has passed the instant, another revision may still come before it.
  const isFixed = spec.isFixed && compareTime(spec.time, latestTime) < 0;
  return within(await source.history.findRevision(spec.time), isFixed);
}

/** True if there was such a moment, and retention has removed it since. */
export function isRemovedMoment(spec: MomentSpec, status: HistoryStatus): boolean {
  const { earliest, earliestTime, bornTime, pinned } = status;
  if (spec.kind === 'revision') {
    return spec.revision >= 1 && spec.revision < earliest && !pinned.includes(spec.revision);
  }
  if (spec.kind === 'name') return false;
  return compareTime(spec.time, bornTime) >= 0 && compareTime(spec.time, earliestTime) < 0;
}

function parseDate(text: string): Time | undefined {
  const iso = ISO.exec(text);
  if (iso) {
    const [, year, month, day, hour, minute, second, fraction, offset] = iso;
    const midnight = daySec(Number(year), Number(month), Number(day));
    if (midnight === undefined) return undefined;
    if (hour === undefined) return { sec: midnight, nsec: 0 };
    return at(midnight, timeOfDay({ hour, minute, second, fraction, offset }));
  }
  const compact = COMPACT.exec(text);
  if (!compact) return undefined;
  const [, year, month, day, hour, minute, second] = compact;
  const midnight = daySec(Number(year), Number(month), Number(day));
  return midnight === undefined ? undefined : at(midnight, timeOfDay({ hour, minute, second }));
}

function parseAgo(text: string, now: Time): Time | undefined {
  const body = text.replace(/\s+ago$/i, '');
  let seconds = 0;
  AGO_PART.lastIndex = 0;
  let end = 0;
  for (let part = AGO_PART.exec(body); part !== null; part = AGO_PART.exec(body)) {
    const unit = (part[2] ?? '').charAt(0).toLowerCase();
    seconds += Number(part[1]) * (SECONDS_BY_UNIT[unit] ?? 0);
    end = AGO_PART.lastIndex;
  }
  if (end === 0 || end !== body.length) return undefined;
  return { sec: now.sec - seconds, nsec: now.nsec };
}

function parseDay(text: string, now: Time): Time | undefined {
  if (text.toLowerCase() === 'now') return now;
  const bare = parseTimeOfDay(text);
  if (bare) return at(midnightOf(now.sec, bare.offsetSec), bare);
  const match = DAY_WORD.exec(text);
  if (!match) return undefined;
  const word = (match[1] ?? '').toLowerCase();
  if (match[2] === undefined) return dayAtThisTime(word, now);
  const clock = parseTimeOfDay(match[2]);
  if (!clock) return undefined;
  const today = midnightOf(now.sec, clock.offsetSec);
  if (word === 'today') return at(today, clock);
  if (word === 'yesterday') return at(today - DAY_SEC, clock);
  const back = (weekday(today) - WEEKDAYS.indexOf(word) + 7) % 7;
  const time = at(today - back * DAY_SEC, clock);
  // On a Monday morning "monday 17:00" is last week's.
  if (time === undefined || compareTime(time, now) <= 0) return time;
  return { sec: time.sec - 7 * DAY_SEC, nsec: time.nsec };
}

function dayAtThisTime(word: string, now: Time): Time {
  const today = midnightOf(now.sec, 0);
  if (word === 'today') return { sec: today, nsec: 0 };
  // A weekday's own name on that day is a week ago, not now.
  const days = word === 'yesterday' ? 1 : (weekday(today) - WEEKDAYS.indexOf(word) + 7) % 7 || 7;
  return { sec: now.sec - days * DAY_SEC, nsec: now.nsec };
}

function parseTimeOfDay(text: string): TimeOfDay | undefined {
  const match = TIME_OF_DAY.exec(text);
  if (!match) return undefined;
  const [, hour, minute, second, fraction, offset] = match;
  return timeOfDay({ hour, minute, second, fraction, offset });
}

function timeOfDay(parts: {
  hour: string | undefined;
  minute: string | undefined;
  second?: string | undefined;
  fraction?: string | undefined;
  offset?: string | undefined;
}): TimeOfDay | undefined {
  const hour = Number(parts.hour);
  const minute = Number(parts.minute);
  const second = Number(parts.second ?? 0);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const offsetSec = parseOffset(parts.offset);
  if (offsetSec === undefined) return undefined;
  const nsec = Number((parts.fraction ?? '').slice(0, 9).padEnd(9, '0'));
  return { sec: hour * 3600 + minute * 60 + second, nsec, offsetSec };
}

function parseOffset(text: string | undefined): number | undefined {
  if (text === undefined || text.toUpperCase() === 'Z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = text.length > 3 ? Number(text.slice(-2)) : 0;
  if (hours > 14 || minutes > 59) return undefined;
  return (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60);
}

function at(midnight: number, clock: TimeOfDay | undefined): Time | undefined {
  if (clock === undefined) return undefined;
  return { sec: midnight + clock.sec - clock.offsetSec, nsec: clock.nsec };
}

/** The first second of a day; undefined if the month has no such day. */
function daySec(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isSame = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isSame ? date.getTime() / 1000 : undefined;
}

/** Midnight of the day that it is at `sec` in a zone, written as if that zone were UTC. */
function midnightOf(sec: number, offsetSec: number): number {
  return Math.floor((sec + offsetSec) / DAY_SEC) * DAY_SEC;
}

/** 0 is Sunday; the epoch was a Thursday. */
function weekday(midnight: number): number {
  return (((midnight / DAY_SEC + 4) % 7) + 7) % 7;
}
