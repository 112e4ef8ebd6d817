/**
 * The kernel driver on a real mount, used through ordinary tools.
 */

import { closeSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeAll, describe, expect, test } from 'vitest';

import { abortConnection, findMount, isStale } from '../../src/fuse/mount-table.ts';
import { mountFuse, unmount } from '../../src/fuse/mount.ts';
import { SessfsError } from '../../src/shared/errors.ts';
import { eventually, run, shell } from '../harness/run.ts';
import { buildMemoryServer, MemoryMount } from './memory-mount.ts';
import type { MemoryMountOptions } from './memory-mount.ts';

const AS_USER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

let script = '';
const mounts: MemoryMount[] = [];

async function start(options: Omit<MemoryMountOptions, 'script'> = {}): Promise<MemoryMount> {
  const mount = await MemoryMount.start({ script, ...options });
  mounts.push(mount);
  return mount;
}

/** Runs a script with the mount as its directory. */
function inside(mount: MemoryMount, text: string): Promise<string> {
  return shell(text, { cwd: mount.mountPoint, timeoutMs: 20_000 });
}

beforeAll(async () => {
  script = await buildMemoryServer('real-mount');
});

afterEach(async () => {
  for (const mount of mounts.splice(0)) await mount.end();
});

describe.each([
  ['answers at once', {}],
  ['answers by promises', { isAsync: true }],
  ['is never asked to open', { init: { messagelessOpen: true, messagelessOpendir: true } }],
])('a file system that %s', (_name, args) => {
  test('does what shell tools ask of it', async () => {
    const mount = await start({ args, mount: { dev: true, suid: true } });
    const out = await inside(
      mount,
      `echo hello > a; mkdir d; cp a d/b; mv a d/a; ln -s d/a s; cat s; ln d/a l
       stat -c '%h %s %F' l; echo more >> l; cat d/a; rm s; rm -r d; ls
       mkdir -p x/y/z; find . -type d | sort; mv x/y x/w; ls x
       truncate -s 100 l; wc -c < l; mkfifo f; mknod c c 12 300; stat -c '%t %T %F' c
       chmod 4711 l; stat -c %a l; chown 5:6 l; stat -c '%u %g' l`,
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
    ]);
  });

  test('keeps 20 MiB byte for byte, through the cache and past it', async () => {
    const mount = await start({ args });
    const out = await inside(
      mount,
      `head -c 20971520 /dev/urandom > big; sha256sum < big > sum
       cp big copy; echo 3 > /proc/sys/vm/drop_caches
       sha256sum < copy | cmp - sum && dd if=copy of=direct bs=1M oflag=direct 2>/dev/null
       cmp big direct && stat -c %s direct`,
    );
    expect(out.trim()).toBe('20971520');
  });

  test('lists a directory of 3,000 names once each', async () => {
    const mount = await start({ args });
    await inside(mount, 'mkdir m; cd m; seq -f "name-%g" 3000 | xargs touch');
    expect(await inside(mount, 'ls m | sort -u | wc -l; ls -l m | wc -l')).toBe('3000\n3001\n');
  });
});

describe('a mount', () => {
  test('keeps times to the nanosecond, before 1970, and tells the time of birth', async () => {
    const mount = await start();
    const out = await inside(
      mount,
      `touch -d '1960-01-01 00:00:00.123456789Z' f; TZ=UTC stat -c %y f
       test "$(stat -c %W f)" -gt 1700000000 && echo born`,
    );
    expect(out).toBe('1960-01-01 00:00:00.123456789 +0000\nborn\n');
  });

  test('carries names of any bytes, and refuses one of 256', async () => {
    const mount = await start();
    const out = await inside(
      mount,
      `n=$(printf '\\377\\200 x'); echo 1 > "$n"; ls | od -An -c | tr -d ' '
       touch $(printf %0255d 1); touch $(printf %0256d 1) 2>&1 || true`,
    );
    expect(out).toContain('377200');
    expect(out).toContain('File name too long');
  });

  test('remembers missing names until it is told otherwise from behind', async () => {
    const mount = await start();
    expect(await inside(mount, 'cat late 2>/dev/null || echo missing')).toBe('missing\n');
    await mount.ask('change late', 'changed');
    expect(await inside(mount, 'cat late')).toBe('changed behind the back');
  });

  test('shows new content of a cached file when it is told of it from behind', async () => {
    const mount = await start();
    expect(await inside(mount, 'echo old > f; cat f; stat -c %s f')).toBe('old\n4\n');
    await mount.ask('change f', 'changed');
    expect(await inside(mount, 'cat f; stat -c %s f')).toBe('changed behind the back23\n');
  });

  test('takes thousands of notifications while it is used', async () => {
    const mount = await start();
    const used = inside(
      mount,
      'for i in $(seq 300); do echo $i > name$i; cat name$i; done | wc -l',
    );
    await mount.ask('flood 5000', 'flooded');
    expect(await used).toBe('300\n');
  });

  test('sleeps when nobody asks', async () => {
    const mount = await start();
    await inside(mount, 'seq 100 | xargs touch');
    const cpuUs = async (): Promise<number> => {
      const { cpu } = await mount.ask('stats', 'stats');
      const { user, system } = cpu as { user: number; system: number };
      return user + system;
    };
    const before = await cpuUs();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    // A loop that polls would take a whole core; the question itself takes a millisecond or two.
    expect((await cpuUs()) - before).toBeLessThan(100_000);
  });

  test('counts messages by their names', async () => {
    const mount = await start();
    await inside(mount, 'mkdir a b c');
    const { stats } = await mount.ask('stats', 'stats');
    expect(stats).toMatchObject({ MKDIR: { count: 3 }, INIT: { count: 1 } });
  });

  test('ends its server when it is unmounted', async () => {
    const mount = await start();
    await inside(mount, 'echo x > f');
    await unmount(mount.mountPoint);
    await mount.says('ended', 5000);
    expect(findMount(mount.mountPoint)).toBeUndefined();
  });

  test('that is busy is not unmounted, but lazily', async () => {
    const mount = await start();
    const holder = run('sleep', ['30'], { cwd: mount.mountPoint, timeoutMs: 3000 }).catch(() => {});
    await eventually(() => expect(unmount(mount.mountPoint)).rejects.toThrow('EBUSY'), {
      timeoutMs: 2000,
    });
    await unmount(mount.mountPoint, { lazy: true });
    expect(findMount(mount.mountPoint)).toBeUndefined();
    await holder;
    await mount.says('ended', 5000);
  });
});

