/**
 * What is behind the horizon is forgotten: the index goes back to what is live and promised, and what a
 * checkpoint keeps stays whole.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { ActorId, Ino, Name, Revision } from '../../src/shared/brands.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import { SessfsError } from '../../src/shared/errors.ts';
import { setAttributes } from '../../src/volume/attributes.ts';
import { DAY_MS, HOUR_MS } from './ladders.ts';
import { countKeys, World } from './world.ts';

const ACTOR = 1 as ActorId;

// What a volume does by itself after a while, it does here when it is told to.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** A tree of directories, files of every kind, and what becomes of them; then all of it is removed. */
function buildAndRemove(world: World, root: string): void {
  const { desk } = world;
  desk.mkdir(root);
  desk.mkdir(`${root}/sub`);
  for (let i = 0; i < 20; i++) {
    desk.save(`${root}/sub/f${i}`, `content ${i}`);
    desk.save(`${root}/sub/f${i}`, `other ${i}`);
  }
  desk.save(`${root}/empty`, '');
  desk.mv(`${root}/sub/f1`, `${root}/moved`);
  desk.ln(`${root}/sub/f2`, `${root}/linked`);
  for (let i = 0; i < 20; i++) if (i !== 1) desk.rm(`${root}/sub/f${i}`);
  for (const name of ['empty', 'moved', 'linked']) desk.rm(`${root}/${name}`);
  desk.rmdir(`${root}/sub`);
  desk.rmdir(root);
}

async function sweepUntilQuiet(world: World): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const { purges } = world.chronicle;
    await world.sweep();
    if (world.chronicle.purges === purges) return;
  }
  throw new Error('Each sweep finds something to remove');
}

test('the index goes back to what is live when a tree is removed and its time is over', async () => {
  const world = await World.make();
  world.desk.save('stays', 'this one');
  world.desk.mkdir('kept');
  const before = await countKeys(world.volume);
  for (let i = 0; i < 3; i++) buildAndRemove(world, `tree${i}`);
  world.pass(40 * DAY_MS);
  await sweepUntilQuiet(world);
  // One after the horizon is what gives the root a past.
  world.desk.save('stays', 'this one, later');
  world.pass(40 * DAY_MS);
  await sweepUntilQuiet(world);
  const after = await countKeys(world.volume);
  for (const space of 'iIdDeEvT') {
    expect(after[space] ?? 0, `keys of ${space}`).toBeLessThanOrEqual(before[space] ?? 0);
  }
  const lineage = await world.desk.history.findLineage(ROOT_INO);
  const names = await world.desk.history.listPastNames(lineage);
  expect(names.map(({ name }) => name)).toEqual(['kept', 'stays']);
  await world.compareMoments(world.listMoments(0, Math.random));
  await world.recount();
});

test('a sweep that has nothing to remove leaves no record', async () => {
  const world = await World.make();
  const { desk } = world;
  // As a shell does for "> f": made, emptied, filled.
  for (const text of ['one', 'two', 'three']) {
    desk.save('f', text);
    world.pass(1000);
  }
  desk.save('gone', '');
  desk.rm('gone');
  world.pass(3 * DAY_MS);
  await sweepUntilQuiet(world);
  const { revision } = world.volume.state;
  world.pass(1000);
  await world.sweep();
  expect(world.volume.state.revision).toBe(revision);
});

test('a checkpoint behind the horizon is whole: names, attributes, files as they were made', async () => {
  const world = await World.make();
  const { desk, pledges, volume } = world;
  desk.mkdir('d');
  desk.save('d/f', 'content');
  const made = desk.open('d/made');
  setAttributes(volume, desk.caller, desk.ino('d/f'), { mode: 0o600 });
  await pledges.addCheckpoint('c', { actor: ACTOR });
  const at = volume.state.promises.checkpoints.get('c')?.at ?? 0;
  desk.write(made, 'filled later');
  desk.close(made);
  setAttributes(volume, desk.caller, desk.ino('d/f'), { mode: 0o644 });
  desk.save('d/f', 'longer than before');
  desk.save('d/new', 'new');
  for (const name of ['f', 'made', 'new']) desk.rm(`d/${name}`);
  desk.rmdir('d');
  for (let i = 0; i < 3; i++) {
    world.pass(50 * DAY_MS);
    desk.save('other', `day ${i}`);
    await sweepUntilQuiet(world);
    expect(volume.state.horizon).toBeGreaterThan(i === 0 ? 0 : at);
    await world.compareMoments([at]);
    await world.compareContents();
  }
  const path = ['d'] as Name[];
  const { history } = desk;
  await history.rollback({ path, to: at as Revision, actor: ACTOR });
  expect(await desk.contents('d/f')).toEqual(['content', 'content']);
  pledges.removeCheckpoint('c', ACTOR);
  for (const name of ['f', 'made']) desk.rm(`d/${name}`);
  desk.rmdir('d');
  world.pass(50 * DAY_MS);
  await sweepUntilQuiet(world);
  expect(await history.findPath(['d'] as Name[], at as Revision)).toBeUndefined();
});

test('what a checkpoint holds of a file that grew and was removed is whole', async () => {
  const world = await World.make();
  const { desk, pledges } = world;
  const ino = desk.save('log', 'first\n');
  await pledges.addCheckpoint('c', { actor: ACTOR });
  const at = world.volume.state.promises.checkpoints.get('c')?.at ?? 0;
  const open = desk.open('log');
  desk.write(open, 'second\n', 6);
  desk.close(open);
  desk.rm('log');
  world.pass(40 * DAY_MS);
  await world.sweep();
  const bytes = await desk.history.read(ino, at as Revision, 0, 100);
  expect(bytes.toString()).toBe('first\n');
  await world.recount();
});

