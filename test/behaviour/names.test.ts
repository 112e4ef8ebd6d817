/**
 * Names and paths: which are taken, which are refused, and that bytes stay what they are.
 */

import { expect, test } from 'vitest';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } from './constants.ts';
import { behaviour } from './stage.ts';
import { errnoOf } from './syscalls.ts';

behaviour('Names', (stage) => {
  test('a name of 255 bytes is taken and one of 256 is ENAMETOOLONG', async () => {
    await stage.sys.writeFile(stage.path('n'.repeat(255)), 'text');
    expect(await stage.sys.readdir(stage.dir)).toEqual(['n'.repeat(255)]);
    const long = stage.path('n'.repeat(256));
    expect(await errnoOf(stage.sys.open(long, O_CREAT | O_WRONLY))).toBe('ENAMETOOLONG');
    expect(await errnoOf(stage.sys.mkdir(long))).toBe('ENAMETOOLONG');
    expect(await errnoOf(stage.sys.stat(long))).toBe('ENAMETOOLONG');
    expect(await errnoOf(stage.sys.rename(stage.path('n'.repeat(255)), long))).toBe('ENAMETOOLONG');
  });

  test('a path of 4096 bytes is ENAMETOOLONG', async () => {
    expect(await errnoOf(stage.sys.stat(stage.path(...Array<string>(2048).fill('a'))))).toBe(
      'ENAMETOOLONG',
    );
  });

  test('a name that is not UTF-8 keeps its bytes', stage.needs('non-utf8-names'), async () => {
    const name = Buffer.from([0x66, 0xff, 0xfe, 0x80, 0x67]);
    const path = Buffer.concat([Buffer.from(`${stage.dir}/`), name]);
    await stage.sys.writeFile(path, 'text');
    expect(await stage.sys.readdir(stage.dir)).toEqual([name.toString('latin1')]);
    expect(String(await stage.sys.readFile(path))).toBe('text');
    await stage.sys.unlink(path);
    expect(await stage.sys.readdir(stage.dir)).toEqual([]);
  });

  test('names that differ in Unicode form or case are different names', async () => {
    for (const name of ['é', 'e\u0301', 'E', 'e'])
      await stage.sys.writeFile(stage.path(name), name);
    expect((await stage.sys.readdir(stage.dir)).length).toBe(4);
    expect(String(await stage.sys.readFile(stage.path('e\u0301')))).toBe('e\u0301');
  });

  test('names with spaces, newlines, quotes, backslashes and a leading dash or @ are names', async () => {
    const names = [' a b ', 'a\nb', '\'"`$', 'back\\slash', '-rf', '@now', '...', '~1', '\u0001'];
    for (const name of names) await stage.sys.writeFile(stage.path(name), name);
    expect((await stage.sys.readdir(stage.dir)).toSorted()).toEqual(names.toSorted());
    for (const name of names) expect(String(await stage.sys.readFile(stage.path(name)))).toBe(name);
  });

  test('a path 200 directories deep works', async () => {
    let path = stage.dir;
    for (let depth = 0; depth < 200; depth += 1) {
      path += `/d${depth}`;
      await stage.sys.mkdir(path);
    }
    await stage.sys.writeFile(`${path}/f`, 'deep');
    expect(String(await stage.sys.readFile(`${path}/f`))).toBe('deep');
  });

  test('O_EXCL refuses a name that is there, dangling symlinks included', async () => {
    await stage.sys.writeFile(stage.path('f'), 'text');
    await stage.sys.symlink('nowhere', stage.path('l'));
    const flags = O_CREAT | O_EXCL | O_WRONLY;
    expect(await errnoOf(stage.sys.open(stage.path('f'), flags))).toBe('EEXIST');
    expect(await errnoOf(stage.sys.open(stage.path('l'), flags))).toBe('EEXIST');
    expect(await errnoOf(stage.sys.open(stage.path('new'), flags))).toBe('ok');
  });

  test('of many that make one name with O_EXCL exactly one succeeds', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => stage.another()));
    for (let round = 0; round < 10; round += 1) {
      const path = stage.path(`f${round}`);
      const results = await Promise.all(
        clients.map((client) => errnoOf(client.open(path, O_CREAT | O_EXCL | O_WRONLY))),
      );
      expect(results.toSorted()).toEqual(['EEXIST', 'EEXIST', 'EEXIST', 'ok']);
    }
  });

  test('a name that was missing is found once somebody else has made it', async () => {
    const other = await stage.another();
    expect(await errnoOf(stage.sys.stat(stage.path('f')))).toBe('ENOENT');
    await other.writeFile(stage.path('f'), 'text');
    expect(await errnoOf(stage.sys.stat(stage.path('f')))).toBe('ok');
    await other.unlink(stage.path('f'));
    expect(await errnoOf(stage.sys.stat(stage.path('f')))).toBe('ENOENT');
  });

  test('a file is no directory on the way', async () => {
    await stage.sys.writeFile(stage.path('f'), 'text');
    expect(await errnoOf(stage.sys.stat(stage.path('f/x')))).toBe('ENOTDIR');
    expect(await errnoOf(stage.sys.open(stage.path('f'), O_RDONLY | O_DIRECTORY))).toBe('ENOTDIR');
  });

  test('a directory cannot be opened for writing', async () => {
    expect(await errnoOf(stage.sys.open(stage.dir, O_WRONLY))).toBe('EISDIR');
  });

  test('O_NOFOLLOW refuses a symlink', async () => {
    await stage.sys.symlink('f', stage.path('l'));
    expect(await errnoOf(stage.sys.open(stage.path('l'), O_RDONLY | O_NOFOLLOW))).toBe('ELOOP');
  });
});
