/**
 * What was kept by a checkpoint or a hold is kept for the grace after that is released: whoever released it
 * by mistake can make it again.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { describeKey, describeDifference } from '../../src/fsck/describe-entry.ts';
import { releasedKey } from '../../src/index/keys.ts';
import { decodeReleased, encodeReleased } from '../../src/index/promised-records.ts';
import type { ReleasedRecord } from '../../src/index/promised-records.ts';
import { describeReason } from '../../src/policy/reason-text.ts';
import { explainVersions } from '../../src/retention/explain.ts';
import { Sweep } from '../../src/retention/sweep.ts';
import type { ActorId, Ino, Revision } from '../../src/shared/brands.ts';
import { DAY_MS, GENEROUS_POLICY, HOUR_MS, STRICT_POLICY } from './ladders.ts';
import { World } from './world.ts';

const ACTOR = 1 as ActorId;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** `f` of which the first of two contents was promised until long ago; and when that was there. */
async function makeOld(): Promise<{ world: World; ino: Ino; at: Revision }> {
  const world = await World.make();
  const { desk } = world;
  const ino = desk.save('f', 'old');
  await world.volume.cuts.settled();
  const at = world.volume.state.revision;
  return { world, ino, at };
}

async function age(world: World): Promise<void> {
  world.desk.save('f', 'new');
  for (let i = 0; i < 2; i++) {
    world.pass(40 * DAY_MS);
    world.desk.save('other', `day ${i}`);
    await world.sweep();
  }
}

const read = ({ desk }: World, ino: Ino, at: Revision): Promise<string> =>
  desk.history.read(ino, at, 0, 9).then(String, () => 'gone');

const KEEPING: [string, (ino: Ino, at: Revision) => { ino: Ino | 0; revision: Revision | 0 }][] = [
  ['a file', (ino) => ({ ino, revision: 0 })],
  ['a version', (ino, at) => ({ ino, revision: at })],
  ['a moment', (_, at) => ({ ino: 0, revision: at })],
  ['the session', () => ({ ino: 0, revision: 0 })],
];

test('what a removed checkpoint kept goes after the grace', async () => {
  const { world, ino, at } = await makeOld();
  await world.pledges.addCheckpoint('c', { actor: ACTOR, at });
  await age(world);
  world.pledges.removeCheckpoint('c', ACTOR);
  const releasedMs = world.nowMs;
  expect(world.volume.state.promises.checkpoints.size).toBe(0);
  world.pass(60_000);
  const dueMs = releasedMs + HOUR_MS;
  expect(await world.sweep()).toMatchObject({ versions: 0, nextDueMs: dueMs });
  world.desk.clock.ms = dueMs - 1;
  expect(await world.sweep()).toMatchObject({ versions: 0 });
  expect(await read(world, ino, at)).toBe('old');
  await world.compareMoments([at]);
  world.desk.clock.ms = dueMs;
  expect(await world.sweep()).toMatchObject({ versions: 1 });
  expect(await read(world, ino, at)).toBe('gone');
});

test.each(KEEPING)('what a released hold on %s kept goes after the grace', async (_what, of) => {
  const { world, ino, at } = await makeOld();
  const target = { ...of(ino, at), path: 'f' };
  world.pledges.addHold({ name: 'h', reason: 'r', target }, ACTOR);
  await age(world);
  world.pledges.releaseHold('h', ACTOR);
  world.pass(HOUR_MS - 1);
  await world.sweep();
  expect(await read(world, ino, at)).toBe('old');
  world.pass(1);
  await world.sweep();
  expect(await read(world, ino, at)).toBe('gone');
});

test('a held live file of a session that ended stays for the grace', async () => {
  const { world, ino } = await makeOld();
  world.sessionEndedMs = world.nowMs;
  const target = { ino, revision: 0, path: 'f' } as const;
  world.pledges.addHold({ name: 'h', reason: 'r', target }, ACTOR);
  world.pass(90 * DAY_MS);
  world.pledges.releaseHold('h', ACTOR);
  world.pass(HOUR_MS - 1);
  expect(await world.sweep()).toMatchObject({ liveFiles: 0 });
  world.pass(1);
  expect(await world.sweep()).toMatchObject({ liveFiles: 1 });
});

test('a checkpoint that was removed can be made again within the grace, and not later', async () => {
  const { world, at } = await makeOld();
  const { pledges, volume, desk } = world;
  await pledges.addCheckpoint('c', { actor: ACTOR, at });
  await age(world);
  expect(volume.state.horizon).toBeGreaterThan(at);
  pledges.removeCheckpoint('c', ACTOR);
  world.pass(HOUR_MS - 1);
  await world.sweep();
  expect(desk.history.status().pinned).toEqual([at]);
  expect(await pledges.addCheckpoint('c', { actor: ACTOR, at })).toBe(at);
  world.pass(DAY_MS);
  await world.sweep();
  await world.compareMoments([at]);
  pledges.removeCheckpoint('c', ACTOR);
  world.pass(HOUR_MS);
  expect(desk.history.status().pinned).toEqual([]);
  await expect(pledges.addCheckpoint('c', { actor: ACTOR, at })).rejects.toMatchObject({
    code: 'CONTENT_REMOVED',
  });
});

