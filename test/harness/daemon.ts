/**
 * A daemon for tests: the built command in a child process, with a store of its own.
 *
 * Rules: nothing here waits without a deadline; whatever way a test ends, its mounts are detached, its
 * processes are gone and its store is removed. The daemon also stops by itself when this process dies,
 * because its standard input ends.
 */

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { ControlClient } from '../../src/control/client.ts';
import { listMountsBelow, readMountTable } from '../../src/control/session-mounts.ts';
import type { SessionInfo } from '../../src/control/protocol.ts';
import { storeLayout } from '../../src/daemon/store-layout.ts';
import { eventually, run } from './run.ts';
import type { RunResult } from './run.ts';

export { eventually, run } from './run.ts';
export type { RunResult } from './run.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
export const SESSFS = join(PROJECT, 'bin/sessfs');

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 45_000;
const CLI_TIMEOUT_MS = 60_000;

export interface StartOptions {
  /** The store; a fresh directory by default. One that is given is not removed by stop(). */
  readonly root?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Run the daemon as this uid and gid. */
  readonly uid?: number;
  readonly gid?: number;
  /** What config.json holds. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Another installation of the command. */
  readonly program?: string;
  /** Handed over as a service manager does. */
  readonly descriptors?: ReadonlyMap<string, number>;
}

export interface CreateOptions {
  readonly name?: string;
  readonly mountPoint?: string;
  readonly owner?: { uid: number; gid: number };
  readonly allowOther?: boolean;
  readonly dev?: boolean;
  readonly suid?: boolean;
  readonly driver?: 'kernel' | 'fuse-native';
}

export interface TestSession {
  readonly id: string;
  /** Where it is mounted. */
  readonly mount: string;
  readonly info: SessionInfo;
}

export interface TestDaemon {
  readonly root: string;
  readonly client: ControlClient;
  readonly pid: number;
  /** Everything that the daemon and its volume servers logged so far. */
  log(): string;
  /** Runs the command against this daemon. */
  cli(args: readonly string[], options?: { cwd?: string; stdin?: string }): Promise<RunResult>;
  createSession(options?: CreateOptions): Promise<TestSession>;
  /** SIGTERM (or another signal), wait, start again on the same store. */
  restart(options?: RestartOptions): Promise<void>;
  /** Stops without cleaning up; the exit code. */
  halt(signal?: NodeJS.Signals): Promise<number | null>;
  /** Stops, detaches what is left, removes the store. */
  stop(): Promise<void>;
}

export interface RestartOptions {
  readonly signal?: NodeJS.Signals;
  readonly descriptors?: ReadonlyMap<string, number>;
}

interface Running {
  child: ChildProcess;
  exited: Promise<number | null>;
}

/** Stores whose mounts must go when this process does, in whatever way. */
const open = new Set<string>();

process.once('exit', () => {
  for (const root of open) cleanSync(root);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}

export async function startDaemon(options: StartOptions = {}): Promise<TestDaemon> {
  const root = options.root ?? mkdtempSync(join(tmpdir(), 'sessfs-test-'));
  if (options.uid !== undefined) chownSync(root, options.uid, options.gid ?? options.uid);
  const layout = storeLayout(root);
  const client = new ControlClient(layout.controlSocket);
  let log = '';
  open.add(root);
  if (options.config !== undefined) {
    mkdirSync(root, { recursive: true });
    writeFileSync(layout.configFile, JSON.stringify(options.config));
  }
  const start = (changed: StartOptions = options): Promise<Running> =>
    launch(root, changed, (text) => (log += text));
  let running: Running;
  try {
    running = await start();
  } catch (error) {
    await cleanStore(root, options.root === undefined);
    throw new Error(`The daemon did not start:\n${log}`, { cause: error });
  }
  const halt = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    running.child.kill(signal);
    const late = setTimeout(() => running.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const code = await running.exited;
    clearTimeout(late);
    return code;
  };
  return {
    root,
    client,
    get pid() {
      return running.child.pid ?? 0;
    },
    log: () => log,
    cli: (args, cliOptions = {}) =>
      run(process.execPath, [options.program ?? SESSFS, ...args], {
        timeoutMs: CLI_TIMEOUT_MS,
        env: { SESSFS_ROOT: root },
        ...cliOptions,
      }),
    createSession: async ({ name, mountPoint, owner, ...session } = {}) => {
      const info = await client.createSession({
        ...(name === undefined ? {} : { name }),
        ...(mountPoint === undefined ? {} : { mountPoint }),
        ...(owner === undefined ? {} : { owner }),
        options: session,
      });
      return { id: info.id, mount: info.mountPoint, info };
    },
    restart: async ({ signal, descriptors } = {}) => {
      await halt(signal);
      running = await start(descriptors === undefined ? options : { ...options, descriptors });
    },
    halt,
    stop: async () => {
      if (running.child.exitCode === null && running.child.signalCode === null) await halt();
      await cleanStore(root, options.root === undefined);
    },
  };
}

async function launch(
  root: string,
  options: StartOptions,
  onLog: (text: string) => void,
): Promise<Running> {
  const { program = SESSFS, descriptors = new Map<string, number>() } = options;
  const listening = {
    LISTEN_FDS: String(descriptors.size),
    LISTEN_FDNAMES: [...descriptors.keys()].join(':'),
  };
  // The process that is meant is known only once it is there: the shell becomes the daemon.
  const child = spawn(
    '/bin/sh',
    [
      '-c',
      'LISTEN_PID=$$ exec "$0" "$@"',
      process.execPath,
      program,
      'daemon',
      '--root',
      root,
      '--json',
      '--stop-with-stdin',
    ],
    {
      stdio: ['pipe', 'pipe', 'pipe', ...descriptors.values()],
      env: { ...process.env, ...options.env, ...(descriptors.size === 0 ? {} : listening) },
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    },
  );
  const exited = new Promise<number | null>((done) => {
    child.once('error', () => done(null));
    child.once('exit', (code) => done(code));
  });
  child.stdin?.on('error', () => undefined);
  child.stderr?.setEncoding('utf8').on('data', onLog);
  let isReady = false;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('"ready"')) isReady = true;
  });
  await eventually(
    async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Gone();
      if (!isReady) throw new Error('The daemon is not ready');
    },
    { timeoutMs: START_TIMEOUT_MS, giveUpOn: (error) => error instanceof Gone },
  ).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  return { child, exited };
}

class Gone extends Error {
  override readonly message = 'The daemon has exited';
}

/** Detaches every mount below the store, ends what still serves them, removes the store if it is ours. */
export async function cleanStore(root: string, isOwn: boolean): Promise<void> {
  cleanSync(root);
  open.delete(root);
  if (isOwn && mountsBelow(root).length === 0) rmSync(root, { recursive: true, force: true });
}

function cleanSync(root: string): void {
  for (const pid of listServers(root)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  for (const mountPoint of mountsBelow(root)) {
    spawnSync('umount', ['-l', mountPoint], { timeout: 5_000 });
  }
}

function mountsBelow(root: string): string[] {
  return listMountsBelow(root, readMountTable()).map((entry) => entry.mountPoint);
}

/** Volume servers of this store, by their command line: their supervisor may have been killed. */
export function listServers(root: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid)
    .filter((pid) => {
      const line = commandLineOf(pid);
      return line.includes('volume-server.js') && line.includes(`"dir":"${root}/`);
    });
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It has just ended.
    return '';
  }
}

/** The state of a process as in proc(5), for tests about what is left behind. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
