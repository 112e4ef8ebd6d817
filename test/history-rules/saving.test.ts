/**
 * Every way in which tools save a file leaves exactly the contents that were closed.
 */

import { expect, test } from 'vitest';
import { useWorkspace } from './workspace.ts';

const work = useWorkspace();

/** Title, script, and the contents of the versions of `f` that it must leave, oldest first. */
const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'echo > makes a version each time',
    'echo one > f; echo two > f; echo 3 > f',
    ['one\n', 'two\n', '3\n'],
  ],
  ['>> makes a version of what is there then', 'echo a > f; echo b >> f', ['a\n', 'a\nb\n']],
  ['sed -i continues the history of the name', 'echo a > f; sed -i s/a/b/ f', ['a\n', 'b\n']],
  ['sed -i twice', 'echo a > f; sed -i s/a/b/ f; sed -i s/b/c/ f', ['a\n', 'b\n', 'c\n']],
  ['ex saves what it wrote', 'echo a > f; printf "s/a/b/\\nwq\\n" | ex -s f', ['a\n', 'b\n']],
  [
    'mv over brings the new content under the old name',
    'echo old > f; echo new > g; mv g f',
    ['old\n', 'new\n'],
  ],
  [
    'delete and create again is one history with a gap',
    'echo one > f; rm f; echo two > f',
    ['one\n', 'two\n'],
  ],
  ['cp over writes into the file', 'echo one > f; echo two > g; cp g f', ['one\n', 'two\n']],
  [
    'cp --remove-destination makes it anew',
    'echo one > f; echo two > g; cp --remove-destination g f',
    ['one\n', 'two\n'],
  ],
  ['install replaces it', 'echo one > f; echo two > g; install -m 644 g f', ['one\n', 'two\n']],
  [
    'rsync replaces it',
    'echo one > f; echo number two > g; rsync -a g f',
    ['one\n', 'number two\n'],
  ],
  ['truncate to less', 'printf 12345 > f; truncate -s 2 f', ['12345', '12']],
  ['truncate to more', 'printf 12 > f; truncate -s 4 f', ['12', '12\0\0']],
  [
    'dd into the middle',
    'printf 12345 > f; printf x | dd of=f bs=1 seek=2 conv=notrunc status=none',
    ['12345', '12x45'],
  ],
  [
    'tee writes through',
    'echo one | tee f > /dev/null; echo two | tee -a f > /dev/null',
    ['one\n', 'one\ntwo\n'],
  ],
  [
    'cmd > f leaves no empty version',
    'echo one > f; { sleep 0.1; echo two; } > f',
    ['one\n', 'two\n'],
  ],
  [
    'cmd > f with many writes is one version',
    'seq 1 3 > f; { echo a; echo b; echo c; } > f',
    ['1\n2\n3\n', 'a\nb\nc\n'],
  ],
  ['a file that was emptied and closed has an empty version', 'echo one > f; : > f', ['one\n', '']],
  ['touch makes none', 'echo one > f; touch f; touch -d 2001-01-01 f', ['one\n']],
  ['chmod and chown make none', 'echo one > f; chmod 600 f; chown "$(id -u)" f', ['one\n']],
  ['an identical rewrite makes none', 'echo one > f; echo one > f; cp f g; cp g f', ['one\n']],
  ['opening for append without writing makes none', 'echo one > f; true >> f', ['one\n']],
  ['reading makes none', 'echo one > f; cat f f > /dev/null; grep -q one f', ['one\n']],
  [
    'changing and changing back while open makes none',
    'echo one > f; exec 3<> f; printf two >&3; echo one 1<> f; exec 3>&-',
    ['one\n'],
  ],
  [
    'two writers at once are cut when the last one closes',
    'exec 3> f; exec 4>> f; echo a >&3; echo b >&4; exec 3>&-; exec 4>&-',
    ['a\nb\n'],
  ],
  [
    'a reader that stays does not keep a version from being cut',
    'echo one > f; exec 3< f; echo two > f; exec 3<&-',
    ['one\n', 'two\n'],
  ],
  ['a new name linked before the close', 'exec 3> g; echo one >&3; ln g f; exec 3>&-', ['one\n']],
  ['perl -i', 'echo a > f; perl -i -pe s/a/b/ f', ['a\n', 'b\n']],
  ['patch', 'echo a > f; printf "@@ -1 +1 @@\\n-a\\n+b\\n" | patch -s f', ['a\n', 'b\n']],
  ['sort -o onto itself', 'printf "b\\na\\n" > f; sort -o f f', ['b\na\n', 'a\nb\n']],
];

test.each(CASES)('%s', async (_title, script, expected) => {
  await work.sh(script);
  expect(await work.contents('f')).toEqual(expected);
});

test('a thousand appends are a thousand versions, each with what was there then', async () => {
  await work.sh('i=1; while [ $i -le 1000 ]; do echo $i >> f; i=$((i + 1)); done');
  const { versions } = await work.index('f');
  expect(versions.length).toBe(1000);
  expect(await work.sh('cat .versions/f/~999')).toBe('1\n');
  expect(await work.sh('tail -n 1 .versions/f/~500; wc -l < .versions/f/~500')).toBe('500\n500\n');
});

test('what is removed while it is open and changed keeps a version of that', async () => {
  await work.sh('exec 3> f; echo never closed >&3; rm f; exec 3>&-');
  expect(await work.contents('f')).toEqual(['never closed\n']);
});

test('what is renamed over while it is open and changed keeps a version of that', async () => {
  await work.sh('exec 3> f; echo open >&3; echo new > g; mv g f; exec 3>&-');
  // Listed by revision: the new one was closed first, under its other name. The latest is the live one.
  expect(await work.contents('f')).toEqual(['new\n', 'open\n']);
  expect(await work.sh('cat .versions/f/latest')).toBe('new\n');
});

test('a version of 3 MiB has the bytes that were closed', async () => {
  await work.sh(
    'head -c 3145728 /dev/urandom > f; sha256sum < f > sums; printf x | dd of=f bs=1 seek=1000000 conv=notrunc status=none; sha256sum < f >> sums',
  );
  const sums = (await work.sh('cut -c1-64 sums')).trim().split('\n');
  const { versions } = await work.index('f');
  expect(versions.map(({ sha256 }) => sha256)).toEqual(sums);
  expect(await work.sh('sha256sum < .versions/f/~1 | cut -c1-64')).toBe(`${sums[0]}\n`);
});