test('what a shorter grace may have taken is no whole moment when the grace is longer again', async () => {
  const { world, at } = await makeOld();
  const { pledges, desk } = world;
  await pledges.addCheckpoint('c', { actor: ACTOR, at });
  await age(world);
  pledges.removeCheckpoint('c', ACTOR);
  expect(desk.history.status().pinned).toEqual([at]);
  pledges.setPolicy(STRICT_POLICY.text);
  pledges.setPolicy(GENEROUS_POLICY.text);
  expect(desk.history.status().pinned).toEqual([]);
});

test('a release is told of where nothing keeps a version for longer', async () => {
  const { world, ino, at } = await makeOld();
  const { pledges, volume } = world;
  const why = async (): Promise<string[]> => {
    const options = { nowMs: world.nowMs, sessionEndedMs: undefined };
    const [version] = await explainVersions(volume, [ino], options);
    return version?.decision.reasons.map(describeReason) ?? [];
  };
  world.desk.save('f', 'new');
  await pledges.addCheckpoint('c', { actor: ACTOR, at });
  pledges.removeCheckpoint('c', ACTOR);
  const promised = await why();
  expect(promised).toEqual(['tier standard keeps 1d']);
  pledges.addHold({ name: 'h', reason: 'r', target: { ino, revision: 0, path: 'f' } }, ACTOR);
  world.desk.clock.ms = Date.UTC(2027, 5, 1);
  pledges.releaseHold('h', ACTOR);
  expect(await why()).toEqual(['hold "h", released 2027-06-01T00:00:00Z', ...promised]);
  world.pass(HOUR_MS);
  expect(await why()).toEqual(promised);
});

test('releases do not keep a sweep that is under way from removing', async () => {
  const { world, ino, at } = await makeOld();
  const { pledges, volume, desk } = world;
  await pledges.addCheckpoint('guard', { actor: ACTOR });
  desk.save('f', 'new');
  world.pass(40 * DAY_MS);
  pledges.removeCheckpoint('guard', ACTOR);
  await pledges.addCheckpoint('guard', { actor: ACTOR });
  world.pass(2 * HOUR_MS);
  const sweep = await Sweep.begin(volume, desk.history, {
    nowMs: world.nowMs,
    sessionEndedMs: undefined,
  });
  pledges.removeCheckpoint('guard', ACTOR);
  await sweep.apply({});
  expect(await read(world, ino, at)).toBe('gone');
});

test('what was released is bounded, and the same from the log as from the index', async () => {
  const { world, ino } = await makeOld();
  const { pledges, volume } = world;
  const release = async (name: string): Promise<void> => {
    await pledges.addCheckpoint(name, { actor: ACTOR });
    pledges.removeCheckpoint(name, ACTOR);
  };
  const { released } = volume.state.promises;
  const target = { ino, revision: 0, path: 'f' } as const;
  pledges.addHold({ name: 'h', reason: 'r', target }, ACTOR);
  pledges.releaseHold('h', ACTOR);
  for (let i = 0; i < 1005; i++) await release(`c${i}`);
  expect(released.size).toBe(1000);
  expect([...released.values()][0]).toMatchObject({ kind: 'checkpoint', name: 'c5' });
  await world.compareCopy({ withIndex: false });
  world.pass(30 * DAY_MS);
  await release('late');
  expect(released.size).toBe(1000);
  world.pass(1000);
  pledges.addHold({ name: 'h', reason: 'r', target }, ACTOR);
  pledges.releaseHold('h', ACTOR);
  expect([...released.values()].map(({ name }) => name)).toEqual(['late', 'h']);
  const before = structuredClone([...released]);
  await world.compareCopy({ withIndex: true });
  await world.compareCopy({ withIndex: false });
  await world.reopen();
  expect([...world.volume.state.promises.released]).toEqual(before);
});

test('an entry says what was released', () => {
  const kept = { at: 7 as Revision, time: { sec: 5, nsec: 6 }, actor: ACTOR };
  const releasedAt = { sec: 8, nsec: 9 };
  const checkpoint: ReleasedRecord = { kind: 'checkpoint', name: 'c', releasedAt, kept };
  const hold: ReleasedRecord = {
    kind: 'hold',
    name: 'h',
    releasedAt,
    kept: { ...kept, reason: 'r', ino: 3 as Ino, revision: 4 as Revision, path: 'ä' },
  };
  const key = Buffer.from(releasedKey(12 as Revision));
  const encoded = Buffer.from(encodeReleased(checkpoint));
  expect(decodeReleased(encoded)).toEqual(checkpoint);
  expect(decodeReleased(Buffer.from(encodeReleased(hold)))).toMatchObject({
    kind: 'hold',
    kept: { reason: 'r', ino: 3, revision: 4, path: 'ä' },
  });
  expect(describeKey(key)).toBe('release of r12');
  const other = Buffer.from(encodeReleased({ ...checkpoint, name: 'd' }));
  expect(describeDifference(key, encoded, other)).toBe('name "c", wanted "d"');
});
