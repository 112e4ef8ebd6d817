/**
 * Tiers, reasons, sweeps, removals and quotas as text.
 */

import { describe, expect, test } from 'vitest';

import { formatAudit } from '../../src/cli/audit.ts';
import { parseCount } from '../../src/cli/counts.ts';
import { formatOutcome, splitWords } from '../../src/cli/guard.ts';
import {
  describeHistory,
  describeLive,
  formatTier,
  formatWhy,
} from '../../src/cli/promise-text.ts';
import { formatSweep } from '../../src/cli/sweep-text.ts';
import { count, formatLeft } from '../../src/cli/text.ts';
import { formatUsage } from '../../src/cli/usage.ts';
import type {
  AuditReply,
  LadderInfo,
  PromiseInfo,
  SweepReply,
  TierReply,
  UsageReply,
} from '../../src/control/promise-protocol.ts';
import type { CompareReply, NodeInfo, TreeDifference } from '../../src/control/protocol.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW = '2026-11-22T10:00:00.000000000Z';
const NOW_MS = Date.parse(NOW);

const STANDARD: LadderInfo = {
  all: DAY_MS,
  hourly: 7 * DAY_MS,
  daily: 30 * DAY_MS,
  live: 30 * DAY_MS,
  minVersions: 1,
};
const FOR_EVER: LadderInfo = { all: null, hourly: null, daily: null, live: null, minVersions: 1 };
const ACTOR = { uid: 5, gid: 5, pid: 1, command: 'sessfs sweep', label: undefined };

const promiseOf = (ladder: LadderInfo, more: Partial<PromiseInfo> = {}): PromiseInfo => ({
  tier: 'standard',
  rule: null,
  makesVersions: true,
  ladder,
  ...more,
});

describe('formatLeft', () => {
  test.each([
    ['2026-11-22T09:59:59Z', 'over'],
    ['2026-11-22T10:00:30Z', 'in 30s'],
    ['2026-11-22T10:01:30Z', 'in 90s'],
    ['2026-11-22T11:30:00Z', 'in 90m'],
    ['2026-11-23T22:00:00Z', 'in 36h'],
    ['2026-12-22T10:00:00.000000001Z', 'in 30d'],
    ['2027-11-22T10:00:00Z', 'in 365d'],
    ['2029-11-22T10:00:00Z', 'in 4y'],
  ])('of %s is %s', (iso, text) => {
    expect(formatLeft(iso, NOW_MS)).toBe(text);
  });
});

describe('count', () => {
  test('knows one from many', () => {
    expect([count(0, 'file'), count(1, 'file'), count(2, 'file')]).toEqual([
      '0 files',
      '1 file',
      '2 files',
    ]);
  });
});

describe('parseCount', () => {
  test.each(['0', '-1', '1.5', '1e3', 'many', '', '9007199254740993'])('refuses %j', (text) => {
    expect(() => parseCount(text, 'limit')).toThrow(`Cannot use limit "${text}"`);
  });

  test('reads digits, and nothing of nothing', () => {
    expect([parseCount('20', 'limit'), parseCount(undefined, 'limit')]).toEqual([20, undefined]);
  });
});

describe('describeHistory', () => {
  test.each<[string, PromiseInfo, string]>([
    [
      'a ladder',
      promiseOf(STANDARD),
      'every version 1d, the last of each hour 7d, the last of each day 30d',
    ],
    ['for ever', promiseOf(FOR_EVER), 'every version for ever'],
    [
      'one step',
      promiseOf({ ...STANDARD, hourly: 0, daily: 0, minVersions: 0 }),
      'every version 1d',
    ],
    [
      'nothing',
      promiseOf({ all: 0, hourly: 0, daily: 0, live: 0, minVersions: 0 }),
      'no version once it is superseded',
    ],
    [
      'a minimum',
      promiseOf({ ...STANDARD, hourly: 0, daily: 0, minVersions: 5 }),
      'every version 1d, the newest 5 whatever their age',
    ],
    ['no versions', promiseOf(STANDARD, { makesVersions: false }), 'no versions are made'],
  ])('of %s', (_what, promise, text) => {
    expect(describeHistory(promise)).toBe(text);
  });
});

describe('describeLive', () => {
  test.each([
    [null, 'for ever'],
    [0, 'until the session ends'],
    [DAY_MS, '1d after its last write and the end of the session'],
  ])('of %s is %s', (live, text) => {
    expect(describeLive({ ...STANDARD, live })).toBe(text);
  });
});

