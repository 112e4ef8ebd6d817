/**
 * What is the same is stored once, across records, segments and files; what is alike takes little.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { nodeDisk } from '../../src/log/disk.ts';
import { Log } from '../../src/log/log.ts';
import { loadZstd } from '../../src/log/zstd.ts';
import { ChunkStore } from '../../src/pack/chunk-store.ts';
import { packSegment } from '../../src/pack/pack-segment.ts';
import { timeOf } from '../log/fixture.ts';
import { VOLUME, randomBytes, rangesIn, writeFile } from './fixture.ts';
import type { Written } from './fixture.ts';

async function makeLog(): Promise<{ dir: string; log: Log }> {
  const dir = fs.mkdtempSync(join(tmpdir(), 'sessfs-pack-'));
  onTestFinished(() => fs.rmSync(dir, { recursive: true, force: true }));
  const clock = { now: () => timeOf(0) };
  const log = await Log.open({ dir, volumeId: VOLUME, clock, create: true, onRecord: () => {} });
  return { dir, log };
}

/** Packs all there is. @returns What it takes on disk, and what it was. */
async function packAll(
  { dir, log }: { dir: string; log: Log },
  written: readonly Written[],
): Promise<{ stored: number; logical: number }> {
  log.seal();
  await log.sync();
  await loadZstd();
  const place = { disk: nodeDisk, dir, volumeId: VOLUME };
  const store = ChunkStore.load(place);
  for (const { id, sealed } of log.segments()) {
    if (!sealed) continue;
    await packSegment({ ...place, id, store, alive: rangesIn(id, written) });
    await log.adoptPacked(id);
  }
  store.close();
  for (const { pos, data } of written.filter((_, i) => i % 10 === 0)) {
    expect((await log.read(pos, data.length)).equals(data)).toBe(true);
  }
  return { stored: log.storedBytes, logical: log.bytes };
}

test('a file of 10 MB with a byte more in front each time takes little more than once', async () => {
  const place = await makeLog();
  const written: Written[] = [];
  let content = randomBytes(10_000_000, 1);
  for (let version = 0; version < 11; version++) {
    written.push(...writeFile(place.log, 2, content));
    content = Buffer.concat([Buffer.from([version]), content]);
  }
  const { stored, logical } = await packAll(place, written);
  expect(logical).toBeGreaterThan(110_000_000);
  expect(stored).toBeLessThan(11_000_000);
  await place.log.close();
});

test('a hundred versions of a source file with one line changed take little', async () => {
  const place = await makeLog();
  const lines = Array.from({ length: 4000 }, (_, i) => {
    const word = randomBytes(8, i).toString('hex');
    return `  const name${i} = find(${i * 7}, '${word}');`;
  });
  const size = lines.join('\n').length;
  expect(size).toBeGreaterThan(170_000);
  const written: Written[] = [];
  for (let version = 0; version < 100; version++) {
    lines[(version * 7919) % lines.length] = `  changed(${version});`;
    written.push(...writeFile(place.log, 10 + version, Buffer.from(lines.join('\n'))));
  }
  const { stored, logical } = await packAll(place, written);
  expect(logical).toBeGreaterThan(17_000_000);
  expect(stored).toBeLessThan(600_000);
  await place.log.close();
});

test('small files that are the same are stored once, whatever is around them', async () => {
  const place = await makeLog();
  const same = Array.from({ length: 50 }, (_, i) => randomBytes(500 + i * 100, i));
  const written: Written[] = [];
  for (let round = 0; round < 20; round++) {
    for (const [index, content] of same.entries()) {
      if ((index + round) % 3 === 0) continue;
      written.push(...writeFile(place.log, round * 100 + index + 2, content));
    }
  }
  const { stored } = await packAll(place, written);
  const once = same.reduce((sum, { length }) => sum + length, 0);
  expect(stored).toBeLessThan(once + 60_000);
  await place.log.close();
});

test('content that a damaged pack has is stored again', async () => {
  const place = await makeLog();
  const content = randomBytes(50_000, 1);
  const first = writeFile(place.log, 2, content);
  await packAll(place, first);
  const path = join(place.dir, 'p00000000.pack');
  const bytes = fs.readFileSync(path);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  fs.writeFileSync(path, bytes);
  await place.log.close();
  const clock = { now: () => timeOf(0) };
  const log = await Log.open({ dir: place.dir, volumeId: VOLUME, clock, onRecord: () => {} });
  const second = writeFile(log, 3, content);
  log.seal();
  await log.sync();
  const store = ChunkStore.load({ disk: nodeDisk, dir: place.dir, volumeId: VOLUME });
  const [, segment] = log.segments();
  const id = segment?.id ?? log.seal();
  await packSegment({
    disk: nodeDisk,
    dir: place.dir,
    volumeId: VOLUME,
    id,
    store,
    alive: rangesIn(id, second),
  });
  store.close();
  await log.adoptPacked(id);
  for (const { pos, data } of second) {
    expect((await log.read(pos, data.length)).equals(data)).toBe(true);
  }
  await expect(log.read(first[0]?.pos ?? log.head, 50_000)).rejects.toThrow('fails its checksum');
  await log.close();
});
