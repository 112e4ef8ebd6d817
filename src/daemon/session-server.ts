/**
 * How one session is served right now: its mount, the descriptor of its connection, its volume server.
 *
 * INVARIANT: the descriptor is open from the mount until the mount is gone; a volume server comes and
 * goes in between. Callers take turns (see Turns): no two transitions of one session overlap.
 */

import { existsSync } from 'node:fs';

import type { Logger } from 'pino';

import { sourceOf } from '../control/session-mounts.ts';
import type { ServerInfo, ServerState, SessionRecord } from '../control/protocol.ts';
import type { ConnectionInfo } from '../fuse/file-system.ts';
import { SessfsError } from '../shared/errors.ts';
import type { Config } from './config.ts';
import type { MountPort } from './mount-port.ts';
import { volumeDir, volumeSocket } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';
import { VolumeProcess } from './volume-process.ts';
import type { VolumeServerOptions } from './volume-server-options.ts';

/** A server that dies again within this time of its last restart is not restarted, in milliseconds. */
const RESTART_WINDOW_MS = 60_000;
/** How long a server without a mount waits for the next command, in milliseconds. */
const DETACHED_IDLE_MS = 30_000;

export interface SessionServerDeps {
  readonly layout: StoreLayout;
  readonly mounts: MountPort;
  readonly serverScript: string;
  readonly logger: Logger;
  readonly config: () => Config;
  /** The mount ended though nobody asked the daemon: the operator used umount(8). */
  readonly onUnmountedOutside: (id: string) => void;
  /** Runs what follows an exit in this session's turn. */
  readonly inTurn: (work: () => Promise<void>) => void;
}

