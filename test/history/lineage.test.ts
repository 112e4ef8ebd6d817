/**
 * What belongs to the history of a path, rule by rule, on a bare volume.
 */

import { expect, test } from 'vitest';

import { RENAME_EXCHANGE } from '../../src/volume/names.ts';
import { Desk } from '../volume/desk.ts';

test('a file that is moved brings its history along, and its old name still shows it', async () => {
  const desk = await Desk.open();
  desk.save('a', 'one');
  desk.mv('a', 'b');
  desk.save('b', 'two');
  expect(await desk.contents('b')).toEqual(['one', 'two']);
  expect(await desk.contents('a')).toEqual(['one', 'two']);
});

test('saving by a temporary file continues the history of the name', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.save('f.tmp', 'two');
  desk.mv('f.tmp', 'f');
  desk.save('f', 'three');
  expect(await desk.contents('f')).toEqual(['one', 'two', 'three']);
});

test('a moved file brings along what it replaced under its earlier names', async () => {
  const desk = await Desk.open();
  desk.save('a', 'one');
  desk.save('a.tmp', 'two');
  desk.mv('a.tmp', 'a');
  desk.mv('a', 'b');
  expect(await desk.contents('b')).toEqual(['one', 'two']);
});

test('what a file replaced when it had a name for the first time is brought along, too', async () => {
  const desk = await Desk.open();
  desk.save('x', 'one');
  desk.save('a', 'two');
  desk.mv('a', 'x');
  desk.mv('x', 'a');
  desk.save('x', 'three');
  desk.mv('a', 'x');
  desk.mv('x', 'y');
  expect(await desk.contents('y')).toEqual(['one', 'two', 'three']);
});

test('a temporary name has nothing of the files that it is renamed over', async () => {
  const desk = await Desk.open();
  desk.save('f', 'original');
  for (const text of ['one', 'two']) {
    desk.save('tmp', text);
    desk.mv('tmp', 'f');
  }
  expect(await desk.contents('tmp')).toEqual(['one', 'two']);
});

test('a temporary name used for several files mixes none of them', async () => {
  const desk = await Desk.open();
  desk.save('f', 'f1');
  desk.save('g', 'g1');
  for (const name of ['f', 'g']) {
    desk.save('tmp', `${name}2`);
    desk.mv('tmp', name);
  }
  expect(await desk.contents('f')).toEqual(['f1', 'f2']);
  expect(await desk.contents('g')).toEqual(['g1', 'g2']);
});

test('deleting and making again is one history with a gap', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.rm('f');
  desk.save('f', 'two');
  expect(await desk.contents('f')).toEqual(['one', 'two']);
});

test('hard links share their history', async () => {
  const desk = await Desk.open();
  desk.save('a', 'one');
  desk.ln('a', 'b');
  desk.save('b', 'two');
  expect(await desk.contents('a')).toEqual(['one', 'two']);
  expect(await desk.contents('b')).toEqual(['one', 'two']);
});

test('names that are exchanged keep what each had', async () => {
  const desk = await Desk.open();
  desk.save('a', 'one');
  desk.save('b', 'two');
  desk.mv('a', 'b', RENAME_EXCHANGE);
  expect(await desk.contents('a')).toEqual(['one', 'two']);
});

test('a renamed directory brings the histories in it along', async () => {
  const desk = await Desk.open();
  desk.mkdir('d');
  desk.save('d/f', 'one');
  desk.mv('d', 'e');
  desk.save('e/f', 'two');
  expect(await desk.contents('e/f')).toEqual(['one', 'two']);
  expect(await desk.contents('d/f')).toEqual(['one', 'two']);
});

test('a directory made again continues the histories of its names', async () => {
  const desk = await Desk.open();
  for (const text of ['one', 'two']) {
    desk.mkdir('d');
    desk.save('d/f', text);
    desk.rm('d/f');
    desk.rmdir('d');
  }
  expect(await desk.contents('d/f')).toEqual(['one', 'two']);
});

test('a file that takes the place of a directory has its own history', async () => {
  const desk = await Desk.open();
  desk.mkdir('x');
  desk.save('x/f', 'inside');
  desk.rm('x/f');
  desk.rmdir('x');
  desk.save('x', 'one');
  expect(await desk.contents('x')).toEqual(['one']);
  expect(await desk.contents('x/f')).toEqual(['inside']);
});

test('a rollback that brings back two files of one history gives it one version', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.mv('f', 'g');
  desk.save('f', 'two');
  const to = desk.volume.state.revision;
  desk.save('f', 'changed');
  desk.save('g', 'changed as well');
  const actor = desk.caller.actor ?? (0 as never);
  const result = await desk.history.rollback({ path: [], to, exact: true, actor });
  const history = await desk.history.findFileHistory({ inos: [desk.ino('')] }, 'f' as never);
  const versions = history?.versions.filter(({ revision }) => revision === result.revision);
  expect(versions?.map(({ ino }) => ino)).toEqual([desk.ino('f')]);
});

test('the hash of a file before its first write is that of nothing, and only then', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  const empty = desk.volume.state.revision;
  desk.write(ino, 'one');
  const [before, after] = [
    await desk.history.hash(ino, empty),
    await desk.history.hash(ino, desk.volume.state.revision),
  ];
  expect(before.slice(0, 8)).toBe('e3b0c442');
  expect(after.slice(0, 8)).toBe('7692c3ad');
});

test('names that are linked now and were two files then are two files after a rollback', async () => {
  const desk = await Desk.open();
  desk.save('a', 'one');
  desk.save('b', 'two');
  const to = desk.volume.state.revision;
  desk.rm('b');
  desk.ln('a', 'b');
  const actor = desk.caller.actor ?? (0 as never);
  await desk.history.rollback({ path: [], to, actor });
  expect(desk.ino('a')).not.toBe(desk.ino('b'));
  const latest = desk.volume.state.revision;
  expect((await desk.history.read(desk.ino('a'), latest, 0, 9)).toString()).toBe('one');
  expect((await desk.history.read(desk.ino('b'), latest, 0, 9)).toString()).toBe('two');
});
