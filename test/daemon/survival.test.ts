/**
 * Volume servers come and go, and so does the program of the supervisor: who works on a mount sees a
 * pause, and never an error. On real mounts; each client is a child with a deadline.
 */

import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import type { ServerInfo } from '../../src/control/protocol.ts';
import { readMountTable } from '../../src/control/session-mounts.ts';
import { eventually, isAlive, startDaemon } from '../harness/daemon.ts';
import type { StartOptions, TestDaemon } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import { NotifySocket } from '../harness/notify-socket.ts';
import { run, shell } from '../harness/run.ts';

const SHORT_MS = 45_000;
const LONG_MS = 120_000;
const PROJECT = resolve(import.meta.dirname, '../..');
const SABOTAGE = { NODE_OPTIONS: `--import=${join(import.meta.dirname, 'saboteur.mjs')}` };

const daemons: TestDaemon[] = [];
const scratch: string[] = [];

async function start(options: StartOptions = {}): Promise<TestDaemon> {
  const daemon = await startDaemon(options);
  daemons.push(daemon);
  return daemon;
}

function makeScratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sessfs-survival-'));
  scratch.push(dir);
  return dir;
}

afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
  for (const dir of scratch.splice(0)) rmSync(dir, { recursive: true, force: true });
});

async function serverOf(daemon: TestDaemon, id: string): Promise<ServerInfo> {
  return (await daemon.client.getSession(id)).server;
}

/** Kills the volume server, a new one each time. */
async function kill(daemon: TestDaemon, id: string, except?: number): Promise<number> {
  return eventually(
    async () => {
      const { pid } = await serverOf(daemon, id);
      if (pid === undefined || pid === except) throw new Error('No server to kill yet');
      process.kill(pid, 'SIGKILL');
      return pid;
    },
    { timeoutMs: SHORT_MS },
  );
}

async function untilState(daemon: TestDaemon, id: string, state: string): Promise<ServerInfo> {
  return eventually(
    async () => {
      const server = await serverOf(daemon, id);
      expect(server.state).toBe(state);
      return server;
    },
    { timeoutMs: SHORT_MS },
  );
}

/** Appends numbers until the file `stop` is there; each command that fails is printed. */
const APPEND =
  'i=0; while [ ! -e stop ]; do i=$((i+1)); echo $i >> log && mkdir d$i && mv d$i e$i || echo "failed $i"; done; echo $i';

/** Runs what is to be survived while somebody works in the mount; nothing of that work may fail. */
async function underLoad(mount: string, work: () => Promise<void>): Promise<void> {
  const load = shell(APPEND, { cwd: mount, timeoutMs: LONG_MS });
  try {
    await work();
  } finally {
    await shell('until [ -e e12 ]; do sleep 0.05; done; touch stop', {
      cwd: mount,
      timeoutMs: SHORT_MS,
    });
  }
  const count = Number(await load);
  expect(count).toBeGreaterThan(10);
  const numbers = Array.from({ length: count }, (_, index) => String(index + 1));
  const lines = await shell('cat log', { cwd: mount, timeoutMs: SHORT_MS });
  expect(lines.trim().split('\n')).toEqual(numbers);
  const names = await shell('ls', { cwd: mount, timeoutMs: SHORT_MS });
  expect(names.trim().split('\n').toSorted()).toEqual(
    [...numbers.map((number) => `e${number}`), 'log', 'stop'].toSorted(),
  );
}

