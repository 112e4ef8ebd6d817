/**
 * One volume server as its supervisor sees it: started, ready, stopped, gone. Every wait has a deadline.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { callJson } from '../control/http-client.ts';
import { decodeTrusted } from '../control/json.ts';
import { findWireError } from '../control/wire-error.ts';
import type { ConnectionInfo } from '../fuse/file-system.ts';
import { SessfsError } from '../shared/errors.ts';
import type { VolumeServerEvent, VolumeServerOptions } from './volume-server-options.ts';
import { EVENT_FD } from './volume-server-options.ts';

/** How long a volume may take to replay its log before its server counts as hung, in milliseconds. */
const READY_TIMEOUT_MS = 120_000;
/** Between SIGTERM and SIGKILL for a server that does not answer, in milliseconds. */
const KILL_DELAY_MS = 5_000;

export interface VolumeProcessOptions {
  readonly script: string;
  readonly server: VolumeServerOptions;
  /** /dev/fuse, already mounted; it stays the supervisor's. */
  readonly fuseFd: number | undefined;
}

export class VolumeProcess {
  readonly #child: ChildProcess;
  readonly #options: VolumeServerOptions;
  /** Set once the kernel has negotiated: with it a successor resumes the connection. */
  connection: ConnectionInfo | undefined;
  /** The mount ended from outside, before the server did. */
  hasEnded = false;
  /** Resolves with a sentence when the process is gone; never rejects. */
  readonly exited: Promise<string>;

  private constructor(child: ChildProcess, options: VolumeServerOptions) {
    this.#child = child;
    this.#options = options;
    this.connection = options.resume;
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => {
        resolve(signal === null ? `exited with code ${code}` : `was killed by ${signal}`);
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Starts a server and waits until it serves.
   *
   * @throws {SessfsError} What kept the server from opening its volume.
   */
  static async start(options: VolumeProcessOptions): Promise<VolumeProcess> {
    const { script, server, fuseFd } = options;
    const child = spawn(process.execPath, [script, JSON.stringify(server)], {
      stdio: ['ignore', 'ignore', 'inherit', fuseFd ?? 'ignore', 'pipe'],
      // A group of its own: Ctrl-C in the daemon's terminal is the daemon's to handle.
      detached: true,
      cwd: '/',
    });
    const started = new VolumeProcess(child, server);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new SessfsError('FAILED', `Cannot serve the volume: not ready in ${READY_TIMEOUT_MS} ms`),
        );
      }, READY_TIMEOUT_MS);
    });
    const gone = started.exited.then((how) => {
      throw new SessfsError('FAILED', `Cannot serve the volume: its server ${how}`, {
        hint: 'The log of the daemon has the reason',
      });
    });
    try {
      await Promise.race([started.#readEvents(), gone, late]);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return started;
  }

  /** Asks for a drain and a sync, then waits; kills what does not end. Resolves when it is gone. */
  async stop(): Promise<{ graceful: boolean }> {
    const deadlineMs = this.#options.stopTimeoutSeconds * 1000;
    if (!this.isRunning) return { graceful: true };
    const asked = callJson({
      socketPath: this.#options.socketPath,
      method: 'POST',
      path: '/v1/stop',
      timeoutMs: deadlineMs,
    }).catch(() => this.#child.kill('SIGTERM'));
    if (await this.#isGoneWithin(deadlineMs)) {
      await asked;
      return { graceful: true };
    }
    this.#child.kill('SIGTERM');
    if (await this.#isGoneWithin(KILL_DELAY_MS)) return { graceful: true };
    this.#child.kill('SIGKILL');
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
  #readEvents(): Promise<void> {
    return new Promise((resolve, reject) => {
      const input = this.#child.stdio[EVENT_FD];
      if (!(input instanceof Readable)) return;
      const lines = createInterface({ input });
      lines.on('line', (line) => {
        const event = decodeTrusted<VolumeServerEvent>(line);
        switch (event.event) {
          case 'ready':
            resolve();
            break;
          case 'failed':
            reject(findWireError(event) ?? new SessfsError('FAILED', 'Cannot serve the volume'));
            break;
          case 'connected':
            this.connection = event.info;
            break;
          case 'ended':
            this.hasEnded = true;
            break;
        }
      });
    });
  }
}
