/**
 * The daemon as a service: what a service manager is told and keeps, and that mounts outlive the daemon
 * through it. And the units, which say what the daemon needs of systemd.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ControlClient } from '../../src/control/client.ts';
import { storeLayout } from '../../src/daemon/store-layout.ts';
import { cleanStore, eventually, run, SESSFS } from '../harness/daemon.ts';
import { NotifySocket } from '../harness/notify-socket.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 15_000;
const UNITS = resolve(import.meta.dirname, '../../scripts/systemd');

/** What systemd does for a service of Type=notify with FileDescriptorStoreMax=. */
class FakeManager {
  readonly told: string[] = [];
  readonly kept: { name: string; fd: number }[] = [];
  readonly #socket: NotifySocket;
  readonly #root: string;
  readonly #path: string;
  #child: ChildProcess | undefined;
  #log = '';

  constructor(root: string, path: string) {
    this.#root = root;
    this.#path = path;
    this.#socket = new NotifySocket(path);
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the daemon with everything that is kept, and waits until it is ready. */
  async start(): Promise<void> {
    const names = this.kept.map(({ name }) => name).join(':');
    // A shell, because the number of a process is not known before it is there.
    const script = 'export LISTEN_PID=$$; exec "$0" "$@"';
    const args = [process.execPath, SESSFS, 'daemon', '--root', this.#root];
    this.#child = spawn('/bin/sh', ['-c', script, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', ...this.kept.map(({ fd }) => fd)],
      env: {
        ...process.env,
        NOTIFY_SOCKET: this.#path,
        WATCHDOG_USEC: '600000',
        LISTEN_FDS: String(this.kept.length),
        LISTEN_FDNAMES: names,
      },
    });
    this.#child.stderr?.on('data', (part: Buffer) => (this.#log += part.toString()));
    await this.until('READY=1');
  }

  /** Sends a signal, and waits until the daemon has gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await eventually(
      () => {
        this.read();
        if (child.exitCode === null && child.signalCode === null) throw new Error('It still runs');
      },
      { timeoutMs: SHORT_MS },
    );
    this.told.length = 0;
  }

  async until(line: string): Promise<void> {
    await eventually(
      () => {
        this.read();
        if (!this.told.includes(line)) throw new Error(`Never told ${line}:\n${this.#log}`);
      },
      { timeoutMs: SHORT_MS },
    );
  }

  read(): void {
    for (const { lines, fd } of this.#socket.receiveAll()) {
      this.told.push(...lines);
      const name = lines.find((line) => line.startsWith('FDNAME='))?.slice('FDNAME='.length) ?? '';
      if (lines.includes('FDSTORE=1') && fd !== undefined) this.kept.unshift({ name, fd });
      // Whoever asks whether all was read learns it from this.
      else if (fd !== undefined) closeSync(fd);
      if (lines.includes('FDSTOREREMOVE=1')) this.#drop((kept) => kept.name === name);
    }
  }

  close(): void {
    this.#drop(() => true);
    this.#socket.close();
  }

  #drop(isMeant: (kept: { name: string }) => boolean): void {
    for (const kept of this.kept.filter(isMeant)) {
      closeSync(kept.fd);
      this.kept.splice(this.kept.indexOf(kept), 1);
    }
  }
}

/** A program that has a file open all the while, and writes a line to it whenever it is told to. */
function startWriter(mount: string): { write: () => void; end: () => Promise<string> } {
  const script = 'exec 3>>held; while read line; do echo $line >&3 || exit 1; done; cat held';
  const child = spawn('/bin/sh', ['-ec', script], {
    cwd: mount,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => (printed += part.toString()));
  }
  const exited = new Promise<number | null>((done) => child.once('exit', done));
  return {
    write: () => void child.stdin.write('x\n'),
    end: async () => {
      child.stdin.end();
      const late = setTimeout(() => child.kill('SIGKILL'), SHORT_MS);
      const code = await exited;
      clearTimeout(late);
      return `${printed}${code}`;
    },
  };
}

describe('a service manager', () => {
  let dir: string;
  let root: string;
  let manager: FakeManager;
  let client: ControlClient;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sessfs-service-'));
    root = join(dir, 'store');
    manager = new FakeManager(root, join(dir, 'notify'));
    client = new ControlClient(storeLayout(root).controlSocket);
  });

  afterEach(async () => {
    await manager.end('SIGTERM').catch(() => manager.end('SIGKILL'));
    manager.close();
    await cleanStore(root, true);
    rmSync(dir, { recursive: true, force: true });
  });