export class SessionServer {
  readonly #deps: SessionServerDeps;
  readonly #id: string;
  #state: ServerState = 'idle';
  #problem: string | undefined;
  #restarts = 0;
  #restartedAtMs = -Infinity;
  #process: VolumeProcess | undefined;
  #fuseFd: number | undefined;
  #mountPoint: string | undefined;
  #users = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(id: string, deps: SessionServerDeps) {
    this.#id = id;
    this.#deps = deps;
  }

  get isMounted(): boolean {
    return this.#mountPoint !== undefined;
  }

  get info(): ServerInfo {
    return {
      state: this.#state,
      pid: this.#process?.isRunning === true ? this.#process.pid : undefined,
      restarts: this.#restarts,
      problem: this.#problem,
    };
  }

  get socketPath(): string {
    return volumeSocket(this.#deps.layout, this.#id);
  }

  /** Mounts and serves. A server that was there only for commands makes way first. */
  async mount(record: SessionRecord): Promise<void> {
    if (this.#mountPoint !== undefined) {
      if (this.#deps.mounts.isMounted(this.#mountPoint)) return;
      // Taken away from outside, and libfuse tells nobody.
      await this.unmount();
    }
    await this.#stopProcess();
    this.#state = 'starting';
    this.#problem = undefined;
    try {
      if (record.options.driver === 'kernel') {
        this.#fuseFd = await this.#deps.mounts.mount(record);
        this.#mountPoint = record.mountPoint;
        await this.#start(record, 'kernel', undefined);
      } else {
        await this.#start(record, 'fuse-native', undefined);
        this.#mountPoint = record.mountPoint;
      }
      this.#state = 'serving';
    } catch (error) {
      await this.#takeDown(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /**
   * Unmounts, drains and stops.
   *
   * @returns A warning if the mount was busy and could only be detached.
   */
  async unmount(): Promise<string | undefined> {
    const mountPoint = this.#mountPoint;
    if (mountPoint === undefined) {
      this.#setDown(undefined);
      return undefined;
    }
    this.#state = 'stopping';
    // Not the current process any more: that it ends once the mount is gone is expected.
    const process = this.#process;
    this.#process = undefined;
    // What libfuse has mounted it takes away itself, when its server stops.
    const isNative = this.#fuseFd === undefined;
    if (isNative && process !== undefined) await this.#stopGracefully(process);
    const warning = await this.#unmountOrDetach(mountPoint);
    this.#mountPoint = undefined;
    if (!isNative && process !== undefined) await this.#stopGracefully(process);
    this.#closeFuse();
    this.#setDown(undefined);
    return warning;
  }

  /** Stops whatever runs; the mount too. */
  async stop(): Promise<string | undefined> {
    const warning = await this.unmount();
    await this.#stopProcess();
    this.#setDown(undefined);
    return warning;
  }

  /** Makes sure that a server answers commands, without a mount if need be. */
  async ensureRunning(record: SessionRecord): Promise<void> {
    if (this.#process !== undefined && !this.#process.isRunning) {
      // It has just died, and what follows from that waits for its turn behind this one.
      await this.#onExit(record, this.#process, await this.#process.exited);
    }
    if (this.#process?.isRunning === true) return;
    if (this.isMounted) {
      throw new SessfsError(
        'SESSION_STATE',
        `Cannot reach session ${this.#id}: its server is down (${this.#problem ?? 'starting'})`,
        { hint: `Try again, or unmount and mount it: sessfs unmount ${this.#id}` },
      );
    }
    await this.#start(record, 'none', undefined);
    this.#state = 'detached';
  }

  /** Counts a command that uses the server, so that an idle one is stopped only when nobody does. */
  use(): () => void {
    this.#users += 1;
    clearTimeout(this.#idleTimer);
    return () => {
      this.#users -= 1;
      if (this.#users > 0 || this.#state !== 'detached') return;
      this.#idleTimer = setTimeout(() => {
        if (this.#users === 0 && this.#state === 'detached') void this.#stopProcess();
      }, DETACHED_IDLE_MS);
      this.#idleTimer.unref();
    };
  }

  async #start(
    record: SessionRecord,
    serve: VolumeServerOptions['serve'],
    resume: ConnectionInfo | undefined,
  ): Promise<void> {
    const config = this.#deps.config();
    const process = await VolumeProcess.start({
      script: this.#deps.serverScript,
      fuseFd: serve === 'kernel' ? this.#fuseFd : undefined,
      server: {
        sessionId: record.id,
        volumeId: record.volumeId,
        dir: volumeDir(this.#deps.layout, record.id),
        isNew: !this.#hasVolume(record.id),
        socketPath: this.socketPath,
        serve,
        mountPoint: record.mountPoint,
        fsName: sourceOf(record.id, this.#deps.layout.root),
        options: record.options,
        uid: record.uid,
        gid: record.gid,
        cutIntervalSeconds: config.cutIntervalSeconds,
        stopTimeoutSeconds: config.stopTimeoutSeconds,
        logLevel: config.logLevel,
        resume,
      },
    });
    this.#process = process;
    void process.exited.then((how) => this.#deps.inTurn(() => this.#onExit(record, process, how)));
  }

  /** A process that is still the current one has ended by itself: resume, or take the mount down. */
  async #onExit(record: SessionRecord, process: VolumeProcess, how: string): Promise<void> {
    if (this.#process !== process) return;
    this.#process = undefined;
    if (process.hasEnded) {
      this.#deps.logger.warn({ session: this.#id }, 'The mount was taken away from outside');
      this.#mountPoint = undefined;
      this.#closeFuse();
      this.#setDown(undefined);
      this.#deps.onUnmountedOutside(this.#id);
      return;
    }
    if (!this.isMounted) {
      this.#setDown(undefined);
      return;
    }
    this.#deps.logger.error({ session: this.#id }, `The volume server ${how}`);
    const isFirst = performance.now() - this.#restartedAtMs > RESTART_WINDOW_MS;
    if (!isFirst || process.connection === undefined || this.#fuseFd === undefined) {
      await this.#takeDown(`The volume server ${how}`);
      return;
    }
    this.#restartedAtMs = performance.now();
    this.#restarts += 1;
    this.#state = 'starting';
    try {
      await this.#start(record, 'kernel', process.connection);
      this.#state = 'serving';
      this.#deps.logger.info({ session: this.#id }, 'The volume server was restarted');
    } catch (error) {
      this.#deps.logger.error({ session: this.#id, err: error }, 'The restart failed');
      await this.#takeDown(`The volume server ${how} and its restart failed: ${String(error)}`);
    }
  }

  /** The mount cannot be served: better gone, with a reason, than hanging. */
  async #takeDown(problem: string): Promise<void> {
    const mountPoint = this.#mountPoint;
    this.#mountPoint = undefined;
    if (mountPoint !== undefined) {
      await this.#deps.mounts.unmount(mountPoint, { lazy: true }).catch((error: unknown) => {
        this.#deps.logger.error({ session: this.#id, err: error }, 'Cannot detach the mount');
      });
    }
    this.#closeFuse();
    await this.#stopProcess();
    this.#setDown(problem);
  }

  async #unmountOrDetach(mountPoint: string): Promise<string | undefined> {
    const { mounts, logger } = this.#deps;
    if (!mounts.isMounted(mountPoint)) return undefined;
    try {
      await mounts.unmount(mountPoint, { lazy: false });
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const warning = `The mount "${mountPoint}" was detached while in use (${reason}): programs that still have files open there get errors`;
      logger.warn({ session: this.#id }, warning);
      await mounts.unmount(mountPoint, { lazy: true });
      return warning;
    }
  }

  async #stopProcess(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    await this.#stopGracefully(process);
    if (this.#state === 'detached') this.#setDown(undefined);
  }

  async #stopGracefully(process: VolumeProcess): Promise<void> {
    const { graceful } = await process.stop();
    if (!graceful) this.#deps.logger.error({ session: this.#id }, 'The volume server was killed');
  }

  /** INVARIANT: the first server makes the volume and no later one: a lost log is not replaced by an empty one. */
  #hasVolume(id: string): boolean {
    return existsSync(volumeDir(this.#deps.layout, id));
  }

  #closeFuse(): void {
    if (this.#fuseFd === undefined) return;
    this.#deps.mounts.closeFd(this.#fuseFd);
    this.#fuseFd = undefined;
  }

  #setDown(problem: string | undefined): void {
    this.#state = problem === undefined ? 'idle' : 'down';
    this.#problem = problem;
  }
}
