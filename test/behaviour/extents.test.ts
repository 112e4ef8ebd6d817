/**
 * Where a file has data and where holes: sparse files, fallocate, copy_file_range.
 */

import { expect, test } from 'vitest';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  O_CREAT,
  O_RDWR,
  SEEK_DATA,
  SEEK_HOLE,
} from './constants.ts';
import { behaviour } from './stage.ts';
import type { Stage } from './stage.ts';
import { errnoOf } from './syscalls.ts';

const MIB = 1 << 20;
const GIB = 2 ** 30;

function openNew(stage: Stage, name = 'f'): Promise<number> {
  return stage.sys.open(stage.path(name), O_CREAT | O_RDWR);
}

behaviour('Extents', (stage) => {
  test('a sparse file of 5 GiB has its size, its bytes at the end and zeros between', async () => {
    const fd = await openNew(stage);
    await stage.sys.pwrite(fd, 'end', 5 * GIB - 3);
    await stage.sys.pwrite(fd, 'start', 0);
    expect((await stage.sys.fstat(fd)).size).toBe(5 * GIB);
    expect(String(await stage.sys.pread(fd, 10, 5 * GIB - 3))).toBe('end');
    expect((await stage.sys.pread(fd, 64, 3 * GIB)).equals(Buffer.alloc(64))).toBe(true);
    expect((await stage.sys.fstat(fd)).blocks).toBeLessThan(8192);
  });

  test('SEEK_DATA and SEEK_HOLE find data and holes', stage.needs('seek-hole'), async () => {
    const fd = await openNew(stage);
    await stage.sys.pwrite(fd, Buffer.alloc(65_536, 1), 4 * MIB);
    await stage.sys.ftruncate(fd, 8 * MIB);
    expect(await stage.sys.lseek(fd, 0, SEEK_DATA)).toBe(4 * MIB);
    expect(await stage.sys.lseek(fd, 4 * MIB, SEEK_HOLE)).toBe(4 * MIB + 65_536);
    expect(await stage.sys.lseek(fd, 0, SEEK_HOLE)).toBe(0);
    expect(await errnoOf(stage.sys.lseek(fd, 5 * MIB, SEEK_DATA))).toBe('ENXIO');
    expect(await errnoOf(stage.sys.lseek(fd, 8 * MIB, SEEK_HOLE))).toBe('ENXIO');
  });

  test('a file without holes has one at its end', async () => {
    await stage.sys.writeFile(stage.path('f'), Buffer.alloc(10_000, 1));
    const fd = await stage.sys.open(stage.path('f'));
    expect(await stage.sys.lseek(fd, 0, SEEK_HOLE)).toBe(10_000);
  });

  test('fallocate grows a file with zeros', stage.needs('fallocate'), async () => {
    const fd = await openNew(stage);
    await stage.sys.write(fd, 'text');
    await stage.sys.fallocate(fd, 0, 0, MIB);
    expect((await stage.sys.fstat(fd)).size).toBe(MIB);
    expect(String(await stage.sys.pread(fd, 6, 0))).toBe('text\0\0');
  });

  test('fallocate with keep size leaves the size', stage.needs('fallocate'), async () => {
    const fd = await openNew(stage);
    await stage.sys.write(fd, 'text');
    await stage.sys.fallocate(fd, FALLOC_KEEP_SIZE, 0, MIB);
    expect((await stage.sys.fstat(fd)).size).toBe(4);
  });

  test('a punched hole reads as zeros and leaves the size', stage.needs('fallocate'), async () => {
    const fd = await openNew(stage);
    await stage.sys.write(fd, Buffer.alloc(65_536, 'x'));
    await stage.sys.pread(fd, 65_536, 0);
    await stage.sys.fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 1000, 50_000);
    const expected = Buffer.alloc(65_536, 'x').fill(0, 1000, 51_000);
    expect((await stage.sys.pread(fd, 70_000, 0)).equals(expected)).toBe(true);
  });

  test('a punched hole is found', stage.needs('fallocate', 'seek-hole'), async () => {
    const fd = await openNew(stage);
    await stage.sys.write(fd, Buffer.alloc(MIB, 'x'));
    await stage.sys.fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 65_536, 131_072);
    expect(await stage.sys.lseek(fd, 0, SEEK_HOLE)).toBe(65_536);
    expect(await stage.sys.lseek(fd, 65_536, SEEK_DATA)).toBe(196_608);
  });

  test(
    'a zeroed range reads as zeros and may grow the file',
    stage.needs('fallocate'),
    async () => {
      const fd = await openNew(stage);
      await stage.sys.write(fd, Buffer.alloc(10_000, 'x'));
      await stage.sys.fallocate(fd, FALLOC_ZERO_RANGE, 5000, 10_000);
      const expected = Buffer.concat([Buffer.alloc(5000, 'x'), Buffer.alloc(10_000)]);
      expect((await stage.sys.pread(fd, 20_000, 0)).equals(expected)).toBe(true);
    },
  );

  test('fallocate without a length is EINVAL', async () => {
    const fd = await openNew(stage);
    expect(await errnoOf(stage.sys.fallocate(fd, 0, 0, 0))).toBe('EINVAL');
  });

  test('copy_file_range copies bytes between files at offsets', async () => {
    await stage.sys.writeFile(stage.path('from'), '0123456789');
    const from = await stage.sys.open(stage.path('from'));
    const to = await openNew(stage, 'to');
    await stage.sys.write(to, 'abcdefghij');
    expect(await stage.sys.copyFileRange({ fd: from, offset: 2 }, { fd: to, offset: 5 }, 4)).toBe(
      4,
    );
    expect(String(await stage.sys.pread(to, 99, 0))).toBe('abcde2345j');
  });

  test('a copied range does not change when its source does', async () => {
    const from = await openNew(stage, 'from');
    const to = await openNew(stage, 'to');
    const data = Buffer.alloc(3 * MIB, 'one');
    await stage.sys.write(from, data);
    let copied = 0;
    while (copied < data.length) {
      const at = copied;
      copied += await stage.sys.copyFileRange(
        { fd: from, offset: at },
        { fd: to, offset: at },
        data.length - at,
      );
    }
    await stage.sys.pwrite(from, Buffer.alloc(MIB, 'two'), MIB);
    await stage.sys.close(from);
    expect((await stage.sys.readFile(stage.path('to'))).equals(data)).toBe(true);
  });

  test('copy_file_range stops at the end of its source', async () => {
    await stage.sys.writeFile(stage.path('from'), '0123456789');
    const from = await stage.sys.open(stage.path('from'));
    const to = await openNew(stage, 'to');
    expect(await stage.sys.copyFileRange({ fd: from, offset: 8 }, { fd: to, offset: 0 }, 99)).toBe(
      2,
    );
    expect(await stage.sys.copyFileRange({ fd: from, offset: 10 }, { fd: to, offset: 0 }, 9)).toBe(
      0,
    );
  });

  test('a file written backwards page by page reads forwards', async () => {
    const fd = await openNew(stage);
    for (let page = 63; page >= 0; page -= 1) {
      await stage.sys.pwrite(fd, Buffer.alloc(4096, page), page * 4096);
    }
    const content = await stage.sys.pread(fd, 64 * 4096, 0);
    const pages = Array.from({ length: 64 }, (_, page) => content[page * 4096 + 4095]);
    expect(pages).toEqual(Array.from({ length: 64 }, (_, page) => page));
  });

  test('a write of 3 MiB at once arrives whole', async () => {
    const data = Buffer.from(
      Array.from({ length: 3 * MIB }, (_, at) => (at * 7 + (at >> 10)) & 255),
    );
    const fd = await openNew(stage);
    expect(await stage.sys.write(fd, data)).toBe(data.length);
    await stage.sys.close(fd);
    expect((await stage.sys.readFile(stage.path('f'))).equals(data)).toBe(true);
  });
});
