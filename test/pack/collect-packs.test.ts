/**
 * Collection of packs: what is alive stays readable, also for who reads meanwhile; what is not is gone.
 */

import { describe, expect, test } from 'vitest';

import type { SegmentId } from '../../src/shared/brands.ts';
import type { Log } from '../../src/log/log.ts';
import { findPackId } from '../../src/log/pack-format.ts';
import { MemoryDisk } from '../log/memory-disk.ts';
import {
  DIR,
  collect,
  openPackLog,
  pack,
  randomBytes,
  rangesIn,
  writeFile,
  writeRecord,
} from './fixture.ts';
import type { Written } from './fixture.ts';

const packIds = (disk: MemoryDisk): number[] =>
  disk
    .list(DIR)
    .map(findPackId)
    .filter((id) => id !== undefined)
    .toSorted((a, b) => a - b);

const packBytes = (disk: MemoryDisk): number =>
  packIds(disk).reduce((sum, id) => {
    const name = `${DIR}/p${id.toString(16).padStart(8, '0')}.pack`;
    return sum + disk.bytesOf(name).length;
  }, 0);

async function expectReadable(log: Log, written: readonly Written[]): Promise<void> {
  for (const { pos, data } of written) {
    expect((await log.read(pos, data.length)).equals(data)).toBe(true);
  }
}

interface Made {
  readonly disk: MemoryDisk;
  readonly log: Log;
  readonly written: readonly Written[];
  readonly ids: readonly SegmentId[];
}

/** Files of 30 KB in segments of 200 KB, packed into packs of 100 KB. */
async function makePacked(): Promise<Made> {
  const disk = new MemoryDisk();
  const log = await openPackLog(disk, { create: true, segmentBytes: 200_000 });
  const written = Array.from({ length: 24 }, (_, i) =>
    writeRecord(log, 2 + i, randomBytes(30_000, i)),
  );
  log.seal();
  const ids = log.segments().flatMap(({ id, sealed }) => (sealed ? [id] : []));
  for (const id of ids) {
    await pack(log, disk, { id, alive: rangesIn(id, written), packBytes: 100_000 });
  }
  return { disk, log, written, ids };
}

async function repack({ disk, log, ids }: Made, alive: readonly Written[]): Promise<void> {
  for (const id of ids) await pack(log, disk, { id, alive: rangesIn(id, alive) });
}

describe('collectPacks', () => {
  test('leaves packs alone that are in use', async () => {
    const { disk, log, written } = await makePacked();
    const before = packIds(disk);
    expect(await collect(log, disk, 0.9)).toEqual({
      removedPacks: 0,
      rewrittenMaps: [],
      freedBytes: 0,
    });
    expect(packIds(disk)).toEqual(before);
    await expectReadable(log, written);
    await log.close();
  });

  test('gives back what is given up, and keeps what is not', async () => {
    const made = await makePacked();
    const { disk, log, written } = made;
    const alive = written.filter((_, i) => i % 3 !== 0);
    await repack(made, alive);
    const before = packBytes(disk);
    const result = await collect(log, disk, 0.9);
    expect(result.removedPacks).toBeGreaterThan(3);
    expect(result.freedBytes).toBe(before - packBytes(disk));
    expect(packBytes(disk)).toBeLessThan(16 * 30_000 + 5000);
    await expectReadable(log, alive);
    await log.close();
    expect(disk.openCount).toBe(0);
    const again = await openPackLog(disk);
    await expectReadable(again, alive);
    await again.close();
  });

  test('gives back all when nothing is alive, and never uses a number again', async () => {
    const made = await makePacked();
    const { disk, log } = made;
    const highest = Math.max(...packIds(disk));
    await repack(made, []);
    expect((await collect(log, disk, 0.9)).removedPacks).toBeGreaterThan(3);
    expect(packBytes(disk)).toBeLessThan(200);
    expect(packIds(disk)).toEqual([highest + 1]);
    expect((await collect(log, disk, 0.9)).removedPacks).toBe(0);
    await log.close();
  });

  test('makes one of many small packs', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    const written: Written[] = [];
    for (let i = 0; i < 20; i++) {
      const [one] = writeFile(log, 2, randomBytes(5000, i));
      if (one !== undefined) written.push(one);
      const id = (log.seal() - 1) as SegmentId;
      await pack(log, disk, { id, alive: rangesIn(id, written) });
    }
    expect(packIds(disk).length).toBe(20);
    const result = await collect(log, disk, 0.5);
    expect(result.rewrittenMaps.length).toBe(20);
    expect(packIds(disk)).toEqual([20]);
    await expectReadable(log, written);
    await log.close();
  });

  test('removes what nobody finished, and packs that no map came to refer to', async () => {
    const { disk, log, written } = await makePacked();
    const unused = disk.bytesOf(`${DIR}/p00000000.pack`);
    disk.setBytes(`${DIR}/00000000.map.tmp`, unused);
    disk.setBytes(`${DIR}/p00000063.pack.tmp`, unused);
    await collect(log, disk, 0);
    expect(disk.list(DIR).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await expectReadable(log, written);
    await log.close();
  });

  test('leaves a pack alone of which something cannot be read', async () => {
    const made = await makePacked();
    const { disk, log, written } = made;
    await repack(
      made,
      written.filter((_, i) => i % 2 === 0),
    );
    disk.flipBit(`${DIR}/p00000000.pack`, 100);
    await collect(log, disk, 0.9);
    expect(packIds(disk)).toContain(0);
    expect(packIds(disk)).not.toContain(1);
    await log.close();
  });

  test('does not disturb who reads meanwhile', async () => {
    const made = await makePacked();
    const { disk, log, written } = made;
    const alive = written.filter((_, i) => i % 2 === 0);
    await repack(made, alive);
    const state = { isOver: false };
    const readOn = async (): Promise<void> => {
      while (!state.isOver) await expectReadable(log, alive);
    };
    const readers = [readOn(), readOn(), readOn()];
    const result = await collect(log, disk, 0.9);
    state.isOver = true;
    await Promise.all(readers);
    expect(result.removedPacks).toBeGreaterThan(3);
    await log.close();
    expect(disk.openCount).toBe(0);
  });
});
