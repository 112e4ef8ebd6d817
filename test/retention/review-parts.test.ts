/**
 * One file of which much is to be removed at once.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { Sweeper } from '../../src/retention/sweeper.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import type { Revision } from '../../src/shared/brands.ts';
import type { PurgeEvent } from '../../src/volume/promise-events.ts';
import { Desk } from '../volume/desk.ts';

const DAY_MS = 24 * 3_600_000;
const MOST_KEYS = 1000;

async function work(): Promise<{ desk: Desk; purges: PurgeEvent[]; revisions: Revision[] }> {
  const desk = await Desk.open();
  const { volume } = desk;
  const revisions: Revision[] = [];
  const ino = desk.open('db');
  for (let i = 0; i < 1500; i++) {
    desk.clock.ms += 100_000;
    desk.write(ino, Buffer.alloc(4096, i), (i % 20) * 4096);
    revisions.push(volume.state.revision);
    if (i % 60 === 0) volume.cuts.cutAll('interval');
  }
  desk.close(ino);
  const purges: PurgeEvent[] = [];
  const commit = volume.commit.bind(volume);
  volume.commit = (event, ...rest): void => {
    if (event.kind === 'purge') purges.push(event);
    commit(event, ...rest);
  };
  desk.clock.ms += 2 * DAY_MS;
  return { desk, purges, revisions };
}

function sweep(desk: Desk, pause?: () => Promise<void>): Promise<unknown> {
  return new Sweeper(desk.volume, desk.history, undefined).run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
    ...(pause === undefined ? {} : { pause }),
  });
}

test('goes in events of bounded size, and replay comes to the same', async () => {
  const { desk, purges } = await work();
  await sweep(desk);
  expect(purges.length).toBeGreaterThan(2);
  for (const { inodes } of purges) {
    const keys = inodes.map((each) => each.states.length + each.regions.length);
    expect(keys.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(MOST_KEYS);
  }
  const { historyBytes, versions, liveBytes } = desk.volume.state;
  expect(historyBytes).toBeGreaterThan(0);
  await desk.leave();
  fs.rmSync(join(desk.dir, 'index'), { recursive: true });
  const again = await Desk.open({ dir: desk.dir, clock: desk.clock });
  expect(again.volume.state).toMatchObject({ historyBytes, versions, liveBytes });
});

test('is never read as other content, wherever it is stopped', async () => {
  const { desk, purges, revisions } = await work();
  const { volume, history } = desk;
  const ino = desk.ino('db');
  const held = new Map<Revision, Buffer>();
  const looked = revisions.filter((_, at) => at % 97 === 5);
  for (const at of looked) held.set(at, await history.read(ino, at, 0, 20 * 4096));
  const look = async (): Promise<number> => {
    let gone = 0;
    for (const [at, bytes] of held) {
      const seen = await history.read(ino, at, 0, bytes.length).catch((error: unknown) => error);
      const isGone = seen instanceof FsError && seen.errno === Errno.ENODATA;
      const isSame = Buffer.isBuffer(seen) && seen.equals(bytes);
      expect(isGone || isSame, `r${at}`).toBe(true);
      if (isGone) gone += 1;
    }
    return gone;
  };
  let release: (() => void) | undefined;
  let seen = 0;
  let part = 0;
  await sweep(desk, async () => {
    if (purges.length === part) return;
    part = purges.length;
    seen = Math.max(seen, await look());
    // Somebody begins to read when some of it has gone, and ends before the next part but one.
    if (part === 2) release = volume.pins.add(looked.at(-1) as Revision);
    if (part > 2) release?.();
  });
  expect(seen).toBeGreaterThan(5);
  release?.();
  await look();
  desk.clock.ms += 3 * DAY_MS;
  await sweep(desk);
  await look();
});
