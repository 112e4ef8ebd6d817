/**
 * The second driver on a real mount, and the table of what it lacks.
 */

import { afterEach, beforeAll, describe, expect, test } from 'vitest';

import { CAPABILITIES, supports } from '../../src/fuse/capabilities.ts';
import { findMount } from '../../src/fuse/mount-table.ts';
import { canRun } from '../harness/needs.ts';
import { shell } from '../harness/run.ts';
import { buildMemoryServer, MemoryMount } from './memory-mount.ts';

let script = '';
let mount: MemoryMount | undefined;

beforeAll(async () => {
  script = await buildMemoryServer('native-driver');
});

afterEach(async () => {
  await mount?.end();
  mount = undefined;
});

async function inside(text: string): Promise<string> {
  mount = await MemoryMount.start({
    script,
    args: { driver: 'fuse-native' },
    mount: { dev: true, suid: true },
  });
  return shell(text, { cwd: mount.mountPoint, timeoutMs: 20_000 });
}

describe.skipIf(!canRun({ fuseNative: true }))('serveNative', () => {
  test('does what shell tools ask of it', async () => {
    const out = await inside(
      `echo hello > a; mkdir d; cp a d/b; mv a d/a; ln -s d/a s; cat s; ln d/a l
       stat -c '%h %s %F' l; echo more >> l; cat d/a; rm s; rm -r d; ls
       mkdir -p x/y/z; find . -type d | sort; mv x/y x/w; ls x
       truncate -s 100 l; wc -c < l; mkfifo f; mknod c c 12 300; stat -c '%t %T %F' c
       chmod 4711 l; stat -c %a l; chown 5:6 l; stat -c '%u %g' l; : > äö; ls äö
       cat nothing 2>/dev/null || echo missing`,
    );
    expect(out.trim().split(/\n */)).toEqual([
      'hello',
      '2 6 regular file',
      'hello',
      'more',
      'l',
      '.',
      './x',
      './x/y',
      './x/y/z',
      'w',
      '100',
      'c 12c character special file',
      '4711',
      '5 6',
      'äö',
      'missing',
    ]);
  });

  test('keeps 5 MiB byte for byte, xattrs, and files that are removed while open', async () => {
    const out = await inside(
      `head -c 5242880 /dev/urandom > big; cp big copy; cmp big copy && echo same
       setfattr -n user.k -v value big; getfattr --only-values -n user.k big; echo
       exec 5<copy; rm copy; head -c 5242880 <&5 | cmp - big && echo open; exec 5<&-`,
    );
    expect(out).toBe('same\nvalue\nopen\n');
  });

  test('lists 1,000 names once each', async () => {
    expect(await inside('seq -f "n%g" 1000 | xargs touch; ls | sort -u | wc -l')).toBe('1000\n');
  });

  test('is gone when it is unmounted', async () => {
    await inside('true');
    const { mountPoint } = mount ?? { mountPoint: '' };
    mount?.child.stdin?.end();
    await mount?.says('ended', 10_000);
    expect(findMount(mountPoint)).toBeUndefined();
  });
});

describe('CAPABILITIES', () => {
  test('name each row once, and say what is different where it is not the same', () => {
    const ids = CAPABILITIES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const silent = CAPABILITIES.filter(
      ({ support, note }) => support['fuse-native'] !== 'yes' && note === undefined,
    );
    expect(silent).toEqual([]);
  });

  test('gate by driver, and know nothing of what is not in the table', () => {
    expect(supports('kernel', 'fallocate')).toBe(true);
    expect(supports('fuse-native', 'fallocate')).toBe(false);
    expect(supports('fuse-native', 'nanoseconds')).toBe(false);
    expect(supports('kernel', 'teleport')).toBe(false);
  });

  test('say what is so: what the kernel driver alone can do fails on the other', async () => {
    const attempts = await inside(
      `echo x > f
       fallocate -l 8192 f 2>/dev/null && echo fallocate
       mv --exchange f f 2>/dev/null && echo rename-flags
       test "$(stat -c %W f)" -gt 0 && echo birth-time
       touch -d '2020-01-01 00:00:00.123456789' f; stat -c %y f | grep -q 123456789 && echo ns
       true`,
    );
    expect(attempts).toBe('');
  });
});
