/**
 * Past names and moments under `.versions`.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import type { Ino } from '../../src/shared/brands.ts';
import { S_IFDIR, S_IFMT } from '../../src/shared/mode.ts';
import { ROOT, TreeUnderTest } from './versions-under-test.ts';

let t: TreeUnderTest;

beforeEach(() => {
  t = new TreeUnderTest();
});

describe('past names', () => {
  it('of a directory are those it has and those it had, at every depth', async () => {
    t.history.mkdir('src');
    t.history.write('src/kept.ts', '1');
    t.history.write('src/gone.ts', '2');
    t.history.mkdir('src/deep');
    t.history.write('src/deep/x', 'deep');
    t.history.remove('src/gone.ts');
    t.history.remove('src/deep');
    expect(await t.ls('')).toEqual(['.status.json', 'src']);
    expect(await t.ls('src')).toEqual(['deep', 'gone.ts', 'kept.ts']);
    expect(await t.cat('src/deep/x/~0')).toBe('deep');
    const src = t.history.find('src') as Ino;
    expect(await t.ls('', src)).toEqual(['.status.json', 'deep', 'gone.ts', 'kept.ts']);
    expect(await t.cat('gone.ts/~0', src)).toBe('2');
  });

  it('without history are not there, and may be looked up again at once', async () => {
    const { nodeid } = await t.tree.rootEntry(ROOT);
    expect(await t.walk('new')).toBeUndefined();
    expect(t.tree.negativeTtlMs(nodeid)).toBe(0);
    t.history.write('new', '1');
    expect(await t.walk('new')).toBeDefined();
    expect(await t.walk('.versions')).toBeUndefined();
    expect(await t.walk('new/.versions')).toBeUndefined();
  });

  it('that begin with @ are reached by one more', async () => {
    t.history.write('@now', 'mine');
    expect(await t.ls('')).toEqual(['.status.json', '@@now']);
    expect(await t.cat('@@now/~0')).toBe('mine');
    expect((await t.at('@now')).attr.mode & S_IFMT).toBe(S_IFDIR);
    expect(await t.walk('@now/@now')).toBeDefined();
  });

  it('that were a file and a directory show both, the versions first', async () => {
    t.history.write('x', 'file');
    t.history.remove('x');
    t.history.mkdir('x');
    t.history.write('x/latest', 'a file called latest');
    t.history.write('x/3', 'a file called 3');
    t.history.write('x/other', '');
    expect(await t.ls('x')).toEqual([
      '3',
      'index.json',
      'latest',
      'other',
      'r00000002-20261122T100100Z',
    ]);
    expect(await t.tree.readlink((await t.at('x/latest')).nodeid)).toBe(
      'r00000002-20261122T100100Z',
    );
    expect((await t.at('x/3')).attr.mode & S_IFMT).toBe(S_IFDIR);
    expect(await t.cat('x/2')).toBe('file');
    expect(await t.cat('x/@r2')).toBe('file');
    expect(await t.cat('x/@now/latest')).toBe('a file called latest');
  });

  it('belong to the directory they speak of, and stay as closed when it is gone', async () => {
    t.history.mkdir('home', 0o750, 1000);
    t.history.write('home/diary', '1');
    expect((await t.at('home')).attr).toMatchObject({ mode: 0o40550, uid: 1000 });
    expect((await t.at('home/diary')).attr).toMatchObject({ mode: 0o40550, uid: 1000 });
    t.history.remove('home');
    expect((await t.at('home')).attr).toMatchObject({ mode: 0o40500, uid: 0 });
    t.history.mkdir('home', 0o711);
    expect((await t.at('home')).attr).toMatchObject({ mode: 0o40511, uid: 0 });
  });

  it('change the time of their directory when they change, for a kernel that caches listings', async () => {
    t.history.write('a', '1');
    const before = (await t.at('a')).attr.mtime;
    t.history.write('b', '1');
    expect((await t.at('a')).attr.mtime).toEqual(before);
    t.history.write('a', '2');
    expect((await t.at('a')).attr.mtime).not.toEqual(before);
  });
});

describe('a moment', () => {
  beforeEach(() => {
    t.history.mkdir('src');
    t.history.write('src/a', 'one');
    t.history.link('src/a', 'src/hard');
    t.history.symlink('src/link', 'a');
    t.history.scribble('src/a', 'two, not closed');
    t.history.remove('src/link');
    t.history.write('later', '');
  });

  it('is the tree as it was: types, content, links, with one number for one inode', async () => {
    expect(await t.ls('@r5')).toEqual(['src']);
    expect(await t.ls('@r5/src')).toEqual(['a', 'hard', 'link']);
    expect(await t.cat('@r5/src/a')).toBe('one');
    expect(await t.cat('@r6/src/a')).toBe('two, not closed');
    expect(await t.tree.readlink((await t.at('@r5/src/link')).nodeid)).toBe('a');
    const [a, hard] = [await t.at('@r5/src/a'), await t.at('@r5/src/hard')];
    expect(a.nodeid).toBe(hard.nodeid);
    expect(a.attr).toMatchObject({ nlink: 2, ino: a.nodeid, size: 3 });
    expect((await t.at('@r3/src/a')).attr.nlink).toBe(1);
    expect(await t.walk('@r7/src/link')).toBeUndefined();
    expect(await t.walk('@r5/.versions')).toBeUndefined();
  });

  it.each(['@r5', '@5', '@2026-11-22T10:04Z', '@3m', '@cp', '@today 10:04'])(
    'is found as %s',
    async (spec) => {
      t.checkpoints.set('cp', 5);
      // Now is one minute after r8: 10:08.
      const expected = spec === '@3m' ? 6 : 5;
      expect((await t.at(spec)).nodeid).toBe((await t.at(`@r${expected}`)).nodeid);
    },
  );

  it.each(['@r0', '@r9', '@', '@nothing', '@2026-11-22T09:59Z', '@1d', '@2026-11-23'])(
    'is not found as %s',
    async (spec) => {
      expect(await t.walk(spec)).toBeUndefined();
    },
  );

  it('is cached for long by its revision, and not at all by a name that moves', async () => {
    t.checkpoints.set('cp', 5);
    expect((await t.at('@r5')).entryTtlMs).toBeGreaterThan(1e6);
    expect((await t.at('@2026-11-22T10:04Z')).entryTtlMs).toBeGreaterThan(1e6);
    for (const name of ['@3m', '@cp', '@now', '@2026-11-22T10:07Z']) {
      expect((await t.at(name)).entryTtlMs).toBe(0);
    }
    const { nodeid, entryTtlMs, attrTtlMs } = await t.at('@r5/src');
    expect(entryTtlMs).toBeGreaterThan(1e6);
    expect(attrTtlMs).toBeGreaterThan(1e6);
    expect(t.tree.negativeTtlMs(nodeid)).toBeGreaterThan(1e6);
    expect(t.tree.opendir(nodeid)).toMatchObject({ cacheDir: true });
    expect(t.tree.opendir((await t.tree.rootEntry(ROOT)).nodeid).cacheDir).toBeUndefined();
  });

  it('of a directory that is gone, was made again or was renamed is what had its path then', async () => {
    t.history.remove('src');
    t.history.mkdir('src');
    t.history.write('src/new', '');
    const src = t.history.find('src') as Ino;
    expect(await t.ls('@r5', src)).toEqual(['a', 'hard', 'link']);
    expect(await t.ls('src/@r5')).toEqual(['a', 'hard', 'link']);
    expect(await t.walk('@r9', src)).toBeUndefined();
    t.history.rename('src', 'lib');
    expect(await t.ls('@r11', src)).toEqual(['new']);
    expect(await t.ls('lib/@r11')).toEqual(['new']);
    expect(await t.walk('src/@now')).toBeUndefined();
  });

  it('names what is missing at its top only, and only if something is', async () => {
    expect(await t.walk('@r5/.incomplete')).toBeUndefined();
    t.history.missing = [{ path: 'src/a' }, { path: 'src/b' }];
    expect(await t.cat('@r5/.incomplete')).toBe('src/a\nsrc/b\n');
    expect(await t.ls('@r5')).toEqual(['.incomplete', 'src']);
    expect(await t.ls('@r5/src')).toEqual(['a', 'hard', 'link']);
    expect(await t.walk('@r5/src/.incomplete')).toBeUndefined();
    expect(t.tree.negativeTtlMs((await t.at('@r5')).nodeid)).toBe(0);
  });

  it('shows the attributes that a file had, without ours among them', async () => {
    t.history.setxattr('src/a', 'user.x', '1');
    const { nodeid } = await t.at('@now/src/a');
    expect(await t.tree.listxattr(nodeid)).toEqual(['user.x']);
    expect(String(await t.tree.getxattr(nodeid, 'user.sessfs.revision'))).toBe('6');
    expect(await t.tree.getxattr(nodeid, 'user.sessfs.cause')).toBeUndefined();
  });
});
