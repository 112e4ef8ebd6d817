/**
 * The retention policy: what the configuration says about tiers, rules, sweeps and quotas.
 *
 * Rules:
 * - Rules are in order, the first that matches counts: a session's, then the store's, then the built-in ones.
 * - One grammar: what encodePolicy writes is what parseRetention reads. It is kept in the log of each
 *   volume, so what it has read once it must read for ever.
 */

import { DEFAULT_RULES } from './default-rules.ts';
import { formatDuration } from './duration.ts';
import type { JsonPath } from './json-path.ts';
import { findPatternProblem } from './pattern.ts';
import { FieldReader, PolicyProblem, readDuration, show } from './policy-fields.ts';
import type { Placed } from './policy-fields.ts';
import { DEFAULT_LADDERS, LADDER_DURATIONS, MIN_VERSIONS_MAX, ladderToJson } from './promise.ts';
import type { Ladder } from './promise.ts';
import { TIERS, isTier } from './tier.ts';
import type { Tier } from './tier.ts';

/** What a rule says about versions; what it leaves out is the tier's. */
export type HistoryLadder = Partial<Omit<Ladder, 'live'>>;

export interface Rule {
  /** See pattern.ts. Any of them; never empty. */
  readonly match: readonly string[];
  /** undefined: the session's. */
  readonly tier: Tier | undefined;
  readonly ladder: HistoryLadder | undefined;
  /** False: what matches has no history. */
  readonly makesVersions: boolean;
}

/** Limits; Infinity is none. */
export interface Quota {
  readonly liveBytes: number;
  readonly historyBytes: number;
  readonly inodes: number;
  readonly versions: number;
}

export interface RetentionPolicy {
  readonly ladders: Readonly<Record<Tier, Ladder>>;
  /** In order: the first that matches counts. */
  readonly rules: readonly Rule[];
  /** How long what expired stays before it is removed. */
  readonly graceMs: number;
  /** A sweep that would remove more than this share of a volume stops instead. */
  readonly maxRemovedShare: number;
  /** How long content is left alone before it is packed. */
  readonly packAfterMs: number;
  readonly sweepEveryMs: number;
  readonly quota: Quota;
}

/** The policy of a store, and of those sessions that have their own. */
export interface RetentionDocument extends RetentionPolicy {
  /** By name or id: whole policies, merged already. */
  readonly sessions: Readonly<Record<string, RetentionPolicy>>;
}

const HOUR_MS = 3_600_000;

export const DEFAULT_POLICY: RetentionPolicy = {
  ladders: DEFAULT_LADDERS,
  rules: DEFAULT_RULES,
  // Long enough to notice that something is about to go, short beside any tier.
  graceMs: HOUR_MS,
  // More than half of what there is, at once, is more likely a mistake than a policy.
  maxRemovedShare: 0.5,
  packAfterMs: HOUR_MS,
  sweepEveryMs: HOUR_MS,
  quota: { liveBytes: Infinity, historyBytes: Infinity, inodes: Infinity, versions: Infinity },
};

const LADDER_FIELDS = [...LADDER_DURATIONS, 'minVersions'];
const HISTORY_DURATIONS = ['all', 'hourly', 'daily'] as const;
const HISTORY_FIELDS = [...HISTORY_DURATIONS, 'minVersions'];
const RULE_FIELDS = ['match', 'history', 'tier'];
const QUOTA_FIELDS = ['live', 'history', 'inodes', 'versions'];
const POLICY_FIELDS = [
  'tiers',
  'rules',
  'defaultRules',
  'grace',
  'maxRemovedShare',
  'packAfter',
  'sweepEvery',
  'quota',
];
const NO_HISTORY: HistoryLadder = { all: 0, hourly: 0, daily: 0, minVersions: 0 };
/** A timer holds 24.8 days; a store that is swept less than weekly is not swept. */
const SWEEP_LIMITS = { minMs: 1000, maxMs: 7 * 24 * HOUR_MS, range: 'from 1s to 7d' };

/** A policy whose built-in rules are not yet among the others, so that more can go in front of them. */
interface Draft {
  readonly policy: RetentionPolicy;
  readonly hasDefaultRules: boolean;
}

