/**
 * The policy: golden tables of what is kept until when and why.
 */

import { describe, expect, test } from 'vitest';

import { decideLive, isExpired } from '../../src/policy/policy.ts';
import type { FileFacts, LiveFacts, VersionFacts } from '../../src/policy/policy.ts';
import { describeReason } from '../../src/policy/reason-text.ts';
import { DAY, HOUR, decideAtOnce, tierPromise } from './promises.ts';

const at = (iso: string): number => Date.parse(`2026-${iso}Z`);
const show = (ms: number): string =>
  Number.isFinite(ms) ? new Date(ms).toISOString().slice(2, 16) : 'for ever';

const EPHEMERAL = tierPromise('ephemeral');
const STANDARD = tierPromise('standard');
const PERSISTENT = tierPromise('persistent');
const PERMANENT = tierPromise('permanent');

/** Each superseded when the next is cut; the last as `end` says. */
function makeVersions(
  cuts: readonly string[],
  each: Partial<VersionFacts>,
  end?: string,
): VersionFacts[] {
  return cuts.map((cut, index) => {
    const next = cuts[index + 1] ?? end;
    return {
      revision: index + 1,
      cutMs: at(cut),
      supersededMs: next === undefined ? undefined : at(next),
      isProtected: false,
      promises: [STANDARD],
      holds: [],
      checkpoints: [],
      ...each,
    };
  });
}

function live(versions: readonly VersionFacts[], more: Partial<FileFacts> = {}): FileFacts {
  return { isLive: true, renewedMs: undefined, versions, ...more };
}

/** One line a version: when it was cut and superseded, until when it is kept, and each reason. */
function table(file: FileFacts): string[] {
  return decideAtOnce(file).map((decision, index) => {
    const { cutMs, supersededMs } = file.versions[index] ?? { cutMs: 0, supersededMs: 0 };
    const reasons = decision.reasons.map((reason) =>
      'untilMs' in reason
        ? `${describeReason(reason)} (${show(reason.untilMs)})`
        : describeReason(reason),
    );
    const superseded = supersededMs === undefined ? 'live' : show(supersededMs);
    return `r${decision.revision} ${show(cutMs)} → ${superseded} | ${show(decision.keptUntilMs)} | ${reasons.join('; ')}`;
  });
}

/** Two in the first hour, another that day, two on the next day, of which the last is live. */
const WEEK = ['03-02T09:10', '03-02T09:50', '03-02T15:00', '03-03T08:00', '03-03T08:30'];