test('a moment between two that are kept is not told as something else', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  const ino = desk.save('f', 'kept');
  world.pledges.addHold(
    {
      name: 'h',
      reason: 'law',
      target: { ino, revision: volume.state.revision, path: 'f' },
    },
    ACTOR,
  );
  world.pass(1000);
  desk.save('f', 'thinned');
  const thinned = volume.state.revision;
  world.pass(1000);
  desk.save('f', 'newest');
  for (let i = 0; i < 2; i++) {
    world.pass(100 * DAY_MS);
    desk.save('g', String(i));
    await world.sweep();
  }
  expect(volume.state.horizon).toBeGreaterThan(thinned);
  await expect(desk.history.read(ino, thinned, 0, 10)).rejects.toThrow('ENODATA');
  await expect(desk.history.hash(ino, thinned)).rejects.toThrow('ENODATA');
});

test('what is gone does not come back as zeros: undelete and rollback refuse', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  desk.mkdir('node_modules');
  const ino = desk.save('node_modules/f', 'content');
  const at = volume.state.revision;
  desk.rm('node_modules/f');
  world.pass(3 * DAY_MS);
  await world.sweep();
  const path = ['node_modules', 'f'] as Name[];
  const { revision } = volume.state;
  const refused = expect.objectContaining({ code: 'CONTENT_REMOVED' });
  const { history } = desk;
  await expect(history.undelete({ path, actor: ACTOR })).rejects.toEqual(refused);
  await expect(history.rollback({ path, to: at, actor: ACTOR })).rejects.toEqual(refused);
  expect(volume.state.revision).toBe(revision);
  expect(volume.state.findInode(ino)?.nlink).toBe(0);
});

test('a tree is not rolled back to a moment of which names are forgotten', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  desk.save('f', 'content');
  desk.save('g', 'content');
  const at = volume.state.revision;
  desk.rm('f');
  for (let i = 0; i < 3; i++) {
    world.pass(50 * DAY_MS);
    desk.save('g', String(i));
    await world.sweep();
  }
  const before = volume.state.revision;
  const rolled = desk.history.rollback({ path: [], to: at, exact: true, actor: ACTOR });
  await expect(rolled).rejects.toBeInstanceOf(SessfsError);
  expect(volume.state.revision).toBe(before);
});

test('an expired live file keeps its earlier versions for their own time', async () => {
  const world = await World.make();
  const { desk, pledges } = world;
  pledges.setSessionTier('persistent', ACTOR);
  const ino: Ino = desk.save('f', 'one');
  for (const text of ['two', 'three']) {
    world.pass(2 * DAY_MS);
    desk.save('f', text);
  }
  pledges.setSessionTier('ephemeral', ACTOR);
  world.sessionEndedMs = world.nowMs;
  // What it was promised before is kept: a year.
  for (let day = 0; day < 380; day += 20) {
    world.pass(20 * DAY_MS);
    await world.sweep();
    await world.compareContents();
  }
  expect(world.volume.state.findInode(ino)?.nlink ?? 0).toBe(0);
});

test('a version goes in its time, also when what superseded it is long forgotten', async () => {
  const world = await World.make();
  const { desk, pledges, volume } = world;
  const ino = desk.save('f', 'one');
  const at = volume.state.revision;
  await pledges.setTier(ino, 'persistent', { actor: ACTOR, isRecursive: false });
  world.pass(10 * DAY_MS);
  const open = desk.open('f');
  desk.write(open, 'of no version');
  world.pass(50 * DAY_MS);
  desk.write(open, 'the newest');
  desk.close(open);
  const read = (): Promise<string> =>
    desk.history.read(ino, at, 0, 10).then(
      (bytes) => bytes.toString(),
      () => 'gone',
    );
  world.pass(100 * DAY_MS);
  desk.save('other', 'so that the horizon moves');
  await sweepUntilQuiet(world);
  world.pass(215 * DAY_MS - HOUR_MS);
  await world.sweep();
  expect(await read()).toBe('one');
  world.pass(2 * HOUR_MS);
  await world.sweep();
  expect(await read()).toBe('gone');
});

test.each(['in a version', 'in none'])('content %s goes a grace after its end', async (how) => {
  const world = await World.make();
  const { desk, volume } = world;
  const ino = desk.open('f');
  desk.write(ino, 'old');
  const at = volume.state.revision;
  if (how === 'in a version') volume.cuts.cutAll('interval');
  desk.write(ino, 'new');
  const read = (): Promise<string> =>
    desk.history.read(ino, at, 0, 10).then(
      (bytes) => bytes.toString(),
      () => 'gone',
    );
  desk.close(ino);
  // A day, and an hour of grace.
  world.pass(25 * HOUR_MS - 1);
  await world.sweep();
  expect(await read()).toBe('old');
  world.pass(1);
  await world.sweep();
  expect(await read()).toBe('gone');
});

test('a directory that comes back under another name is promised what holds there', async () => {
  const world = await World.make();
  const { desk, volume } = world;
  desk.mkdir('node_modules');
  const dir = desk.ino('node_modules');
  const at = volume.state.revision;
  desk.mv('node_modules', 'src');
  desk.rmdir('src');
  const tell = (): string => volume.promiser.locate({ parent: dir, name: 'f' as Name }).directory;
  expect(tell()).toBe('src');
  const path = ['node_modules'] as Name[];
  await desk.history.rollback({ path, to: at, actor: ACTOR });
  expect(desk.ino('node_modules')).toBe(dir);
  expect(tell()).toBe('node_modules');
});
