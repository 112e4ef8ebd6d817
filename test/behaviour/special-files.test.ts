/**
 * Fifos, sockets and devices, and what the file system says about itself.
 */

import { expect, test } from 'vitest';
import {
  O_RDONLY,
  O_NONBLOCK,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from './constants.ts';
import { behaviour, USER } from './stage.ts';
import { errnoOf } from './syscalls.ts';

/** makedev(1, 3): /dev/null. */
const NULL_DEVICE = 0x103;

behaviour('Special files', (stage) => {
  test('mknod makes files, fifos and sockets', async () => {
    for (const type of [S_IFREG, S_IFIFO, S_IFSOCK]) {
      const path = stage.path(`node-${type}`);
      await stage.sys.mknod(path, type | 0o640);
      const { mode } = await stage.sys.lstat(path);
      expect([mode & S_IFMT, mode & 0o777]).toEqual([type, 0o640]);
    }
  });

  test('mknod makes devices with their numbers', stage.needs('root'), async () => {
    for (const type of [S_IFCHR, S_IFBLK]) {
      const path = stage.path(`node-${type}`);
      await stage.sys.mknod(path, type | 0o600, 0x812);
      const stat = await stage.sys.lstat(path);
      expect(stat.mode & S_IFMT).toBe(type);
      expect([stat.rdevMajor, stat.rdevMinor]).toEqual([8, 0x12]);
    }
  });

  test('a device works', stage.needs('root'), async () => {
    await stage.sys.mknod(stage.path('null'), S_IFCHR | 0o666, NULL_DEVICE);
    const fd = await stage.sys.open(stage.path('null'), O_WRONLY);
    expect(await stage.sys.write(fd, 'into nothing')).toBe(12);
    expect((await stage.sys.readFile(stage.path('null'))).length).toBe(0);
  });

  test('devices are for root to make', stage.needs('root'), async () => {
    await stage.sys.chmod(stage.dir, 0o777);
    const user = await stage.another(USER);
    const path = stage.path('null');
    expect(await errnoOf(user.mknod(path, S_IFCHR | 0o666, NULL_DEVICE))).toBe('EPERM');
  });

  test('a fifo carries bytes from one process to another', async () => {
    await stage.sys.mknod(stage.path('fifo'), S_IFIFO | 0o600);
    const other = await stage.another();
    const [reader, writer] = await Promise.all([
      stage.sys.open(stage.path('fifo'), O_RDONLY),
      other.open(stage.path('fifo'), O_WRONLY),
    ]);
    await other.write(writer, 'through');
    expect(String(await stage.sys.read(reader, 100))).toBe('through');
  });

  test('a fifo without a reader refuses a writer that will not wait', async () => {
    await stage.sys.mknod(stage.path('fifo'), S_IFIFO | 0o600);
    const open = stage.sys.open(stage.path('fifo'), O_WRONLY | O_NONBLOCK);
    expect(await errnoOf(open)).toBe('ENXIO');
  });

  test('statfs gives figures that can be true', async () => {
    const { bsize, blocks, bfree, bavail } = await stage.sys.statfs(stage.dir);
    expect(bsize).toBeGreaterThanOrEqual(512);
    expect(blocks).toBeGreaterThan(bfree);
    expect(bfree).toBeGreaterThanOrEqual(bavail);
    expect(bavail * bsize).toBeGreaterThan(1 << 20);
  });
});