describe('the death of a volume server', () => {
  test('is a pause, however often it comes', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    await underLoad(mount, async () => {
      let last: number | undefined;
      for (let deaths = 0; deaths < 6; deaths += 1) last = await kill(daemon, id, last);
    });
    const server = await untilState(daemon, id, 'active');
    expect(server.restarts).toBe(6);
  });

  test('keeps open files, locks and what is not yet a version', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    const gate = join(makeScratch(), 'gate');
    const holder = shell(
      `exec 3>>file 4>lock; flock 4; echo one >&3; until [ -e ${gate} ]; do sleep 0.05; done; echo two >&3`,
      { cwd: mount, timeoutMs: LONG_MS },
    );
    await eventually(async () => expect(await shell('cat file', { cwd: mount })).toBe('one\n'), {
      timeoutMs: SHORT_MS,
    });
    await kill(daemon, id);
    const inode = 'stat -c %i file';
    const before = await shell(inode, { cwd: mount, timeoutMs: SHORT_MS });
    const locked = await run('flock', ['-n', 'lock', 'true'], { cwd: mount, timeoutMs: SHORT_MS });
    expect(locked.code).toBe(1);
    expect((await daemon.client.log(id, 'file')).versions).toHaveLength(0);
    writeFileSync(gate, '');
    await holder;
    expect(await shell('cat file', { cwd: mount })).toBe('one\ntwo\n');
    expect(await shell(inode, { cwd: mount })).toBe(before);
    expect((await daemon.client.log(id, 'file')).versions).toHaveLength(1);
  });

  test.each(['crash', 'out-of-memory', 'hang'])(
    'on one and the same request costs that request an error, and nothing else: %s',
    async (name) => {
      const daemon = await start({ env: SABOTAGE, config: { hangTimeoutSeconds: 1 } });
      const { id, mount } = await daemon.createSession();
      await shell('echo kept > file', { cwd: mount });
      const result = await run('mkdir', [name], { cwd: mount, timeoutMs: LONG_MS });
      expect(result.stderr).toContain('Input/output error');
      expect(await shell('cat file; mkdir other; ls', { cwd: mount, timeoutMs: SHORT_MS })).toBe(
        'kept\nfile\nother\n',
      );
      expect((await untilState(daemon, id, 'active')).restarts).toBeGreaterThan(2);
      expect(daemon.log()).toContain('Servers died of a request');
    },
  );

  test('is what becomes of one that does not read its requests any more', async () => {
    const daemon = await start({ config: { hangTimeoutSeconds: 1 } });
    const { id, mount } = await daemon.createSession();
    const { pid = 0 } = await serverOf(daemon, id);
    process.kill(pid, 'SIGSTOP');
    await run('mkdir', [join(mount, 'd')], { timeoutMs: SHORT_MS });
    expect(await shell(`ls ${mount}`, { timeoutMs: SHORT_MS })).toBe('d\n');
    expect(isAlive(pid)).toBe(false);
    expect((await untilState(daemon, id, 'active')).restarts).toBe(1);
  });

  test('before it answers anything is followed by one that waits longer and longer', async () => {
    const obstacle = join(makeScratch(), 'obstacle');
    const daemon = await start({ env: { ...SABOTAGE, SESSFS_TEST_NO_START: obstacle } });
    const { id, mount } = await daemon.createSession();
    await shell('echo kept > file', { cwd: mount });
    writeFileSync(obstacle, '');
    await kill(daemon, id);
    // Not with cwd: a process that is made waits there, and so does the one that makes it.
    const reading = shell(`cat ${mount}/file`, { timeoutMs: LONG_MS });
    await eventually(
      async () => {
        const server = await serverOf(daemon, id);
        expect(server.state).toBe('recovering');
        expect(server.problem).toMatch(/starting again in \d{3,} ms: .*exited with code 7/);
      },
      { timeoutMs: SHORT_MS },
    );
    const { stdout } = await daemon.cli(['status']);
    expect(stdout).toContain(`${id} is recovering: starting again in`);
    rmSync(obstacle);
    expect(await reading).toBe('kept\n');
  });
});

