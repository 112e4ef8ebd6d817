/**
 * What holds of the policy for any file, any promises and any times.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decideLive, isExpired } from '../../src/policy/policy.ts';
import type { FileFacts, VersionFacts } from '../../src/policy/policy.ts';
import { encodePromise, endOf } from '../../src/policy/promise.ts';
import type { PromiseDefinition } from '../../src/policy/promise.ts';
import { DAY, HOUR, decideAtOnce, durations, promises } from './promises.ts';

const RUNS = { numRuns: 500 };

/** From seconds to days apart: hours and days with one version and with many. */
const gaps = fc.oneof(fc.nat({ max: 90 * 60_000 }), fc.nat({ max: 3 * DAY }));
const holds = fc.constantFrom([], [], [], [{ name: 'audit', reason: 'needed' }]);
const checkpoints = fc.constantFrom<string[][]>([], [], [], ['v1']);

interface Drawn {
  readonly gap: number;
  readonly delay: number;
  readonly isProtected: boolean;
  readonly picks: readonly boolean[];
  readonly holds: VersionFacts['holds'];
  readonly checkpoints: readonly string[];
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  gap: gaps,
  delay: gaps,
  isProtected: fc.boolean(),
  picks: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  holds,
  checkpoints,
});

/** Each version superseded before the next is cut; the last one perhaps not at all. */
const files: fc.Arbitrary<FileFacts> = fc
  .record({
    isLive: fc.boolean(),
    isChanged: fc.boolean(),
    renewedMs: fc.option(durations.filter(Number.isFinite), { nil: undefined }),
    pool: fc.array(promises, { minLength: 4, maxLength: 4 }),
    versions: fc.array(drawn, { maxLength: 12 }),
  })
  .map(({ isLive, isChanged, renewedMs, pool, versions }) => {
    let timeMs = 0;
    const facts = versions.map((version, index): VersionFacts => {
      const cutMs = timeMs + version.gap;
      timeMs = cutMs + version.delay;
      const isLast = index === versions.length - 1;
      const picked = pool.filter((_, at) => version.picks[at] === true);
      return {
        revision: index + 1,
        cutMs,
        supersededMs: isLast && isLive && !isChanged ? undefined : timeMs,
        isProtected: version.isProtected,
        promises: picked.length === 0 ? pool.slice(0, 1) : picked,
        holds: version.holds,
        checkpoints: version.checkpoints,
      };
    });
    return { isLive, renewedMs, versions: facts };
  });

function keptAt(file: FileFacts, nowMs: number, graceMs: number): VersionFacts[] {
  const decisions = decideAtOnce(file);
  return file.versions.filter((_, at) => {
    const decision = decisions[at];
    return decision === undefined || !isExpired(decision, nowMs, graceMs);
  });
}

function clockOf(version: VersionFacts, file: FileFacts): number {
  return Math.max(version.supersededMs ?? Infinity, file.renewedMs ?? -Infinity);
}

describe('decideVersions', () => {
  test('never lets go what is live, held, pinned or the newest of a live file', () => {
    fc.assert(
      fc.property(files, (file) => {
        const decisions = decideAtOnce(file);
        const pinned = decisions.filter((_, at) => {
          const version = file.versions[at];
          return (
            version?.supersededMs === undefined ||
            version.holds.length > 0 ||
            version.checkpoints.length > 0 ||
            (file.isLive && at === file.versions.length - 1)
          );
        });
        expect(pinned.filter(({ keptUntilMs }) => keptUntilMs !== Infinity)).toEqual([]);
      }),
      RUNS,
    );
  });

  test('never shortens by one promise more', () => {
    const marks = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(files, promises, marks, (file, promise, picks) => {
        const key = encodePromise(promise);
        const isNew = file.versions.every((each) =>
          each.promises.every((one) => encodePromise(one) !== key),
        );
        fc.pre(isNew);
        const versions = file.versions.map((version, at) =>
          picks[at] === true ? { ...version, promises: [...version.promises, promise] } : version,
        );
        const before = decideAtOnce(file);
        for (const [at, after] of decideAtOnce({ ...file, versions }).entries()) {
          expect(after.keptUntilMs).toBeGreaterThanOrEqual(before[at]?.keptUntilMs ?? 0);
        }
      }),
      RUNS,
    );
  });

  test('keeps the same, whenever and however often it is applied', () => {
    const times = fc.array(
      fc.nat({ max: 60 }).map((days) => days * DAY),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(files, times, fc.constantFrom(0, HOUR), (file, sweeps, graceMs) => {
        let { versions } = file;
        for (const nowMs of sweeps.toSorted((a, b) => a - b)) {
          versions = keptAt({ ...file, versions }, nowMs, graceMs);
          expect(versions).toEqual(keptAt(file, nowMs, graceMs));
        }
      }),
      RUNS,
    );
  });

  test('keeps what is protected to the end of each promise, and all else at least for `all`', () => {
    fc.assert(
      fc.property(files, (file) => {
        for (const [at, { keptUntilMs }] of decideAtOnce(file).entries()) {
          const version = file.versions[at];
          if (version === undefined) continue;
          for (const { ladder } of version.promises) {
            const keptMs = version.isProtected ? endOf(ladder) : ladder.all;
            expect(keptUntilMs).toBeGreaterThanOrEqual(clockOf(version, file) + keptMs);
          }
        }
      }),
      RUNS,
    );
  });

  test('keeps nothing longer than any promise says unless it is pinned or one of the newest', () => {
    const forEver = new Set(['live', 'last-version', 'newest', 'hold', 'checkpoint']);
    fc.assert(
      fc.property(files, (file) => {
        for (const [at, { keptUntilMs, reasons }] of decideAtOnce(file).entries()) {
          const version = file.versions[at];
          if (version === undefined || forEver.has(reasons[0]?.kind ?? 'live')) continue;
          const longestMs = Math.max(...version.promises.map(({ ladder }) => endOf(ladder)));
          expect(keptUntilMs).toBeLessThanOrEqual(clockOf(version, file) + longestMs);
        }
      }),
      RUNS,
    );
  });

  test('gives the end of its first reason, and of no other a later one', () => {
    fc.assert(
      fc.property(files, (file) => {
        for (const { keptUntilMs, reasons } of decideAtOnce(file)) {
          const ends = reasons.map((reason) => ('untilMs' in reason ? reason.untilMs : Infinity));
          expect(ends[0]).toBe(keptUntilMs);
          expect(ends).toEqual(ends.toSorted((a, b) => (a === b ? 0 : b - a)));
        }
      }),
      RUNS,
    );
  });
});

describe('decideLive', () => {
  const facts = fc.record({
    promises: fc.array(promises, { minLength: 1, maxLength: 3 }),
    lastWriteMs: fc.nat({ max: 30 * DAY }),
    sessionEndedMs: fc.option(fc.nat({ max: 30 * DAY }), { nil: undefined }),
    renewedMs: fc.option(fc.nat({ max: 30 * DAY }), { nil: undefined }),
    holds,
  });

  test('never ends in an active session or under a hold, and never before what any promise says', () => {
    fc.assert(
      fc.property(facts, (file) => {
        const { keptUntilMs } = decideLive(file);
        const starts = [file.lastWriteMs, file.sessionEndedMs ?? Infinity, file.renewedMs ?? 0];
        const ends = starts.flatMap((ms) =>
          file.promises.map(({ ladder }: PromiseDefinition) => ms + ladder.live),
        );
        expect(keptUntilMs).toBe(file.holds.length > 0 ? Infinity : Math.max(...ends));
      }),
      RUNS,
    );
  });
});
