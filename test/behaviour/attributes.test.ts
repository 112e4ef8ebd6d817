/**
 * Times, sizes and the rules for when they change.
 */

import { expect, test } from 'vitest';
import { O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, UTIME_NOW, UTIME_OMIT } from './constants.ts';
import { behaviour, USER } from './stage.ts';
import type { Stage } from './stage.ts';
import { errnoOf } from './syscalls.ts';

const ATIME_NS = 1_234_567_890_123_456_789n;
const MTIME_NS = 987_654_321_987_654_321n;

/** A file whose times lie in the past, so that whatever changes them shows. */
async function makeOld(stage: Stage, path: string): Promise<string> {
  await stage.sys.writeFile(path, 'text');
  await stage.sys.utimens(path, { atimeNs: ATIME_NS, mtimeNs: MTIME_NS });
  return path;
}

behaviour('Attributes', (stage) => {
  test('times are kept to the nanosecond', stage.needs('nanoseconds'), async () => {
    const path = await makeOld(stage, stage.path('f'));
    expect(await stage.sys.stat(path)).toMatchObject({ atimeNs: ATIME_NS, mtimeNs: MTIME_NS });
  });

  test('times before 1970 and after 2038 are kept', stage.needs('nanoseconds'), async () => {
    const path = stage.path('f');
    await stage.sys.writeFile(path, 'text');
    await stage.sys.utimensRaw(path, [-5n, 7n, 8_000_000_000n, 9n]);
    const stat = await stage.sys.stat(path);
    expect(stat.atimeNs / 1_000_000_000n).toBe(-4n);
    expect(stat.mtimeNs / 1_000_000_000n).toBe(8_000_000_000n);
  });

  test(
    'UTIME_OMIT leaves a time as it is and UTIME_NOW takes the present',
    stage.needs('nanoseconds'),
    async () => {
      const path = await makeOld(stage, stage.path('f'));
      await stage.sys.utimensRaw(path, [0n, BigInt(UTIME_OMIT), 0n, BigInt(UTIME_NOW)]);
      const stat = await stage.sys.stat(path);
      expect(stat.atimeNs).toBe(ATIME_NS);
      expect(Math.abs(Number(stat.mtimeNs / 1_000_000n) - Date.now())).toBeLessThan(5000);
    },
  );

  test('anybody who may write may set the times to now', stage.needs('root'), async () => {
    const path = await makeOld(stage, stage.path('f'));
    await stage.sys.chmod(path, 0o666);
    const user = await stage.another(USER);
    const now = [0n, BigInt(UTIME_NOW), 0n, BigInt(UTIME_NOW)];
    expect(await errnoOf(user.utimensRaw(path, now))).toBe('ok');
  });

  test('a write moves mtime and ctime and not the size of what it overwrites', async () => {
    const path = await makeOld(stage, stage.path('f'));
    const before = await stage.sys.stat(path);
    const fd = await stage.sys.open(path, O_WRONLY);
    await stage.sys.pwrite(fd, 'T', 0);
    await stage.sys.close(fd);
    const after = await stage.sys.stat(path);
    expect(after.mtimeNs).toBeGreaterThan(before.mtimeNs);
    expect(after.ctimeNs).toBeGreaterThan(before.ctimeNs);
    expect(after.size).toBe(4);
  });

  test('a write is seen by fstat of another descriptor before anything is closed', async () => {
    const writer = await stage.sys.open(stage.path('f'), O_CREAT | O_WRONLY);
    const reader = await stage.sys.open(stage.path('f'));
    await stage.sys.write(writer, 'twelve bytes');
    expect((await stage.sys.fstat(reader)).size).toBe(12);
    expect(String(await stage.sys.pread(reader, 100, 0))).toBe('twelve bytes');
  });

  test('chmod, chown, link and rename move ctime and leave mtime', async () => {
    const path = await makeOld(stage, stage.path('f'));
    const steps = [
      () => stage.sys.chmod(path, 0o600),
      () => stage.sys.chown(path, -1, -1),
      () => stage.sys.link(path, stage.path('g')),
      () => stage.sys.rename(path, stage.path('h')),
    ];
    let before = await stage.sys.stat(path);
    for (const step of steps.slice(0, 3)) {
      await step();
      const after = await stage.sys.stat(path);
      expect(after.ctimeNs).toBeGreaterThanOrEqual(before.ctimeNs);
      expect(after.mtimeNs).toBe(before.mtimeNs);
      before = after;
    }
    await steps[3]?.();
    expect((await stage.sys.stat(stage.path('h'))).mtimeNs).toBe(before.mtimeNs);
  });

  test('making, removing and renaming names moves the mtime of their directory', async () => {
    const dir = stage.path('d');
    await stage.sys.mkdir(dir);
    const steps = [
      () => stage.sys.writeFile(`${dir}/f`, ''),
      () => stage.sys.rename(`${dir}/f`, `${dir}/g`),
      () => stage.sys.link(`${dir}/g`, `${dir}/h`),
      () => stage.sys.unlink(`${dir}/g`),
      () => stage.sys.mkdir(`${dir}/e`),
      () => stage.sys.rmdir(`${dir}/e`),
    ];
    for (const step of steps) {
      await stage.sys.utimens(dir, { atimeNs: ATIME_NS, mtimeNs: MTIME_NS });
      await step();
      expect((await stage.sys.stat(dir)).mtimeNs).toBeGreaterThan(MTIME_NS);
    }
  });

  test(
    'writing into a file leaves the mtime of its directory',
    stage.needs('utimens-one'),
    async () => {
      await stage.sys.mkdir(stage.path('d'));
      await stage.sys.writeFile(stage.path('d/f'), 'one');
      await stage.sys.utimens(stage.path('d'), { atimeNs: ATIME_NS, mtimeNs: MTIME_NS });
      await stage.sys.writeFile(stage.path('d/f'), 'two');
      const after = await stage.sys.stat(stage.path('d'));
      expect(after.mtimeNs / 1_000_000_000n).toBe(MTIME_NS / 1_000_000_000n);
    },
  );

  test('an open with O_TRUNC of an empty file moves mtime', async () => {
    await stage.sys.writeFile(stage.path('f'), '');
    await stage.sys.utimens(stage.path('f'), { atimeNs: ATIME_NS, mtimeNs: MTIME_NS });
    await stage.sys.open(stage.path('f'), O_WRONLY | O_TRUNC);
    expect((await stage.sys.stat(stage.path('f'))).mtimeNs).toBeGreaterThan(MTIME_NS);
  });

  test('ftruncate to a new size moves mtime', async () => {
    const path = await makeOld(stage, stage.path('f'));
    await stage.sys.ftruncate(await stage.sys.open(path, O_RDWR), 2);
    const stat = await stage.sys.stat(path);
    expect([stat.size, stat.mtimeNs > MTIME_NS]).toEqual([2, true]);
  });

  test(
    'times set explicitly survive the close of a writer',
    stage.needs('utimens-one'),
    async () => {
      const path = stage.path('f');
      const fd = await stage.sys.open(path, O_CREAT | O_WRONLY);
      await stage.sys.write(fd, 'text');
      await stage.sys.utimens(path, { atimeNs: ATIME_NS, mtimeNs: MTIME_NS });
      await stage.sys.close(fd);
      const after = await stage.sys.stat(path);
      expect(after.mtimeNs / 1_000_000_000n).toBe(MTIME_NS / 1_000_000_000n);
    },
  );

  test('the mode of a symlink and what it points to are apart', async () => {
    await stage.sys.writeFile(stage.path('f'), 'text', 0o600);
    await stage.sys.symlink('f', stage.path('l'));
    await stage.sys.chmod(stage.path('l'), 0o640);
    expect((await stage.sys.stat(stage.path('f'))).mode & 0o777).toBe(0o640);
    expect((await stage.sys.lstat(stage.path('l'))).mode & 0o777).toBe(0o777);
  });

  test('lchown changes the symlink alone', stage.needs('root'), async () => {
    await stage.sys.writeFile(stage.path('f'), 'text');
    await stage.sys.symlink('f', stage.path('l'));
    await stage.sys.lchown(stage.path('l'), 7, 8);
    expect(await stage.sys.lstat(stage.path('l'))).toMatchObject({ uid: 7, gid: 8 });
    expect(await stage.sys.stat(stage.path('f'))).toMatchObject({ uid: 0, gid: 0 });
  });

  test('blocks count what is written and not what is a hole', async () => {
    await stage.sys.writeFile(stage.path('f'), Buffer.alloc(65536, 1));
    const fd = await stage.sys.open(stage.path('sparse'), O_CREAT | O_WRONLY);
    await stage.sys.ftruncate(fd, 1 << 30);
    await stage.sys.fsync(await stage.sys.open(stage.path('f')));
    expect((await stage.sys.stat(stage.path('f'))).blocks).toBeGreaterThanOrEqual(128);
    expect((await stage.sys.stat(stage.path('sparse'))).blocks).toBeLessThan(128);
  });
});
