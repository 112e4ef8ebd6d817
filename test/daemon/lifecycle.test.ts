/**
 * The life of the daemon and its sessions, on real mounts: start, stop, restart, crashes, what is left
 * behind. The client side of each mount is a child with a deadline.
 */

import {
  chownSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import { readMountTable } from '../../src/control/session-mounts.ts';
import { eventually, isAlive, run, SESSFS, startDaemon } from '../harness/daemon.ts';
import type { StartOptions, TestDaemon } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 10_000;

const daemons: TestDaemon[] = [];

async function start(options: StartOptions = {}): Promise<TestDaemon> {
  const daemon = await startDaemon(options);
  daemons.push(daemon);
  return daemon;
}

function isMounted(mountPoint: string): boolean {
  return readMountTable().some((entry) => entry.mountPoint === mountPoint);
}

afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
});

describe('a session', () => {
  test('is a directory in which ordinary tools work', async () => {
    const daemon = await start();
    const { mount } = await daemon.createSession({ name: 'one' });
    const printed = await shell('echo hello > a; cat a', { cwd: mount, timeoutMs: SHORT_MS });
    expect(printed).toBe('hello\n');
  });

  test('is mounted again with the same files and inode numbers after a restart', async () => {
    const daemon = await start();
    const { mount } = await daemon.createSession();
    const before = await shell('echo hello > a; stat -c %i a; cat a', { cwd: mount });
    await daemon.restart();
    expect(await shell('stat -c %i a; cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe(before);
  });

  test('that was unmounted stays so after a restart', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    await daemon.client.unmount(id);
    await daemon.restart();
    expect(isMounted(mount)).toBe(false);
  });

  test('that an operator unmounted with umount is known to be unmounted', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    await shell(`umount ${mount} || fusermount3 -u ${mount}`);
    await eventually(
      async () => {
        const session = await daemon.client.getSession(id);
        expect(session.mounted).toBe(false);
        expect(session.server.state).toBe('unmounted');
      },
      { timeoutMs: SHORT_MS },
    );
  });

  test.runIf(canRun({ root: true }))(
    'of another owner lets in that user alone, not even root',
    async () => {
      const daemon = await start();
      const { mount } = await daemon.createSession({ owner: { uid: 1234, gid: 1234 } });
      const script = `cd ${mount}; echo x > f; stat -c %u:%g f`;
      const who = ['--reuid=1234', '--regid=1234', '--clear-groups'];
      const owner = await run('setpriv', [...who, 'sh', '-ec', script], { timeoutMs: SHORT_MS });
      expect(owner.stdout).toBe('1234:1234\n');
      const root = await run('ls', [mount], { timeoutMs: SHORT_MS });
      expect(root.stderr).toContain('Permission denied');
    },
  );
});

describe('stopping', () => {
  test('the daemon with SIGTERM unmounts everything and exits 0', async () => {
    const daemon = await start();
    const { mount } = await daemon.createSession();
    await shell('echo hello > a', { cwd: mount });
    const { pid: server } = (await daemon.client.status()).sessions[0]?.server ?? { pid: 0 };
    expect(await daemon.halt()).toBe(0);
    expect(isMounted(mount)).toBe(false);
    expect(isAlive(server ?? 0)).toBe(false);
  });

  test('while a program sits in the mount detaches it, warns, and exits 0', async () => {
    const daemon = await start();
    const { mount } = await daemon.createSession();
    const sitting = run('sh', ['-c', 'cd "$0" && exec sleep 5', mount], { timeoutMs: SHORT_MS });
    await eventually(() => shell(`ls -l /proc/[0-9]*/cwd 2>&1 | grep -F ${mount}`), {
      timeoutMs: SHORT_MS,
    });
    expect(await daemon.halt()).toBe(0);
    expect(isMounted(mount)).toBe(false);
    expect(daemon.log()).toContain('detached while in use');
    await sitting;
  });
});

