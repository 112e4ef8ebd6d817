/**
 * How long, as a person writes it: "90s", "24h", "1d12h", "none", "forever".
 *
 * Rule: formatDuration writes the shortest text, and parseDuration reads the same time from it.
 */

import { SessfsError } from '../shared/errors.ts';

/** Largest first: the order in which a text has them. A year is 365 days, whatever the calendar says. */
const UNITS = [
  { name: 'y', ms: 31_536_000_000 },
  { name: 'w', ms: 604_800_000 },
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'm', ms: 60_000 },
  { name: 's', ms: 1000 },
  { name: 'ms', ms: 1 },
] as const;

/** A thousand years: what is meant to be longer is meant to be for ever. */
const DURATION_MAX_MS = 1000 * 31_536_000_000;

const FOREVER = 'forever';
const NONE = new Set(['none', '0']);
const WHOLE = /^(?:\d+[a-z]+)+$/;
const PART = /(\d+)([a-z]+)/g;

/**
 * Reads a duration.
 *
 * @param text Whole numbers, each with its unit (y, w, d, h, m, s, ms), the largest unit first;
 *   "none" and "0" for no time, "forever" for no end.
 * @returns Milliseconds; Infinity is for ever.
 * @throws {SessfsError} USAGE If it is none of these, or longer than 1000 years.
 */
export function parseDuration(text: string): number {
  if (text === FOREVER) return Infinity;
  if (NONE.has(text)) return 0;
  if (!WHOLE.test(text))
    throw unreadable(text, 'want for example 90s, 24h, 1d12h, none or forever');
  let totalMs = 0;
  let last = -1;
  for (const [, digits, name] of text.matchAll(PART)) {
    const at = UNITS.findIndex((unit) => unit.name === name);
    const unit = UNITS[at];
    if (unit === undefined) {
      const known = UNITS.map((each) => each.name).join(', ');
      throw unreadable(text, `the unit ${JSON.stringify(name)} is unknown, known are ${known}`);
    }
    // Twice the same unit, or a smaller one first, is more likely a slip than a sum.
    if (at <= last) throw unreadable(text, 'want each unit once, the largest first');
    last = at;
    totalMs += Number(digits) * unit.ms;
  }
  if (totalMs > DURATION_MAX_MS) throw unreadable(text, 'want at most 1000y, or forever');
  return totalMs;
}

/**
 * Writes a duration as short as can be; of two as short, the one in smaller units ("7d", not "1w").
 *
 * @param ms Rounded to whole milliseconds; what is negative is none.
 */
export function formatDuration(ms: number): string {
  if (ms === Infinity) return FOREVER;
  const whole = Math.round(ms);
  return whole > 0 ? shortest(whole, 0) : '0';
}

/** The shortest text of a time in the units from `at` on. The last unit divides all: there is one. */
function shortest(ms: number, at: number): string {
  const unit = UNITS[at];
  if (unit === undefined || ms === 0) return '';
  const count = Math.floor(ms / unit.ms);
  const rest = ms - count * unit.ms;
  if (unit.ms === 1) return `${count}${unit.name}`;
  const without = shortest(ms, at + 1);
  if (count === 0) return without;
  const using = `${count}${unit.name}${shortest(rest, at + 1)}`;
  return using.length < without.length ? using : without;
}

function unreadable(text: string, reason: string): SessfsError {
  return new SessfsError('USAGE', `Cannot read duration ${JSON.stringify(text)}: ${reason}`);
}
