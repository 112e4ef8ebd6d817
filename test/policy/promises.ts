/**
 * Promises for tests: those of the tiers, and any.
 */

import * as fc from 'fast-check';

import { decideVersions } from '../../src/policy/policy.ts';
import type { Decision, FileFacts } from '../../src/policy/policy.ts';
import { DEFAULT_LADDERS } from '../../src/policy/promise.ts';
import type { Ladder, PromiseDefinition } from '../../src/policy/promise.ts';
import { TIERS } from '../../src/policy/tier.ts';
import type { Tier } from '../../src/policy/tier.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** Without a pause. */
export function decideAtOnce(file: FileFacts): Decision[] {
  const steps = decideVersions(file);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

export function tierPromise(tier: Tier, ladder: Partial<Ladder> = {}): PromiseDefinition {
  const whole = { ...DEFAULT_LADDERS[tier], ...ladder };
  return { tier, rule: undefined, makesVersions: true, ladder: whole };
}

export const durations = fc.oneof(
  fc.constant(0),
  fc.constant(Infinity),
  fc.nat({ max: 60 }).map((count) => count * HOUR),
  fc.nat({ max: 10 * DAY }),
);

export const ladders: fc.Arbitrary<Ladder> = fc.record({
  all: durations,
  hourly: durations,
  daily: durations,
  live: durations,
  minVersions: fc.nat({ max: 3 }),
});

export const promises: fc.Arbitrary<PromiseDefinition> = fc.record({
  tier: fc.constantFrom(...TIERS),
  rule: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
  makesVersions: fc.boolean(),
  ladder: ladders,
});
