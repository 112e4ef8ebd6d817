/**
 * The policy as a document: what it means, what is refused where and why, and what is recorded of it.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { DEFAULT_RULES } from '../../src/policy/default-rules.ts';
import { formatDuration } from '../../src/policy/duration.ts';
import { findJsonPlace } from '../../src/policy/json-place.ts';
import { PolicyProblem } from '../../src/policy/policy-fields.ts';
import {
  DEFAULT_POLICY,
  decodePolicy,
  encodePolicy,
  parseRetention,
  policyFor,
} from '../../src/policy/retention-policy.ts';
import { TIERS } from '../../src/policy/tier.ts';
import { DAY, HOUR, durations } from './promises.ts';

const NO_HISTORY = { all: 0, hourly: 0, daily: 0, minVersions: 0 };

function problemOf(value: unknown): PolicyProblem {
  try {
    parseRetention(value);
  } catch (error) {
    if (error instanceof PolicyProblem) return error;
    throw error;
  }
  throw new Error('It was accepted');
}

describe('parseRetention', () => {
  test('has a default for everything', () => {
    expect(parseRetention(undefined)).toEqual({ ...DEFAULT_POLICY, sessions: {} });
    expect(parseRetention({})).toEqual({ ...DEFAULT_POLICY, sessions: {} });
  });

  test('reads tiers field by field', () => {
    const { ladders } = parseRetention({
      tiers: { standard: { hourly: '14d', minVersions: 5 }, ephemeral: { live: '1h' } },
    });
    const { standard, ephemeral, ...others } = DEFAULT_POLICY.ladders;
    expect(ladders).toEqual({
      ...others,
      standard: { ...standard, hourly: 14 * DAY, minVersions: 5 },
      ephemeral: { ...ephemeral, live: HOUR },
    });
  });

  test('reads rules, and puts them in front of the built-in ones', () => {
    const { rules } = parseRetention({
      rules: [
        { match: 'a/**', history: '24h' },
        { match: ['b', 'c'], history: 'none' },
        { match: 'd', history: { all: 'forever', minVersions: 3 } },
        { match: 'e', tier: 'permanent' },
        { match: 'f', tier: 'persistent', history: { daily: '2y' } },
      ],
    });
    const base = { tier: undefined, makesVersions: true };
    expect(rules).toEqual([
      { ...base, match: ['a/**'], ladder: { ...NO_HISTORY, all: DAY } },
      { ...base, match: ['b', 'c'], ladder: NO_HISTORY, makesVersions: false },
      { ...base, match: ['d'], ladder: { all: Infinity, minVersions: 3 } },
      { ...base, match: ['e'], tier: 'permanent', ladder: undefined },
      { ...base, match: ['f'], tier: 'persistent', ladder: { daily: 730 * DAY } },
      ...DEFAULT_RULES,
    ]);
  });

  test('reads the rest', () => {
    expect(
      parseRetention({
        defaultRules: false,
        grace: 'none',
        maxRemovedShare: 1,
        packAfter: 'forever',
        sweepEvery: '5m',
        quota: { live: '10GB', history: 5000, inodes: 100, versions: 'none' },
      }),
    ).toEqual({
      ladders: DEFAULT_POLICY.ladders,
      rules: [],
      graceMs: 0,
      maxRemovedShare: 1,
      packAfterMs: Infinity,
      sweepEveryMs: 300_000,
      quota: { liveBytes: 10e9, historyBytes: 5000, inodes: 100, versions: Infinity },
      sessions: {},
    });
  });

  test.each<[unknown, string, string]>([
    [5, 'retention', 'is 5, want an object'],
    [[], 'retention', 'is [], want an object'],
    [null, 'retention', 'is null, want an object'],
    [
      { tier: {} },
      'retention.tier',
      'is unknown, known are tiers, rules, defaultRules, grace, maxRemovedShare, packAfter, sweepEvery, quota, sessions',
    ],
    [
      { tiers: { strong: {} } },
      'retention.tiers.strong',
      'is unknown, known are ephemeral, standard, persistent, permanent',
    ],
    [{ tiers: { standard: '24h' } }, 'retention.tiers.standard', 'is "24h", want an object'],
    [
      { tiers: { standard: { weekly: '1y' } } },
      'retention.tiers.standard.weekly',
      'is unknown, known are all, hourly, daily, live, minVersions',
    ],
    [
      { tiers: { standard: { all: 24 } } },
      'retention.tiers.standard.all',
      'is 24, want a duration such as "24h"',
    ],
    [
      { tiers: { standard: { all: '24 h' } } },
      'retention.tiers.standard.all',
      'is "24 h": want for example 90s, 24h, 1d12h, none or forever',
    ],
    [
      { tiers: { standard: { minVersions: -1 } } },
      'retention.tiers.standard.minVersions',
      'is -1, want a whole number from 0 to 1000000',
    ],
    [{ rules: {} }, 'retention.rules', 'is {}, want a list'],
    [
      { rules: [{ match: 'a', tier: 'permanent' }, 5] },
      'retention.rules[1]',
      'is 5, want an object',
    ],
    [
      { rules: [{ match: 'a', keep: '1d' }] },
      'retention.rules[0].keep',
      'is unknown, known are match, history, tier',
    ],
    [
      { rules: [{ history: 'none' }] },
      'retention.rules[0].match',
      'is missing, want a pattern or a list of patterns',
    ],
    [{ rules: [{ match: [] }] }, 'retention.rules[0].match', 'is empty, want at least one pattern'],
    [{ rules: [{ match: ['a', 5] }] }, 'retention.rules[0].match[1]', 'is 5, want a pattern'],
    [{ rules: [{ match: 'a' }] }, 'retention.rules[0]', 'says nothing, want "history" or "tier"'],
    [{ rules: [{ match: '' }] }, 'retention.rules[0].match', 'is "": it is empty'],
    [
      { rules: [{ match: ['a', 'b['] }] },
      'retention.rules[0].match[1]',
      'is "b[": it has "[" without "]"',
    ],
    [{ rules: [{ match: 'a]' }] }, 'retention.rules[0].match', 'is "a]": it has "]" without "["'],
    [{ rules: [{ match: '{a' }] }, 'retention.rules[0].match', 'is "{a": it has "{" without "}"'],
    [{ rules: [{ match: 'a}' }] }, 'retention.rules[0].match', 'is "a}": it has "}" without "{"'],
    [{ rules: [{ match: '(a}' }] }, 'retention.rules[0].match', 'is "(a}": it has "}" without "{"'],
    [{ rules: [{ match: 'a)' }] }, 'retention.rules[0].match', 'is "a)": it has ")" without "("'],
    [
      { rules: [{ match: '/../etc/**' }] },
      'retention.rules[0].match',
      'is "/../etc/**": it has a component "." or "..": a pattern is about a path from the volume\'s root',
    ],
    [
      { rules: [{ match: 'a//b' }] },
      'retention.rules[0].match',
      'is "a//b": it has an empty component',
    ],
    [
      { rules: [{ match: '!keep' }] },
      'retention.rules[0].match',
      'is "!keep": it cannot be negated: put a rule for the exception in front of it',
    ],
    [
      { rules: [{ match: 'a\\' }] },
      'retention.rules[0].match',
      String.raw`is "a\\": it ends in a backslash`,
    ],
    [
      { rules: [{ match: '[ä]' }] },
      'retention.rules[0].match',
      'is "[ä]": it has more than ASCII in brackets, which stand for one byte: use {ä,ö}',
    ],
    [
      { rules: [{ match: 'a\0' }] },
      'retention.rules[0].match',
      String.raw`is "a\u0000": it has a NUL`,
    ],
    [
      { rules: [{ match: 'x'.repeat(2000) }] },
      'retention.rules[0].match',
      `is "${'x'.repeat(56)}...: it is longer than 1024 characters`,
    ],
    [
      { rules: [{ match: 'a', history: 5 }] },
      'retention.rules[0].history',
      'is 5, want a duration such as "24h", "none", or an object',
    ],
    [
      { rules: [{ match: 'a', history: 'some' }] },
      'retention.rules[0].history',
      'is "some": want for example 90s, 24h, 1d12h, none or forever',
    ],
    [
      { rules: [{ match: 'a', history: { live: '1d' } }] },
      'retention.rules[0].history.live',
      'is unknown, known are all, hourly, daily, minVersions',
    ],
    [
      { rules: [{ match: 'a', tier: 'strong' }] },
      'retention.rules[0].tier',
      'is "strong", want one of ephemeral, standard, persistent, permanent',
    ],
    [{ defaultRules: 1 }, 'retention.defaultRules', 'is 1, want true or false'],
    [
      { grace: '1h30' },
      'retention.grace',
      'is "1h30": want for example 90s, 24h, 1d12h, none or forever',
    ],
    [{ sweepEvery: 'none' }, 'retention.sweepEvery', 'is "none", want a duration from 1s to 7d'],
    [
      { sweepEvery: 'forever' },
      'retention.sweepEvery',
      'is "forever", want a duration from 1s to 7d',
    ],
    [
      { maxRemovedShare: 0 },
      'retention.maxRemovedShare',
      'is 0, want a number above 0 and up to 1',
    ],
    [
      { maxRemovedShare: 50 },
      'retention.maxRemovedShare',
      'is 50, want a number above 0 and up to 1',
    ],
    [
      { quota: { bytes: 5 } },
      'retention.quota.bytes',
      'is unknown, known are live, history, inodes, versions',
    ],
    [
      { quota: { live: 1.5 } },
      'retention.quota.live',
      'is 1.5, want a whole number of bytes from 1, a size such as "10GB", or "none"',
    ],
    [
      { quota: { live: '10G' } },
      'retention.quota.live',
      'is "10G": want for example 10GB, 500MiB or none',
    ],
    [
      { quota: { inodes: '5' } },
      'retention.quota.inodes',
      'is "5", want a whole number from 1, or "none"',
    ],
    [{ sessions: [] }, 'retention.sessions', 'is [], want an object'],
    [
      { sessions: { 'my work': { sessions: {} } } },
      'retention.sessions["my work"].sessions',
      'is unknown, known are tiers, rules, defaultRules, grace, maxRemovedShare, packAfter, sweepEvery, quota',
    ],
    [
      { sessions: { a: { rules: [{ match: 'x[', tier: 'permanent' }] } } },
      'retention.sessions.a.rules[0].match',
      'is "x[": it has "[" without "]"',
    ],
  ])('refuses %j at %s: it %s', (value, path, reason) => {
    const problem = problemOf(value);
    expect([problem.path, problem.reason]).toEqual([path, reason]);
    expect(problem.message).toBe(`"${path}" ${reason}`);
  });

  test('names a place that can be found in the text', () => {
    const text = '{\n "retention": {\n  "rules": [\n   {"match": "a", "tier": "x"}]}}';
    const { retention }: { retention: unknown } = JSON.parse(text);
    expect(findJsonPlace(text, problemOf(retention).place)).toEqual({ line: 4, column: 27 });
  });
});

describe('policyFor', () => {
  const document = parseRetention({
    tiers: { standard: { all: '2d' } },
    rules: [{ match: 'store', history: 'none' }],
    grace: '2h',
    quota: { live: '1GB', inodes: 10 },
    sessions: {
      work: {
        tiers: { standard: { hourly: '8d' } },
        rules: [{ match: 'session', tier: 'permanent' }],
        quota: { live: '2GB' },
      },
      s1: { grace: '5h', defaultRules: false },
      // No property of every object.
      constructor: { grace: '9h' },
    },
  });
  const find = (id: string, name: string): ReturnType<typeof policyFor> =>
    policyFor(document, { id, name });

  test("merges a session's settings over the store's", () => {
    const policy = find('s9', 'work');
    expect(policy.ladders.standard).toEqual({
      ...DEFAULT_POLICY.ladders.standard,
      all: 2 * DAY,
      hourly: 8 * DAY,
    });
    expect(policy.rules.map(({ match }) => match[0])).toEqual([
      'session',
      'store',
      ...DEFAULT_RULES.map(({ match }) => match[0]),
    ]);
    expect(policy.graceMs).toBe(2 * HOUR);
    expect(policy.quota).toEqual({ ...DEFAULT_POLICY.quota, liveBytes: 2e9, inodes: 10 });
  });

  test('finds by id before name, and falls back to the store', () => {
    expect(find('s1', 'work').graceMs).toBe(5 * HOUR);
    expect(find('s1', 'work').rules.map(({ match }) => match)).toEqual([['store']]);
    expect(find('s2', 'constructor').graceMs).toBe(9 * HOUR);
    const { sessions: _, ...store } = document;
    expect(find('s2', 'other')).toEqual(store);
    expect(find('toString', '__proto__')).toEqual(store);
  });
});

describe('encodePolicy', () => {
  const text = fc.constantFrom('a/**', '*.log', '/b', 'c/{d,e}', 'ü?');
  const time = durations.map((ms) => formatDuration(ms));
  const optional = { requiredKeys: [] };
  const minVersions = fc.nat({ max: 9 });
  const history = fc.oneof(
    time,
    fc.record({ all: time, hourly: time, daily: time, minVersions }, optional),
  );
  const rule = fc.oneof(
    fc.record({ match: fc.oneof(text, fc.array(text, { minLength: 1 })), history }),
    fc.record({ match: text, history, tier: fc.constantFrom(...TIERS) }),
    fc.record({ match: text, tier: fc.constantFrom(...TIERS) }),
  );
  const ladder = fc.record(
    { all: time, hourly: time, daily: time, live: time, minVersions },
    optional,
  );
  const bytes = fc.oneof(fc.constant('none'), fc.integer({ min: 1 }));
  const documents = fc.record(
    {
      tiers: fc.record({ standard: ladder, permanent: ladder }, optional),
      rules: fc.array(rule, { maxLength: 4 }),
      defaultRules: fc.boolean(),
      grace: time,
      maxRemovedShare: fc.constantFrom(0.1, 0.25, 1),
      packAfter: time,
      sweepEvery: fc.constantFrom('1s', '90m', '7d'),
      quota: fc.record({ live: bytes, history: bytes, inodes: bytes, versions: bytes }, optional),
    },
    optional,
  );

  test('is undone by decodePolicy', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const { sessions: _, ...policy } = parseRetention(document);
        expect(decodePolicy(encodePolicy(policy))).toEqual(policy);
        expect(encodePolicy(decodePolicy(encodePolicy(policy)))).toBe(encodePolicy(policy));
      }),
    );
  });

  test('has one form, which stays what it was', () => {
    expect(
      encodePolicy({ ...DEFAULT_POLICY, rules: DEFAULT_POLICY.rules.slice(0, 1) }),
    ).toMatchInlineSnapshot(
      `"{"tiers":{"ephemeral":{"all":"0","hourly":"0","daily":"0","live":"0","minVersions":0},"standard":{"all":"1d","hourly":"7d","daily":"30d","live":"30d","minVersions":1},"persistent":{"all":"7d","hourly":"30d","daily":"1y","live":"1y","minVersions":1},"permanent":{"all":"forever","hourly":"forever","daily":"forever","live":"forever","minVersions":1}},"defaultRules":false,"rules":[{"match":["*.swp","*.swo","*.swx","4913",".#*","#*#","*.{db,db3,sqlite,sqlite3,sqlitedb}-{journal,shm}",".nfs*"],"history":"none"}],"grace":"1h","maxRemovedShare":0.5,"packAfter":"1h","sweepEvery":"1h","quota":{"live":"none","history":"none","inodes":"none","versions":"none"}}"`,
    );
  });

  test('leaves out the sessions of a document', () => {
    const document = parseRetention({ sessions: { a: { grace: '5h' } } });
    expect(encodePolicy(document)).toBe(encodePolicy(DEFAULT_POLICY));
  });
});

describe('decodePolicy', () => {
  test.each([
    ['', 'Cannot read policy: Unexpected end'],
    ['5', 'Cannot read policy: It is 5, want an object'],
    ['{"grace":"x"}', 'Cannot read policy: "grace" is "x"'],
    ['{"more":1}', 'Cannot read policy: "more" is unknown'],
  ])('refuses %j', (bad, message) => {
    expect(() => decodePolicy(bad)).toThrow(RangeError);
    expect(() => decodePolicy(bad)).toThrow(message);
  });
});
