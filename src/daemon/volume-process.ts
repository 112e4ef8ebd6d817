/**
 * One volume server as its supervisor sees it: started, ready, stopped, gone. Every wait has a deadline.
 *
 * A supervisor that has replaced itself by another program (handover.ts) finds its servers still running:
 * it adopts them by their number and their pipe of events.
 */

import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

import { callJson } from '../control/http-client.ts';
import { decodeTrusted } from '../control/json.ts';
import { findWireError } from '../control/wire-error.ts';
import { libc, makeSocketPair } from '../fuse/libc.ts';
import { SessfsError } from '../shared/errors.ts';
import type { VolumeServerEvent, VolumeServerOptions } from './volume-server-options.ts';

/**
 * How long a server may take until it serves before it counts as hung, in milliseconds: an index that is
 * made anew from 100 GB of log takes a quarter of an hour.
 */
const READY_TIMEOUT_MS = 1_800_000;
/** Between SIGTERM and SIGKILL for a server that does not answer, in milliseconds. */
const KILL_DELAY_MS = 5_000;
/** Between the end of an adopted server's events and its end, in milliseconds. */
const REAP_TIMEOUT_MS = 5_000;
const REAP_POLL_MS = 5;
const WNOHANG = 1;

export interface VolumeProcessOptions {
  readonly script: string;
  readonly server: VolumeServerOptions;
  /** /dev/fuse, already mounted, and the page of vital signs; they stay the supervisor's. */
  readonly descriptors: { readonly fuse: number; readonly vitals: number } | undefined;
}

/** What is needed to talk to a server. */
export interface ServerAddress {
  readonly socketPath: string;
  readonly stopTimeoutSeconds: number;
}

export interface Exit {
  /** A sentence without its subject: "was killed by SIGKILL". */
  readonly how: string;
  readonly wasKilled: boolean;
}

export class VolumeProcess {
  readonly pid: number | undefined;
  /** Where its events come from. */
  readonly eventFd: number;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** The mount ended from outside, before the server did. */
  hasEnded = false;
  readonly #address: ServerAddress;
  #isRunning = true;
  #wasAborted = false;

