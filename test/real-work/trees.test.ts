/**
 * Large trees: tar, cp, rsync, rm, and a directory of 100,000 names.
 */

import { beforeAll, expect, test } from 'vitest';
import { join } from 'node:path';
import { generateFiles } from './generate.ts';
import { lacksTools, realWork } from './pair.ts';

const FILES = 10_000;
const ENTRIES = 100_000;
const SETUP_TIMEOUT_MS = 120_000;

realWork('Large trees', (pair) => {
  beforeAll(async () => {
    await generateFiles(join(pair.inputs, 'tree'), { count: FILES, seed: 21 });
    await pair.prepare(`cd tree; ln part-0/dir-0/file-0.txt hard; ln -s part-1 soft; ln -s nowhere dangling
mkdir empty; mkfifo fifo; printf x > "$(printf 'not \\377 utf-8')"; touch -d 2001-02-03T04:05:06.123456789 part-2
chmod 2775 part-3; cd ..; tar cf tree.tar tree`);
  }, SETUP_TIMEOUT_MS);

  test.skipIf(lacksTools('tar'))(
    'tar x of ten thousand files gives what it gives on ext4',
    async () => {
      await pair.both('tar xpf "$IN/tree.tar"');
      expect(await pair.differences({ times: true })).toBe('');
      expect(await pair.differencesFromNow()).toBe('');
    },
  );

  test.skipIf(lacksTools('tar'))(
    'tar c of a tree on the mount gives the same archive',
    async () => {
      const { mounted, plain } = await pair.both(
        'tar xpf "$IN/tree.tar"; tar --sort=name --format=pax --pax-option=delete=atime,delete=ctime -c tree | sha256sum',
      );
      expect(mounted).toBe(plain);
    },
  );

  test('cp -a copies a tree within the mount', async () => {
    await pair.onMount(
      'cp -a "$IN/tree" one; cp -a one two; diff -r --no-dereference -x fifo one two',
    );
    await pair.onPlain('cp -a "$IN/tree" one; cp -a one two');
    expect(await pair.differences({ times: true })).toBe('');
  });

  test.skipIf(lacksTools('rsync'))('rsync -a in and out changes nothing', async () => {
    await pair.both('rsync -aH "$IN/tree/" tree/');
    expect(await pair.differences({ times: true })).toBe('');
    const out = await pair.onMount(
      'rsync -aH tree/ "$IN/back/"; rsync -aHnci "$IN/tree/" "$IN/back/"',
    );
    expect(out).toBe('');
    expect(await pair.onMount('rsync -aHnci tree/ "$IN/tree/"')).toBe('');
  });

  test.skipIf(lacksTools('rsync'))('rsync --delete --inplace follows a change', async () => {
    const work = `rsync -a "$IN/tree/" tree/; rm -rf source; cp -a "$IN/tree" source
rm -rf source/part-5; echo changed >> source/part-6/dir-6/file-150.txt; mv source/part-7 source/part-new
rsync -a --delete --inplace source/ tree/`;
    await pair.both(work);
    expect(await pair.differences()).toBe('');
  });

  test('rm -rf leaves nothing, and the moment before has it all', async () => {
    await pair.onMount('cp -a "$IN/tree" tree');
    const revision = pair.target.isSessfs
      ? await pair.onMount(
          `sed -n '/"latest"/,/}/s/.*"revision": \\([0-9]*\\).*/\\1/p' .versions/.status.json`,
        )
      : '';
    await pair.onMount('rm -rf tree; test ! -e tree');
    if (!pair.target.isSessfs) return;
    const then = `.versions/@r${revision.trim()}/tree`;
    expect(await pair.onMount(`diff -r --no-dereference -x fifo '${then}' "$IN/tree"`)).toBe('');
  });

  test('a directory of 100,000 names is listed, read and removed', async () => {
    const count = ENTRIES;
    await pair.onMount(`mkdir d; cd d; seq ${count} | xargs touch; test $(ls -f | wc -l) -eq ${count + 2}
ls > "$IN/names"; seq ${count} | LC_ALL=C sort | cmp - "$IN/names"; test $(find . -name '*77' | wc -l) -eq ${count / 100}
echo text > 4242; test "$(cat 4242)" = text; test $(stat -c %h .) -eq 2
seq 1 2 ${count} | xargs rm; ls > "$IN/names"; seq 2 2 ${count} | LC_ALL=C sort | cmp - "$IN/names"`);
    expect(await pair.differencesFromNow()).toBe('');
    expect(await pair.onMount('rm -rf d; ls')).toBe('');
  });

  test('find, du, wc and grep over a tree agree', async () => {
    const work = `tar xpf "$IN/tree.tar"; find tree | sort | sha256sum; du -a --apparent-size --block-size=1 tree/part-4/dir-4 | grep -c txt
find tree -type f -print0 | sort -z | xargs -0 cat | sha256sum; grep -rlF 'promise segment' tree | sort | sha256sum
find tree -perm 755 -type f | wc -l; find tree -links 2 -type f | sort`;
    const { mounted, plain } = await pair.both(work);
    expect(mounted).toBe(plain);
  });
});
