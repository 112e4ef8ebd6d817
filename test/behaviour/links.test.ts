/**
 * Hard links and symbolic links.
 */

import { expect, test } from 'vitest';
import { O_CREAT, O_WRONLY } from './constants.ts';
import { behaviour } from './stage.ts';
import { errnoOf } from './syscalls.ts';

behaviour('Links', (stage) => {
  test('hard links share inode, content and attributes, and nlink counts them', async () => {
    await stage.sys.writeFile(stage.path('a'), 'one');
    await stage.sys.link(stage.path('a'), stage.path('b'));
    await stage.sys.writeFile(stage.path('b'), 'through b');
    await stage.sys.chmod(stage.path('a'), 0o600);
    const [a, b] = [await stage.sys.stat(stage.path('a')), await stage.sys.stat(stage.path('b'))];
    expect(a).toEqual(b);
    expect([a.nlink, String(await stage.sys.readFile(stage.path('a')))]).toEqual([2, 'through b']);
  });

  test('a file lives until its last name goes', stage.needs('cache-control'), async () => {
    await stage.sys.writeFile(stage.path('a'), 'text');
    await stage.sys.link(stage.path('a'), stage.path('b'));
    await stage.sys.unlink(stage.path('a'));
    expect((await stage.sys.stat(stage.path('b'))).nlink).toBe(1);
    expect(String(await stage.sys.readFile(stage.path('b')))).toBe('text');
  });

  test('a directory takes no hard link, and a name that is there none either', async () => {
    await stage.sys.mkdir(stage.path('d'));
    await stage.sys.writeFile(stage.path('f'), '');
    await stage.sys.writeFile(stage.path('g'), '');
    expect(await errnoOf(stage.sys.link(stage.path('d'), stage.path('e')))).toBe('EPERM');
    expect(await errnoOf(stage.sys.link(stage.path('f'), stage.path('g')))).toBe('EEXIST');
  });

  test('a directory has a link from itself and from each directory in it', async () => {
    await stage.sys.mkdir(stage.path('d'));
    expect((await stage.sys.stat(stage.path('d'))).nlink).toBe(2);
    await stage.sys.mkdir(stage.path('d/e'));
    expect((await stage.sys.stat(stage.path('d'))).nlink).toBe(3);
    await stage.sys.rename(stage.path('d/e'), stage.path('e'));
    expect((await stage.sys.stat(stage.path('d'))).nlink).toBe(2);
    await stage.sys.rmdir(stage.path('e'));
  });

  test('a symlink keeps a target of up to 4095 bytes', async () => {
    const target = 't'.repeat(4095);
    await stage.sys.symlink(target, stage.path('l'));
    expect(await stage.sys.readlink(stage.path('l'))).toBe(target);
    expect((await stage.sys.lstat(stage.path('l'))).size).toBe(4095);
  });

  test('a dangling symlink is there by lstat and missing by stat', async () => {
    await stage.sys.symlink('nowhere', stage.path('l'));
    expect(await errnoOf(stage.sys.lstat(stage.path('l')))).toBe('ok');
    expect(await errnoOf(stage.sys.stat(stage.path('l')))).toBe('ENOENT');
    await stage.sys.open(stage.path('l'), O_CREAT | O_WRONLY);
    expect(await errnoOf(stage.sys.stat(stage.path('nowhere')))).toBe('ok');
  });

  test('a symlink that is replaced leads to the new target at once', async () => {
    await stage.sys.writeFile(stage.path('one'), 'one');
    await stage.sys.writeFile(stage.path('two'), 'two');
    await stage.sys.symlink('one', stage.path('l'));
    expect(String(await stage.sys.readFile(stage.path('l')))).toBe('one');
    await stage.sys.symlink('two', stage.path('new'));
    await stage.sys.rename(stage.path('new'), stage.path('l'));
    expect(String(await stage.sys.readFile(stage.path('l')))).toBe('two');
  });

  test('symlinks in a circle are ELOOP', async () => {
    await stage.sys.symlink('b', stage.path('a'));
    await stage.sys.symlink('a', stage.path('b'));
    expect(await errnoOf(stage.sys.stat(stage.path('a')))).toBe('ELOOP');
  });

  test('readlink of a file is EINVAL', async () => {
    await stage.sys.writeFile(stage.path('f'), '');
    expect(await errnoOf(stage.sys.readlink(stage.path('f')))).toBe('EINVAL');
  });

  test('a symlink takes a hard link of its own', async () => {
    await stage.sys.symlink('x', stage.path('l'));
    await stage.sys.link(stage.path('l'), stage.path('m'));
    const stat = await stage.sys.lstat(stage.path('m'));
    expect([stat.nlink, await stage.sys.readlink(stage.path('m'))]).toEqual([2, 'x']);
  });
});
