/**
 * What a daemon that was stopped and started again shows is what was there: inode numbers included.
 */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { run, shell } from '../harness/run.ts';
import { startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';

const LIST = String.raw`find . -mindepth 1 -printf '%P|%i|%y|%m|%U|%G|%s|%b|%n|%l|%A@|%T@|%C@\n' | sort`;
const BUILD = `mkdir -p d/e; echo one > d/f; echo two > d/f; ln d/f hard; ln -s d/f soft; mkfifo fifo
truncate -s 10M sparse; printf end >> sparse; setfattr -n user.note -v hello d/f; chmod 4750 hard; chmod 2775 d
touch -d 1999-12-31T23:59:59.987654321Z d/e; for i in $(seq 200); do echo $i > d/e/$i; done; echo gone > x; rm x`;

let daemon: TestDaemon;
let mount = '';

beforeEach(async () => {
  daemon = await startDaemon();
  mount = (await daemon.createSession()).mount;
});

afterEach(() => daemon.stop());

const inside = (script: string): Promise<string> =>
  shell(script, { cwd: mount, env: { LC_ALL: 'C' } });
/** The access times are not part of it: reading the files in between may move them. */
const describeTree = (): Promise<string> =>
  inside(
    `${LIST.replace('%A@|', '')}; getfattr -d d/f; find . -type f -exec sha256sum {} + | sort`,
  );

test('after a restart every inode, attribute and byte is what it was', async () => {
  await inside(BUILD);
  const before = await describeTree();
  await daemon.restart();
  expect(await describeTree()).toBe(before);
});

test('after a daemon that was killed every inode, attribute and byte is what it was', async () => {
  await inside(BUILD);
  const before = await describeTree();
  await daemon.restart({ signal: 'SIGKILL' });
  expect(await describeTree()).toBe(before);
});

test('after a restart the history goes on where it was', async () => {
  await inside('echo one > f; echo two > f');
  const versions = await inside('ls .versions/f; cat .versions/f/index.json');
  await daemon.restart();
  expect(await inside('ls .versions/f; cat .versions/f/index.json')).toBe(versions);
  await inside('echo three > f');
  expect(await inside('cat .versions/f/~2 .versions/f/~1 .versions/f/~0')).toBe(
    'one\ntwo\nthree\n',
  );
});

test('inode numbers are not used again after a restart', async () => {
  const first = await inside('echo x > f; stat -c %i f; rm f');
  await daemon.restart();
  expect(Number(await inside('echo x > g; stat -c %i g'))).toBeGreaterThan(Number(first));
});

test('a daemon that stopped leaves an empty directory where the mount was', async () => {
  await inside('echo x > f');
  await daemon.halt();
  const { stdout } = await run('ls', ['-A', mount], { timeoutMs: 10_000 });
  expect(stdout).toBe('');
});
