/**
 * Quotas on a bare volume: what is refused, what never is, and that a refusal changes nothing.
 */

import { expect, test } from 'vitest';

import { encodePolicy, DEFAULT_POLICY } from '../../src/policy/retention-policy.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Name } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import {
  allocateFile,
  cloneFileRange,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from '../../src/volume/files.ts';
import { makeNode } from '../../src/volume/names.ts';
import { SYSTEM_CALLER } from '../../src/volume/store.ts';
import { Desk } from './desk.ts';

const HALF = Buffer.alloc(500, 'a');

/** The errno that work ends with; undefined if it is done. */
function errnoOf(work: () => unknown): Errno | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
}

function totals(desk: Desk): Record<string, number> {
  const { liveBytes, historyBytes, inodes, versions } = desk.volume.state;
  return { liveBytes, historyBytes, inodes, versions };
}

/** True if work ends with EDQUOT, and nothing has changed. */
function isRefused(desk: Desk, work: () => unknown): boolean {
  const before = { ...totals(desk), revision: desk.volume.state.revision };
  const errno = errnoOf(work);
  expect({ ...totals(desk), revision: desk.volume.state.revision }).toEqual(before);
  return errno === Errno.EDQUOT;
}

function symlink(desk: Desk, name: string): void {
  const place = { parent: ROOT_INO, name: name as Name };
  makeNode(desk.volume, desk.caller, place, { mode: 0o120777, target: 'f' });
}

test('a write may fill the live limit to the last byte, and not one more', async () => {
  const desk = await Desk.open();
  desk.volume.quota.setOwn({ liveBytes: 1000 });
  const ino = desk.open('f');
  desk.write(ino, HALF, 0);
  desk.write(ino, HALF, 500);
  expect(isRefused(desk, () => desk.write(ino, 'x', 1000))).toBe(true);
  expect(isRefused(desk, () => desk.write(ino, 'xy', 999))).toBe(true);
});

test('a file may be overwritten in place at and above the live limit', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', HALF);
  desk.volume.quota.setOwn({ liveBytes: 100 });
  desk.write(ino, Buffer.alloc(500, 'b'), 0);
  expect(desk.volume.state.liveBytes).toBe(500);
});

test('a write into a hole is growth', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'x');
  desk.truncate('f', 1 << 20);
  desk.volume.quota.setOwn({ liveBytes: 1 });
  expect(isRefused(desk, () => desk.write(ino, 'y', 4096))).toBe(true);
});

test('what was removed makes room at once', async () => {
  const desk = await Desk.open();
  desk.volume.quota.setOwn({ liveBytes: 500 });
  desk.save('f', HALF);
  const other = desk.open('g');
  expect(isRefused(desk, () => desk.write(other, HALF))).toBe(true);
  desk.rm('f');
  desk.write(other, HALF);
});

test('where the history is full nothing is overwritten, and new files go on', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', HALF);
  desk.volume.quota.setOwn({ historyBytes: 499 });
  expect(isRefused(desk, () => desk.write(ino, HALF))).toBe(true);
  desk.write(ino, HALF.subarray(1), 1);
  expect(isRefused(desk, () => desk.write(ino, 'x'))).toBe(true);
  desk.write(ino, 'at the end', 500);
  desk.save('g', HALF);
});

test('removing, renaming over, truncating and punching go on above every limit', async () => {
  const desk = await Desk.open();
  for (const name of ['a', 'b', 'c', 'd', 'e']) desk.save(name, HALF);
  desk.mkdir('dir');
  desk.volume.quota.setOwn({ liveBytes: 1, historyBytes: 1, inodes: 1, versions: 1 });
  desk.rm('a');
  desk.mv('b', 'c');
  desk.truncate('d', 10);
  desk.truncate('d', 0);
  allocateFile(desk.volume, desk.caller, desk.ino('e'), {
    offset: 0,
    length: 100,
    mode: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
  });
  desk.rmdir('dir');
  expect(totals(desk)).toMatchObject({ liveBytes: 900, historyBytes: 1600, inodes: 4 });
});

