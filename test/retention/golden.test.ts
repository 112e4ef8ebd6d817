/**
 * The table of tiers, literally: a small history, and which versions of it are there on which day.
 */

import { expect, test } from 'vitest';

import type { ActorId } from '../../src/shared/brands.ts';
import { TIERS } from '../../src/policy/tier.ts';
import { DAY_MS } from './ladders.ts';
import { World } from './world.ts';

/** A midnight after the first moment of a volume of these tests. */
const START_MS = Date.UTC(2026, 10, 23);

/** When each version is saved: hours since the first midnight. The last one is what the file holds. */
const SAVED = { a: 8, b: 8.25, c: 8.5, d: 10, e: 20, f: 32, g: 32.5 };

/** Days after the last save: which versions are there. */
const THERE: Record<string, Record<number, string>> = {
  ephemeral: { 0: 'efg', 1: 'g', 2: 'g', 8: 'g', 31: 'g', 366: 'g' },
  standard: { 0: 'abcdefg', 1: 'cdeg', 2: 'cdeg', 8: 'eg', 31: 'g', 366: 'g' },
  persistent: { 0: 'abcdefg', 1: 'abcdefg', 2: 'abcdefg', 8: 'cdeg', 31: 'eg', 366: 'g' },
  permanent: {
    0: 'abcdefg',
    1: 'abcdefg',
    2: 'abcdefg',
    8: 'abcdefg',
    31: 'abcdefg',
    366: 'abcdefg',
  },
};

/** The same of a file that is removed with the last save: its last state is not thinned. */
const THERE_REMOVED: Record<string, Record<number, string>> = {
  ephemeral: { 0: 'efg', 1: '', 2: '', 8: '', 31: '', 366: '' },
  standard: { 0: 'abcdefg', 1: 'cdeg', 2: 'cdeg', 8: 'eg', 31: '', 366: '' },
  persistent: { 0: 'abcdefg', 1: 'abcdefg', 2: 'abcdefg', 8: 'cdeg', 31: 'eg', 366: '' },
  permanent: THERE['permanent'] ?? {},
};

async function tell(tier: (typeof TIERS)[number], isRemoved: boolean): Promise<object> {
  const world = await World.make();
  const { desk, pledges } = world;
  desk.clock.ms = START_MS;
  pledges.setSessionTier(tier, 1 as ActorId);
  for (const [text, hours] of Object.entries(SAVED)) {
    desk.clock.ms = START_MS + hours * 3_600_000;
    desk.save('f', text);
  }
  if (isRemoved) desk.rm('f');
  const savedMs = desk.clock.ms;
  const there: Record<number, string> = {};
  for (const day of [0, 1, 2, 8, 31, 366]) {
    // Two hours later: a sweep comes after the grace.
    desk.clock.ms = savedMs + day * DAY_MS + 2 * 3_600_000;
    if (day === 0) desk.clock.ms = savedMs;
    await world.sweep();
    await world.compareContents();
    there[day] = (await desk.contents('f')).join('');
  }
  return there;
}

test.each(TIERS)('%s: which versions of a live file are there on which day', async (tier) => {
  expect(await tell(tier, false)).toEqual(THERE[tier]);
});

test.each(TIERS)('%s: which versions of a removed file are there on which day', async (tier) => {
  expect(await tell(tier, true)).toEqual(THERE_REMOVED[tier]);
});
