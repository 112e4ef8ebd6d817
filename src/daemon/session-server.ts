/**
 * How one session is served right now: its mount, the descriptor of its connection, its volume server.
 *
 * INVARIANT: the descriptor is open from the mount until the mount is gone; volume servers come and go in
 * between, and nobody who uses the mount sees more of that than a pause. Callers take turns (see Turns):
 * no two transitions of one session overlap.
 */

import type { Logger } from 'pino';

import type { Driver, ServerInfo, SessionRecord } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import type { Config } from './config.ts';
import { Connection } from './session-connection.ts';
import { Deaths } from './deaths.ts';
import type { MountPort } from './mount-port.ts';
import type { Reserve } from './reserve.ts';
import { volumeSocket } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';
import { ServerDied, VolumeProcess } from './volume-process.ts';
import type { Exit } from './volume-process.ts';
import { planServer } from './volume-server-options.ts';
import type { VolumeServerOptions } from './volume-server-options.ts';

/** How long a server without a mount waits for the next command, in milliseconds. */
const DETACHED_IDLE_MS = 30_000;
/** Without a request for so long a session is idle, in milliseconds. */
const IDLE_MS = 3_000;
/** What LevelDB and the system say of a full disk. */
const NO_SPACE = /no space left|ENOSPC/i;
/** Errors that another try cannot mend: the mount goes, with the reason, rather than hang for ever. */
const FINAL_ERRORS = new Set<string>(['LOG_CORRUPT', 'INDEX_CORRUPT', 'STORE_FOREIGN']);

export interface SessionServerDeps {
  readonly layout: StoreLayout;
  readonly mounts: MountPort;
  readonly reserve: Reserve;
  readonly serverScript: string;
  readonly logger: Logger;
  readonly config: () => Config;
  /** With what has been changed since it was mounted. */
  readonly upToDate: (record: SessionRecord) => SessionRecord;
  /** The mount ended though nobody asked the daemon: the operator used umount(8). */
  readonly onUnmountedOutside: (id: string) => void;
  /** A connection began or ended: a service manager keeps its descriptors. */
  readonly onConnection: (id: string, connection: Connection | undefined) => void;
  /** Runs what follows from an event in this session's turn. */
  readonly inTurn: (work: () => Promise<void>) => void;
}

/** `serving` is active or idle, which only the time since the last request tells. */
type Phase =
  | 'unmounted'
  | 'starting'
  | 'serving'
  | 'hibernated'
  | 'recovering'
  | 'maintenance'
  | 'detached'
  | 'stopping'
  | 'down';

