/**
 * Packing and collecting that ends at any call of the disk, by death or by failure: the log opens and
 * reads the same, and the next cleaning finishes what was begun.
 */

import { describe, expect, test } from 'vitest';

import type { LogPos, SegmentId } from '../../src/shared/brands.ts';
import { MemoryDisk, systemError } from '../log/memory-disk.ts';
import {
  DIR,
  collect,
  makeRandom,
  openPackLog,
  pack,
  randomBytes,
  rangesIn,
  replayed,
  writeRecord,
} from './fixture.ts';
import type { Written } from './fixture.ts';
import { NamesDisk } from './names-disk.ts';

const IDS = [0, 1] as SegmentId[];

interface Base {
  readonly disk: MemoryDisk;
  readonly written: readonly Written[];
  readonly alive: readonly Written[];
}

/** Two sealed segments and one that grows, on disk. */
async function makeBase(): Promise<Base> {
  const disk = new MemoryDisk();
  const log = await openPackLog(disk, { create: true });
  const written: Written[] = [];
  for (let segment = 0; segment < 2; segment++) {
    for (let i = 0; i < 4; i++) written.push(writeRecord(log, 2 + i, randomBytes(9000, i * 7)));
    log.seal();
  }
  written.push(writeRecord(log, 9, randomBytes(100, 9)));
  await log.close();
  return { disk, written, alive: written.filter((_, i) => i % 4 !== 1 && i % 4 !== 2) };
}

/** All that cleaning does, from the first packing to the last pack that is given back. */
async function clean(disk: MemoryDisk, { written, alive }: Base): Promise<void> {
  const log = await openPackLog(disk);
  try {
    for (const kept of [written, alive]) {
      for (const id of IDS) {
        await pack(log, disk, { id, alive: rangesIn(id, kept), packBytes: 10_000 });
      }
    }
    await collect(log, disk, 0.9);
  } finally {
    await log.close().catch(() => {});
  }
}

async function expectSame(disk: MemoryDisk, base: Base): Promise<void> {
  const log = await openPackLog(disk);
  expect(log.tornTail).toBeUndefined();
  expect(replayed().length).toBe(base.written.length);
  for (const { pos, data } of base.alive) {
    expect((await log.read(pos, data.length)).equals(data)).toBe(true);
  }
  let records = 0;
  for await (const record of log.scan(0 as LogPos)) records += record.revision > 0 ? 1 : 0;
  expect(records).toBe(base.written.length);
  await log.close();
}

/** Runs cleaning again and again, each time with the disk failing from or at a later call. */
async function failAtEach(
  base: Base,
  options: { staysDead: boolean; after: (disk: NamesDisk, failing: number) => void },
): Promise<number> {
  for (let failing = 0; ; failing++) {
    const disk = NamesDisk.from(base.disk, DIR);
    let calls = 0;
    disk.onCall = (call) => {
      const count = calls++;
      if (count === failing || (options.staysDead && count > failing))
        throw systemError('EIO', call);
    };
    let hasFailed = false;
    await clean(disk, base).catch(() => {
      hasFailed = true;
    });
    disk.onCall = () => {};
    const open = options.staysDead ? 0 : disk.openCount;
    expect({ failing, open }).toEqual({ failing, open: 0 });
    options.after(disk, failing);
    await expectSame(disk, base);
    await clean(disk, base);
    await expectSame(disk, base);
    expect(disk.list(DIR).filter((name) => /tmp$|^0000000[01]\.seg$/.test(name))).toEqual([]);
    if (!hasFailed && calls <= failing) return failing;
  }
}

/** Names since the last sync: all, none, or some of them, told by a number. */
const loseNames =
  (seed: number) =>
  (disk: NamesDisk, failing: number): void => {
    const random = makeRandom(seed + failing);
    disk.losePowerAndNames(() => seed === 1 || (seed > 1 && random() % 2 === 0));
  };

describe('cleaning', () => {
  test('that is killed at any call of the disk leaves a log that reads the same', async () => {
    const base = await makeBase();
    const steps = await failAtEach(base, { staysDead: true, after: (disk) => disk.kill() });
    expect(steps).toBeGreaterThan(150);
  });

  for (const seed of [0, 1, 2, 3]) {
    test(`that a power cut ends leaves a log that reads the same (names ${seed})`, async () => {
      const base = await makeBase();
      const steps = await failAtEach(base, { staysDead: true, after: loseNames(seed) });
      expect(steps).toBeGreaterThan(150);
    });
  }

  test('that fails at any call of the disk lets go of every file, and can be done again', async () => {
    const base = await makeBase();
    const steps = await failAtEach(base, { staysDead: false, after: () => {} });
    expect(steps).toBeGreaterThan(150);
  });
});