describe('a mount whose server is gone', () => {
  test('is found stale, and can be removed', async () => {
    const mount = await start();
    expect(await isStale(mount.mountPoint)).toBe(false);
    mount.child.kill('SIGKILL');
    await eventually(async () => expect(await isStale(mount.mountPoint)).toBe(true), {
      timeoutMs: 5000,
    });
    await expect(mountFuse({ mountPoint: mount.mountPoint, fsName: 'x' })).rejects.toThrow(
      SessfsError,
    );
    await unmount(mount.mountPoint, { lazy: true });
    expect(await isStale(mount.mountPoint)).toBe(false);
  });
});

describe('abortConnection', () => {
  test('frees a client that waits for a server that hangs', async () => {
    const mount = await start();
    mount.child.kill('SIGSTOP');
    const client = run('stat', [`${mount.mountPoint}/f`], { timeoutMs: 10_000 });
    await eventually(() => abortConnection(mount.mountPoint), { timeoutMs: 2000 });
    expect((await client).code).toBe(1);
    mount.child.kill('SIGCONT');
  });

  test('refuses a directory that is no FUSE mount', () => {
    expect(() => abortConnection('/proc')).toThrow('no FUSE mount');
  });
});

describe('a server that is replaced', () => {
  test('is sent again what its predecessor took and did not answer', async () => {
    const mountPoint = mkdtempSync(join(tmpdir(), 'sessfs-fuse-'));
    const fd = await mountFuse({ mountPoint, fsName: 'memory' });
    try {
      const first = await start({ mountPoint, fd, args: { fd: 3, crashOn: 'crash' } });
      await shell('echo x > f', { cwd: mountPoint, timeoutMs: 10_000 });
      const { info } = await first.ask('stats', 'stats');
      const client = shell(`mkdir ${mountPoint}/crash && echo made`, { timeoutMs: 15_000 });
      await eventually(() => expect(first.hasExited).toBe(true), { timeoutMs: 5000 });
      const second = await start({ mountPoint, fd, args: { fd: 3, resume: info } });
      expect(await client).toBe('made\n');
      const { stats } = await second.ask('stats', 'stats');
      expect(stats).toMatchObject({ MKDIR: { count: 1 } });
      expect(stats).not.toHaveProperty('INIT');
    } finally {
      await unmount(mountPoint, { lazy: true });
      closeSync(fd);
      rmdirSync(mountPoint);
    }
  });
});

describe('a connection', () => {
  test.each([
    ['at once', {}],
    ['by promises', { isAsync: true }],
  ])(
    'that answers %s is stopped and resumed under load, and loses nothing',
    async (_name, args) => {
      const mount = await start({ args });
      const work = inside(
        mount,
        'for i in $(seq 400); do echo $i > f$i; mv f$i g$i; done; ls | wc -l',
      );
      for (let i = 0; i < 5; i += 1) await mount.ask('restart', 'restarted');
      expect(await work).toBe('400\n');
    },
  );

  test('tells once when nothing has come for a while', async () => {
    const mount = await start();
    await inside(mount, 'touch f');
    const idles = async (): Promise<unknown> => (await mount.ask('stats', 'stats'))['idles'];
    await eventually(
      async () => {
        const before = await idles();
        expect(before).toBeGreaterThan(0);
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(await idles()).toBe(before);
      },
      { timeoutMs: 5000 },
    );
  });
});

describe('without root', () => {
  test('mounts through fusermount3, for its owner only', async () => {
    // /dev/fuse may be closed to users on this host: in a mount namespace of our own it is not.
    const runner = fileURLToPath(new URL('as-user.sh', import.meta.url));
    const result = await run('unshare', ['-m', '--propagation', 'private', 'sh', runner, script], {
      timeoutMs: 30_000,
    });
    expect(result.stdout.split('\n')).toEqual([
      'owner reads hi',
      'root is turned away',
      'fuse.sessfs user_id=1000',
      'gone',
      '',
    ]);
  });

  test('and without fusermount3 says which package has it', async () => {
    const result = await run(
      AS_USER[0] ?? '',
      [
        ...AS_USER.slice(1),
        'env',
        'PATH=/nonexistent',
        process.execPath,
        script,
        JSON.stringify({ mount: { mountPoint: '/tmp', fsName: 'x' } }),
      ],
      { timeoutMs: 10_000 },
    );
    expect(result.stderr).toContain('HOST_LACKS');
    expect(result.stderr).toContain('fuse3');
  });
});
