/**
 * Volume servers that a killed daemon left behind: each is ended, whatever it is doing.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { stopOrphans } from '../../src/daemon/leftovers.ts';
import type { OrphanOptions } from '../../src/daemon/leftovers.ts';
import { storeLayout } from '../../src/daemon/store-layout.ts';
import { eventually, isAlive, startDaemon } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 10_000;
const TIMEOUTS = { answerMs: 300, closeMs: 300, killMs: 300 };

const SCRIPT = join(import.meta.dirname, 'orphan.mjs');

let root: string;
let log: string;
const pids: number[] = [];

/**
 * Starts a server whose parent has gone, as that of an orphan has.
 *
 * @param store The store that its volume is in.
 */
async function startOrphan(
  kind: 'obedient' | 'silent' | 'endless' | 'deaf',
  store = root,
): Promise<number> {
  const socketPath = join(root, `${kind}.sock`);
  const pidFile = join(root, `${kind}.pid`);
  const dir = join(storeLayout(store).volumesDir, 'abc');
  const options = JSON.stringify({ sessionId: 'abc', dir, socketPath, kind, pidFile });
  // The shell goes at once: what it started is somebody else's child then, or nobody's.
  spawn('/bin/sh', ['-c', '"$0" "$1" "$2" &', process.execPath, SCRIPT, options], {
    stdio: 'ignore',
  });
  const pid = await eventually(
    () => {
      const written = Number(readFileSync(pidFile, 'utf8'));
      if (written > 1) return written;
      throw new Error('The file is still empty');
    },
    { timeoutMs: SHORT_MS },
  );
  pids.push(pid);
  return pid;
}

function stop(change: Partial<OrphanOptions> = {}): Promise<void> {
  return stopOrphans({
    layout: storeLayout(root),
    logger: pino({ level: 'debug' }, { write: (line: string) => void (log += line) }),
    serverScript: join('/elsewhere', basename(SCRIPT)),
    timeouts: TIMEOUTS,
    ...change,
  });
}

beforeEach(() => {
  log = '';
  root = mkdtempSync(join(tmpdir(), 'sessfs-leftovers-'));
  mkdirSync(storeLayout(root).volumesDir);
});

afterEach(() => {
  for (const pid of pids.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

describe('stopOrphans', () => {
  test('asks a server that answers to stop, and kills nothing', async () => {
    const pid = await startOrphan('obedient');
    await stop({ timeouts: { ...TIMEOUTS, closeMs: SHORT_MS } });
    expect(isAlive(pid)).toBe(false);
    expect(log).not.toContain('Killing');
  });

  test.each(['silent', 'endless', 'deaf'] as const)('kills a server that is %s', async (kind) => {
    const pid = await startOrphan(kind);
    await stop();
    expect(isAlive(pid)).toBe(false);
    expect(log).toContain('Killing');
  });

  test('kills a server that is stopped', async () => {
    const pid = await startOrphan('endless');
    process.kill(pid, 'SIGSTOP');
    await stop();
    expect(isAlive(pid)).toBe(false);
  });

  test('gives up on a server that does not die, and says so', async () => {
    const pid = await startOrphan('silent');
    await stop({ kill: () => undefined });
    expect(isAlive(pid)).toBe(true);
    expect(log).toContain('cannot be killed');
  });

  test('survives that a server ends just before it is killed', async () => {
    await startOrphan('silent');
    await stop({
      kill: (pid) => {
        process.kill(pid, 'SIGKILL');
        throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' });
      },
    });
    expect(log).not.toContain('cannot be killed');
  });

  test('leaves alone what serves another store', async () => {
    const pid = await startOrphan('silent', `${root}-other`);
    await stop();
    expect(isAlive(pid)).toBe(true);
    expect(log).toBe('');
  });
});

describe('a daemon started after one that was killed', () => {
  test('replaces a volume server that hangs', async () => {
    const daemon = await startDaemon();
    try {
      const { id, mount } = await daemon.createSession();
      await shell('echo kept > a', { cwd: mount, timeoutMs: SHORT_MS });
      const { pid: hung = 0 } = (await daemon.client.getSession(id)).server;
      process.kill(hung, 'SIGSTOP');
      await daemon.restart({ signal: 'SIGKILL' });
      expect(isAlive(hung)).toBe(false);
      expect((await daemon.client.getSession(id)).server.state).toBe('active');
      expect(await shell('cat a', { cwd: mount, timeoutMs: SHORT_MS })).toBe('kept\n');
    } finally {
      await daemon.stop();
    }
  });
});