/**
 * Reads the policy as the configuration has it.
 *
 * @param value The value of "retention"; undefined: the defaults.
 * @param place Where that is in the whole document.
 * @throws {PolicyProblem} Naming the place and the reason of the first thing that is wrong.
 */
export function parseRetention(value: unknown, place: JsonPath = ['retention']): RetentionDocument {
  const base: Draft = { policy: { ...DEFAULT_POLICY, rules: [] }, hasDefaultRules: true };
  if (value === undefined) return { ...finish(base), sessions: {} };
  const fields = new FieldReader({ value, place }, [...POLICY_FIELDS, 'sessions']);
  const store = readDraft(fields, base);
  if (!fields.has('sessions')) return { ...finish(store), sessions: {} };
  const sessions = new FieldReader(fields.at('sessions'));
  const entries = sessions.names.map((name) => {
    const own = new FieldReader(sessions.at(name), POLICY_FIELDS);
    return [name, finish(readDraft(own, store))] as const;
  });
  return { ...finish(store), sessions: Object.fromEntries(entries) };
}

/** The policy of one session: its own by id, by name, or else the store's. */
export function policyFor(
  document: RetentionDocument,
  session: { readonly id: string; readonly name: string },
): RetentionPolicy {
  const { sessions, ...store } = document;
  const key = [session.id, session.name].find((each) => Object.hasOwn(sessions, each));
  return (key === undefined ? undefined : sessions[key]) ?? store;
}

/** Canonical JSON, in the words of the configuration, with nothing left to defaults. */
export function encodePolicy(policy: RetentionPolicy): string {
  return JSON.stringify({
    tiers: Object.fromEntries(TIERS.map((tier) => [tier, ladderToJson(policy.ladders[tier])])),
    defaultRules: false,
    rules: policy.rules.map((rule) => ({
      match: rule.match,
      history: rule.makesVersions ? rule.ladder && historyToJson(rule.ladder) : 'none',
      tier: rule.tier,
    })),
    grace: formatDuration(policy.graceMs),
    maxRemovedShare: policy.maxRemovedShare,
    packAfter: formatDuration(policy.packAfterMs),
    sweepEvery: formatDuration(policy.sweepEveryMs),
    quota: {
      live: limitToJson(policy.quota.liveBytes),
      history: limitToJson(policy.quota.historyBytes),
      inodes: limitToJson(policy.quota.inodes),
      versions: limitToJson(policy.quota.versions),
    },
  });
}

/**
 * Reads what encodePolicy wrote.
 *
 * @throws {RangeError} If it is malformed.
 */
export function decodePolicy(text: string): RetentionPolicy {
  try {
    const { sessions: _, ...policy } = parseRetention(JSON.parse(text), []);
    return policy;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RangeError(`Cannot read policy: ${reason}`, { cause });
  }
}

function finish({ policy, hasDefaultRules }: Draft): RetentionPolicy {
  return hasDefaultRules ? { ...policy, rules: [...policy.rules, ...DEFAULT_RULES] } : policy;
}

/** Some settings over those of a base. */
function readDraft(fields: FieldReader, base: Draft): Draft {
  const { policy } = base;
  return {
    hasDefaultRules: fields.boolean('defaultRules', base.hasDefaultRules),
    policy: {
      ladders: readTiers(fields.at('tiers'), policy.ladders),
      rules: [...readRules(fields.at('rules')), ...policy.rules],
      graceMs: fields.duration('grace', policy.graceMs),
      maxRemovedShare: fields.share('maxRemovedShare', policy.maxRemovedShare),
      packAfterMs: fields.duration('packAfter', policy.packAfterMs),
      sweepEveryMs: fields.duration('sweepEvery', policy.sweepEveryMs, SWEEP_LIMITS),
      quota: readQuota(fields.at('quota'), policy.quota),
    },
  };
}

function readTiers(placed: Placed, base: RetentionPolicy['ladders']): RetentionPolicy['ladders'] {
  if (placed.value === undefined) return base;
  const tiers = new FieldReader(placed, TIERS);
  const ladders = { ...base };
  for (const tier of TIERS) {
    if (tiers.has(tier)) ladders[tier] = readLadder(tiers.at(tier), base[tier]);
  }
  return ladders;
}

