/**
 * Listing directories, large ones and changing ones.
 */

import { expect, test } from 'vitest';
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_WRONLY, SEEK_SET } from './constants.ts';
import { behaviour } from './stage.ts';
import type { Stage } from './stage.ts';
import { errnoOf } from './syscalls.ts';

const LARGE = 10_000;

async function fill(stage: Stage, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, at) => `file-${String(at).padStart(6, '0')}`);
  for (let at = 0; at < count; at += 500) {
    await Promise.all(
      names.slice(at, at + 500).map(async (name) => {
        await stage.sys.close(await stage.sys.open(stage.path(name), O_CREAT | O_WRONLY));
      }),
    );
  }
  return names;
}

behaviour('Directories', (stage) => {
  test('an empty directory lists itself and its parent', async () => {
    const fd = await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY);
    expect((await stage.sys.getdents(fd)).map(({ name }) => name).toSorted()).toEqual(['.', '..']);
  });

  test('a listing has the inode and type that stat has', async () => {
    await stage.sys.writeFile(stage.path('f'), '');
    await stage.sys.mkdir(stage.path('d'));
    await stage.sys.symlink('f', stage.path('l'));
    const entries = await stage.sys.getdents(
      await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY),
    );
    for (const name of ['f', 'd', 'l']) {
      const stat = await stage.sys.lstat(stage.path(name));
      const entry = entries.find((candidate) => candidate.name === name);
      expect(entry).toMatchObject({ ino: stat.ino, type: (stat.mode & 0o170000) >> 12 });
    }
  });

  test('a directory of ten thousand names lists each exactly once', async () => {
    const names = await fill(stage, LARGE);
    expect((await stage.sys.readdir(stage.dir)).toSorted()).toEqual(names);
  });

  test('a small buffer lists the same as a large one', async () => {
    const names = await fill(stage, 300);
    const fd = await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY);
    const listed: string[] = [];
    for (;;) {
      const entries = await stage.sys.getdents(fd, 280);
      if (entries.length === 0) break;
      listed.push(...entries.map(({ name }) => name));
    }
    expect(listed.filter((name) => name.startsWith('file')).toSorted()).toEqual(names);
  });

  test('a listing while its names are removed misses none that stays', async () => {
    const names = await fill(stage, 2000);
    const fd = await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY);
    const listed = new Set<string>();
    for (;;) {
      const entries = await stage.sys.getdents(fd, 4096);
      if (entries.length === 0) break;
      const own = entries.filter(({ name }) => name.startsWith('file'));
      for (const { name } of own) listed.add(name);
      const odd = own.filter(({ name }) => Number(name.slice(5)) % 2 === 1);
      await Promise.all(odd.map(({ name }) => stage.sys.unlink(stage.path(name))));
    }
    expect([...listed].toSorted()).toEqual(names);
    expect((await stage.sys.readdir(stage.dir)).length).toBe(1000);
  });

  test('names made during a listing do not make it repeat or miss others', async () => {
    const names = await fill(stage, 1000);
    const fd = await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY);
    const listed: string[] = [];
    for (let batch = 0; ; batch += 1) {
      const entries = await stage.sys.getdents(fd, 4096);
      if (entries.length === 0) break;
      listed.push(...entries.map(({ name }) => name).filter((name) => name.startsWith('file')));
      await stage.sys.writeFile(stage.path(`made-${batch}`), '');
    }
    expect(listed.toSorted()).toEqual(names);
  });

  test('lseek on a directory goes back to where an entry was', async () => {
    await fill(stage, 500);
    const fd = await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY);
    const first = await stage.sys.getdents(fd, 4096);
    const second = await stage.sys.getdents(fd, 4096);
    const last = first.at(-1);
    await stage.sys.lseek(fd, last?.next ?? 0n, SEEK_SET);
    expect(await stage.sys.getdents(fd, 4096)).toEqual(second);
    await stage.sys.lseek(fd, 0, SEEK_SET);
    expect(await stage.sys.getdents(fd, 4096)).toEqual(first);
  });

  test('a listing rewound shows what changed meanwhile', async () => {
    await stage.sys.writeFile(stage.path('old'), '');
    const fd = await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY);
    await stage.sys.getdents(fd);
    await stage.sys.unlink(stage.path('old'));
    await stage.sys.writeFile(stage.path('new'), '');
    await stage.sys.lseek(fd, 0, SEEK_SET);
    const names = (await stage.sys.getdents(fd)).map(({ name }) => name);
    expect(names.toSorted()).toEqual(['.', '..', 'new']);
  });

  test('rm -rf of a large tree leaves nothing', async () => {
    await stage.sys.mkdir(stage.path('tree'));
    for (let dir = 0; dir < 20; dir += 1) {
      await stage.sys.mkdir(stage.path(`tree/${dir}`));
      const files = Array.from({ length: 100 }, (_, file) => stage.path(`tree/${dir}/${file}`));
      await Promise.all(files.map((file) => stage.sys.mknod(file, 0o100644)));
    }
    await stage.run('rm', '-rf', stage.path('tree'));
    expect(await errnoOf(stage.sys.stat(stage.path('tree')))).toBe('ENOENT');
  });

  test('four processes that make and remove names in one directory leave what they should', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => stage.another()));
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 100; round += 1) {
          const name = stage.path(`${index}-${round}`);
          await client.mknod(name, 0o100644);
          if (round % 2 === 1) await client.unlink(name);
          else await client.rename(name, stage.path(`kept-${index}-${round}`));
        }
      }),
    );
    const names = await stage.sys.readdir(stage.dir);
    expect([names.length, names.every((name) => name.startsWith('kept-'))]).toEqual([200, true]);
  });
});
