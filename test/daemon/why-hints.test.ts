/**
 * What would change until when something is kept: nothing is said that is not so.
 */

import { describe, expect, test } from 'vitest';

import { listHints } from '../../src/daemon/why-hints.ts';
import type { HintedVersion, HintInput } from '../../src/daemon/why-hints.ts';
import type { Reason } from '../../src/policy/policy.ts';
import { DEFAULT_LADDERS } from '../../src/policy/promise.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';

const FILE = 5 as Ino;
const REPLACED = 4 as Ino;

const HOLD: Reason = { kind: 'hold', name: 'audit', reason: 'review' };
const CHECKPOINT: Reason = { kind: 'checkpoint', name: 'v1' };

function timed(untilMs: number, tier: 'standard' | 'ephemeral' = 'standard'): Reason {
  const ladder = DEFAULT_LADDERS[tier];
  return {
    kind: 'all',
    promise: { tier, rule: undefined, makesVersions: true, ladder },
    untilMs,
  };
}

function version(revision: number, reasons: readonly Reason[], ino = FILE): HintedVersion {
  const [first] = reasons;
  const keptUntilMs = first !== undefined && 'untilMs' in first ? first.untilMs : Infinity;
  return {
    ino,
    revision: revision as Revision,
    decision: { revision, keptUntilMs, reasons },
  };
}

function hints(versions: readonly HintedVersion[], change: Partial<HintInput> = {}): string[] {
  return listHints({
    text: 'f',
    nowMs: 1000,
    graceMs: 3_600_000,
    live: undefined,
    liveIno: FILE,
    versions,
    isPermanentForEver: true,
    ...change,
  });
}

const HOLD_HINT = 'A hold on f keeps all of it until it is released: sessfs hold add';

describe('listHints', () => {
  test('has nothing to say where nothing can be changed', () => {
    expect(hints([version(3, [{ kind: 'live' }, { kind: 'last-version' }])])).toEqual([]);
  });

  test('names a hold only if nothing else keeps it as well', () => {
    expect(hints([version(3, [HOLD, timed(2000)])])).toEqual([
      'It goes earlier if hold "audit" is released',
    ]);
    expect(hints([version(3, [{ kind: 'newest', count: 1 }, HOLD])])).toEqual([]);
    expect(hints([version(3, [HOLD, timed(Infinity)])])).toEqual([]);
  });

  test('names all that have to be released', () => {
    const both = [HOLD, CHECKPOINT];
    expect(hints([version(3, both), version(4, both), version(5, [CHECKPOINT])])).toEqual([
      'r3 and r4 go earlier if hold "audit" is released and checkpoint "v1" is removed',
      'r5 goes earlier if checkpoint "v1" is removed',
    ]);
  });

  test('tells how to keep what ends', () => {
    expect(hints([version(3, [timed(2000)])])).toEqual([
      'sessfs renew f starts the clock of it anew',
      'sessfs tier set f permanent keeps it for ever',
      HOLD_HINT,
    ]);
  });

  test('does not promise what the configuration does not', () => {
    expect(hints([version(3, [timed(2000)])], { isPermanentForEver: false })).toEqual([
      'sessfs renew f starts the clock of it anew',
      HOLD_HINT,
    ]);
  });

  test('says of what renewal and tier are: not of what the file has replaced', () => {
    const versions = [version(3, [timed(2000)], REPLACED), version(4, [timed(3000)])];
    expect(hints(versions)).toEqual([
      'sessfs renew f starts the clock of r4 anew',
      'sessfs tier set f permanent keeps r4 for ever',
      HOLD_HINT,
    ]);
    expect(hints(versions.slice(0, 1))).toEqual([HOLD_HINT]);
    // What is gone has no path to be renewed by.
    expect(hints(versions, { liveIno: undefined })).toEqual([HOLD_HINT]);
  });

  test('does not renew what is promised no time', () => {
    expect(hints([version(3, [timed(2000, 'ephemeral')])])).toEqual([
      'sessfs tier set f permanent keeps it for ever',
      HOLD_HINT,
    ]);
  });

  test('tells when what is over goes', () => {
    const over = [1, 2, 3, 4, 5].map((revision) => version(revision, [timed(500)]));
    expect(hints(over).at(-1)).toBe(
      'r1, r2, r3 and 2 more go with the first sweep 1h after the end',
    );
  });

  test('tells of a live file when its time begins, and when it ends', () => {
    const live = { keptUntilMs: Infinity, reasons: [{ kind: 'session' } as const] };
    expect(hints([], { live })).toEqual(['Its time as a live file begins when the session ends']);
    const promise = {
      tier: 'standard',
      rule: undefined,
      makesVersions: true,
      ladder: DEFAULT_LADDERS.standard,
    } as const;
    const ending = { kind: 'live-file', promise, untilMs: 5000 } as const;
    expect(hints([], { live: { keptUntilMs: 5000, reasons: [ending] } })).toEqual([
      'sessfs renew f starts the clock of it anew',
      'sessfs tier set f permanent keeps it for ever',
      HOLD_HINT,
    ]);
    const held = { kind: 'hold', name: 'audit', reason: 'review' } as const;
    expect(hints([], { live: { keptUntilMs: Infinity, reasons: [held, ending] } })).toEqual([
      'The file itself goes earlier if hold "audit" is released',
    ]);
  });
});
