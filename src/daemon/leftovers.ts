/**
 * What a daemon that was killed leaves behind: volume servers that still hold their volumes, and mounts.
 *
 * Rule: a server is found by its command line, not by whether it answers: one that hangs is the one that
 * has to go. Nothing here waits without end, not even for a process that cannot be killed.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import type { Logger } from 'pino';

import { callJson } from '../control/http-client.ts';
import { decodeTrusted, fieldsOf } from '../control/json.ts';
import type { SessionRecord } from '../control/protocol.ts';
import type { MountPort } from './mount-port.ts';
import type { StoreLayout } from './store-layout.ts';

/** One that is well answers at once and closes its volume after that, in milliseconds. */
const ANSWER_TIMEOUT_MS = 3_000;
/** How long it may take to close its volume, in milliseconds. */
const CLOSE_TIMEOUT_MS = 15_000;
/** How long a process may take to die of SIGKILL, in milliseconds. */
const KILL_TIMEOUT_MS = 5_000;
const POLL_MS = 20;

export interface OrphanOptions {
  readonly layout: StoreLayout;
  readonly logger: Logger;
  /** The program of a volume server, by its file's name. */
  readonly serverScript: string;
  /** Instead of process.kill. */
  readonly kill?: (pid: number, signal: NodeJS.Signals) => unknown;
  readonly timeouts?: {
    readonly answerMs: number;
    readonly closeMs: number;
    readonly killMs: number;
  };
}

interface Orphan {
  readonly pid: number;
  /** In ticks since the host was booted: with it a pid is not mistaken for a later process's. */
  readonly startTime: string;
  readonly sessionId: string;
  readonly socketPath: string;
}

/**
 * Ends every volume server of this store: their supervisor was killed, and they hold their volumes.
 *
 * Resolves when they are gone, so that others can open the volumes; also when one could not be killed.
 */
export async function stopOrphans(options: OrphanOptions): Promise<void> {
  await Promise.all(listOrphans(options).map((orphan) => stopOrphan(orphan, options)));
}

async function stopOrphan(orphan: Orphan, options: OrphanOptions): Promise<void> {
  const {
    logger,
    kill = (pid, signal) => process.kill(pid, signal),
    timeouts = { answerMs: ANSWER_TIMEOUT_MS, closeMs: CLOSE_TIMEOUT_MS, killMs: KILL_TIMEOUT_MS },
  } = options;
  const about = { session: orphan.sessionId, server: orphan.pid };
  const send = (signal: NodeJS.Signals): void => {
    if (!isRunning(orphan)) return;
    try {
      kill(orphan.pid, signal);
    } catch (error) {
      // ESRCH: it has just ended by itself.
      logger.debug({ ...about, err: error }, 'The server could not be signalled');
    }
  };
  logger.warn(about, 'Stopping a volume server of a daemon before this one');
  try {
    await callJson({
      socketPath: orphan.socketPath,
      method: 'POST',
      path: '/v1/stop',
      timeoutMs: timeouts.answerMs,
    });
    if (await isGoneWithin(orphan, timeouts.closeMs)) return;
  } catch (error) {
    // It hangs, is still starting, or its socket was removed.
    logger.debug({ ...about, err: error }, 'The server does not answer');
  }
  if (!isRunning(orphan)) return;
  logger.warn(about, 'Killing a volume server that does not stop');
  send('SIGKILL');
  if (await isGoneWithin(orphan, timeouts.killMs)) return;
  logger.error(about, 'A volume server cannot be killed: its session will be down until it ends');
}

async function isGoneWithin(orphan: Orphan, timeoutMs: number): Promise<boolean> {
  const endsAt = performance.now() + timeoutMs;
  while (isRunning(orphan)) {
    if (performance.now() > endsAt) return false;
    await setTimeout(POLL_MS);
  }
  return true;
}

/** The volume servers whose volume is in this store; never one that this process has started. */
function listOrphans({ layout, serverScript }: OrphanOptions): Orphan[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return [];
    const argv = readProc(pid, 'cmdline')?.split('\0') ?? [];
    const at = argv.findIndex((word) => basename(word) === basename(serverScript));
    const fields = at < 0 ? {} : parseOptions(argv[at + 1] ?? '');
    const { dir, sessionId, socketPath } = fields;
    if (typeof dir !== 'string' || !dir.startsWith(`${layout.volumesDir}/`)) return [];
    const stat = readStat(pid);
    if (stat === undefined || stat.isDead || stat.parent === String(process.pid)) return [];
    return [
      {
        pid,
        startTime: stat.startTime,
        sessionId: String(sessionId),
        socketPath: String(socketPath),
      },
    ];
  });
}

function parseOptions(text: string): Readonly<Record<string, unknown>> {
  try {
    return fieldsOf(decodeTrusted<unknown>(text));
  } catch {
    // Some other program that has a word like ours among its arguments.
    return {};
  }
}

/** A zombie holds nothing any more, and whether it is ever reaped is not ours to wait for. */
function isRunning({ pid, startTime }: Orphan): boolean {
  const stat = readStat(pid);
  return stat !== undefined && !stat.isDead && stat.startTime === startTime;
}

function readStat(pid: number): { isDead: boolean; parent: string; startTime: string } | undefined {
  const text = readProc(pid, 'stat');
  if (text === undefined) return undefined;
  // proc(5): the name is in brackets and may contain some itself; what follows has no spaces in it.
  const [state = '', parent = '', ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [threads, startTime = ''] = [Number(rest[15]), rest[17]];
  // A zombie of which threads are left still has everything open.
  const isDead = state === 'X' || (state === 'Z' && threads <= 1);
  return { isDead, parent, startTime };
}

/** @returns undefined if there is no such process any more. */
function readProc(pid: number, file: 'cmdline' | 'stat'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** Mounts of a daemon that was killed answer ENOTCONN, or nothing at all: detach them. */
export async function cleanStaleMounts(
  records: readonly SessionRecord[],
  parts: {
    layout: StoreLayout;
    mounts: MountPort;
    logger: Logger;
    /** Handed over, and not left behind. */
    served: ReadonlySet<string>;
  },
): Promise<void> {
  const { mounts, layout, logger, served } = parts;
  const points = new Set(mounts.listMounts(layout.mountsDir));
  for (const record of records) {
    if (mounts.isMountOf(record)) points.add(record.mountPoint);
  }
  for (const mountPoint of points) {
    if (served.has(mountPoint)) continue;
    logger.warn({ mountPoint }, 'Cleaning up a mount left behind');
    try {
      // Whoever hangs there is freed; detaching alone would leave them.
      mounts.abort(mountPoint);
    } catch (error) {
      logger.debug({ mountPoint, err: error }, 'Cannot abort the connection');
    }
    await mounts.unmount(mountPoint, { lazy: true }).catch((error: unknown) => {
      logger.error({ mountPoint, err: error }, 'Cannot detach the mount left behind');
    });
  }
}
