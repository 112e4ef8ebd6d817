/**
 * A volume that is opened after its index, or its making, was cut short: made good, never half open.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { VolumeHistory } from '../../src/history/volume-history.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Name } from '../../src/shared/brands.ts';
import { SystemClock } from '../../src/shared/time.ts';
import { writeFile } from '../../src/volume/files.ts';
import { makeVolume } from '../../src/volume/make-volume.ts';
import { findChild, makeNode } from '../../src/volume/names.ts';
import type { VolumeOptions } from '../../src/volume/store.ts';
import { SYSTEM_CALLER } from '../../src/volume/store.ts';
import { Volume } from '../../src/volume/volume.ts';

const CREATE = { uid: 0, gid: 0, mode: 0o755 };

let dir = '';
beforeEach(() => (dir = fs.mkdtempSync(join(tmpdir(), 'sessfs-recovery-'))));
afterEach(() => fs.rmSync(dir, { recursive: true }));

function open(more: Partial<VolumeOptions> = {}): Promise<Volume> {
  const volumeId = '5e55f5000000000000000000000000cc';
  return Volume.open({ dir, volumeId, clock: new SystemClock(), ...more });
}

async function makeOne(): Promise<void> {
  const volume = await open({ create: CREATE });
  makeNode(volume, SYSTEM_CALLER, { parent: ROOT_INO, name: 'kept' as Name }, { mode: 0o100644 });
  await volume.close();
}

const damages: readonly [string, (index: string) => void][] = [
  [
    'names a manifest that is gone',
    (index) => fs.writeFileSync(join(index, 'CURRENT'), 'MANIFEST-000099\n'),
  ],
  ['names nonsense', (index) => fs.writeFileSync(join(index, 'CURRENT'), 'nonsense\n')],
  ['is of another format', (index) => fs.writeFileSync(join(index, 'CURRENT'), '')],
  [
    'has lost everything but its directory',
    (index) => {
      fs.rmSync(index, { recursive: true });
      fs.mkdirSync(index);
    },
  ],
];

describe('an index', () => {
  for (const [what, damage] of damages) {
    test(`that ${what} is made anew from the log`, async () => {
      await makeOne();
      damage(join(dir, 'index'));
      const volume = await open();
      expect(findChild(volume, ROOT_INO, 'kept' as Name)?.mode).toBe(0o100644);
      await volume.close();
      const again = await open();
      expect(again.indexProblem).toBeUndefined();
      await again.close();
    });
  }

  test('that was made anew says why', async () => {
    await makeOne();
    fs.writeFileSync(join(dir, 'index', 'CURRENT'), 'MANIFEST-000099\n');
    const volume = await open();
    expect(volume.indexProblem).toContain('MANIFEST-000099');
    await volume.close();
  });
});

describe('a log that is gone', () => {
  test('is refused, whatever the index knows, and no empty one takes its place', async () => {
    await makeOne();
    fs.rmSync(join(dir, 'log'), { recursive: true });
    await expect(open()).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
    await expect(open({ create: CREATE })).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
    expect(fs.existsSync(join(dir, 'log', '00000000.seg'))).toBe(false);
  });
});

describe('the making of a volume', () => {
  test('that was cut short before its first record is gone on with', async () => {
    await makeOne();
    fs.rmSync(join(dir, 'index'), { recursive: true });
    fs.rmSync(join(dir, 'log', 'synced'));
    for (const size of [0, 50, 128, 150]) {
      fs.truncateSync(join(dir, 'log', '00000000.seg'), size);
      const volume = await open({ create: CREATE });
      expect(volume.state.findInode(ROOT_INO)?.mode).toBe(0o040755);
      await volume.close();
      fs.rmSync(join(dir, 'index'), { recursive: true });
      fs.rmSync(join(dir, 'log', 'synced'));
    }
  });

  test('is never half done: without its first record it is no volume', async () => {
    await makeOne();
    fs.rmSync(join(dir, 'index'), { recursive: true });
    fs.rmSync(join(dir, 'log', 'synced'));
    fs.truncateSync(join(dir, 'log', '00000000.seg'), 128);
    await expect(open()).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
  });
});

describe('makeVolume', () => {
  const options = {
    volumeId: '5e55f5000000000000000000000000cc',
    clock: new SystemClock(),
    owner: CREATE,
  };

  test('leaves a volume that can be opened, whatever an earlier try left', async () => {
    const place = join(dir, 'volume');
    fs.mkdirSync(join(`${place}.making`, 'log'), { recursive: true });
    fs.writeFileSync(join(`${place}.making`, 'log', '00000000.seg'), 'rubbish');
    await makeVolume({ dir: place, ...options });
    expect(fs.readdirSync(dir)).toEqual(['volume']);
    const volume = await open({ dir: place });
    expect(volume.state.findInode(ROOT_INO)?.mode).toBe(0o040755);
    expect(volume.status().durableRevision).toBe(1);
    await volume.close();
  });

  test('touches no volume that is there', async () => {
    const place = join(dir, 'volume');
    await makeVolume({ dir: place, ...options });
    const before = fs.readFileSync(join(place, 'log', '00000000.seg'));
    await expect(makeVolume({ dir: place, ...options })).rejects.toThrow('ENOTEMPTY');
    expect(fs.readFileSync(join(place, 'log', '00000000.seg'))).toEqual(before);
  });
});

test('a hash is remembered only once the content that it is of is on disk', async () => {
  const volume = await open({ create: CREATE });
  const place = { parent: ROOT_INO, name: 'f' as Name };
  const { ino } = makeNode(volume, SYSTEM_CALLER, place, { mode: 0o100644 });
  const data = Buffer.from('content');
  writeFile(volume, SYSTEM_CALLER, ino, { offset: 0, data, killSuidGid: false });
  const { revision } = volume.status();
  expect(volume.status().durableRevision).toBeLessThan(revision);
  await new VolumeHistory(volume).hash(ino, revision);
  expect(volume.status().durableRevision).toBeGreaterThanOrEqual(revision);
  await volume.close();
});