test('rollback and undelete go on above every limit', async () => {
  const desk = await Desk.open();
  desk.save('f', HALF);
  const { revision } = desk.volume.state;
  desk.save('f', 'short');
  desk.save('g', 'gone');
  desk.rm('g');
  desk.volume.quota.setOwn({ liveBytes: 1, historyBytes: 1, inodes: 1, versions: 1 });
  const { actor } = desk.caller;
  if (actor === undefined) throw new Error('somebody works here');
  await desk.history.rollback({ path: ['f' as Name], to: revision, actor });
  await desk.history.undelete({ path: ['g' as Name], actor });
  expect(totals(desk)).toMatchObject({ liveBytes: 504, inodes: 3 });
});

test('at the limit of inodes nothing is made, and a second name of a file is', async () => {
  const desk = await Desk.open();
  desk.save('f', 'x');
  desk.volume.quota.setOwn({ inodes: 2 });
  expect(isRefused(desk, () => desk.open('g'))).toBe(true);
  expect(isRefused(desk, () => desk.mkdir('d'))).toBe(true);
  expect(isRefused(desk, () => symlink(desk, 's'))).toBe(true);
  expect(isRefused(desk, () => desk.openUnnamed())).toBe(true);
  desk.ln('f', 'h');
  desk.rm('f');
  desk.rm('h');
  desk.open('g');
});

test('a file without a name counts when it gets one', async () => {
  const desk = await Desk.open();
  const ino = desk.openUnnamed();
  desk.write(ino, HALF);
  desk.volume.quota.setOwn({ liveBytes: 499 });
  expect(isRefused(desk, () => desk.ln(ino, 'f'))).toBe(true);
  desk.volume.quota.setOwn({ inodes: 1 });
  expect(isRefused(desk, () => desk.ln(ino, 'f'))).toBe(true);
  desk.volume.quota.setOwn({ liveBytes: 500, inodes: 2 });
  desk.ln(ino, 'f');
});

test('what is written to a removed file counts as history', async () => {
  const desk = await Desk.open();
  desk.volume.quota.setOwn({ liveBytes: 1, historyBytes: 500 });
  const ino = desk.openUnnamed();
  desk.write(ino, HALF);
  expect(isRefused(desk, () => desk.write(ino, 'x', 500))).toBe(true);
});

test('at the limit of versions no other file changes its content', async () => {
  const desk = await Desk.open();
  const open = desk.open('open');
  desk.write(open, 'one');
  desk.save('f', 'one');
  desk.volume.quota.setOwn({ versions: 1 });
  expect(isRefused(desk, () => desk.write(desk.ino('f'), 'two'))).toBe(true);
  expect(isRefused(desk, () => desk.truncate('f', 100))).toBe(true);
  // It will get one in any case.
  desk.write(open, 'two', 3);
  desk.close(open);
  expect(isRefused(desk, () => desk.write(open, 'three', 6))).toBe(true);
  desk.truncate('f', 1);
  expect(await desk.contents('open')).toEqual(['onetwo']);
});

test('what makes no versions goes on at the limit of versions', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.volume.quota.setOwn({ versions: 1 });
  const ino = desk.open('.f.swp');
  desk.write(ino, 'one');
  desk.close(ino);
  expect(desk.volume.state.versions).toBe(1);
});

test('a copy that shares bytes counts as if it were written', async () => {
  const desk = await Desk.open();
  const from = desk.save('f', HALF);
  desk.truncate('f', 4000);
  const to = desk.save('g', 'x');
  desk.volume.quota.setOwn({ liveBytes: 1000 });
  const clone = (length: number): number =>
    cloneFileRange(
      desk.volume,
      desk.caller,
      { ino: from, offset: 0 },
      { ino: to, offset: 0, length },
    );
  desk.volume.quota.setOwn({ liveBytes: 999 });
  expect(isRefused(desk, () => clone(4000))).toBe(true);
  // Only the part that is no hole counts.
  desk.volume.quota.setOwn({ liveBytes: 1000 });
  expect(clone(4000)).toBe(4000);
  desk.volume.quota.setOwn({ historyBytes: 500 });
  expect(isRefused(desk, () => clone(4000))).toBe(true);
});

