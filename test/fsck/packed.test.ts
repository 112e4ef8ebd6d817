/**
 * Packed segments: a check of them is clean, finds what is damaged in maps and packs, and a repair keeps
 * all the rest.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { findPackId } from '../../src/log/pack-format.ts';
import { SlotSource } from '../../src/fsck/slot-source.ts';
import { DESK_VOLUME_ID } from '../volume/desk.ts';
import { collectAll, packWorkplace } from './packed-workplace.ts';
import {
  compare,
  copyWorkplace,
  flipBit,
  fsck,
  makeWorkplace,
  readContents,
  reopen,
  slotsOf,
} from './workplace.ts';
import type { Contents } from './workplace.ts';

async function makePacked(): Promise<{ dir: string; contents: Contents }> {
  const place = await makeWorkplace();
  await packWorkplace(place.dir);
  return place;
}

const filesIn = (dir: string, ending: string): string[] =>
  fs
    .readdirSync(join(dir, 'log'))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(dir, 'log', name));

async function lostIn(dir: string, contents: Contents): Promise<string[]> {
  const desk = await reopen(dir);
  try {
    return compare(await readContents(desk), contents);
  } finally {
    await desk.leave();
  }
}

test('a volume with packed segments is clean, and holds what it held', async () => {
  const { dir, contents } = await makePacked();
  const plain = slotsOf(dir).filter(({ isPacked }) => !isPacked);
  expect(plain.length).toBe(1);
  const report = await fsck(dir);
  expect(report).toMatchObject({ status: 'clean', problems: [], notes: [] });
  expect(report.records).toBeGreaterThan(200);
  expect(await lostIn(dir, contents)).toEqual([]);
  expect((await fsck(dir, { rebuildIndex: true })).status).toBe('clean');
  expect(await lostIn(dir, contents)).toEqual([]);
});

test('a bit that was flipped in a pack is damage of content, and known after a repair', async () => {
  const { dir, contents } = await makePacked();
  for (const [index, path] of filesIn(dir, '.pack').entries()) {
    if (index % 6 !== 0) continue;
    const copy = copyWorkplace({ dir });
    const pack = join(copy, 'log', path.slice(path.lastIndexOf('/') + 1));
    flipBit(pack, 32 + 50);
    const report = await fsck(copy);
    expect([path, report.status]).toEqual([path, 'damaged']);
    expect(report.problems.every(({ kind }) => kind === 'data')).toBe(true);
    expect(report.affectedCount).toBeGreaterThan(0);
    expect(report.notes.join()).toContain(pack);
    expect((await fsck(copy, { repair: true })).status).toBe('repaired');
    const again = await fsck(copy);
    expect(again).toMatchObject({ status: 'clean' });
    expect(again.knownCount).toBeGreaterThan(0);
    expect((await lostIn(copy, contents)).length).toBeGreaterThan(0);
  }
});

test('a pack that is missing is damage of content', async () => {
  const { dir, contents } = await makePacked();
  const [path = ''] = filesIn(dir, '.pack');
  fs.rmSync(path);
  const report = await fsck(dir);
  expect(report.status).toBe('damaged');
  expect(report.problems.every(({ kind }) => kind === 'data')).toBe(true);
  expect((await lostIn(dir, contents)).length).toBeGreaterThan(0);
});

test('a bit that was flipped in a map is found, and a repair keeps all other segments', async () => {
  const { dir, contents } = await makePacked();
  const [path = ''] = filesIn(dir, '.map').slice(4);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const { size } = fs.statSync(path);
  for (const offset of [20, 40, 130, 251, 255, 300, size - 1]) {
    const copy = copyWorkplace({ dir });
    const map = join(copy, 'log', name);
    const before = filesIn(copy, '.map');
    flipBit(map, offset);
    expect(await fsck(copy)).toMatchObject({ status: 'damaged' });
    const repaired = await fsck(copy, { repair: true });
    expect([offset, repaired.status]).toEqual([offset, 'repaired']);
    expect(repaired.repair?.setAside.map((each) => each.endsWith(name))).toContain(true);
    expect(filesIn(copy, '.map')).toEqual(before.filter((each) => each !== map));
    expect([offset, (await fsck(copy)).status]).toEqual([offset, 'clean']);
    const lost = await lostIn(copy, contents);
    expect(lost.length).toBeLessThan(contents.size / 2);
  }
});

test('a repair of a plain segment leaves packed ones as they are', async () => {
  const { dir, contents } = await makePacked();
  const plain = filesIn(dir, '.seg')[0] ?? '';
  fs.truncateSync(plain, 100);
  const maps = filesIn(dir, '.map').map((path) => fs.readFileSync(path).toString('latin1'));
  await fsck(dir, { repair: true });
  expect(filesIn(dir, '.map').map((path) => fs.readFileSync(path).toString('latin1'))).toEqual(
    maps,
  );
  expect((await fsck(dir)).status).toBe('clean');
  await lostIn(dir, contents);
});

test('what is packed and collected while it is being checked is found where it is now', async () => {
  const { dir } = await makeWorkplace();
  const place = { logDir: join(dir, 'log'), volumeId: DESK_VOLUME_ID };
  const slots = slotsOf(dir);
  const slot = slots.at(-2);
  if (slot === undefined) throw new Error('no sealed segment');
  const plain = SlotSource.open(place, slot);
  const wanted = Buffer.alloc(slot.size);
  expect(plain?.readContent(wanted, 0)).toBe(true);
  await packWorkplace(dir);
  // Opened before it was packed, and after it.
  expect(plain?.readContent(Buffer.alloc(slot.size), 0)).toBe(true);
  const packed = SlotSource.open(place, slot);
  const parts = packed?.aliveParts(128, slot.size) ?? [];
  expect(parts.length).toBeGreaterThan(0);
  await collectAll(dir);
  for (const [from, to] of parts) {
    const bytes = Buffer.alloc(to - from);
    expect(packed?.readContent(bytes, from)).toBe(true);
    expect(bytes.equals(wanted.subarray(from, to))).toBe(true);
  }
  plain?.close();
  packed?.close();
  expect((await fsck(dir)).status).toBe('clean');
});

test('content that was removed and is still referred to is told', async () => {
  const { dir } = await makeWorkplace();
  await packWorkplace(dir, (id) => id !== 3);
  const report = await fsck(dir);
  expect(report.status).toBe('damaged');
  expect(report.problems[0]?.message).toContain('still referred to');
  expect(filesIn(dir, '.pack').every((path) => findPackId(path.slice(-14)) !== undefined)).toBe(
    true,
  );
});