describe('a crash', () => {
  test('of a volume server is followed by a new one on the same mount', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    await shell('echo hello > a', { cwd: mount });
    const before = await daemon.client.getSession(id);
    process.kill(before.server.pid ?? 0, 'SIGKILL');
    expect(await shell('cat a; echo more >> a; cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe(
      'hello\nhello\nmore\n',
    );
    await eventually(
      async () => {
        const after = await daemon.client.getSession(id);
        expect(after.server).toMatchObject({ state: 'active', restarts: 1 });
        expect(after.server.pid).not.toBe(before.server.pid);
      },
      { timeoutMs: SHORT_MS },
    );
  });

  test('of the daemon loses nothing: the next one cleans up and mounts again', async () => {
    const daemon = await start();
    const { mount } = await daemon.createSession();
    await shell('echo hello > a', { cwd: mount });
    await daemon.restart({ signal: 'SIGKILL' });
    expect(await shell('cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe('hello\n');
    expect(readMountTable().filter((entry) => entry.mountPoint === mount)).toHaveLength(1);
  });

  test('of daemon and server leaves a dead mount, which the next daemon replaces', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    await shell('echo hello > a', { cwd: mount });
    const { server } = await daemon.client.getSession(id);
    const halted = daemon.halt('SIGKILL');
    process.kill(server.pid ?? 0, 'SIGKILL');
    await halted;
    expect(isMounted(mount)).toBe(true);
    await daemon.restart();
    expect(await shell('cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe('hello\n');
  });
});

describe('with fuse-native', () => {
  test.runIf(canRun({ fuseNative: true }))(
    'a session is mounted, unmounted, and mounted again after a restart',
    async () => {
      const daemon = await start();
      const { id, mount } = await daemon.createSession({ driver: 'fuse-native' });
      await shell('echo hello > a; cat a', { cwd: mount, timeoutMs: SHORT_MS });
      await daemon.client.unmount(id);
      expect(isMounted(mount)).toBe(false);
      await daemon.client.mount(id);
      // libfuse tells nobody: the next mount has to see it.
      await shell(`umount ${mount} || fusermount3 -u ${mount}`);
      await daemon.client.mount(id);
      await daemon.restart();
      expect(await shell('cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe('hello\n');
      expect(await daemon.halt()).toBe(0);
      expect(isMounted(mount)).toBe(false);
    },
  );

  test.runIf(canRun({ fuseNative: true }))(
    'a server that dies takes its mount with it, and says so',
    async () => {
      const daemon = await start();
      const { id, mount } = await daemon.createSession({ driver: 'fuse-native' });
      await shell('echo hello > a', { cwd: mount, timeoutMs: SHORT_MS });
      const { server } = await daemon.client.getSession(id);
      process.kill(server.pid ?? 0, 'SIGKILL');
      await eventually(
        async () => expect((await daemon.client.getSession(id)).server.state).toBe('down'),
        { timeoutMs: SHORT_MS },
      );
      expect(isMounted(mount)).toBe(false);
      await daemon.client.mount(id);
      expect(await shell('cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe('hello\n');
    },
  );
});

describe('a volume server that hangs', () => {
  test('is killed at its deadline, and whoever waited for it is freed', async () => {
    const daemon = await start();
    writeFileSync(join(daemon.root, 'config.json'), '{ "stopTimeoutSeconds": 1 }');
    await eventually(() => expect(daemon.log()).toContain('loaded again'), { timeoutMs: SHORT_MS });
    const { id, mount } = await daemon.createSession();
    const { server } = await daemon.client.getSession(id);
    process.kill(server.pid ?? 0, 'SIGSTOP');
    const waiting = run('ls', [join(mount, 'never-seen-before')], { timeoutMs: 3 * SHORT_MS });
    await daemon.client.unmount(id);
    expect((await waiting).code).not.toBe(0);
    expect(isMounted(mount)).toBe(false);
    expect(isAlive(server.pid ?? 0)).toBe(false);
    expect((await daemon.client.getSession(id)).server.state).toBe('unmounted');
  });
});

describe('a damaged volume', () => {
  test('is refused with the file and the offset, and the other sessions go on', async () => {
    const daemon = await start();
    const bad = await daemon.createSession();
    const good = await daemon.createSession();
    await shell('mkdir $(seq -f directory-%g 500); sync .', { cwd: bad.mount });
    await shell('echo hello > a', { cwd: good.mount });
    await daemon.halt();
    const log = join(daemon.root, 'volumes', bad.id, 'log');
    const [segment = ''] = readdirSync(log);
    // In the middle of what was synced, so that it cannot be a torn end; the index is to be made anew.
    const middle = Math.floor(statSync(join(log, segment)).size / 2);
    const file = openSync(join(log, segment), 'r+');
    writeSync(file, Buffer.alloc(64, 'x'), 0, 64, middle);
    closeSync(file);
    rmSync(join(daemon.root, 'volumes', bad.id, 'index'), { recursive: true });
    await daemon.restart();
    expect(await shell('cat a', { cwd: good.mount, timeoutMs: SHORT_MS })).toBe('hello\n');
    const { server } = await daemon.client.getSession(bad.id);
    expect(server.state).toBe('down');
    expect(server.problem).toContain(segment);
    expect(isMounted(bad.mount)).toBe(false);
    const refused = await daemon.cli(['mount', bad.id]);
    expect(refused.code).toBe(22);
    expect(refused.stderr).toMatch(/offset \d+/);
  });
});

describe('an ordinary user', () => {
  test.runIf(canRun({ root: true, tools: ['fusermount3'] }))(
    'has daemon and sessions without root',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'sessfs-user-'));
      chownSync(dir, 65534, 65534);
      try {
        const runner = join(import.meta.dirname, 'as-user.sh');
        const space = ['-m', '--propagation', 'private', 'sh', runner];
        const result = await run('unshare', [...space, process.execPath, SESSFS, dir], {
          timeoutMs: 3 * SHORT_MS,
        });
        expect(result).toMatchObject({ code: 0 });
        expect(result.stdout.split('\n')).toEqual([
          'hello 65534:65534 700',
          'sessfs: Cannot create a session for uid 0: the daemon runs as 65534',
          'exit 0',
          '0',
          '',
        ]);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  );
});

describe('a second daemon', () => {
  test('on the same store is refused by the pid of the first', async () => {
    const daemon = await start();
    const second = await run(process.execPath, [SESSFS, 'daemon', '--root', daemon.root], {
      timeoutMs: SHORT_MS,
    });
    expect(second.code).toBe(11);
    expect(second.stderr).toContain(`pid ${daemon.pid}`);
  });
});

describe('the configuration', () => {
  test('is followed while the daemon runs, and a bad one changes nothing', async () => {
    const daemon = await start();
    const file = join(daemon.root, 'config.json');
    writeFileSync(file, JSON.stringify({ sessionDefaults: { allowOther: true } }));
    await eventually(
      async () => {
        const { info } = await daemon.createSession();
        expect(info.options.allowOther).toBe(true);
      },
      { timeoutMs: SHORT_MS },
    );
    // As editors save: a new file in place of the old one.
    writeFileSync(`${file}.tmp`, '{ "logLevel": "loud" }');
    renameSync(`${file}.tmp`, file);
    await eventually(() => expect(daemon.log()).toContain('loud'), { timeoutMs: SHORT_MS });
    expect((await daemon.createSession()).info.options.allowOther).toBe(true);
  });

  test('that is bad at the start is refused by the name of its field', async () => {
    const daemon = await start();
    await daemon.halt();
    writeFileSync(join(daemon.root, 'config.json'), '{ "cutIntervalSeconds": -1 }');
    const refused = await run(process.execPath, [SESSFS, 'daemon', '--root', daemon.root], {
      timeoutMs: SHORT_MS,
    });
    expect(refused.code).toBe(26);
    expect(refused.stderr).toContain('cutIntervalSeconds');
  });
});
