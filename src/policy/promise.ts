/**
 * What a file was promised: how long which of its versions stay, and the form in which that is recorded.
 *
 * Rule: a promise is written down whole, not as the name of a tier, so that a later change of the
 * configuration does not change what was promised before it.
 */

import { formatDuration, parseDuration } from './duration.ts';
import { isTier } from './tier.ts';
import type { Tier } from './tier.ts';

/**
 * How long what is kept, in milliseconds; Infinity is for ever.
 *
 * `all`, `hourly` and `daily` count from when a version is superseded.
 */
export interface Ladder {
  /** Each version. */
  readonly all: number;
  /** The last version of each hour (UTC). */
  readonly hourly: number;
  /** The last version of each day (UTC). */
  readonly daily: number;
  /** The live file, from the later of its last write and the session's end. */
  readonly live: number;
  /** So many of the newest versions of a live file stay whatever their age. */
  readonly minVersions: number;
}

/** What a file was promised: a tier's ladder, or a rule's. */
export interface PromiseDefinition {
  readonly tier: Tier;
  /** The pattern of the rule it comes from; undefined: from the tier alone. */
  readonly rule: string | undefined;
  /** False: the file has no history; its versions are not made. */
  readonly makesVersions: boolean;
  readonly ladder: Ladder;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** DESIGN section 9: the table of tiers. */
export const DEFAULT_LADDERS: Readonly<Record<Tier, Ladder>> = {
  ephemeral: { all: 0, hourly: 0, daily: 0, live: 0, minVersions: 0 },
  standard: {
    all: DAY_MS,
    hourly: 7 * DAY_MS,
    daily: 30 * DAY_MS,
    live: 30 * DAY_MS,
    minVersions: 1,
  },
  persistent: {
    all: 7 * DAY_MS,
    hourly: 30 * DAY_MS,
    daily: 365 * DAY_MS,
    live: 365 * DAY_MS,
    minVersions: 1,
  },
  permanent: {
    all: Infinity,
    hourly: Infinity,
    daily: Infinity,
    live: Infinity,
    minVersions: 1,
  },
};

export const LADDER_DURATIONS = ['all', 'hourly', 'daily', 'live'] as const;
const LADDER_FIELDS = new Set<string>([...LADDER_DURATIONS, 'minVersions']);
const PROMISE_FIELDS = new Set(['tier', 'rule', 'makesVersions', 'ladder']);

/** More would be no minimum any more; bounds what a slip of the keyboard keeps. */
export const MIN_VERSIONS_MAX = 1_000_000;

/** How long the ladder keeps anything at all of what was superseded. */
export function endOf(ladder: Ladder): number {
  return Math.max(ladder.all, ladder.hourly, ladder.daily);
}

/** A ladder as JSON has it: durations as text. */
export function ladderToJson(ladder: Ladder): Record<string, string | number> {
  return {
    all: formatDuration(ladder.all),
    hourly: formatDuration(ladder.hourly),
    daily: formatDuration(ladder.daily),
    live: formatDuration(ladder.live),
    minVersions: ladder.minVersions,
  };
}

/** Canonical JSON: equal promises have equal texts, and only they. */
export function encodePromise(definition: PromiseDefinition): string {
  return JSON.stringify({
    tier: definition.tier,
    // Left out if undefined.
    rule: definition.rule,
    makesVersions: definition.makesVersions,
    ladder: ladderToJson(definition.ladder),
  });
}

const keys = new WeakMap<PromiseDefinition, string>();

/** The same text, remembered for each object: a sweep asks for it once for each version. */
export function promiseKey(definition: PromiseDefinition): string {
  let key = keys.get(definition);
  if (key === undefined) {
    key = encodePromise(definition);
    keys.set(definition, key);
  }
  return key;
}

/**
 * Reads what encodePromise wrote.
 *
 * @throws {RangeError} If it is anything else: half a promise is none that could be kept.
 */
export function decodePromise(text: string): PromiseDefinition {
  const fields = readFields(parseJson(text), PROMISE_FIELDS);
  const { tier, rule, makesVersions } = fields;
  if (!isTier(tier)) throw malformed('tier', tier);
  if (rule !== undefined && typeof rule !== 'string') throw malformed('rule', rule);
  if (typeof makesVersions !== 'boolean') throw malformed('makesVersions', makesVersions);
  return { tier, rule, makesVersions, ladder: readLadder(fields['ladder']) };
}

function readLadder(value: unknown): Ladder {
  const fields = readFields(value, LADDER_FIELDS);
  const { minVersions } = fields;
  if (!Number.isSafeInteger(minVersions) || Number(minVersions) < 0) {
    throw malformed('minVersions', minVersions);
  }
  return {
    all: readDuration(fields, 'all'),
    hourly: readDuration(fields, 'hourly'),
    daily: readDuration(fields, 'daily'),
    live: readDuration(fields, 'live'),
    minVersions: Number(minVersions),
  };
}

function readDuration(fields: Readonly<Record<string, unknown>>, name: string): number {
  const text = fields[name];
  if (typeof text !== 'string') throw malformed(name, text);
  try {
    return parseDuration(text);
  } catch (error) {
    throw malformed(name, text, error);
  }
}

function readFields(value: unknown, known: ReadonlySet<string>): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('an object', value);
  }
  const fields = { ...value };
  for (const [name, field] of Object.entries(fields)) {
    if (!known.has(name)) throw malformed(name, field);
  }
  return fields;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed('JSON', text, error);
  }
}

function malformed(what: string, seen: unknown, cause?: unknown): RangeError {
  return new RangeError(`Cannot read promise: ${what} is ${JSON.stringify(seen)}`, { cause });
}