describe('formatTier', () => {
  const reply: TierReply = {
    text: 'src/a.c',
    own: null,
    session: 'standard',
    promise: promiseOf(STANDARD),
    earlier: [],
  };

  test('says that the tier is the session’s', () => {
    expect(formatTier(reply)).toMatch(/^tier {7}standard, the one of the session$/m);
  });

  test('names the rule that applies', () => {
    const promise = promiseOf(STANDARD, { rule: 'node_modules/**' });
    expect(formatTier({ ...reply, promise })).toContain('standard, by rule node_modules/**');
  });

  test('tells what was chosen, and what older versions were promised', () => {
    const earlier = [promiseOf(FOR_EVER, { tier: 'permanent' })];
    const text = formatTier({ ...reply, own: 'standard', earlier });
    expect(text).toContain('standard, chosen for it');
    expect(text).toMatch(/^earlier {4}permanent: every version for ever$/m);
  });

  test('lets no control character through', () => {
    expect(formatTier({ ...reply, text: 'a\u001B[31m' })).not.toContain('\u001B');
  });
});

describe('formatWhy', () => {
  test('has a line for the live file and each version, newest first, and what changes it', () => {
    const version = { time: NOW, size: 5, reasons: ['tier standard keeps 1d'], expired: false };
    const text = formatWhy(
      {
        text: 'a.c',
        live: { keptUntil: null, reasons: ['the session is active'], expired: false },
        versions: [
          { ...version, revision: 3, keptUntil: '2026-11-22T09:00:00Z', expired: true },
          { ...version, revision: 7, keptUntil: '2026-11-25T10:00:00Z' },
        ],
        graceMs: HOUR_MS,
        tier: undefined,
        hints: ['sessfs tier set a.c permanent keeps it for ever'],
      },
      NOW_MS,
    );
    expect(text.split('\n').map((line) => line.replaceAll(/ {2,}/g, '  '))).toEqual([
      'a.c',
      'VERSION  TIME  SIZE  KEPT UNTIL  WHY',
      'live  for ever  the session is active',
      'r7  2026-11-22T10:00:00Z  5 B  2026-11-25T10:00:00Z (in 3d)  tier standard keeps 1d',
      'r3  2026-11-22T10:00:00Z  5 B  2026-11-22T09:00:00Z (over)  tier standard keeps 1d',
      'sessfs tier set a.c permanent keeps it for ever',
    ]);
  });
});

describe('formatSweep', () => {
  const nothing: SweepReply = {
    applied: false,
    refusal: undefined,
    earliest: 4,
    liveFiles: 0,
    versions: 0,
    inodes: 0,
    bytes: 0,
    files: [],
    truncated: false,
    nextDue: null,
    clean: undefined,
  };
  const due: SweepReply = {
    ...nothing,
    liveFiles: 1,
    versions: 2,
    inodes: 2,
    bytes: 2048,
    files: [
      {
        path: 'a',
        text: 'a',
        what: 'versions',
        versions: [
          { revision: 1, size: 1, time: NOW },
          { revision: 3, size: 1, time: NOW },
        ],
        reason: 'tier standard keeps 1d',
        keptUntil: NOW,
        bytes: 2048,
      },
      {
        path: 'b',
        text: 'b',
        what: 'live',
        versions: [],
        reason: 'tier standard keeps files 30d',
        keptUntil: NOW,
        bytes: 0,
      },
    ],
  };

  test('of nothing is one line', () => {
    expect(formatSweep(nothing, 'notes', { apply: false })).toBe('Session notes: nothing is due');
  });

  test('of a dry run says so, lists what goes, and how to do it', () => {
    const lines = formatSweep(due, 'notes', { apply: false }).split('\n');
    expect(lines[0]).toBe('Session notes: dry run, nothing was removed');
    expect(lines[2]).toMatch(
      /^a {2,}2 versions \(r1 to r3\) {2,}2\.0 KiB .* tier standard keeps 1d$/,
    );
    expect(lines[3]).toMatch(/^b {2,}the live file /);
    expect(lines[4]).toBe(
      'Would remove 1 live file and 2 versions, 2.0 KiB; whole moments could be seen from r4 on',
    );
    expect(lines[5]).toBe('To do it now: sessfs sweep notes --apply');
  });

  test('of a run tells what was removed and packed', () => {
    const clean = { packedSegments: 1, storedBytesBefore: 4096, storedBytesAfter: 1024 };
    const text = formatSweep({ ...due, applied: true, clean }, 'notes', { apply: true });
    expect(text).toContain('Session notes: swept');
    expect(text).toContain('Removed 1 live file and 2 versions');
    expect(text).toContain('Packed 1 segment: 4.0 KiB to 1.0 KiB on disk');
    expect(text).not.toContain('--apply');
  });

  test('of what would be refused names the reason and the way out', () => {
    const text = formatSweep({ ...due, refusal: 'the clock jumped' }, 'notes', { apply: false });
    expect(text).toContain('A sweep would be refused: the clock jumped');
    expect(text).toContain('sessfs sweep notes --apply --confirm');
  });
});

