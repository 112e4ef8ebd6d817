/**
 * The supervisor: what becomes of all sessions when the daemon starts, goes on as another program, and
 * ends. It owns the mounts and starts the volume servers; it never opens a volume itself.
 *
 * Rule: it must not wait for a mount of its own from the event loop: such a wait ends only when a volume
 * server answers, and who would start that one?
 */

import { setTimeout as delay } from 'node:timers/promises';

import { callJson } from '../control/http-client.ts';
import type { DaemonStatus, SessionRecord } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { SystemClock, timeToIso } from '../shared/time.ts';
import type { Config } from './config.ts';
import { DescriptorName } from './handover.ts';
import type { Handover, RunningServer } from './handover.ts';
import { cleanStaleMounts, stopOrphans } from './leftovers.ts';
import { Connection } from './session-connection.ts';
import type { SessionServer } from './session-server.ts';
import type { Sessions } from './sessions.ts';
import { VolumeProcess } from './volume-process.ts';
import { policyTextFor } from './volume-server-options.ts';

/** More servers that start at once only take each other's CPU. */
const MOUNTS_AT_ONCE = 4;
/** How long one of them may take as far as a service manager is concerned, in seconds. */
const MOUNT_TIMEOUT_S = 600;
/** How long a volume server may take to take over a setting, in milliseconds. */
const CONFIGURE_TIMEOUT_MS = 15_000;
/** How often sessions are looked after: the grain of idle times, in milliseconds. */
const TICK_MS = 1_000;
/** Between two looks at whether work under way has ended, in milliseconds. */
const QUIET_POLL_MS = 1;
/** How long to wait for that, in milliseconds. */
const QUIET_TIMEOUT_MS = 60_000;

export interface SupervisorOptions {
  readonly version: string;
  /** How many programs this process has been before. */
  readonly generation: number;
}

export class Supervisor {
  readonly #sessions: Sessions;
  readonly #options: SupervisorOptions;
  readonly #started = timeToIso(new SystemClock().now());
  #ticker: NodeJS.Timeout | undefined;
  /** Sessions whose volume server is of the program that this process was before. */
  readonly #toReplace = new Set<string>();
  #upgradeProblem: string | undefined;

