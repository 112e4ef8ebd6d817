/**
 * A clock that is set back or forward by hours while a volume is open: order stays, and nothing waits for it.
 */

import { expect, test } from 'vitest';

import { compareTime, timeFromMs } from '../../src/shared/time.ts';
import type { LogPos } from '../../src/shared/brands.ts';
import { eventually } from '../harness/run.ts';
import { Desk } from './desk.ts';

const HOUR_MS = 3_600_000;
const DEADLINE_MS = 20_000;

async function assertTimesAscend({ volume }: Desk): Promise<void> {
  let before = { sec: -Infinity, nsec: 0 };
  let count = 0;
  for await (const { time } of volume.log.scan(0 as LogPos)) {
    expect(compareTime(before, time)).toBeLessThanOrEqual(0);
    before = time;
    count += 1;
  }
  expect(count).toBeGreaterThan(10);
}

for (const [how, jumpMs] of [
  ['back', -3 * HOUR_MS],
  ['forward', 3 * HOUR_MS],
  ['back by days', -72 * HOUR_MS],
] as const) {
  test(`times never go back when the clock is set ${how}, and moments are found`, async () => {
    const desk = await Desk.open();
    const { volume, history, clock } = desk;
    const moments: { readonly ms: number; readonly revision: number }[] = [];
    const work = async (text: string): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        clock.ms += 2000;
        desk.save('f', `${text} ${turn}`);
        await volume.flushed();
        const { revision, time } = volume.status();
        moments.push({ ms: Math.max(clock.ms, time.sec * 1000 + time.nsec / 1e6), revision });
      }
    };
    await work('before');
    clock.ms += jumpMs;
    await work('between');
    clock.ms -= jumpMs;
    await work('after');
    await assertTimesAscend(desk);
    // The last one of a time: while the clock is behind, several have the same.
    for (const { ms } of moments) {
      const wanted = moments.findLast((moment) => moment.ms <= ms)?.revision;
      expect(await history.findRevision(timeFromMs(ms))).toBe(wanted);
    }
    expect(await desk.contents('f')).toEqual(
      ['before', 'between', 'after'].flatMap((text) => [0, 1, 2].map((turn) => `${text} ${turn}`)),
    );
  });
}

test('what is written after the clock was set back is on disk within a second or two', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.clock.ms -= 3 * HOUR_MS;
  desk.save('f', 'two');
  const { revision } = desk.volume.status();
  const beganAt = performance.now();
  await eventually(
    () => expect(desk.volume.status().durableRevision).toBeGreaterThanOrEqual(revision),
    {
      timeoutMs: DEADLINE_MS,
    },
  );
  expect(performance.now() - beganAt).toBeLessThan(10_000);
});

test('a file that stays open becomes a version after the interval, though the clock was set back', async () => {
  const desk = await Desk.open({ cutIntervalMs: 500 });
  const ino = desk.open('f');
  desk.write(ino, 'one');
  desk.clock.ms -= 3 * HOUR_MS;
  desk.write(ino, 'two');
  await eventually(async () => expect(await desk.versions('f')).toEqual(['interval "two"']), {
    timeoutMs: DEADLINE_MS,
  });
});
