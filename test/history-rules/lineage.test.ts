/**
 * History belongs to what a person calls the file: renames, links, directories, removals.
 */

import { expect, test } from 'vitest';
import { useWorkspace } from './workspace.ts';

const work = useWorkspace();

test('mv brings the history along, and the old name still shows it', async () => {
  await work.sh('echo one > a; echo two > a; mv a b; echo three > b');
  expect(await work.contents('b')).toEqual(['one\n', 'two\n', 'three\n']);
  expect((await work.contents('a')).slice(0, 2)).toEqual(['one\n', 'two\n']);
});

test('a removed file is told as removed', async () => {
  await work.sh('echo one > f; rm f');
  const { versions, removed } = await work.index('f');
  expect(versions.length).toBe(1);
  expect(removed?.revision).toBeGreaterThan(versions[0]?.revision ?? Infinity);
});

test('a file that was made again is not removed', async () => {
  await work.sh('echo one > f; rm f; echo two > f');
  expect((await work.index('f')).removed).toBeNull();
});

test('a name that never was is not there', async () => {
  expect(await work.fails('ls .versions/never')).toContain('No such file');
});

test('hard links share their history', async () => {
  await work.sh('echo one > a; ln a b; echo two > b; echo three > a');
  const expected = ['one\n', 'two\n', 'three\n'];
  expect([await work.contents('a'), await work.contents('b')]).toEqual([expected, expected]);
});

test('a hard link that is left has the history of the one that went', async () => {
  await work.sh('echo one > a; ln a b; rm a; echo two > b');
  expect(await work.contents('b')).toEqual(['one\n', 'two\n']);
});

test('a renamed directory brings the histories in it along', async () => {
  await work.sh('mkdir d; echo one > d/f; mv d e; echo two > e/f');
  expect(await work.contents('e/f')).toEqual(['one\n', 'two\n']);
  expect(await work.sh('cat .versions/d/f/~0 > /dev/null; ls .versions/d')).toContain('f');
});

test('a removed tree is shown with all its files', async () => {
  await work.sh('mkdir -p d/e; echo one > d/f; echo two > d/e/g; rm -rf d');
  expect(await work.sh('cat .versions/d/f/latest')).toBe('one\n');
  expect(await work.sh('cat .versions/d/e/g/latest')).toBe('two\n');
  expect((await work.sh('ls .versions/d')).split('\n')).toEqual(expect.arrayContaining(['e', 'f']));
});

test('a directory made again continues the histories of its names', async () => {
  await work.sh('mkdir d; echo one > d/f; rm -rf d; mkdir d; echo two > d/f');
  expect(await work.contents('d/f')).toEqual(['one\n', 'two\n']);
});

test('names that are exchanged keep what each name had', async () => {
  await work.sh('echo a > a; echo b > b');
  await work.sh('mv --exchange a b 2> /dev/null || { mv a t; mv b a; mv t b; }');
  expect(await work.contents('a')).toEqual(expect.arrayContaining(['a\n', 'b\n']));
  expect(await work.sh('cat a b')).toBe('b\na\n');
});

test('a move into another directory keeps the history', async () => {
  await work.sh('mkdir d; echo one > f; mv f d/f; echo two > d/f');
  expect(await work.contents('d/f')).toEqual(['one\n', 'two\n']);
  expect((await work.contents('f'))[0]).toBe('one\n');
});

test('the temporary file of a save has a history of its own name only', async () => {
  await work.sh('echo one > f; echo two > f.tmp; mv f.tmp f; echo three > f');
  expect(await work.contents('f')).toEqual(['one\n', 'two\n', 'three\n']);
});

test('names of the user that begin with @ are reached as @@', async () => {
  await work.sh('echo one > @home; echo two > @home');
  expect(await work.sh('cat .versions/@@home/~1')).toBe('one\n');
});

test('a file that is replaced by a directory of its name keeps its versions', async () => {
  await work.sh('echo one > x; rm x; mkdir x; echo inside > x/f');
  expect(await work.sh('cat .versions/x/latest')).toBe('one\n');
  expect(await work.sh('cat .versions/x/f/latest')).toBe('inside\n');
});

test('a name that is not UTF-8 has its versions', async () => {
  await work.sh(`name=$(printf 'a\\377b'); echo one > "$name"; echo two > "$name"`);
  expect(await work.sh(`name=$(printf 'a\\377b'); cat ".versions/$name/~1"`)).toBe('one\n');
});