describe('decideVersions', () => {
  test('thins a standard file to hours and days', () => {
    expect(table(live(makeVersions(WEEK, { promises: [STANDARD] })))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | 26-03-03T09:50 | tier standard keeps 1d (26-03-03T09:50)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | 26-03-09T15:00 | hourly version of tier standard (26-03-09T15:00)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | 26-04-02T08:00 | daily version of tier standard (26-04-02T08:00)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | 26-03-04T08:30 | tier standard keeps 1d (26-03-04T08:30)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('keeps nothing that an ephemeral file does not hold', () => {
    expect(table(live(makeVersions(WEEK, { promises: [EPHEMERAL] })))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | 26-03-02T09:50 | tier ephemeral keeps no superseded version (26-03-02T09:50)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | 26-03-02T15:00 | tier ephemeral keeps no superseded version (26-03-02T15:00)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | 26-03-03T08:00 | tier ephemeral keeps no superseded version (26-03-03T08:00)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | 26-03-03T08:30 | tier ephemeral keeps no superseded version (26-03-03T08:30)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('keeps more of a persistent file', () => {
    expect(table(live(makeVersions(WEEK, { promises: [PERSISTENT] })))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | 26-03-09T09:50 | tier persistent keeps 7d (26-03-09T09:50)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | 26-04-01T15:00 | hourly version of tier persistent (26-04-01T15:00)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | 27-03-03T08:00 | daily version of tier persistent (27-03-03T08:00)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | 26-03-10T08:30 | tier persistent keeps 7d (26-03-10T08:30)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('keeps all of a permanent file', () => {
    expect(table(live(makeVersions(WEEK, { promises: [PERMANENT] })))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | for ever | tier permanent keeps forever (for ever)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | for ever | tier permanent keeps forever (for ever)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | for ever | tier permanent keeps forever (for ever)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | for ever | tier permanent keeps forever (for ever)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('starts the clock when a version is superseded, not when it was made', () => {
    expect(table(live(makeVersions(['01-01T00:00', '06-01T00:00'], {})))).toMatchInlineSnapshot(`
      [
        "r1 26-01-01T00:00 → 26-06-01T00:00 | 26-07-01T00:00 | daily version of tier standard (26-07-01T00:00)",
        "r2 26-06-01T00:00 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('starts the clock again when the file is renewed', () => {
    const versions = makeVersions(WEEK, {});
    expect(table(live(versions, { renewedMs: at('03-02T12:00') }))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | 26-03-03T12:00 | tier standard keeps 1d (26-03-03T12:00)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | 26-03-09T15:00 | hourly version of tier standard (26-03-09T15:00)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | 26-04-02T08:00 | daily version of tier standard (26-04-02T08:00)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | 26-03-04T08:30 | tier standard keeps 1d (26-03-04T08:30)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('does not thin the state before a deletion, and keeps no minimum of what is gone', () => {
    const versions = makeVersions(['03-02T09:10', '03-02T09:20', '03-02T09:30'], {}, '03-02T09:40');
    const removed = versions.map((version) => ({
      ...version,
      isProtected: version.revision === 2,
    }));
    expect(table({ isLive: false, renewedMs: undefined, versions: removed }))
      .toMatchInlineSnapshot(`
        [
          "r1 26-03-02T09:10 → 26-03-02T09:20 | 26-03-03T09:20 | tier standard keeps 1d (26-03-03T09:20)",
          "r2 26-03-02T09:20 → 26-03-02T09:30 | 26-04-01T09:30 | state before a deletion, replacement or rollback: tier standard keeps 30d (26-04-01T09:30)",
          "r3 26-03-02T09:30 → 26-03-02T09:40 | 26-04-01T09:40 | daily version of tier standard (26-04-01T09:40)",
        ]
      `);
  });

  test('keeps what is held or in a checkpoint, and says what comes after', () => {
    const [first, second, ...rest] = makeVersions(WEEK, {});
    const held = { holds: [{ name: 'audit', reason: 'needed for review' }] };
    const versions = [{ ...first, ...held }, { ...second, checkpoints: ['v1'] }, ...rest];
    expect(table(live(versions as VersionFacts[])).slice(0, 2)).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | for ever | hold "audit": needed for review; tier standard keeps 1d (26-03-03T09:50)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | for ever | checkpoint "v1"; hourly version of tier standard (26-03-09T15:00)",
      ]
    `);
  });

  test('keeps the newest version of a live file whose content has gone on since', () => {
    const versions = makeVersions(
      ['03-02T09:10', '03-02T09:20'],
      { promises: [EPHEMERAL] },
      '03-02T09:30',
    );
    expect(table(live(versions))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:20 | 26-03-02T09:20 | tier ephemeral keeps no superseded version (26-03-02T09:20)",
        "r2 26-03-02T09:20 → 26-03-02T09:30 | for ever | newest version of a live file; tier ephemeral keeps no superseded version (26-03-02T09:30)",
      ]
    `);
  });

  test('keeps the newest few of a live file', () => {
    const promises = [tierPromise('ephemeral', { minVersions: 3 })];
    expect(table(live(makeVersions(WEEK, { promises })))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | 26-03-02T09:50 | tier ephemeral keeps no superseded version (26-03-02T09:50)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | 26-03-02T15:00 | tier ephemeral keeps no superseded version (26-03-02T15:00)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | for ever | one of the newest 3 versions; tier ephemeral keeps no superseded version (26-03-03T08:00)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | for ever | one of the newest 3 versions; tier ephemeral keeps no superseded version (26-03-03T08:30)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('counts the newest version among the newest few, whatever was promised for it', () => {
    const promise = tierPromise('ephemeral', { minVersions: 2 });
    const versions = makeVersions(WEEK, {}).map((version) => ({
      ...version,
      promises: version.revision < 4 ? [EPHEMERAL, promise] : [EPHEMERAL],
    }));
    const kinds = decideAtOnce(live(versions)).map((decision) => decision.reasons[0]?.kind);
    expect(kinds).toEqual(['all', 'all', 'newest', 'all', 'live']);
  });

  test('extends by an upgrade, and does not shorten by a downgrade', () => {
    const [first, second, third, fourth, last] = makeVersions(WEEK, {});
    // Standard, from 09:30 on persistent, from 12:00 on ephemeral.
    const versions = [
      { ...first, promises: [STANDARD, PERSISTENT, EPHEMERAL] },
      { ...second, promises: [PERSISTENT, EPHEMERAL] },
      { ...third, promises: [EPHEMERAL] },
      { ...fourth, promises: [EPHEMERAL] },
      { ...last, promises: [EPHEMERAL] },
    ];
    expect(table(live(versions as VersionFacts[]))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:10 → 26-03-02T09:50 | 26-04-01T09:50 | daily version of tier standard (26-04-01T09:50); tier persistent keeps 7d (26-03-09T09:50); tier ephemeral keeps no superseded version (26-03-02T09:50)",
        "r2 26-03-02T09:50 → 26-03-02T15:00 | 27-03-02T15:00 | daily version of tier persistent (27-03-02T15:00); tier ephemeral keeps no superseded version (26-03-02T15:00)",
        "r3 26-03-02T15:00 → 26-03-03T08:00 | 26-03-03T08:00 | tier ephemeral keeps no superseded version (26-03-03T08:00)",
        "r4 26-03-03T08:00 → 26-03-03T08:30 | 26-03-03T08:30 | tier ephemeral keeps no superseded version (26-03-03T08:30)",
        "r5 26-03-03T08:30 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('counts hours and days in UTC, of any year', () => {
    const cuts = ['03-02T23:59:59.999', '03-03T00:00:00.000', '03-03T00:59:59.999'];
    expect(table(live(makeVersions(cuts, {}, '03-03T02:00')))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T23:59 → 26-03-03T00:00 | 26-04-02T00:00 | daily version of tier standard (26-04-02T00:00)",
        "r2 26-03-03T00:00 → 26-03-03T00:59 | 26-03-04T00:59 | tier standard keeps 1d (26-03-04T00:59)",
        "r3 26-03-03T00:59 → 26-03-03T02:00 | for ever | newest version of a live file; daily version of tier standard (26-04-02T02:00)",
      ]
    `);
    const old = { ...makeVersions(['03-02T09:10'], {}, '03-02T09:20')[0], cutMs: -1 };
    const epoch = { ...old, revision: 2, cutMs: 0 };
    const kinds = decideAtOnce(live([old, epoch] as VersionFacts[], { isLive: false }));
    expect(kinds.map((decision) => decision.reasons[0]?.kind)).toEqual(['daily', 'daily']);
  });

  test('names the rule', () => {
    const ladder = { ...STANDARD.ladder, all: 2 * HOUR, hourly: 0, daily: DAY };
    const promises = [{ ...STANDARD, rule: 'node_modules/**', ladder }];
    expect(table(live(makeVersions(WEEK.slice(1, 4), { promises })))).toMatchInlineSnapshot(`
      [
        "r1 26-03-02T09:50 → 26-03-02T15:00 | 26-03-02T17:00 | rule node_modules/** keeps 2h (26-03-02T17:00)",
        "r2 26-03-02T15:00 → 26-03-03T08:00 | 26-03-04T08:00 | daily version of rule node_modules/** (26-03-04T08:00)",
        "r3 26-03-03T08:00 → live | for ever | what the file holds now; newest version of a live file",
      ]
    `);
  });

  test('takes equal promises for one, also when one is listed twice', () => {
    const versions = makeVersions(WEEK, {}).map((version) => ({
      ...version,
      promises: [tierPromise('standard'), tierPromise('standard')],
    }));
    expect(table(live(versions))).toEqual(table(live(makeVersions(WEEK, {}))));
  });

  test('has nothing to decide about a file without versions', () => {
    expect(decideAtOnce(live([]))).toEqual([]);
  });
});

describe('isExpired', () => {
  test('adds the grace, and is never true of what is for ever', () => {
    expect(isExpired({ keptUntilMs: 100 }, 109, 10)).toBe(false);
    expect(isExpired({ keptUntilMs: 100 }, 110, 10)).toBe(true);
    expect(isExpired({ keptUntilMs: Infinity }, Number.MAX_SAFE_INTEGER, 0)).toBe(false);
  });
});

describe('decideLive', () => {
  const facts: LiveFacts = {
    promises: [STANDARD],
    lastWriteMs: at('03-02T09:00'),
    sessionEndedMs: at('03-03T09:00'),
    renewedMs: undefined,
    holds: [],
  };
  const line = (more: Partial<LiveFacts>): string => {
    const { keptUntilMs, reasons } = decideLive({ ...facts, ...more });
    return `${show(keptUntilMs)} | ${reasons.map(describeReason).join('; ')}`;
  };

  test.each<[string, Partial<LiveFacts>, string]>([
    ['an active session', { sessionEndedMs: undefined }, 'for ever | the session is active'],
    ['an ended one', {}, '26-04-02T09:00 | tier standard keeps files 30d'],
    [
      'a write after the end',
      { lastWriteMs: at('03-04T00:00') },
      '26-04-03T00:00 | tier standard keeps files 30d',
    ],
    [
      'a renewal',
      { renewedMs: at('03-10T00:00') },
      '26-04-09T00:00 | tier standard keeps files 30d',
    ],
    [
      'an ephemeral file',
      { promises: [EPHEMERAL] },
      '26-03-03T09:00 | tier ephemeral keeps files until the session ends',
    ],
    [
      'a permanent file',
      { promises: [PERMANENT] },
      'for ever | tier permanent keeps files forever',
    ],
    [
      'a downgrade',
      { promises: [STANDARD, EPHEMERAL] },
      '26-04-02T09:00 | tier standard keeps files 30d; tier ephemeral keeps files until the session ends',
    ],
    [
      'a hold',
      { holds: [{ name: 'audit', reason: 'needed for review' }] },
      'for ever | hold "audit": needed for review; tier standard keeps files 30d',
    ],
  ])('knows %s', (_, more, expected) => {
    expect(line(more)).toBe(expected);
  });
});
