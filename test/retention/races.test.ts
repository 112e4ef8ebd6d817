/**
 * What changes while a sweep is under way: nobody ever reads wrong bytes, and what was asked to be kept is.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { removeExpired } from '../../src/retention/live-expiry.ts';
import { Sweep } from '../../src/retention/sweep.ts';
import type { ActorId, Ino, Name, Revision } from '../../src/shared/brands.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import { DAY_MS } from './ladders.ts';
import { World } from './world.ts';

const ACTOR = 1 as ActorId;
const path = (text: string): Name[] => text.split('/') as Name[];

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** Sweeps, and does something between the survey and the removal of what it found. */
async function sweepWith(world: World, meanwhile: () => unknown): Promise<void> {
  const { volume, desk, nowMs } = world;
  const sweep = await Sweep.begin(volume, desk.history, { nowMs, sessionEndedMs: undefined });
  const flushed = volume.flushed.bind(volume);
  let isDone = false;
  // A sweep writes the index out before each removal, and checks again after that.
  volume.flushed = async () => {
    if (!isDone) {
      isDone = true;
      await meanwhile();
    }
    await flushed();
  };
  await sweep.apply({});
  volume.flushed = flushed;
  expect(isDone).toBe(true);
}

const readAt = (world: World, ino: Ino, at: number): Promise<string | number> =>
  world.desk.history.read(ino, at as Revision, 0, 100).then(
    (bytes) => bytes.toString(),
    (error: unknown) => (error instanceof FsError ? error.errno : String(error)),
  );

async function withOldVersion(): Promise<{ world: World; ino: Ino; at: number }> {
  const world = await World.make();
  const ino = world.desk.save('f', 'old');
  const at = world.volume.state.revision;
  world.pass(1000);
  world.desk.save('f', 'new');
  world.pass(40 * DAY_MS);
  return { world, ino, at };
}

test('a version that nothing keeps goes, without a race', async () => {
  const { world, ino, at } = await withOldVersion();
  await sweepWith(world, () => undefined);
  expect(await readAt(world, ino, at)).toBe(Errno.ENODATA);
});

test.each<[string, (world: World, ino: Ino, at: number) => unknown]>([
  ['held', ({ pledges }) => pledges.addHold(hold(0 as Ino), ACTOR)],
  ['in a checkpoint', ({ pledges }, _, at) => addCheckpoint(pledges, at)],
  ['of a tier that keeps it', ({ pledges }, ino) => setTier(pledges, ino)],
  ['of a renewed file', ({ pledges }, ino) => pledges.renew(ino, ACTOR)],
  ['of a renewed session', ({ pledges }) => pledges.renew(ROOT_INO, ACTOR)],
  ['in a session of a better tier', ({ pledges }) => pledges.setSessionTier('permanent', ACTOR)],
  ['read', ({ volume }, _, at) => volume.pins.add(at as Revision)],
  ['of a file that moves', ({ desk }) => (desk.mkdir('d'), desk.mv('f', 'd/f'))],
])('what is %s by the time of the removal stays', async (_, meanwhile) => {
  const { world, ino, at } = await withOldVersion();
  await sweepWith(world, () => meanwhile(world, ino, at));
  expect(await readAt(world, ino, at)).toBe('old');
});

test('content that comes and goes while a sweep runs is not taken for what is due', async () => {
  const { world, ino } = await withOldVersion();
  const { desk, volume, nowMs } = world;
  const sweep = await Sweep.begin(volume, desk.history, { nowMs, sessionEndedMs: undefined });
  const scan = volume.index.scan.bind(volume.index);
  const seen: number[] = [];
  // Between what a survey says of the file and where its pieces are looked up.
  volume.index.scan = async function* scanLater(options) {
    if (seen.length === 0) {
      for (const text of ['one', 'two', 'three']) {
        desk.save('f', text);
        seen.push(volume.state.revision);
      }
      await volume.flushed();
    }
    yield* scan(options);
  };
  await sweep.apply({});
  volume.index.scan = scan;
  expect(seen).toHaveLength(3);
  expect(await Promise.all(seen.map((at) => readAt(world, ino, at)))).toEqual([
    'one',
    'two',
    'three',
  ]);
});

test('a file that is brought back between survey and removal has its content', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  desk.save('f', 'content');
  desk.rm('f');
  world.pass(40 * DAY_MS);
  await sweepWith(world, () => desk.history.undelete({ path: path('f'), actor: ACTOR }));
  expect(await desk.contents('f')).toEqual(['content']);
  await world.recount();
  expect(volume.status().readOnly).toBeUndefined();
});

test('what has no name but is open keeps its content through sweeps, and what it was before goes', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  const ino = world.openFile('f');
  desk.write(ino, 'before');
  const at = volume.state.revision;
  desk.write(ino, 'after!');
  desk.rm('f');
  desk.write(ino, '!', 6);
  for (let i = 0; i < 5; i++) {
    world.pass(100 * DAY_MS);
    await world.sweep();
  }
  expect(await readAt(world, ino, volume.state.revision)).toBe('after!!');
  expect(await readAt(world, ino, at)).toBe(Errno.ENODATA);
  world.closeFile(ino);
  await world.sweep();
  await world.sweep();
  expect(volume.state.findInode(ino)).toBeUndefined();
});