export class SessionServer {
  readonly #deps: SessionServerDeps;
  readonly #id: string;
  #phase: Phase = 'unmounted';
  #problem: string | undefined;
  #restarts = 0;
  #hibernations = 0;
  #wakeups = 0;
  #process: VolumeProcess | undefined;
  /** The kernel driver's; a mount of fuse-native lives and dies with its server. */
  #connection: Connection | undefined;
  #mountPoint: string | undefined;
  #deaths = new Deaths();
  #retryTimer: NodeJS.Timeout | undefined;
  #users = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(id: string, deps: SessionServerDeps) {
    this.#id = id;
    this.#deps = deps;
  }

  get isMounted(): boolean {
    return this.#mountPoint !== undefined;
  }

  /** Of what is mounted; undefined if nothing is. */
  get driver(): Driver | undefined {
    if (this.#mountPoint === undefined) return undefined;
    return this.#connection === undefined ? 'fuse-native' : 'kernel';
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** When somebody last used the mount, on the clock of performance.now(); undefined if it has none. */
  get usedAtMs(): number | undefined {
    return this.#connection?.usedAtMs;
  }

  get info(): ServerInfo {
    const serving = (this.#connection?.quietMs ?? 0) > IDLE_MS ? 'idle' : 'active';
    return {
      state: this.#phase === 'serving' ? serving : this.#phase,
      pid: this.isRunning ? this.#process?.pid : undefined,
      restarts: this.#restarts,
      hibernations: this.#hibernations,
      wakeups: this.#wakeups,
      problem: this.#problem,
    };
  }

  get socketPath(): string {
    return volumeSocket(this.#deps.layout, this.#id);
  }

  /** What a successor of this supervisor needs to go on. */
  get handover(): { connection: Connection; process: VolumeProcess | undefined } | undefined {
    if (this.#connection === undefined) return undefined;
    return { connection: this.#connection, process: this.isRunning ? this.#process : undefined };
  }

  /** Mounts and serves. A server that was there only for commands makes way first. */
  async mount(record: SessionRecord): Promise<void> {
    if (this.#mountPoint !== undefined) {
      if (this.#deps.mounts.isMounted(this.#mountPoint)) return;
      // Taken away from outside, and libfuse tells nobody.
      await this.unmount(record);
    }
    await this.#stopProcess();
    this.#phase = 'starting';
    this.#problem = undefined;
    this.#deaths = new Deaths();
    try {
      if (record.options.driver === 'kernel') {
        this.#setConnection(await Connection.open(() => this.#deps.mounts.mount(record)));
        this.#mountPoint = record.mountPoint;
        await this.#start(record, 'kernel');
      } else {
        await this.#start(record, 'fuse-native');
        this.#mountPoint = record.mountPoint;
      }
      this.#phase = 'serving';
    } catch (error) {
      await this.#takeDown(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Goes on with a mount that the supervisor before this one left, and with its server if it runs. */
  adopt(record: SessionRecord, connection: Connection, process: VolumeProcess | undefined): void {
    this.#setConnection(connection);
    this.#mountPoint = record.mountPoint;
    if (process === undefined) {
      this.#sleep(record);
      return;
    }
    this.#follow(record, process);
    this.#phase = 'serving';
  }

  /**
   * Unmounts, drains and stops.
   *
   * @returns A warning if the mount was busy and could only be detached.
   */
  async unmount(record: SessionRecord): Promise<string | undefined> {
    const mountPoint = this.#mountPoint;
    if (mountPoint === undefined) {
      await this.#stopProcess();
      this.#setDown(undefined);
      return undefined;
    }
    clearTimeout(this.#retryTimer);
    const isRecovering = this.#phase === 'recovering';
    this.#phase = 'stopping';
    // What libfuse has mounted it takes away itself, when its server stops.
    if (this.#connection === undefined) await this.#stopProcess();
    // Unmounting may need an answer, for mapped pages that are dirty: it wakes who sleeps.
    let starting: Promise<void> | undefined;
    const startIfNeeded = (): void => {
      // What a server that runs has yet to read is its own, and a mount that has gone needs none.
      if (this.isRunning || this.#connection === undefined || starting !== undefined) return;
      if (!this.#deps.mounts.isMounted(mountPoint)) return;
      starting = this.#start(record, 'kernel').catch((error: unknown) => {
        this.#deps.logger.warn({ session: this.#id, err: error }, 'No server to unmount with');
      });
    };
    this.#connection?.watch(startIfNeeded);
    void this.#process?.exited.then(startIfNeeded);
    const warning = isRecovering
      ? await this.#detach(mountPoint, 'it has no volume server')
      : await this.#unmountOrDetach(mountPoint);
    this.#mountPoint = undefined;
    this.#connection?.unwatch();
    await starting;
    await this.#stopProcess();
    this.#setConnection(undefined);
    this.#setDown(undefined);
    return warning;
  }

  /** Stops the server, and leaves the mount to who comes after this supervisor. */
  async leave(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#connection?.unwatch();
    await this.#stopProcess();
    this.#phase = 'hibernated';
  }

  /** Makes sure that a server answers commands, without a mount if need be. */
  async ensureRunning(record: SessionRecord): Promise<void> {
    if (this.#process !== undefined && !this.#process.isRunning) {
      // It has just died, and what follows from that waits for its turn behind this one.
      await this.#onExit(record, this.#process, await this.#process.exited);
    }
    if (this.isRunning) return;
    if (this.#phase === 'hibernated') await this.wake(record);
    else if (this.#phase === 'recovering') await this.#recover(record);
    else if (!this.isMounted) {
      await this.#start(record, 'none');
      this.#phase = 'detached';
    }
    if (this.isRunning) return;
    throw new SessfsError(
      'SESSION_STATE',
      `Cannot reach session ${this.#id}: its server is down (${this.#problem ?? this.#phase})`,
      { hint: `Try again, or unmount and mount it: sessfs unmount ${this.#id}` },
    );
  }

  /** Counts a command that uses the server, so that an idle one is stopped only when nobody does. */
  use(): () => void {
    this.#users += 1;
    clearTimeout(this.#idleTimer);
    return () => {
      this.#users -= 1;
      if (this.#users > 0 || this.#phase !== 'detached') return;
      this.#idleTimer = setTimeout(() => {
        this.#deps.inTurn(() => this.stopDetached({ ifUnused: true }));
      }, DETACHED_IDLE_MS);
      this.#idleTimer.unref();
    };
  }

  /** Looks after the server once a second or so: sends it to sleep when idle, ends it when it hangs. */
  tick(record: SessionRecord): void {
    const connection = this.#connection;
    if (connection === undefined || this.#phase !== 'serving') return;
    connection.observe();
    if (connection.stuckMs > this.#deps.config().hangTimeoutSeconds * 1000) {
      this.#deps.logger.error({ session: this.#id }, 'The volume server hangs: killing it');
      this.#process?.abort();
      return;
    }
    if (this.#mayHibernate(connection)) this.#deps.inTurn(() => this.hibernate(record));
  }

  /** No process from here on: the first request, or command, starts one. */
  async hibernate(record: SessionRecord): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || this.#phase !== 'serving') return;
    connection.observe();
    if (!this.#mayHibernate(connection)) return;
    // Taken away while files were open: they go on, and a sleeper could not tell that from the end.
    if (!this.#deps.mounts.isMounted(this.#mountPoint ?? '')) return;
    await this.#stopProcess({ cut: true });
    this.#hibernations += 1;
    this.#sleep(record);
    this.#deps.logger.debug({ session: this.#id }, 'Hibernated');
  }

  async wake(record: SessionRecord): Promise<void> {
    if (this.#phase !== 'hibernated') return;
    this.#wakeups += 1;
    await this.#recover(record);
  }

  /** Stops a server that is there for commands only. @param options.ifUnused Not if one uses it. */
  async stopDetached(options: { ifUnused?: boolean } = {}): Promise<void> {
    if (this.#phase !== 'detached' || (options.ifUnused === true && this.#users > 0)) return;
    await this.#stopProcess();
    this.#setDown(undefined);
  }

  /** Puts a server of the code that is on disk now in the place of the one that runs. */
  async replace(record: SessionRecord): Promise<void> {
    if (this.#phase !== 'serving' || this.#connection === undefined) return;
    await this.#stopProcess();
    await this.#recover(record);
  }

  /** Runs work that needs the volume alone; who uses the mount waits meanwhile. */
  async withServerStopped<T>(record: SessionRecord, work: () => Promise<T>): Promise<T> {
    if (this.isMounted && this.#connection === undefined) {
      throw new SessfsError(
        'SESSION_STATE',
        `Cannot stop the server of session ${this.#id}: the mount of fuse-native ends with it`,
        { hint: `Unmount it first: sessfs unmount ${this.#id}` },
      );
    }
    const before = this.#phase;
    clearTimeout(this.#retryTimer);
    this.#connection?.unwatch();
    await this.#stopProcess();
    this.#phase = 'maintenance';
    try {
      return await work();
    } finally {
      if (this.isMounted) this.#sleep(record);
      else this.#setDown(before === 'down' ? this.#problem : undefined);
    }
  }

  #mayHibernate(connection: Connection): boolean {
    const { hibernateAfterSeconds } = this.#deps.config();
    if (hibernateAfterSeconds === 0 || this.#users > 0 || this.#process === undefined) return false;
    // On a full disk it could not be started again.
    return connection.quietMs >= hibernateAfterSeconds * 1000 && this.#deps.reserve.hasRoom;
  }

  #sleep(record: SessionRecord): void {
    this.#phase = 'hibernated';
    this.#problem = undefined;
    const knock = (): void => this.#deps.inTurn(() => this.#onKnock(record));
    // A server that was killed while it drained left requests that only another one is sent again.
    return this.#connection?.signs.isDrained === true ? this.#connection.watch(knock) : knock();
  }

  /** Somebody uses the mount of a sleeping session, or has taken it away. */
  async #onKnock(record: SessionRecord): Promise<void> {
    if (this.#phase !== 'hibernated' || this.#mountPoint === undefined) return;
    if (this.#deps.mounts.isMounted(this.#mountPoint)) await this.wake(record);
    else this.#forgetMount();
  }

  async #start(record: SessionRecord, serve: VolumeServerOptions['serve']): Promise<void> {
    const config = this.#deps.config();
    const connection = serve === 'kernel' ? this.#connection : undefined;
    connection?.unwatch();
    const process = await VolumeProcess.start({
      script: this.#deps.serverScript,
      descriptors: connection?.descriptors,
      server: planServer(this.#deps.upToDate(record), {
        layout: this.#deps.layout,
        config,
        serve,
        predecessor: connection?.takePredecessor(this.#deaths.givenUp),
      }),
    });
    this.#follow(record, process);
  }

  #follow(record: SessionRecord, process: VolumeProcess): void {
    this.#process = process;
    this.#connection?.observe();
    void process.exited.then((exit) => {
      this.#deps.inTurn(() => this.#onExit(record, process, exit));
    });
  }

  /** A process that is still the current one has ended by itself: another takes its place. */
  async #onExit(record: SessionRecord, process: VolumeProcess, exit: Exit): Promise<void> {
    if (this.#process !== process) return;
    this.#process = undefined;
    if (process.hasEnded) {
      this.#forgetMount();
      return;
    }
    if (!this.isMounted) {
      this.#setDown(undefined);
      return;
    }
    this.#deps.logger.error({ session: this.#id }, `The volume server ${exit.how}`);
    if (this.#connection === undefined) {
      await this.#takeDown(`The volume server ${exit.how}`);
      return;
    }
    this.#restarts += 1;
    await this.#recoverLater(record, `its server ${exit.how}`, exit.wasKilled);
  }

  /** At once after a death by bad luck; later and later for a server that never gets to answer anything. */
  async #recoverLater(record: SessionRecord, how: string, wasKilled: boolean): Promise<void> {
    const { logger } = this.#deps;
    const deaths = this.#deaths;
    const given = deaths.add({ signs: this.#connection?.signs, wasKilled });
    for (const unique of given) {
      logger.error({ session: this.#id, unique }, 'Servers died of a request: it gets an error');
    }
    const { delayMs } = deaths;
    this.#phase = delayMs > 0 ? 'recovering' : 'starting';
    if (delayMs === 0) {
      await this.#recover(record);
      return;
    }
    this.#problem = `starting again in ${delayMs} ms: ${how}, ${deaths.inARow} times without an answer`;
    logger.warn({ session: this.#id, delayMs, inARow: deaths.inARow }, 'Starting again later');
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      this.#deps.inTurn(async () => {
        if (this.#phase === 'recovering') await this.#recover(record);
      });
    }, delayMs);
  }

  /** Starts a server on the connection that is there. */
  async #recover(record: SessionRecord): Promise<void> {
    clearTimeout(this.#retryTimer);
    if (this.#phase !== 'recovering') this.#phase = 'starting';
    try {
      await this.#start(record, 'kernel');
      this.#phase = 'serving';
      this.#problem = undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof SessfsError && FINAL_ERRORS.has(error.code)) {
        this.#deps.logger.error({ session: this.#id, err: error }, 'The volume cannot be served');
        await this.#takeDown(reason);
        return;
      }
      this.#deps.logger.error({ session: this.#id, err: error }, 'The volume server did not start');
      if (NO_SPACE.test(reason) && this.#deps.reserve.release()) {
        this.#deps.logger.warn({ session: this.#id }, 'The disk is full: the reserve is given up');
        await this.#recover(record);
        return;
      }
      const wasKilled = error instanceof ServerDied && error.exit.wasKilled;
      await this.#recoverLater(record, reason, wasKilled);
    }
  }

  #forgetMount(): void {
    this.#deps.logger.warn({ session: this.#id }, 'The mount was taken away from outside');
    this.#mountPoint = undefined;
    this.#setConnection(undefined);
    this.#setDown(undefined);
    this.#deps.onUnmountedOutside(this.#id);
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
    // Whoever waits for an answer gets an error when the last descriptor is closed.
    this.#setConnection(undefined);
    await this.#stopProcess();
    this.#setDown(problem);
  }

  async #unmountOrDetach(mountPoint: string): Promise<string | undefined> {
    const { mounts } = this.#deps;
    try {
      await mounts.unmount(mountPoint, { lazy: false });
      return undefined;
    } catch (error) {
      // Somebody was faster: libfuse, or a host that shuts down.
      if (!mounts.isMounted(mountPoint)) return undefined;
      return this.#detach(mountPoint, error instanceof Error ? error.message : String(error));
    }
  }

  async #detach(mountPoint: string, reason: string): Promise<string> {
    const warning = `The mount "${mountPoint}" was detached while in use (${reason}): programs that still have files open there get errors`;
    this.#deps.logger.warn({ session: this.#id }, warning);
    await this.#deps.mounts.unmount(mountPoint, { lazy: true });
    return warning;
  }

  async #stopProcess(options: { cut?: boolean } = {}): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    // Not the current process any more: that it ends is expected.
    this.#process = undefined;
    const { graceful } = await process.stop(options);
    if (!graceful) this.#deps.logger.error({ session: this.#id }, 'The volume server was killed');
  }

  #setConnection(connection: Connection | undefined): void {
    const before = this.#connection;
    if (before === connection) return;
    this.#connection = connection;
    this.#deps.onConnection(this.#id, connection);
    before?.close();
  }

  #setDown(problem: string | undefined): void {
    this.#phase = problem === undefined ? 'unmounted' : 'down';
    this.#problem = problem;
  }
}
