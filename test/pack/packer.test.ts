/**
 * The packer with its worker thread, as it is built: plain Node cannot run a worker in TypeScript.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import type * as LogModule from '../../src/log/log.ts';
import type { SegmentId } from '../../src/shared/brands.ts';
import type * as PackerModule from '../../src/pack/packer.ts';
import { timeOf } from '../log/fixture.ts';
import { VOLUME, randomBytes, rangesIn, writeFile } from './fixture.ts';
import type { Written } from './fixture.ts';

const DIST = resolve(import.meta.dirname, '../../dist');
const { Log } = (await import(join(DIST, 'log/log.js'))) as typeof LogModule;
const { Packer } = (await import(join(DIST, 'pack/packer.js'))) as typeof PackerModule;

const FIRST = 0 as SegmentId;

interface Place {
  readonly dir: string;
  readonly log: LogModule.Log;
  readonly packer: PackerModule.Packer;
  readonly written: readonly Written[];
}

async function makePlace(): Promise<Place> {
  const dir = fs.mkdtempSync(join(tmpdir(), 'sessfs-packer-'));
  const clock = { now: () => timeOf(0) };
  const log = await Log.open({ dir, volumeId: VOLUME, clock, create: true, onRecord: () => {} });
  const written = writeFile(log, 2, randomBytes(8_000_000, 1));
  log.seal();
  const packer = new Packer({ dir, volumeId: VOLUME, log });
  onTestFinished(async () => {
    await packer.close();
    await log.close();
    fs.rmSync(dir, { recursive: true, force: true });
  });
  return { dir, log, packer, written };
}

async function expectReadable({ log, written }: Place, count = written.length): Promise<void> {
  for (const { pos, data } of written.slice(0, count)) {
    expect((await log.read(pos, data.length)).equals(data)).toBe(true);
  }
}

test('packs a segment, packs it again with less, and gives back the rest', async () => {
  const place = await makePlace();
  const { dir, log, packer, written } = place;
  const result = await packer.pack(FIRST, rangesIn(FIRST, written));
  expect(result).toMatchObject({ aliveBytes: 8_000_000, missingBytes: 0 });
  expect(log.isPacked(FIRST)).toBe(true);
  expect(fs.existsSync(join(dir, '00000000.seg'))).toBe(false);
  await expectReadable(place);
  const kept = 20;
  await packer.pack(FIRST, rangesIn(FIRST, written.slice(0, kept)));
  const collected = await packer.collect(0.9);
  expect(collected).toMatchObject({ rewrittenMaps: [FIRST] });
  expect(collected.freedBytes).toBeGreaterThan(5_000_000);
  await expectReadable(place, kept);
  expect(log.storedBytes).toBeLessThan(3_000_000);
});

test('ends a job that is aborted, and leaves the segment as it was', async () => {
  const place = await makePlace();
  const { packer, written, log } = place;
  const abort = new AbortController();
  packer.setDuty(0);
  const job = packer.pack(FIRST, rangesIn(FIRST, written), abort.signal);
  setTimeout(() => abort.abort(), 100);
  await expect(job).rejects.toMatchObject({ name: 'AbortError' });
  expect(log.isPacked(FIRST)).toBe(false);
  await expectReadable(place);
  packer.setDuty(1);
  await packer.pack(FIRST, rangesIn(FIRST, written));
  await expectReadable(place);
});

test('tells why a segment cannot be packed, and goes on with others', async () => {
  const place = await makePlace();
  const { dir, log, packer, written } = place;
  const more = writeFile(log, 3, randomBytes(100_000, 2));
  const last = log.seal();
  const path = join(dir, '00000000.seg');
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, Buffer.from('damage'), 0, 6, 1_000_000);
  fs.closeSync(fd);
  const alive = rangesIn(FIRST, written);
  await expect(packer.pack(FIRST, alive)).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
  const second = (last - 1) as SegmentId;
  expect(await packer.pack(second, rangesIn(second, more))).toMatchObject({ aliveBytes: 100_000 });
});

test('rejects what is under way when it is closed', async () => {
  const { packer, written } = await makePlace();
  packer.setDuty(0);
  const job = packer.pack(FIRST, rangesIn(FIRST, written));
  setTimeout(() => void packer.close(), 100);
  await expect(job).rejects.toMatchObject({ name: 'AbortError' });
  await expect(packer.collect(0.5)).rejects.toMatchObject({ name: 'AbortError' });
});