describe('formatAudit', () => {
  const reply: AuditReply = {
    entries: [
      {
        revision: 9,
        time: NOW,
        actor: ACTOR,
        digest: 'ab',
        confirmed: true,
        versions: 1,
        bytes: 5,
        names: 1,
        files: [
          {
            text: 'a',
            reason: 'tier standard keeps 1d',
            forgotten: true,
            versions: [{ revision: 3, size: 5 }],
          },
        ],
      },
    ],
    truncated: false,
    check: undefined,
  };

  test('says who, when, what and why', () => {
    expect(formatAudit(reply, 'notes')).toBe(
      'r9  2026-11-22T10:00:00Z  sessfs sweep (uid 5): 1 version, 5 B, 1 past name, confirmed\n' +
        '  a  r3, nothing is left  tier standard keeps 1d',
    );
  });

  test('says where the chain is broken', () => {
    const check = { entries: 4, broken: [9] };
    expect(formatAudit({ ...reply, check }, 'notes')).toContain('broken at r9');
  });

  test('of nothing says so', () => {
    const check = { entries: 0, broken: [] };
    expect(formatAudit({ entries: [], truncated: false, check }, 'notes')).toBe(
      'Nothing was ever removed from notes\nThe chain of 0 removals is whole',
    );
  });
});

describe('formatUsage', () => {
  const reply: UsageReply = {
    liveBytes: 900,
    historyBytes: 2048,
    pinnedBytes: 10,
    reclaimableBytes: 20,
    storedBytes: 4096,
    inodes: 3,
    versions: 8,
    freedBytes: undefined,
    quota: { liveBytes: null, historyBytes: null, inodes: null, versions: null },
    counted: { liveBytes: 950, historyBytes: 3000, inodes: 3, versions: 8 },
    warnings: [],
  };

  test('has no quota where there is none', () => {
    const text = formatUsage(reply, { path: undefined, shortenMs: undefined });
    expect(text).toMatch(/^history {6}2\.0 KiB {2}/m);
    expect(text).not.toContain('Quota');
  });

  test('tells how much of the quota is used, and warns', () => {
    const quota = { ...reply.quota, liveBytes: 1000 };
    const text = formatUsage(
      { ...reply, quota, warnings: ['live content is at 90 %'] },
      { path: undefined, shortenMs: undefined },
    );
    expect(text).toMatch(/live +950 B +of 1000 B \(95 %\)/);
    expect(text).toContain('Warning: live content is at 90 %');
  });

  test('answers what removing and shortening would give back', () => {
    const text = formatUsage(
      { ...reply, freedBytes: 1024 },
      { path: 'build', shortenMs: 7 * DAY_MS },
    );
    expect(text).toContain(
      'Removing "build" with its history and keeping history for 7d only would give back 1.0 KiB',
    );
  });
});

describe('splitWords', () => {
  test('takes what is behind the first "--" as the command', () => {
    expect(
      splitWords(
        ['notes', 'a', '--', 'b'],
        ['node', 'sessfs', 'guard', 'notes', '--', 'a', '--', 'b'],
      ),
    ).toEqual({
      what: 'notes',
      commandLine: ['a', '--', 'b'],
    });
  });

  test.each<[string, string[], string[]]>([
    ['no "--"', ['make', 'x'], ['make', 'x']],
    ['nothing behind it', ['notes'], ['notes', '--']],
    ['two words before it', ['a', 'b', 'make'], ['a', 'b', '--', 'make']],
  ])('refuses %s', (_what, words, rest) => {
    expect(() => splitWords(words, ['node', 'sessfs', 'guard', ...rest])).toThrow(
      /^Cannot guard: /,
    );
  });
});

describe('formatOutcome', () => {
  const node = { revision: 4 } as NodeInfo;
  const difference: TreeDifference = {
    change: 'added',
    path: 'a',
    text: 'a',
    kind: 'file',
    sizeBefore: undefined,
    sizeAfter: 3,
  };
  const compared: CompareReply = {
    from: node,
    to: { ...node, revision: 8 },
    differences: [],
    truncated: false,
  };
  const named = { title: 'notes', name: 'x', undo: 'sessfs rollback notes: --to x-before --exact' };
  const outcome = { exitCode: 0, after: undefined };

  test('is one line if nothing changed', () => {
    expect(formatOutcome({ ...outcome, compared }, named)).toBe('sessfs: nothing changed in notes');
  });

  test('is what changed, in short, and how to undo it', () => {
    const differences = Array.from({ length: 12 }, () => difference);
    const lines = formatOutcome(
      { ...outcome, compared: { ...compared, differences } },
      named,
    ).split('\n');
    expect(lines[0]).toBe('sessfs: 12 added in notes, r4 to r8');
    expect(lines[1]).toBe('  added  a  3 B');
    expect(lines.at(-2)).toBe('  … and 2 more: sessfs diff notes:@x-before @x-after');
    expect(lines.at(-1)).toBe('sessfs: to undo it: sessfs rollback notes: --to x-before --exact');
  });
});
