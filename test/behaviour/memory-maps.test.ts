/**
 * Files mapped into memory.
 */

import { expect, test } from 'vitest';
import { MAP_PRIVATE, MAP_SHARED, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE } from './constants.ts';
import { behaviour } from './stage.ts';

const PAGE = 4096;
const BOTH = PROT_READ | PROT_WRITE;

behaviour('Memory maps', (stage) => {
  test('a private map shows the file and keeps its changes to itself', async () => {
    await stage.sys.writeFile(stage.path('f'), 'text');
    const fd = await stage.sys.open(stage.path('f'), O_RDWR);
    const address = await stage.sys.mmap(fd, PAGE, BOTH, MAP_PRIVATE);
    expect(String(await stage.sys.peek(address, 4))).toBe('text');
    await stage.sys.poke(address, 'TEXT');
    await stage.sys.munmap(address, PAGE);
    expect(String(await stage.sys.readFile(stage.path('f')))).toBe('text');
  });

  test('a shared map writes to the file', stage.needs('mmap'), async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    await stage.sys.ftruncate(fd, 3 * PAGE);
    const address = await stage.sys.mmap(fd, 3 * PAGE, BOTH, MAP_SHARED);
    await stage.sys.poke(address + PAGE, 'mapped');
    await stage.sys.msync(address, 3 * PAGE);
    expect(String(await stage.sys.pread(fd, 6, PAGE))).toBe('mapped');
    await stage.sys.munmap(address, 3 * PAGE);
    await stage.sys.close(fd);
    expect((await stage.sys.readFile(stage.path('f'))).subarray(PAGE, PAGE + 6).toString()).toBe(
      'mapped',
    );
  });

  test(
    'a shared map without msync reaches the file when it is unmapped',
    stage.needs('mmap'),
    async () => {
      const other = await stage.another();
      const fd = await other.open(stage.path('f'), O_CREAT | O_RDWR);
      await other.ftruncate(fd, PAGE);
      const address = await other.mmap(fd, PAGE, BOTH, MAP_SHARED);
      await other.close(fd);
      await other.poke(address, 'late');
      await other.munmap(address, PAGE);
      expect((await stage.sys.readFile(stage.path('f'))).toString('utf8', 0, 4)).toBe('late');
    },
  );

  test('a shared map of an unlinked file works on', stage.needs('mmap'), async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
    await stage.sys.ftruncate(fd, PAGE);
    const address = await stage.sys.mmap(fd, PAGE, BOTH, MAP_SHARED);
    await stage.sys.unlink(stage.path('f'));
    await stage.sys.poke(address, 'gone');
    await stage.sys.msync(address, PAGE);
    expect(String(await stage.sys.pread(fd, 4, 0))).toBe('gone');
  });

  test('a map shows what is written through a descriptor', async () => {
    await stage.sys.writeFile(stage.path('f'), Buffer.alloc(PAGE, 'a'));
    const fd = await stage.sys.open(stage.path('f'), O_RDWR);
    const address = await stage.sys.mmap(fd, PAGE, PROT_READ, MAP_SHARED);
    expect(String(await stage.sys.peek(address, 1))).toBe('a');
    await stage.sys.pwrite(fd, 'b', 0);
    expect(String(await stage.sys.peek(address, 1))).toBe('b');
  });

  test('two processes share what they map', stage.needs('mmap'), async () => {
    const other = await stage.another();
    await stage.sys.writeFile(stage.path('f'), Buffer.alloc(PAGE));
    const here = await stage.sys.mmap(
      await stage.sys.open(stage.path('f'), O_RDWR),
      PAGE,
      BOTH,
      MAP_SHARED,
    );
    const there = await other.mmap(
      await other.open(stage.path('f'), O_RDWR),
      PAGE,
      BOTH,
      MAP_SHARED,
    );
    await stage.sys.poke(here + 100, 'shared');
    expect(String(await other.peek(there + 100, 6))).toBe('shared');
  });
});