  test('is told that the daemon is ready, lives, and stops', async () => {
    await manager.start();
    await manager.until('WATCHDOG=1');
    const { mountPoint } = await client.createSession({});
    await eventually(
      () => {
        manager.read();
        expect(manager.kept).toHaveLength(2);
      },
      { timeoutMs: SHORT_MS },
    );
    process.kill(manager.pid, 'SIGTERM');
    await manager.until('STOPPING=1');
    await manager.end('SIGTERM');
    expect(manager.kept).toEqual([]);
    expect((await run('mountpoint', ['-q', mountPoint])).code).not.toBe(0);
  });

  test.each(['SIGUSR2', 'SIGKILL'] as const)(
    'keeps mounts over a daemon that ends by %s: programs on them notice nothing',
    async (signal) => {
      await manager.start();
      const { mountPoint: mount, id } = await client.createSession({});
      const writer = startWriter(mount);
      writer.write();
      const before = await shell('echo kept > a; stat -c %d:%i a', { cwd: mount });
      await manager.end(signal);
      writer.write();
      await manager.start();
      writer.write();
      const after = await shell('stat -c %d:%i a; cat a', { cwd: mount, timeoutMs: SHORT_MS });
      expect(after).toBe(`${before}kept\n`);
      expect(await writer.end()).toBe('x\nx\nx\n0');
      expect((await client.getSession(id)).mounted).toBe(true);
    },
  );

  test('is told to drop what it kept for a mount that has gone meanwhile', async () => {
    await manager.start();
    const { mountPoint, id } = await client.createSession({});
    await eventually(
      () => {
        manager.read();
        expect(manager.kept).toHaveLength(2);
      },
      { timeoutMs: SHORT_MS },
    );
    await manager.end('SIGKILL');
    await shell(`umount -l ${mountPoint} || fusermount3 -uz ${mountPoint}`);
    const stale = manager.kept.map(({ fd }) => fd);
    await manager.start();
    await shell('echo x > a; cat a', { cwd: mountPoint, timeoutMs: SHORT_MS });
    manager.read();
    expect(manager.kept.map(({ name }) => name).toSorted()).toEqual([`fuse.${id}`, `vitals.${id}`]);
    expect(manager.told.filter((line) => line === 'FDSTOREREMOVE=1')).toHaveLength(stale.length);
  });
});

/** The assignments of each section; refuses what systemd would not understand. */
function parseUnit(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let current: Map<string, string> | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const section = /^\[(\w+)\]$/.exec(line)?.[1];
    if (section !== undefined) {
      sections.set(section, (current = new Map<string, string>()));
      continue;
    }
    const [, name = '', value = ''] = /^([A-Z][A-Za-z]+)=(.+)$/.exec(line) ?? [];
    if (name === '' || current === undefined || current.has(name)) throw new Error(line);
    current.set(name, value);
  }
  return sections;
}

describe.each(['sessfs.service', 'sessfs-user.service'])('%s', (file) => {
  const unit = parseUnit(readFileSync(join(UNITS, file), 'utf8'));
  const service = unit.get('Service') ?? new Map<string, string>();

  test('says what the daemon relies on', () => {
    expect([...unit.keys()]).toEqual(['Unit', 'Service', 'Install']);
    expect(Object.fromEntries(service)).toMatchObject({
      Type: 'notify',
      NotifyAccess: 'main',
      ExecReload: expect.stringMatching(/\/bin\/sessfs upgrade$/),
      RestartForceExitStatus: 'SIGHUP',
      KillMode: 'mixed',
      RestartKillSignal: 'SIGUSR2',
      Restart: 'on-failure',
      OOMPolicy: 'continue',
      WatchdogSec: expect.stringMatching(/^\d+$/),
      FileDescriptorStoreMax: expect.stringMatching(/^\d{4,}$/),
    });
    expect(service.get('ExecStart')).toMatch(/\/sessfs daemon$/);
    // The daemon gives up after 80 s; systemd should not be faster.
    expect(Number(service.get('TimeoutStopSec'))).toBeGreaterThan(80);
    // Giving up would close the descriptors, and with them the mounts.
    expect(unit.get('Unit')?.get('StartLimitIntervalSec')).toBe('0');
  });

  test('has nothing that keeps mounts from being seen, or V8 from compiling', () => {
    const harmful =
      /^(?:Private|Protect|ReadOnly|ReadWrite|Inaccessible|Temporary|Bind|Mount|Root|Dynamic|MemoryDeny)/;
    expect([...service.keys()].filter((name) => harmful.test(name))).toEqual([]);
  });

  test('lets a user run what is setuid, and root only what it needs', () => {
    const limits = [
      'NoNewPrivileges',
      'RestrictNamespaces',
      'SystemCallArchitectures',
      'CapabilityBoundingSet',
    ];
    const isUsers = file === 'sessfs-user.service';
    expect(limits.filter((name) => service.has(name))).toEqual(isUsers ? [] : limits);
  });
});