  constructor(sessions: Sessions, options: SupervisorOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  /** Looks after the sessions from here on. */
  start(): void {
    this.#sessions.reserve.restore();
    this.#ticker = setInterval(() => {
      this.#sessions.reserve.restore();
      for (const [id, server] of this.#sessions.servers) {
        const record = server.isRunning ? this.#sessions.registry.find(id) : undefined;
        if (record !== undefined) server.tick(record);
      }
    }, TICK_MS).unref();
  }

  /**
   * Goes on with mounts that were handed over: their descriptors, and the volume servers that run.
   *
   * @returns The descriptors that belong to no mount of this store, by name.
   */
  adopt({ descriptors, servers }: Handover): ReadonlyMap<string, number> {
    const unused = new Map(descriptors);
    for (const record of this.#sessions.registry.list()) {
      const [fuse, vitals] = [DescriptorName.fuse(record.id), DescriptorName.vitals(record.id)];
      const [fuseFd, vitalsFd] = [unused.get(fuse), unused.get(vitals)];
      if (fuseFd === undefined || vitalsFd === undefined) continue;
      if (!record.mounted || !this.#sessions.options.mounts.isMountOf(record)) continue;
      unused.delete(fuse);
      unused.delete(vitals);
      const server = this.#sessions.server(record.id);
      const process = this.#adoptProcess(servers.get(record.id), server.socketPath);
      if (process !== undefined) this.#toReplace.add(record.id);
      server.adopt(record, Connection.adopt(fuseFd, vitalsFd), process);
      this.#sessions.logger.info({ session: record.id }, 'Goes on with the mount');
    }
    return unused;
  }

  #adoptProcess(running: RunningServer | undefined, socketPath: string): VolumeProcess | undefined {
    if (running === undefined) return undefined;
    const { stopTimeoutSeconds } = this.#sessions.config;
    return VolumeProcess.adopt(running, { socketPath, stopTimeoutSeconds });
  }

  /** What a successor needs to go on, once nothing is under way: descriptors by name, running servers. */
  async handOver(): Promise<Pick<Handover, 'descriptors' | 'servers'>> {
    this.#sessions.holdEvents();
    const endsAt = performance.now() + QUIET_TIMEOUT_MS;
    while (this.#sessions.isBusy) {
      if (performance.now() > endsAt) {
        throw new SessfsError(
          'FAILED',
          `Cannot hand over: sessions were still being changed after ${QUIET_TIMEOUT_MS / 1000} s`,
          { hint: 'Try again when mounts, repairs and the like are over' },
        );
      }
      await delay(QUIET_POLL_MS);
    }
    const descriptors = new Map<string, number>();
    const servers = new Map<string, RunningServer>();
    for (const [id, server] of this.#sessions.servers) {
      const { connection, process } = server.handover ?? {};
      if (connection === undefined) continue;
      descriptors.set(DescriptorName.fuse(id), connection.descriptors.fuse);
      descriptors.set(DescriptorName.vitals(id), connection.descriptors.vitals);
      if (process?.pid === undefined) continue;
      servers.set(id, { pid: process.pid, eventFd: process.eventFd });
    }
    return { descriptors, servers };
  }

  /**
   * Stops what cannot be handed over: servers that only answer commands.
   *
   * @throws {SessfsError} SESSION_STATE If a mount would end with its server.
   */
  async prepareHandover(): Promise<void> {
    const native = [...this.#sessions.servers].filter(([, { driver }]) => driver === 'fuse-native');
    if (native.length > 0) {
      throw new SessfsError(
        'SESSION_STATE',
        `Cannot upgrade: sessions mounted with fuse-native end with their servers: ${native.map(([id]) => id).join(', ')}`,
        { hint: 'Unmount them first, or stop the daemon and start it anew' },
      );
    }
    for (const [id, server] of this.#sessions.servers) {
      await this.#sessions.inTurn(id, () => server.stopDetached());
    }
  }

  /** There is no successor after all. */
  takeBack(): void {
    this.#sessions.releaseEvents();
  }

  /** Ends volume servers of a daemon before this one: their volumes and connections are ours now. */
  async stopOrphans(): Promise<void> {
    const { layout, logger, serverScript } = this.#sessions.options;
    await stopOrphans({ layout, logger, serverScript });
  }

  /** Detaches mounts that a daemon before this one left and did not hand over. */
  async cleanMounts(): Promise<void> {
    const { layout, mounts, logger } = this.#sessions.options;
    const records = this.#sessions.registry.list();
    const served = new Set(
      records
        .filter((record) => this.#sessions.servers.get(record.id)?.isMounted === true)
        .map((record) => record.mountPoint),
    );
    await cleanStaleMounts(records, { layout, mounts, logger, served });
  }

  /** Mounts what was mounted; a session that cannot be is down, with its reason, and the others go on. */
  async mountAll(signal?: AbortSignal): Promise<void> {
    const waiting = this.#sessions.registry
      .list()
      .filter((record) => record.mounted && record.state === 'active')
      .filter((record) => this.#sessions.servers.get(record.id)?.isMounted !== true);
    const mountNext = async (): Promise<void> => {
      for (let record = waiting.shift(); record !== undefined; record = waiting.shift()) {
        if (this.#sessions.isStopping || signal?.aborted === true) return;
        this.#sessions.options.serviceManager?.extendTimeout(MOUNT_TIMEOUT_S);
        const { id } = record;
        await this.#sessions
          .inTurn(id, async () => {
            const current = this.#sessions.registry.find(id);
            if (current?.mounted === true) await this.#sessions.mountRecord(current);
          })
          .catch((error: unknown) => {
            this.#sessions.logger.error({ session: id, err: error }, 'Cannot mount again');
          });
      }
    };
    await Promise.all(Array.from({ length: MOUNTS_AT_ONCE }, mountNext));
  }

  /** Puts servers of the code on disk in the place of those that run, one by one. */
  async replaceServers(): Promise<void> {
    for (const id of this.#toReplace) {
      const server = this.#sessions.server(id);
      await this.#sessions
        .inTurn(id, async () => {
          const record = this.#sessions.registry.find(id);
          if (record !== undefined && !this.#sessions.isStopping) await server.replace(record);
        })
        .catch((error: unknown) => {
          this.#sessions.logger.error({ session: id, err: error }, 'Cannot replace the server');
        });
      this.#toReplace.delete(id);
      const { state, problem } = server.info;
      if (problem === undefined || this.#sessions.isStopping) continue;
      // A program whose servers do not serve must not take down one session after the other.
      this.#upgradeProblem = `${this.#toReplace.size} servers were left as they are, because ${id} is ${state}: ${problem}`;
      this.#sessions.logger.error(this.#upgradeProblem);
      this.#toReplace.clear();
    }
  }

  configure(config: Config): void {
    this.#sessions.config = config;
    this.#sessions.logger.level = config.logLevel;
    for (const id of this.#sessions.servers.keys()) {
      this.#configureServer(id).catch((error: unknown) => {
        this.#sessions.logger.warn({ session: id, err: error }, 'Cannot configure a volume server');
      });
    }
  }

  /** One that runs; others are told at their start. */
  async #configureServer(id: string): Promise<void> {
    // One that is being started may have been told what held before.
    const server = await this.#sessions.inTurn(id, async () => this.#sessions.servers.get(id));
    const record = this.#sessions.registry.find(id);
    if (record === undefined || server?.isRunning !== true) return;
    // What holds now, should there have been another change meanwhile.
    const { config } = this.#sessions;
    await callJson({
      socketPath: server.socketPath,
      method: 'POST',
      path: '/v1/configure',
      body: { logLevel: config.logLevel, retention: policyTextFor(config, record) },
      timeoutMs: CONFIGURE_TIMEOUT_MS,
    });
  }

  status(): DaemonStatus {
    return {
      pid: process.pid,
      version: this.#options.version,
      root: this.#sessions.options.layout.root,
      started: this.#started,
      rssBytes: process.memoryUsage.rss(),
      generation: this.#options.generation,
      toReplace: this.#toReplace.size,
      upgradeProblem: this.#upgradeProblem,
      sessions: this.#sessions.registry.list().map((record) => this.#sessions.describe(record)),
    };
  }

  /** Stops every volume server and leaves the mounts to the next daemon: their descriptors are kept. */
  async leave(): Promise<void> {
    await this.#stopEach((server) => server.leave());
  }

  /** Unmounts and stops everything; what was mounted stays so in the registry. */
  async stop(): Promise<void> {
    await this.#stopEach((server, record) => server.unmount(record));
  }

  async #stopEach(
    stop: (server: SessionServer, record: SessionRecord) => Promise<unknown>,
  ): Promise<void> {
    this.#sessions.isStopping = true;
    clearInterval(this.#ticker);
    await Promise.all(
      [...this.#sessions.servers].map(([id, server]) =>
        this.#sessions
          .inTurn(id, async () => {
            const record = this.#sessions.registry.find(id);
            if (record !== undefined) await stop(server, record);
          })
          .catch((error: unknown) => {
            this.#sessions.logger.error({ session: id, err: error }, 'Cannot stop the session');
          }),
      ),
    );
  }
}