describe('an idle session', () => {
  test('has no process, and the first request starts one', async () => {
    const daemon = await start({ config: { hibernateAfterSeconds: 1 } });
    const { id, mount } = await daemon.createSession();
    await shell('echo hello > file', { cwd: mount });
    const { pid } = await serverOf(daemon, id);
    const asleep = await untilState(daemon, id, 'hibernated');
    expect(asleep).toMatchObject({ hibernations: 1, wakeups: 0 });
    expect(asleep.pid).toBeUndefined();
    expect(isAlive(pid ?? 0)).toBe(false);
    expect((await daemon.cli(['status'])).stdout).toContain('hibernated');
    expect(await shell('cat file; mkdir d; ls', { cwd: mount, timeoutMs: SHORT_MS })).toBe(
      'hello\nd\nfile\n',
    );
    expect(await serverOf(daemon, id)).toMatchObject({ wakeups: 1, restarts: 0 });
    await untilState(daemon, id, 'hibernated');
    // A command wakes it as well.
    expect((await daemon.client.log(id, 'file')).versions).toHaveLength(1);
  });

  test('is woken at once if its server is killed before it has answered everything', async () => {
    const daemon = await start({ config: { hibernateAfterSeconds: 1 }, env: SABOTAGE });
    const { id, mount } = await daemon.createSession();
    const { pid } = await serverOf(daemon, id);
    const waiting = run('ls', [`${mount}/wait`], { timeoutMs: SHORT_MS });
    // It is being sent to sleep, and cannot: that lookup waits.
    await eventually(async () => expect((await serverOf(daemon, id)).pid).toBeUndefined(), {
      timeoutMs: SHORT_MS,
    });
    process.kill(pid ?? 0, 'SIGKILL');
    expect((await waiting).stderr).toContain('No such file');
  });

  test('keeps files open, and cuts what is not yet a version before it sleeps', async () => {
    const daemon = await start({ config: { hibernateAfterSeconds: 1 } });
    const { id, mount } = await daemon.createSession();
    const gate = join(makeScratch(), 'gate');
    const writer = shell(
      `exec 3>file; echo one >&3; until [ -e ${gate} ]; do sleep 0.05; done; echo two >&3`,
      { cwd: mount, timeoutMs: LONG_MS },
    );
    await untilState(daemon, id, 'hibernated');
    expect((await daemon.client.log(id, 'file')).versions).toHaveLength(1);
    await untilState(daemon, id, 'hibernated');
    writeFileSync(gate, '');
    await writer;
    expect(await shell('cat file', { cwd: mount })).toBe('one\ntwo\n');
    const { versions } = await daemon.client.log(id, 'file');
    expect(versions.map(({ cause, size }) => [cause, size])).toEqual([
      ['interval', 4],
      ['close', 8],
    ]);
  });

  test('is unmounted, by a command or from outside, without being woken for long', async () => {
    const daemon = await start({ config: { hibernateAfterSeconds: 1 } });
    const [first, second] = [await daemon.createSession(), await daemon.createSession()];
    await untilState(daemon, first.id, 'hibernated');
    await untilState(daemon, second.id, 'hibernated');
    await daemon.client.unmount(first.id);
    expect((await serverOf(daemon, first.id)).state).toBe('unmounted');
    expect((await run('umount', [second.mount], { timeoutMs: SHORT_MS })).code).toBe(0);
    await untilState(daemon, second.id, 'unmounted');
    expect(readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(daemon.root))).toEqual(
      [],
    );
  });
});

/** An installation that the test may change: the built program, and what it depends on. */
function install(version: string): string {
  const dir = makeScratch();
  for (const part of ['bin', 'dist']) {
    cpSync(join(PROJECT, part), join(dir, part), { recursive: true });
  }
  symlinkSync(join(PROJECT, 'node_modules'), join(dir, 'node_modules'));
  putVersion(dir, version);
  return dir;
}

function putVersion(dir: string, version: string): void {
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ type: 'module', version }));
}

