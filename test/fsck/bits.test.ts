/**
 * A bit flipped anywhere in a log is found and named, never served, and a repair keeps all the rest.
 *
 * SESSFS_FSCK_BITS flips more of them.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { SessfsError } from '../../src/shared/errors.ts';
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

const BITS = Number(process.env['SESSFS_FSCK_BITS'] ?? 48);
const REPAIRED_BITS = Math.ceil(BITS / 4);

interface Place {
  readonly segment: number;
  readonly path: string;
  readonly offset: number;
  readonly bit: number;
}

/** Spread over all sealed segments, with every byte of the first header among them. */
function placesIn(dir: string, count: number, seed: number): Place[] {
  const sealed = slotsOf(dir).slice(0, -1);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, (_, index) => {
    const slot = sealed[random(sealed.length)];
    if (slot === undefined) throw new Error('no sealed segment');
    // Headers and heads of records are few bytes among many of data.
    const offset = index % 4 === 0 ? random(128) : random(slot.size);
    return { segment: slot.id, path: slot.path, offset, bit: random(8) };
  });
}

test('a flipped bit is found, in the right segment and place', async () => {
  const { dir } = await makeWorkplace();
  for (const { segment, path, offset, bit } of placesIn(dir, BITS, 7)) {
    flipBit(path, offset, bit);
    const report = await fsck(dir);
    const where = `segment ${segment}, offset ${offset}, bit ${bit}`;
    expect([where, report.status]).toEqual([where, 'damaged']);
    const named = report.problems.filter(
      (problem) =>
        problem.segment === segment &&
        (problem.offset ?? 0) <= offset &&
        offset < (problem.offset ?? 0) + (problem.length ?? 0),
    );
    expect([where, named.length, report.problems]).toEqual([where, 1, report.problems]);
    flipBit(path, offset, bit);
  }
  expect(await fsck(dir)).toMatchObject({ status: 'clean' });
}, 600_000);

test('what a flipped bit has damaged is not served, and a repair keeps all the rest', async () => {
  const workplace = await makeWorkplace();
  for (const { segment, offset, bit } of placesIn(workplace.dir, REPAIRED_BITS, 99)) {
    const dir = copyWorkplace(workplace);
    const where = `segment ${segment}, offset ${offset}, bit ${bit}`;
    flipBit(join(dir, 'log', `${segment.toString(16).padStart(8, '0')}.seg`), offset, bit);
    const served = await reopen(dir).catch((error: unknown) => {
      if (error instanceof SessfsError) return undefined;
      throw error;
    });
    const lostBefore = served && compare(await readContents(served), workplace.contents);
    await served?.leave();
    const report = await fsck(dir, { repair: true });
    expect([where, report.status]).toEqual([where, 'repaired']);
    expect([where, report.repair?.index]).toEqual([where, 'kept']);
    const desk = await reopen(dir);
    const lost = compare(await readContents(desk), workplace.contents);
    expect([where, lost]).toEqual([where, lostBefore ?? lost]);
    // What cannot be read was told, and nothing else.
    const told = new Set<string>();
    for (const { ino, path, live, versions } of report.affected) {
      if (live) told.add(`/${path}`);
      for (const revision of versions) told.add(`${ino}@${revision}`);
    }
    // A hard link is told by one of its names.
    const untold = lost.filter((what) => what.includes('@') && !told.has(what));
    expect([where, untold]).toEqual([where, []]);
    desk.save('after', 'the repair');
    await desk.leave();
    const again = await fsck(dir);
    expect([where, again.status, again.problems]).toEqual([where, 'clean', []]);
    fs.rmSync(dir, { recursive: true });
  }
}, 600_000);
