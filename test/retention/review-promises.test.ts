/**
 * Ways in which a promise could get shorter without anybody asking for it.
 */

import { expect, test } from 'vitest';

import { LiveXattrs } from '../../src/mount/live-xattrs.ts';
import { encodePolicy, parseRetention } from '../../src/policy/retention-policy.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import type { SweepReport, SweepRequest } from '../../src/retention/sweeper.ts';
import type { Ino, Name } from '../../src/shared/brands.ts';
import { ROOT_INO, SYSTEM_ACTOR } from '../../src/shared/brands.ts';
import { readFile } from '../../src/volume/files.ts';
import { unlinkNode } from '../../src/volume/names.ts';
import { Desk } from '../volume/desk.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function sweep(desk: Desk, request: Partial<SweepRequest> = {}): Promise<SweepReport> {
  return new Sweeper(desk.volume, desk.history, undefined).run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
    ...request,
  });
}

const hasContent = (desk: Desk, ino: Ino): boolean =>
  desk.volume.state.findInode(ino)?.isGone === false;

test('what is written again as it was is not superseded by that', async () => {
  const desk = await Desk.open();
  desk.save('f', 'same');
  for (let day = 0; day < 40; day++) {
    desk.clock.ms += DAY_MS;
    desk.save('f', 'same');
    await desk.volume.cuts.settled();
  }
  desk.clock.ms += HOUR_MS;
  desk.save('f', 'other');
  expect(await desk.contents('f')).toEqual(['same', 'other']);
  desk.clock.ms += 29 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['same', 'other']);
  desk.clock.ms += 2 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['other']);
});

test('that it was the same is known as long as the version, however far back moments are seen', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'same');
  desk.volume.commit({ kind: 'tier', ino, tier: 3 }, desk.caller);
  for (let day = 0; day < 300; day += 50) {
    desk.clock.ms += 50 * DAY_MS;
    desk.save('f', 'same');
    await sweep(desk);
  }
  desk.save('f', 'other');
  for (let day = 0; day < 350; day += 50) {
    desk.clock.ms += 50 * DAY_MS;
    desk.save('g', String(day));
    await sweep(desk);
  }
  expect(await desk.contents('f')).toEqual(['same', 'other']);
  desk.clock.ms += 50 * DAY_MS;
  await sweep(desk);
  expect(await desk.contents('f')).toEqual(['other']);
});

test('a file that leaves a place of a stronger tier keeps what it had there', async () => {
  const desk = await Desk.open();
  const policy = parseRetention({ rules: [{ match: 'keep/**', tier: 'permanent' }] });
  new Pledges(desk.volume).setPolicy(encodePolicy(policy));
  desk.mkdir('keep');
  const kept = desk.save('keep/f', 'precious');
  desk.mv('keep/f', 'f');
  const plain = desk.save('g', 'plain');
  desk.clock.ms += DAY_MS;
  const sessionEndedMs = desk.clock.ms;
  for (let i = 0; i < 4; i++) {
    desk.clock.ms += 40 * DAY_MS;
    await sweep(desk, { sessionEndedMs });
  }
  expect(hasContent(desk, kept)).toBe(true);
  expect(hasContent(desk, plain)).toBe(false);
});

test('what a process of another namespace removed keeps its time when the session ends', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'precious');
  desk.clock.ms += HOUR_MS;
  // The kernel does not know its number here.
  unlinkNode(desk.volume, { unique: 0, uid: 0, gid: 0, pid: 0 }, ROOT_INO, 'f' as Name);
  desk.clock.ms += HOUR_MS;
  const sessionEndedMs = desk.clock.ms;
  desk.clock.ms += 29 * DAY_MS;
  await sweep(desk, { sessionEndedMs });
  expect(hasContent(desk, ino)).toBe(true);
});

async function passMonths(desk: Desk): Promise<void> {
  for (let i = 0; i < 3; i++) {
    desk.clock.ms += 60 * DAY_MS;
    desk.save('other', String(i));
    await sweep(desk);
  }
}

test('a hold on a directory is for what leaves it, too', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  desk.mkdir('d/e');
  const left = desk.save('d/e/f', 'held');
  const target = { ino: desk.ino('d'), revision: 0, path: 'd' } as const;
  new Pledges(desk.volume).addHold({ name: 'legal', reason: 'law', target }, SYSTEM_ACTOR);
  desk.mv('d/e/f', 'f');
  desk.rm('f');
  const stranger = desk.save('g', 'not held');
  desk.rm('g');
  await passMonths(desk);
  expect(hasContent(desk, left)).toBe(true);
  expect(hasContent(desk, stranger)).toBe(false);
});

test('a hold on a directory at a revision is for what was in it then', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  const ino = desk.save('d/f', 'held');
  const revision = desk.volume.state.revision;
  desk.mv('d/f', 'f');
  desk.save('f', 'later');
  const later = desk.volume.state.revision;
  desk.save('f', 'last');
  const target = { ino: desk.ino('d'), revision, path: 'd' };
  new Pledges(desk.volume).addHold({ name: 'legal', reason: 'law', target }, SYSTEM_ACTOR);
  await passMonths(desk);
  expect((await desk.history.read(ino, revision, 0, 4)).toString()).toBe('held');
  await expect(desk.history.read(ino, later, 0, 5)).rejects.toThrow('ENODATA');
});

test('content that is gone is not read as zeros by whoever finds the file once more', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'text');
  desk.volume.commit({ kind: 'tier', ino, tier: 1 }, desk.caller);
  desk.save('f', 'more text');
  desk.rm('f');
  // Moments are kept, and with them the inode.
  new Pledges(desk.volume).setSessionTier('permanent', SYSTEM_ACTOR);
  await passMonths(desk);
  expect(hasContent(desk, ino)).toBe(false);
  expect(() => readFile(desk.volume, ino, 0, Buffer.alloc(4))).toThrow('ENODATA');
});

test('a tier that is chosen once more leaves nothing behind', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'text');
  const xattrs = new LiveXattrs(desk.volume, desk.history);
  const choose = (of: Ino, tier: string): void => {
    const value = Buffer.from(tier);
    xattrs.set(desk.caller, of, { name: 'user.sessfs.tier', value, flags: 0 });
  };
  choose(ROOT_INO, 'persistent');
  choose(ino, 'permanent');
  const { revision } = desk.volume.state;
  for (let i = 0; i < 3; i++) {
    choose(ROOT_INO, 'persistent');
    choose(ino, 'permanent');
  }
  expect(desk.volume.state.revision).toBe(revision);
  expect(desk.volume.state.promises.policies.at(-1)?.sessionTier).toBe(3);
});

test('what has changed is a version before it gets a name that makes none', async () => {
  const desk = await Desk.open();
  const ino = desk.open('doc');
  desk.write(ino, 'written');
  const { revision } = desk.volume.state;
  desk.mv('doc', 'doc.swp');
  desk.write(ino, 'WRITTEN');
  desk.close(ino);
  desk.clock.ms += 2 * HOUR_MS;
  await sweep(desk);
  expect((await desk.history.read(ino, revision, 0, 7)).toString()).toBe('written');
});