  private constructor(
    process: { pid: number | undefined; eventFd: number; exited: Promise<Exit> },
    address: ServerAddress,
  ) {
    this.pid = process.pid;
    this.eventFd = process.eventFd;
    this.#address = address;
    this.exited = process.exited.then((exit) => {
      this.#isRunning = false;
      return this.#wasAborted ? { how: 'hung and was ended', wasKilled: false } : exit;
    });
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /**
   * Starts a server and waits until it serves.
   *
   * @throws {SessfsError} What kept the server from opening its volume.
   */
  static async start(options: VolumeProcessOptions): Promise<VolumeProcess> {
    const { script, server, descriptors } = options;
    const [ours, theirs] = makeSocketPair();
    const child = spawn(process.execPath, [script, JSON.stringify(server)], {
      stdio: [
        'ignore',
        'ignore',
        'inherit',
        descriptors?.fuse ?? 'ignore',
        theirs,
        descriptors?.vitals ?? 'ignore',
      ],
      // A group of its own: Ctrl-C in the daemon's terminal is the daemon's to handle.
      detached: true,
      cwd: '/',
    });
    closeSync(theirs);
    const exited = new Promise<Exit>((resolve) => {
      child.once('error', (error) => {
        resolve({ how: `could not be started: ${error.message}`, wasKilled: false });
      });
      child.once('exit', (code, signal) => resolve(describeExit(code, signal)));
    });
    const started = new VolumeProcess({ pid: child.pid, eventFd: ours, exited }, server);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new SessfsError('FAILED', `Cannot serve the volume: not ready in ${READY_TIMEOUT_MS} ms`),
        );
      }, READY_TIMEOUT_MS);
    });
    const gone = started.exited.then((exit) => {
      throw new ServerDied(exit);
    });
    try {
      await Promise.race([started.#readEvents(), gone, late]);
    } catch (error) {
      child.kill('SIGKILL');
      await started.#isGoneWithin(KILL_DELAY_MS);
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return started;
  }

  /** Takes over a server that this process started when it was still another program. */
  static adopt(
    server: { readonly pid: number; readonly eventFd: number },
    address: ServerAddress,
  ): VolumeProcess {
    let onEnd: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (onEnd = resolve));
    const exited = ended.then(() => reap(server.pid));
    const adopted = new VolumeProcess({ ...server, exited }, address);
    void adopted.#readEvents(onEnd);
    return adopted;
  }

  /** Ends one that hangs: as its own fault, and not as if somebody had killed it. */
  abort(): void {
    this.#wasAborted = true;
    this.#kill('SIGKILL');
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.pid === undefined || !this.#isRunning) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has just ended.
    }
  }

  /**
   * Asks for a drain and a sync, then waits; kills what does not end. Resolves when it is gone.
   *
   * @param options.cut Files that are open and have changed get a version first: it may be long until
   *   somebody looks after them again.
   */
  async stop(options: { cut?: boolean } = {}): Promise<{ graceful: boolean }> {
    const deadlineMs = this.#address.stopTimeoutSeconds * 1000;
    if (!this.isRunning) return { graceful: true };
    const asked = callJson({
      socketPath: this.#address.socketPath,
      method: 'POST',
      path: '/v1/stop',
      body: { cut: options.cut === true },
      timeoutMs: deadlineMs,
    }).catch(() => this.#kill('SIGTERM'));
    if (await this.#isGoneWithin(deadlineMs)) {
      await asked;
      return { graceful: true };
    }
    this.#kill('SIGTERM');
    if (await this.#isGoneWithin(KILL_DELAY_MS)) return { graceful: true };
    this.#kill('SIGKILL');
    // A process that waits for its own mount ends only when its connection does: the caller closes that.
    await this.#isGoneWithin(KILL_DELAY_MS);
    return { graceful: false };
  }

  async #isGoneWithin(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const gone = await Promise.race([this.exited.then(() => true), late]);
    clearTimeout(timer);
    return gone;
  }

  /** Follows the events for as long as the process lives; resolves at `ready`. */
  #readEvents(onEnd?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const input = new Socket({ fd: this.eventFd, readable: true, writable: false });
      input.on('error', () => undefined);
      if (onEnd !== undefined) input.once('close', onEnd);
      const lines = createInterface({ input });
      lines.on('error', () => undefined);
      lines.on('line', (line) => {
        const event = decodeTrusted<VolumeServerEvent>(line);
        switch (event.event) {
          case 'ready':
            resolve();
            break;
          case 'failed':
            reject(findWireError(event) ?? new SessfsError('FAILED', 'Cannot serve the volume'));
            break;
          case 'ended':
            this.hasEnded = true;
            break;
        }
      });
    });
  }
}

/** A server ended before it served. */
export class ServerDied extends SessfsError {
  readonly exit: Exit;

  constructor(exit: Exit) {
    super('FAILED', `Cannot serve the volume: its server ${exit.how}`, {
      hint: 'The log of the daemon has the reason',
    });
    this.exit = exit;
  }
}

function describeExit(code: number | null, signal: string | null): Exit {
  return {
    how: signal === null ? `exited with code ${code}` : `was killed by ${signal}`,
    wasKilled: signal === 'SIGKILL',
  };
}

/** Waits for a child that Node does not know of: it was started before this program was. */
async function reap(pid: number): Promise<Exit> {
  const status = Buffer.alloc(4);
  const endsAt = performance.now() + REAP_TIMEOUT_MS;
  while (performance.now() < endsAt) {
    const found = libc().waitpid(pid, status, WNOHANG);
    if (found === pid) {
      const signal = status.readUInt32LE(0) & 0x7f;
      const code = (status.readUInt32LE(0) >> 8) & 0xff;
      return signal === 0 ? describeExit(code, null) : describeExit(null, signalName(signal));
    }
    if (found < 0) break;
    await delay(REAP_POLL_MS);
  }
  return { how: 'ended', wasKilled: false };
}

function signalName(signal: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === signal);
  return found?.[0] ?? `signal ${signal}`;
}