describe('an upgrade', () => {
  test('replaces the daemon and its servers under load by the program on disk', async () => {
    const dir = install('1.0.0');
    const daemon = await start({ program: join(dir, 'bin/sessfs') });
    const sessions = [await daemon.createSession(), await daemon.createSession()];
    const { pid } = daemon;
    const before = await Promise.all(sessions.map(({ id }) => serverOf(daemon, id)));
    await Promise.all(
      sessions.map(({ mount }, index) =>
        underLoad(mount, async () => {
          if (index > 0) return;
          putVersion(dir, '2.0.0');
          const upgraded = await daemon.cli(['upgrade']);
          expect(upgraded).toMatchObject({ code: 0 });
          expect(upgraded.stdout).toContain('Upgraded from 1.0.0 to version 2.0.0');
          // Once more, by signal.
          putVersion(dir, '3.0.0');
          process.kill(pid, 'SIGHUP');
          await eventually(
            async () => {
              const status = await daemon.client.status();
              expect(status).toMatchObject({ version: '3.0.0', generation: 2, toReplace: 0 });
            },
            { timeoutMs: SHORT_MS },
          );
        }),
      ),
    );
    expect((await daemon.client.status()).pid).toBe(pid);
    for (const [index, { id }] of sessions.entries()) {
      const after = await serverOf(daemon, id);
      expect(after.pid).not.toBe(before[index]?.pid);
      expect(isAlive(before[index]?.pid ?? 0)).toBe(false);
    }
    // The servers of now are children like any other: their death is noticed.
    const { id = '', mount = '' } = sessions[0] ?? {};
    await kill(daemon, id);
    await shell('mkdir after', { cwd: mount, timeoutMs: SHORT_MS });
    await untilState(daemon, id, 'active');
  });

  test('to a program that does not start is refused, and everything runs on', async () => {
    const dir = install('1.0.0');
    const daemon = await start({ program: join(dir, 'bin/sessfs') });
    const { id, mount } = await daemon.createSession();
    const before = await serverOf(daemon, id);
    writeFileSync(join(dir, 'dist/daemon/volume-server.js'), 'throw new Error("half installed");');
    const refused = await daemon.cli(['upgrade']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('half installed');
    expect((await daemon.client.status()).generation).toBe(0);
    expect((await serverOf(daemon, id)).pid).toBe(before.pid);
    await shell('mkdir d', { cwd: mount, timeoutMs: SHORT_MS });
  });
});

describe('an upgrade of what cannot be handed over', () => {
  test('stops servers that only answer commands', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession();
    await shell('echo hello > file', { cwd: mount });
    await daemon.client.unmount(id);
    expect((await daemon.client.log(id, 'file')).versions).toHaveLength(1);
    const { pid = 0, state } = await serverOf(daemon, id);
    expect(state).toBe('detached');
    expect(await daemon.cli(['upgrade'])).toMatchObject({ code: 0 });
    expect(isAlive(pid)).toBe(false);
    await daemon.client.mount(id);
    expect(await shell(`cat ${mount}/file`, { timeoutMs: SHORT_MS })).toBe('hello\n');
  });

  test.runIf(canRun({ fuseNative: true }))('is refused for mounts of fuse-native', async () => {
    const daemon = await start();
    const { id, mount } = await daemon.createSession({ driver: 'fuse-native' });
    const refused = await daemon.cli(['upgrade']);
    expect(refused.code).toBe(14);
    expect(refused.stderr).toContain(id);
    await shell(`mkdir ${mount}/d`, { timeoutMs: SHORT_MS });
  });
});

describe('with a service manager that keeps descriptors', () => {
  test.each(['SIGUSR2', 'SIGKILL'] as const)(
    'the daemon ends by %s and starts again, and no mount is taken down',
    async (signal) => {
      const path = join(makeScratch(), 'notify');
      const manager = new NotifySocket(path);
      const stored = new Map<string, number>();
      const receive = (): void => {
        for (const { lines, fd } of manager.receiveAll()) {
          const name = lines.find((line) => line.startsWith('FDNAME='))?.slice('FDNAME='.length);
          if (name !== undefined && fd !== undefined) stored.set(name, fd);
        }
      };
      const receiving = setInterval(receive, 10);
      try {
        const daemon = await start({ env: { NOTIFY_SOCKET: path } });
        const { id, mount } = await daemon.createSession();
        await eventually(async () => expect(stored.size).toBe(2), { timeoutMs: SHORT_MS });
        expect([...stored.keys()]).toEqual([`fuse.${id}`, `vitals.${id}`]);
        await underLoad(mount, async () => {
          await daemon.restart({ signal, descriptors: stored });
          await untilState(daemon, id, 'active');
          await daemon.restart({ signal, descriptors: stored });
        });
        await untilState(daemon, id, 'active');
        expect(readMountTable().filter(({ mountPoint }) => mountPoint === mount)).toHaveLength(1);
      } finally {
        clearInterval(receiving);
        manager.close();
      }
    },
  );
});