test('a tree that is read is not forgotten meanwhile: neither names nor what has no content', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  desk.mkdir('d');
  desk.save('d/empty', '');
  desk.save('d/f', 'content');
  const at = volume.state.revision;
  const chmod = desk.ino('d/f');
  desk.rm('d/empty');
  desk.rm('d/f');
  desk.rmdir('d');
  world.pass(100 * DAY_MS);
  desk.save('other', 'later');
  world.pass(100 * DAY_MS);
  const release = volume.pins.add(at);
  for (let i = 0; i < 4; i++) await world.sweep().catch(() => undefined);
  await world.compareMomentAsItWas(at);
  expect(await readAt(world, chmod, at)).toBe('content');
  release();
  for (let i = 0; i < 4; i++) await sweepWith(world, () => undefined).catch(() => undefined);
  expect(await desk.history.listChildren(ROOT_INO, at)).toEqual([]);
});

test('a reader in a loop sees right bytes or that they were removed', async () => {
  const world = await World.make({ segmentBytes: 1 << 20 });
  const { desk, volume } = world;
  const bytes = Buffer.alloc(3_000_000, 'some content of several regions. ');
  const ino = desk.save('big', bytes);
  const at = volume.state.revision;
  desk.save('big', 'small');
  world.pass(40 * DAY_MS);
  const outcomes = new Set<string>();
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    for (let offset = 0; !stop.signal.aborted; offset = (offset + 700_000) % 2_900_000) {
      const part = await desk.history
        .read(ino, at, offset, 100_000)
        .catch((error: unknown) => error);
      const data = await desk.history
        .seek(ino, at, offset, 'data')
        .catch((error: unknown) => error);
      if (part instanceof Buffer) {
        const isRight = part.equals(bytes.subarray(offset, offset + 100_000));
        outcomes.add(isRight ? 'right' : 'wrong');
      } else outcomes.add(part instanceof FsError ? `errno ${part.errno}` : String(part));
      if (!(data instanceof FsError) && data !== offset) outcomes.add(`data at ${String(data)}`);
      // Between two reads nothing is pinned.
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const reading = read();
  for (let i = 0; i < 300 && (await readAt(world, ino, at)) !== Errno.ENODATA; i++) {
    const { nowMs } = world;
    const sweep = await Sweep.begin(volume, desk.history, { nowMs, sessionEndedMs: undefined });
    await sweep.apply({});
  }
  for (let i = 0; i < 60; i++) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await reading;
  expect([...outcomes].toSorted()).toEqual([`errno ${Errno.ENODATA}`, 'right']);
});

test('a rollback whose content goes while it is planned is made whole or refused', async () => {
  const { world, ino, at } = await withOldVersion();
  const { desk } = world;
  const release = desk.history.rollback({ path: path('f'), to: at as Revision, actor: ACTOR });
  const { nowMs } = world;
  const options = { nowMs, sessionEndedMs: undefined };
  await (await Sweep.begin(world.volume, desk.history, options)).apply({});
  await release;
  expect(await readAt(world, ino, world.volume.state.revision)).toBe('old');
});

test('what is written, removed or made while live files expire stays right', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  desk.mkdir('d');
  for (const name of ['a', 'b', 'c']) desk.save(`d/${name}`, name);
  desk.save('x', 'x');
  const endedMs = world.nowMs;
  world.pass(100 * DAY_MS);
  let turns = 0;
  const removed = await removeExpired(volume, {
    nowMs: world.nowMs,
    sessionEndedMs: endedMs,
    pause: async () => {
      turns += 1;
      if (turns > 1) return;
      desk.rm('d/a');
      desk.save('d/b', 'written');
      desk.save('d/new', 'new');
      desk.mv('x', 'y');
    },
  });
  expect(removed).toBe(1);
  expect((await volume.listings.listAll(desk.ino('d'))).map(({ name }) => name).toSorted()).toEqual(
    ['b', 'new'],
  );
  expect(await desk.contents('d/b')).toEqual(['b', 'written']);
  expect(desk.ino('y')).toBeGreaterThan(0);
  expect(volume.status().readOnly).toBeUndefined();
});

test('a directory of many files expires with them, in one sweep', async () => {
  const world = await World.make();
  world.desk.mkdir('d');
  for (let i = 0; i < 450; i++) world.desk.save(`d/${i}`, 'x');
  const sessionEndedMs = world.nowMs;
  world.pass(100 * DAY_MS);
  await removeExpired(world.volume, { nowMs: world.nowMs, sessionEndedMs });
  expect(world.chronicle.live.size).toBe(0);
});

const hold = (ino: Ino): { name: string; reason: string; target: never } => ({
  name: 'h',
  reason: 'law',
  target: { ino, revision: 0, path: '' } as never,
});

const addCheckpoint = (pledges: World['pledges'], at: number): Promise<unknown> =>
  pledges.addCheckpoint('c', { actor: ACTOR, at: at as Revision });

const setTier = (pledges: World['pledges'], ino: Ino): Promise<unknown> =>
  pledges.setTier(ino, 'permanent', { actor: ACTOR, isRecursive: false });
