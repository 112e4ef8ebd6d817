/**
 * The tree of any moment is what a copy taken then is.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useWorkspace } from './workspace.ts';

const work = useWorkspace();
let outside = '';

beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), 'sessfs-copies-'));
});

afterAll(() => rm(outside, { recursive: true, force: true }));

/** Every type of thing, with what a listing shows of it. */
const BUILD = `mkdir -p src/deep empty; echo main > src/main.c; echo deep > src/deep/f
ln src/main.c src/hard; ln -s main.c src/link; ln -s nowhere dangling; mkfifo fifo
chmod 750 src; chmod 4711 src/deep/f; truncate -s 1M sparse; printf end >> sparse
touch -d 2001-02-03T04:05:06.789 src/deep/f; setfattr -n user.note -v hello src/main.c`;

const CHANGE = `rm -rf src/deep; echo changed > src/main.c; mv src lib; rm dangling; ln -s elsewhere dangling
mkdir src; echo other > src/other; chmod 700 empty; truncate -s 10 sparse; rm fifo; echo new > new`;

/**
 * Names, types, modes, owners, sizes, times, targets and link counts of a tree, sorted. The size of a
 * directory is left out, and its times are to the second, which is what a moment promises of them.
 */
const LISTING = String.raw`find . -mindepth 1 ! -type d -printf '%P|%y|%m|%U|%G|%s|%T@|%l|%n\n' \
-o -printf '%P|d|%m|%U|%G|%TY-%Tm-%TdT%TH:%TM|%n\n' | sort`;
/** diff cannot compare fifos; the listing does. */
const DIFF = 'diff -r --no-dereference -x fifo';

test('@now is the live tree', async () => {
  await work.sh(BUILD);
  expect(await work.sh(`${DIFF} .versions/@now .`)).toBe('');
  expect(await work.sh(`cd .versions/@now; ${LISTING}`)).toBe(await work.sh(LISTING));
});

test('the tree at a revision equals the copy taken then, whatever came later', async () => {
  await work.sh(BUILD);
  const revision = await work.revision();
  await work.sh(`cp -a . '${outside}/then'; ${LISTING} > '${outside}/listing'`);
  await work.sh(CHANGE);
  const diff = `${DIFF} '.versions/@r${revision}' '${outside}/then'`;
  expect(await work.sh(diff)).toBe('');
  expect(await work.sh(`cd '.versions/@r${revision}'; ${LISTING}`)).toBe(
    await work.sh(`cat '${outside}/listing'`),
  );
  expect(
    await work.sh(`getfattr --only-values -n user.note '.versions/@r${revision}/src/main.c'`),
  ).toBe('hello');
});

test('a time names the moment', async () => {
  await work.sh('echo one > f');
  const time = (await work.sh('sleep 0.02; date -u +%FT%T.%NZ; sleep 0.02')).trim();
  await work.sh('echo two > f; echo new > g');
  expect(await work.sh(`cat '.versions/@${time}/f'; ls '.versions/@${time}'`)).toBe('one\nf\n');
});

test('five moments of a changing tree each show their own state', async () => {
  const revisions: number[] = [];
  for (let step = 0; step < 5; step += 1) {
    await work.sh(`echo ${step} > f; mkdir d${step}; echo in > d${step}/f; rm -rf d${step - 1}`);
    revisions.push(await work.revision());
  }
  for (const [step, revision] of revisions.entries()) {
    expect(await work.sh(`cat '.versions/@r${revision}/f'; ls '.versions/@r${revision}'`)).toBe(
      `${step}\nd${step}\nf\n`,
    );
  }
});

test('a moment of a directory deep inside is reached from there', async () => {
  await work.sh('mkdir -p a/b; echo one > a/b/f');
  const revision = await work.revision();
  await work.sh('echo two > a/b/f');
  expect(await work.sh(`cd a/b; cat '.versions/@r${revision}/f'`)).toBe('one\n');
});

test('a moment before the directory was made is not there', async () => {
  const revision = await work.revision();
  await work.sh('mkdir d; echo one > d/f');
  expect(await work.fails(`ls 'd/.versions/@r${revision}'`)).toContain('No such file');
});

test('what is written and not yet closed is in the tree of now', async () => {
  const shown = await work.sh('exec 3> f; echo unfinished >&3; cat .versions/@now/f; exec 3>&-');
  expect(shown).toBe('unfinished\n');
});

test('a moment has no .versions of its own', async () => {
  await work.sh('mkdir d');
  expect(await work.fails('ls .versions/@now/.versions')).toContain('No such file');
  expect(await work.fails('ls .versions/@now/d/.versions')).toContain('No such file');
});

test('tar of a moment is a tar of the tree then', async () => {
  await work.sh('mkdir d; echo one > d/f; ln d/f d/g');
  const revision = await work.revision();
  await work.sh(`tar -C . -cf '${outside}/live.tar' --sort=name d`);
  await work.sh('rm -rf d');
  await work.sh(`tar -C '.versions/@r${revision}' -cf '${outside}/then.tar' --sort=name d`);
  expect(await work.sh(`cmp '${outside}/live.tar' '${outside}/then.tar'`)).toBe('');
});

test('a thousand files removed at once are all in the moment before', async () => {
  await work.sh('mkdir d; for i in $(seq 1000); do echo $i > d/f$i; done');
  const revision = await work.revision();
  await work.sh('rm -rf d');
  expect(await work.sh(`cat '.versions/@r${revision}/d/'f* | sort -n | sha256sum`)).toBe(
    await work.sh('seq 1000 | sha256sum'),
  );
});
