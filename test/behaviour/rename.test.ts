/**
 * rename(2) and the flags of renameat2(2).
 */

import { expect, test } from 'vitest';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from './constants.ts';
import { TARGETS } from './targets.ts';
import { behaviour } from './stage.ts';
import { errnoOf } from './syscalls.ts';

behaviour('Rename', (stage) => {
  const text = async (name: string): Promise<string> =>
    String(await stage.sys.readFile(stage.path(name)));

  test('a file keeps its inode under its new name, and the old name is gone', async () => {
    await stage.sys.writeFile(stage.path('a'), 'text');
    const before = await stage.sys.stat(stage.path('a'));
    await stage.sys.rename(stage.path('a'), stage.path('b'));
    expect((await stage.sys.stat(stage.path('b'))).ino).toBe(before.ino);
    expect(await errnoOf(stage.sys.stat(stage.path('a')))).toBe('ENOENT');
  });

  test('over a file replaces it, and who has the old one open reads on', async () => {
    await stage.sys.writeFile(stage.path('a'), 'new');
    await stage.sys.writeFile(stage.path('b'), 'old');
    const fd = await stage.sys.open(stage.path('b'));
    await stage.sys.rename(stage.path('a'), stage.path('b'));
    expect([await text('b'), String(await stage.sys.pread(fd, 9, 0))]).toEqual(['new', 'old']);
    expect((await stage.sys.fstat(fd)).nlink).toBe(0);
  });

  test('over a hard link of the same file does nothing', async () => {
    await stage.sys.writeFile(stage.path('a'), 'text');
    await stage.sys.link(stage.path('a'), stage.path('b'));
    await stage.sys.rename(stage.path('a'), stage.path('b'));
    expect((await stage.sys.readdir(stage.dir)).toSorted()).toEqual(['a', 'b']);
  });

  test('a directory moves with all that is in it', async () => {
    await stage.sys.mkdir(stage.path('d'));
    await stage.sys.mkdir(stage.path('d/e'));
    await stage.sys.writeFile(stage.path('d/e/f'), 'text');
    await stage.sys.mkdir(stage.path('to'));
    await stage.sys.rename(stage.path('d'), stage.path('to/d2'));
    expect(await text('to/d2/e/f')).toBe('text');
    expect(await errnoOf(stage.sys.stat(stage.path('d/e/f')))).toBe('ENOENT');
  });

  test('a directory replaces an empty one and no other', async () => {
    await stage.sys.mkdir(stage.path('a'));
    await stage.sys.mkdir(stage.path('empty'));
    await stage.sys.mkdir(stage.path('full'));
    await stage.sys.mkdir(stage.path('full/x'));
    expect(await errnoOf(stage.sys.rename(stage.path('a'), stage.path('full')))).toMatch(
      /^(ENOTEMPTY|EEXIST)$/,
    );
    expect(await errnoOf(stage.sys.rename(stage.path('a'), stage.path('empty')))).toBe('ok');
  });

  test('a file does not replace a directory, nor a directory a file', async () => {
    await stage.sys.mkdir(stage.path('d'));
    await stage.sys.writeFile(stage.path('f'), '');
    expect(await errnoOf(stage.sys.rename(stage.path('f'), stage.path('d')))).toBe('EISDIR');
    expect(await errnoOf(stage.sys.rename(stage.path('d'), stage.path('f')))).toBe('ENOTDIR');
  });

  test('a directory does not move below itself', async () => {
    await stage.sys.mkdir(stage.path('d'));
    await stage.sys.mkdir(stage.path('d/e'));
    expect(await errnoOf(stage.sys.rename(stage.path('d'), stage.path('d/e/f')))).toBe('EINVAL');
  });

  test('what is not there cannot be renamed', async () => {
    expect(await errnoOf(stage.sys.rename(stage.path('a'), stage.path('b')))).toBe('ENOENT');
  });

  test(
    'NOREPLACE refuses a name that is there and takes one that is not',
    stage.needs('rename-flags'),
    async () => {
      await stage.sys.writeFile(stage.path('a'), 'a');
      await stage.sys.writeFile(stage.path('b'), 'b');
      const move = (to: string): Promise<void> =>
        stage.sys.rename(stage.path('a'), stage.path(to), RENAME_NOREPLACE);
      expect(await errnoOf(move('b'))).toBe('EEXIST');
      expect(await errnoOf(move('c'))).toBe('ok');
      expect([await text('b'), await text('c')]).toEqual(['b', 'a']);
    },
  );

  test(
    'EXCHANGE swaps two files, and a file with a directory',
    stage.needs('rename-flags'),
    async () => {
      await stage.sys.writeFile(stage.path('a'), 'a');
      await stage.sys.writeFile(stage.path('b'), 'b');
      await stage.sys.mkdir(stage.path('d'));
      await stage.sys.writeFile(stage.path('d/x'), 'x');
      await stage.sys.rename(stage.path('a'), stage.path('b'), RENAME_EXCHANGE);
      expect([await text('a'), await text('b')]).toEqual(['b', 'a']);
      await stage.sys.rename(stage.path('a'), stage.path('d'), RENAME_EXCHANGE);
      expect([await text('a/x'), await text('d')]).toEqual(['x', 'b']);
    },
  );

  test(
    'EXCHANGE between directories keeps their link counts right',
    stage.needs('rename-flags'),
    async () => {
      await stage.sys.mkdir(stage.path('p'));
      await stage.sys.mkdir(stage.path('q'));
      await stage.sys.mkdir(stage.path('p/d'));
      await stage.sys.writeFile(stage.path('q/f'), '');
      await stage.sys.rename(stage.path('p/d'), stage.path('q/f'), RENAME_EXCHANGE);
      expect((await stage.sys.stat(stage.path('p'))).nlink).toBe(2);
      expect((await stage.sys.stat(stage.path('q'))).nlink).toBe(3);
    },
  );

  test('EXCHANGE needs both names', async () => {
    await stage.sys.writeFile(stage.path('a'), 'a');
    const swap = stage.sys.rename(stage.path('a'), stage.path('b'), RENAME_EXCHANGE);
    expect(await errnoOf(swap)).toBe('ENOENT');
  });
});

// Elsewhere the outcome is chance, which neither passes nor fails.
behaviour(
  'rename under a reader',
  (stage) => {
    const text = async (name: string): Promise<string> =>
      String(await stage.sys.readFile(stage.path(name)));

    test('a reader never finds the name missing while it is replaced again and again', async () => {
      await stage.sys.writeFile(stage.path('f'), 'start');
      const writer = await stage.another();
      const progress = { isRunning: true };
      const replace = async (): Promise<void> => {
        for (let round = 0; round < 200; round += 1) {
          await writer.writeFile(stage.path('tmp'), `round ${round}`);
          await writer.rename(stage.path('tmp'), stage.path('f'));
        }
        progress.isRunning = false;
      };
      const read = async (): Promise<void> => {
        while (progress.isRunning) expect(await text('f')).toMatch(/^(start|round \d+)$/);
      };
      await Promise.all([replace(), read()]);
    });
  },
  TARGETS.filter((target) => target.can('unlinked-open')),
);
