/**
 * Extended attributes.
 */

import { expect, test } from 'vitest';
import { XATTR_CREATE, XATTR_REPLACE } from './constants.ts';
import { behaviour, USER } from './stage.ts';
import { errnoOf } from './syscalls.ts';

behaviour('Extended attributes', (stage) => {
  const makeFile = async (): Promise<string> => {
    await stage.sys.writeFile(stage.path('f'), 'text');
    return stage.path('f');
  };
  /** Those that users set; a file system may list more of its own. */
  const listOwn = async (path: string): Promise<string[]> =>
    (await stage.sys.listxattr(path)).filter((name) => name.startsWith('user.test')).toSorted();

  test('a value of any bytes is kept, an empty one too', async () => {
    const path = await makeFile();
    const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await stage.sys.setxattr(path, 'user.test.bytes', value);
    await stage.sys.setxattr(path, 'user.test.empty', '');
    expect((await stage.sys.getxattr(path, 'user.test.bytes')).value.equals(value)).toBe(true);
    expect((await stage.sys.getxattr(path, 'user.test.empty')).size).toBe(0);
  });

  test('CREATE refuses a name that is there and REPLACE one that is not', async () => {
    const path = await makeFile();
    expect(await errnoOf(stage.sys.setxattr(path, 'user.test', 'a', XATTR_REPLACE))).toBe(
      'ENODATA',
    );
    expect(await errnoOf(stage.sys.setxattr(path, 'user.test', 'a', XATTR_CREATE))).toBe('ok');
    expect(await errnoOf(stage.sys.setxattr(path, 'user.test', 'b', XATTR_CREATE))).toBe('EEXIST');
    expect(await errnoOf(stage.sys.setxattr(path, 'user.test', 'b', XATTR_REPLACE))).toBe('ok');
    expect(String((await stage.sys.getxattr(path, 'user.test')).value)).toBe('b');
  });

  test(
    'a size of 0 asks for the size, and too little room is ERANGE',
    stage.needs('xattr-range'),
    async () => {
      const path = await makeFile();
      await stage.sys.setxattr(path, 'user.test', 'x'.repeat(100));
      expect((await stage.sys.getxattr(path, 'user.test', 0)).size).toBe(100);
      expect(await errnoOf(stage.sys.getxattr(path, 'user.test', 99))).toBe('ERANGE');
      expect(await errnoOf(stage.sys.listxattr(path, 3))).toBe('ERANGE');
    },
  );

  test('the list has every name that was set and none that was removed', async () => {
    const path = await makeFile();
    for (const name of ['a', 'b', 'c']) await stage.sys.setxattr(path, `user.test.${name}`, name);
    await stage.sys.removexattr(path, 'user.test.b');
    expect(await listOwn(path)).toEqual(['user.test.a', 'user.test.c']);
    expect(await errnoOf(stage.sys.getxattr(path, 'user.test.b'))).toBe('ENODATA');
    expect(await errnoOf(stage.sys.removexattr(path, 'user.test.b'))).toBe('ENODATA');
  });

  test('a value of 2,000 bytes is kept', async () => {
    const path = await makeFile();
    await stage.sys.setxattr(path, 'user.test', 'v'.repeat(2000));
    expect((await stage.sys.getxattr(path, 'user.test')).size).toBe(2000);
  });

  test('a name of 255 bytes is taken and a longer one refused', async () => {
    const path = await makeFile();
    const name = `user.${'n'.repeat(250)}`;
    expect(await errnoOf(stage.sys.setxattr(path, name, 'v'))).toBe('ok');
    expect(await errnoOf(stage.sys.setxattr(path, `${name}n`, 'v'))).toBe('ERANGE');
  });

  test('directories have them too', async () => {
    await stage.sys.setxattr(stage.dir, 'user.test', 'on a directory');
    expect(String((await stage.sys.getxattr(stage.dir, 'user.test')).value)).toBe('on a directory');
  });

  test('they move with a rename and are shared by hard links', async () => {
    const path = await makeFile();
    await stage.sys.setxattr(path, 'user.test', 'v');
    await stage.sys.link(path, stage.path('g'));
    await stage.sys.rename(path, stage.path('h'));
    for (const name of ['g', 'h']) expect(await listOwn(stage.path(name))).toEqual(['user.test']);
  });

  test('setting one moves ctime and leaves mtime', async () => {
    const path = await makeFile();
    const before = await stage.sys.stat(path);
    await stage.sys.setxattr(path, 'user.test', 'v');
    const after = await stage.sys.stat(path);
    expect(after.ctimeNs).toBeGreaterThanOrEqual(before.ctimeNs);
    expect(after.mtimeNs).toBe(before.mtimeNs);
  });

  test(
    'who may not write the file may not set one, and trusted ones are for root',
    stage.needs('root'),
    async () => {
      const path = await makeFile();
      const user = await stage.another(USER);
      expect(await errnoOf(user.setxattr(path, 'user.test', 'v'))).toBe('EACCES');
      expect(await errnoOf(user.setxattr(path, 'trusted.test', 'v'))).toBe('EPERM');
      expect(await errnoOf(stage.sys.setxattr(path, 'trusted.test', 'v'))).toBe('ok');
    },
  );
});
