/**
 * Files and directories that are removed or changed while somebody has them open; reading and writing.
 */

import { expect, test } from 'vitest';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from './constants.ts';
import { TARGETS } from './targets.ts';
import { behaviour } from './stage.ts';
import { errnoOf } from './syscalls.ts';

behaviour('Open files', (stage) => {
  test(
    'an unlinked file is read and written through its descriptor',
    stage.needs('unlinked-open'),
    async () => {
      const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
      await stage.sys.write(fd, 'before');
      await stage.sys.unlink(stage.path('f'));
      await stage.sys.pwrite(fd, ' and after', 6);
      expect(String(await stage.sys.pread(fd, 100, 0))).toBe('before and after');
      expect(await stage.sys.fstat(fd)).toMatchObject({ nlink: 0, size: 16 });
      expect(await stage.sys.readdir(stage.dir)).toEqual([]);
    },
  );

  test('an unlinked file takes truncate and chmod through its descriptor', async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    await stage.sys.unlink(stage.path('f'));
    await stage.sys.ftruncate(fd, 100);
    await stage.sys.fchmod(fd, 0o600);
    const stat = await stage.sys.fstat(fd);
    expect([stat.size, stat.mode & 0o777]).toEqual([100, 0o600]);
  });

  test('a name can be made again while the removed file is open', async () => {
    const old = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    await stage.sys.write(old, 'old');
    await stage.sys.unlink(stage.path('f'));
    await stage.sys.writeFile(stage.path('f'), 'new');
    expect(String(await stage.sys.pread(old, 9, 0))).toBe('old');
    expect(String(await stage.sys.readFile(stage.path('f')))).toBe('new');
  });

  test('an open directory that was removed lists nothing and takes no names', async () => {
    await stage.sys.mkdir(stage.path('d'));
    const fd = await stage.sys.open(stage.path('d'), O_RDONLY | O_DIRECTORY);
    await stage.sys.rmdir(stage.path('d'));
    const names = await errnoOf(stage.sys.getdents(fd));
    expect(names).toMatch(/^(ok|ENOENT)$/);
    const inside = `/proc/${stage.sys.pid}/fd/${fd}/f`;
    expect(await errnoOf(stage.sys.open(inside, O_CREAT | O_WRONLY))).toBe('ENOENT');
  });

  test('rmdir refuses a directory that is not empty, and unlink a directory', async () => {
    await stage.sys.mkdir(stage.path('d'));
    await stage.sys.writeFile(stage.path('d/f'), '');
    expect(await errnoOf(stage.sys.rmdir(stage.path('d')))).toBe('ENOTEMPTY');
    expect(await errnoOf(stage.sys.unlink(stage.path('d')))).toBe('EISDIR');
    expect(await errnoOf(stage.sys.rmdir(stage.path('d/f')))).toBe('ENOTDIR');
  });

  test('O_TRUNC empties a file that another has open', async () => {
    await stage.sys.writeFile(stage.path('f'), 'a longer text');
    const reader = await stage.sys.open(stage.path('f'));
    expect(String(await stage.sys.pread(reader, 100, 0))).toBe('a longer text');
    await stage.sys.open(stage.path('f'), O_WRONLY | O_TRUNC);
    expect((await stage.sys.pread(reader, 100, 0)).length).toBe(0);
    expect((await stage.sys.fstat(reader)).size).toBe(0);
  });

  test('what one process wrote is read by another at once', async () => {
    const other = await stage.another();
    const writer = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    const reader = await other.open(stage.path('f'));
    for (let round = 0; round < 50; round += 1) {
      await stage.sys.pwrite(writer, `round ${round};`, 0);
      expect(String(await other.pread(reader, 100, 0))).toMatch(new RegExp(`^round ${round};`));
    }
  });

  test('a file grown by truncate reads zeros, and what was cut off does not come back', async () => {
    await stage.sys.writeFile(stage.path('f'), Buffer.alloc(10_000, 'x'));
    await stage.sys.truncate(stage.path('f'), 5);
    await stage.sys.truncate(stage.path('f'), 10_000);
    const expected = Buffer.alloc(10_000);
    expected.write('xxxxx');
    expect((await stage.sys.readFile(stage.path('f'))).equals(expected)).toBe(true);
  });

  test('a write behind the end leaves zeros between', async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    await stage.sys.write(fd, 'ab');
    await stage.sys.pwrite(fd, 'yz', 5000);
    const content = await stage.sys.pread(fd, 6000, 0);
    expect([content.length, content.subarray(2, 5000).every((byte) => byte === 0)]).toEqual([
      5002,
      true,
    ]);
  });

  test('overlapping writes of odd sizes give the bytes of the last one', async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    const expected = Buffer.alloc(300_000);
    let seed = 7;
    for (let round = 0; round < 120; round += 1) {
      seed = (seed * 48_271) % 2_147_483_647;
      const offset = seed % 250_000;
      const data = Buffer.alloc(1 + (seed % 50_000), round + 1);
      expected.set(data, offset);
      await stage.sys.pwrite(fd, data, offset);
    }
    const { size } = await stage.sys.fstat(fd);
    expect((await stage.sys.pread(fd, size, 0)).equals(expected.subarray(0, size))).toBe(true);
    await stage.sys.close(fd);
    expect((await stage.sys.readFile(stage.path('f'))).equals(expected.subarray(0, size))).toBe(
      true,
    );
  });

  test('lseek moves the position that read and write use', async () => {
    await stage.sys.writeFile(stage.path('f'), '0123456789');
    const fd = await stage.sys.open(stage.path('f'), O_RDWR);
    expect(await stage.sys.lseek(fd, -4, SEEK_END)).toBe(6);
    expect(String(await stage.sys.read(fd, 2))).toBe('67');
    expect(await stage.sys.lseek(fd, 0, SEEK_CUR)).toBe(8);
    expect(await errnoOf(stage.sys.lseek(fd, -1, SEEK_SET))).toBe('EINVAL');
  });

  test('fsync, fdatasync, syncfs and O_SYNC writes succeed', async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_WRONLY | O_SYNC);
    await stage.sys.write(fd, 'text');
    await stage.sys.fsync(fd);
    await stage.sys.fdatasync(fd);
    await stage.sys.syncfs(fd);
    await stage.sys.fsync(await stage.sys.open(stage.dir, O_RDONLY | O_DIRECTORY));
    expect(String(await stage.sys.readFile(stage.path('f')))).toBe('text');
  });

  test('an O_TMPFILE file has no name until it is linked', stage.needs('tmpfile'), async () => {
    const fd = await stage.sys.open(stage.dir, O_TMPFILE | O_RDWR, 0o640);
    await stage.sys.write(fd, 'text');
    expect([await stage.sys.readdir(stage.dir), (await stage.sys.fstat(fd)).nlink]).toEqual([
      [],
      0,
    ]);
    await stage.sys.linkDescriptor(fd, stage.path('f'));
    expect(String(await stage.sys.readFile(stage.path('f')))).toBe('text');
    const stat = await stage.sys.stat(stage.path('f'));
    expect([stat.nlink, stat.mode & 0o777]).toEqual([1, 0o640]);
  });

  test(
    'an O_TMPFILE file that is never linked leaves nothing',
    stage.needs('tmpfile'),
    async () => {
      const fd = await stage.sys.open(stage.dir, O_TMPFILE | O_RDWR, 0o640);
      await stage.sys.write(fd, 'text');
      await stage.sys.close(fd);
      expect(await stage.sys.readdir(stage.dir)).toEqual([]);
    },
  );

  test('a program on the file system can be run', async () => {
    await stage.sys.writeFile(stage.path('program'), '#!/bin/sh\nexit 0\n', 0o755);
    expect(await errnoOf(stage.sys.access(stage.path('program'), 1))).toBe('ok');
    await stage.run(stage.path('program'));
  });
});

// Elsewhere the outcome is chance, which neither passes nor fails.
behaviour(
  'O_APPEND by several',
  (stage) => {
    test('appends of several processes all arrive whole', async () => {
      const clients = await Promise.all(Array.from({ length: 3 }, () => stage.another()));
      const append = async (client: (typeof clients)[number], index: number): Promise<void> => {
        const fd = await client.open(stage.path('log'), O_CREAT | O_WRONLY | O_APPEND);
        for (let line = 0; line < 100; line += 1) {
          await client.write(fd, `${index} ${String(line).padStart(3, '0')} ${'x'.repeat(100)}\n`);
        }
      };
      await Promise.all(clients.map(append));
      const lines = String(await stage.sys.readFile(stage.path('log')))
        .split('\n')
        .slice(0, -1);
      expect(new Set(lines).size).toBe(300);
      for (const index of [0, 1, 2]) {
        const own = lines.filter((line) => line.startsWith(`${index} `));
        expect(own).toEqual(own.toSorted());
      }
    });
  },
  TARGETS.filter((target) => target.can('open-flags')),
);