function readLadder(placed: Placed, base: Ladder): Ladder {
  const fields = new FieldReader(placed, LADDER_FIELDS);
  return {
    all: fields.duration('all', base.all),
    hourly: fields.duration('hourly', base.hourly),
    daily: fields.duration('daily', base.daily),
    live: fields.duration('live', base.live),
    minVersions: fields.count('minVersions', base.minVersions, MIN_VERSIONS_MAX),
  };
}

function readQuota(placed: Placed, base: Quota): Quota {
  if (placed.value === undefined) return base;
  const fields = new FieldReader(placed, QUOTA_FIELDS);
  return {
    liveBytes: fields.bytes('live', base.liveBytes),
    historyBytes: fields.bytes('history', base.historyBytes),
    inodes: fields.limit('inodes', base.inodes),
    versions: fields.limit('versions', base.versions),
  };
}

function readRules({ value, place }: Placed): Rule[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new PolicyProblem(place, `is ${show(value)}, want a list`);
  return value.map((rule: unknown, at) => readRule({ value: rule, place: [...place, at] }));
}

function readRule(placed: Placed): Rule {
  const fields = new FieldReader(placed, RULE_FIELDS);
  const match = readMatch(fields.at('match'));
  const tier = fields.has('tier') ? readTier(fields.at('tier')) : undefined;
  if (!fields.has('history')) {
    if (tier === undefined) {
      throw new PolicyProblem(placed.place, 'says nothing, want "history" or "tier"');
    }
    return { match, tier, ladder: undefined, makesVersions: true };
  }
  const history = fields.at('history');
  const makesVersions = history.value !== 'none';
  return { match, tier, ladder: makesVersions ? readHistory(history) : NO_HISTORY, makesVersions };
}

function readMatch({ value, place }: Placed): string[] {
  const isList = Array.isArray(value);
  const patterns: unknown[] = isList ? value : [value];
  if (patterns.length === 0) throw new PolicyProblem(place, 'is empty, want at least one pattern');
  return patterns.map((pattern, at) => {
    const own = isList ? [...place, at] : place;
    if (typeof pattern !== 'string') {
      const wanted = isList ? 'a pattern' : 'a pattern or a list of patterns';
      throw new PolicyProblem(own, `is ${show(pattern)}, want ${wanted}`);
    }
    const problem = findPatternProblem(pattern);
    if (problem !== undefined) throw new PolicyProblem(own, `is ${show(pattern)}: it ${problem}`);
    return pattern;
  });
}

/** One duration is that of each version, and nothing is thinned; an object says what differs from the tier. */
function readHistory(placed: Placed): HistoryLadder {
  if (typeof placed.value === 'string') return { ...NO_HISTORY, all: readDuration(placed) };
  if (typeof placed.value !== 'object' || placed.value === null || Array.isArray(placed.value)) {
    const wanted = 'a duration such as "24h", "none", or an object';
    throw new PolicyProblem(placed.place, `is ${show(placed.value)}, want ${wanted}`);
  }
  const fields = new FieldReader(placed, HISTORY_FIELDS);
  const ladder: { -readonly [Field in keyof HistoryLadder]: HistoryLadder[Field] } = {};
  for (const name of HISTORY_DURATIONS) {
    if (fields.has(name)) ladder[name] = fields.duration(name, 0);
  }
  if (fields.has('minVersions')) {
    ladder.minVersions = fields.count('minVersions', 0, MIN_VERSIONS_MAX);
  }
  return ladder;
}

function readTier({ value, place }: Placed): Tier {
  if (isTier(value)) return value;
  throw new PolicyProblem(place, `is ${show(value)}, want one of ${TIERS.join(', ')}`);
}

function limitToJson(value: number): number | string {
  return value === Infinity ? 'none' : value;
}

function historyToJson(ladder: HistoryLadder): Record<string, string | number> {
  const fields: Record<string, string | number> = {};
  for (const name of HISTORY_DURATIONS) {
    const ms = ladder[name];
    if (ms !== undefined) fields[name] = formatDuration(ms);
  }
  if (ladder.minVersions !== undefined) fields['minVersions'] = ladder.minVersions;
  return fields;
}