test('fallocate refuses what could never be written', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', HALF);
  desk.volume.quota.setOwn({ liveBytes: 1000 });
  const allocate = (length: number, mode: number): void =>
    allocateFile(desk.volume, desk.caller, ino, { offset: 0, length, mode });
  expect(isRefused(desk, () => allocate(1001, 0))).toBe(true);
  expect(isRefused(desk, () => allocate(1001, FALLOC_FL_KEEP_SIZE))).toBe(true);
  allocate(1000, 0);
  desk.volume.quota.setOwn({ historyBytes: 499 });
  expect(isRefused(desk, () => allocate(500, FALLOC_FL_ZERO_RANGE))).toBe(true);
  allocate(499, FALLOC_FL_ZERO_RANGE);
});

test('small appends go on where the history has no room for folding them', async () => {
  const desk = await Desk.open();
  desk.volume.quota.setOwn({ historyBytes: 1 });
  const ino = desk.open('f');
  for (let line = 0; line < 200; line++) desk.write(ino, 'line\n', line * 5);
  expect(totals(desk)).toMatchObject({ liveBytes: 1000, historyBytes: 0 });
});

test('the session says for itself what differs from the policy, also that there is no limit', async () => {
  const desk = await Desk.open();
  const quota = { liveBytes: 10, historyBytes: 20, inodes: 30, versions: Infinity };
  const text = encodePolicy({ ...DEFAULT_POLICY, quota });
  desk.volume.commit({ kind: 'policy', sessionTier: 2, text }, SYSTEM_CALLER);
  expect(desk.volume.quota.limits).toEqual(quota);
  desk.volume.quota.setOwn({ liveBytes: 5, inodes: null });
  expect(desk.volume.quota.limits).toEqual({ ...quota, liveBytes: 5, inodes: Infinity });
  const ino = desk.open('f');
  expect(isRefused(desk, () => desk.write(ino, 'six..6'))).toBe(true);
});

test('a policy that is changed counts from the next write', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'x');
  const quota = { ...DEFAULT_POLICY.quota, liveBytes: 1 };
  const text = encodePolicy({ ...DEFAULT_POLICY, quota });
  desk.volume.commit({ kind: 'policy', sessionTier: 2, text }, SYSTEM_CALLER);
  expect(isRefused(desk, () => desk.write(ino, 'y', 1))).toBe(true);
});

test('a level is told of once, and again only after it was well below', async () => {
  const desk = await Desk.open();
  const told: string[] = [];
  desk.volume.quota.onWarning = ({ text }) => told.push(text);
  desk.volume.quota.setOwn({ liveBytes: 100 });
  const fill = (bytes: number): void => {
    desk.save('f', Buffer.alloc(bytes));
    desk.volume.quota.noteUse();
  };
  fill(79);
  expect(told).toEqual([]);
  expect(desk.volume.quota.warnings()).toEqual([]);
  fill(80);
  fill(76);
  fill(85);
  expect(told).toEqual(['Live bytes are at 80 % of the quota: 80 of 100']);
  fill(95);
  expect(told).toHaveLength(2);
  fill(86);
  fill(91);
  expect(told).toHaveLength(2);
  fill(74);
  fill(90);
  expect(told).toHaveLength(3);
  expect(desk.volume.quota.warnings()).toMatchObject([
    { kind: 'liveBytes', used: 90, limit: 100, percent: 90 },
  ]);
});

test('a volume opens and replays far above its quota, and goes on from there', async () => {
  const desk = await Desk.open();
  for (let round = 0; round < 10; round++) desk.save('f', `text ${round}`);
  const before = totals(desk);
  desk.volume.quota.setOwn({ liveBytes: 1, historyBytes: 1, inodes: 1, versions: 1 });
  await desk.leave();
  const again = await Desk.open({ dir: desk.dir });
  again.volume.quota.setOwn({ liveBytes: 1, historyBytes: 1, inodes: 1, versions: 1 });
  expect(totals(again)).toEqual(before);
  again.rm('f');
});
