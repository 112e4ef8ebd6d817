/**
 * The supervisor: which sessions there are, and what becomes of each. It owns the mounts and starts the
 * volume servers; it never opens a volume itself.
 *
 * Rule: it must not wait for a mount of its own from the event loop: such a wait ends only when a volume
 * server answers, and who would start that one?
 */

import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { Logger } from 'pino';

import { callJson } from '../control/http-client.ts';
import type {
  CreateRequest,
  DaemonStatus,
  SessionInfo,
  SessionRecord,
} from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { SystemClock, timeToIso } from '../shared/time.ts';
import type { Config } from './config.ts';
import { cleanStaleMounts, stopOrphans } from './leftovers.ts';
import { prepareDefaultMountPoint, prepareMountPoint } from './mount-point.ts';
import type { MountPort } from './mount-port.ts';
import { planSession } from './new-session.ts';
import { Registry, SESSION_NAME } from './registry.ts';
import { SessionServer } from './session-server.ts';
import { volumeDir, volumeSocket } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';
import { Turns } from './turns.ts';

/** More servers that start at once only take each other's CPU. */
const MOUNTS_AT_ONCE = 4;
/** How long a volume server may take to take over a setting, in milliseconds. */
const CONFIGURE_TIMEOUT_MS = 15_000;

export interface SupervisorOptions {
  readonly layout: StoreLayout;
  readonly mounts: MountPort;
  readonly serverScript: string;
  readonly logger: Logger;
  readonly config: Config;
  readonly version: string;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #registry: Registry;
  readonly #servers = new Map<string, SessionServer>();
  readonly #turns = new Turns();
  readonly #clock = new SystemClock();
  readonly #started: string;
  #config: Config;
  #isStopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#registry = Registry.open(options.layout.sessionsDir);
    this.#started = this.#now();
  }

  /** Cleans up what a daemon before this one left: its volume servers, its mounts. */
  async clean(): Promise<void> {
    const records = this.#registry.list();
    const { layout, mounts, logger, serverScript } = this.#options;
    await stopOrphans({ layout, logger, serverScript });
    await cleanStaleMounts(records, { layout, mounts, logger });
  }

  /** Mounts what was mounted; a session that cannot be is down, with its reason, and the others go on. */
  async mountAll(): Promise<void> {
    const waiting = this.#registry
      .list()
      .filter((record) => record.mounted && record.state === 'active');
    const mountNext = async (): Promise<void> => {
      for (let record = waiting.shift(); record !== undefined; record = waiting.shift()) {
        const { id } = record;
        await this.#turns
          .run(id, () => this.#mountRecord(this.#getRecord(id)))
          .catch((error: unknown) => {
            this.#options.logger.error({ session: id, err: error }, 'Cannot mount again');
          });
      }
    };
    await Promise.all(Array.from({ length: MOUNTS_AT_ONCE }, mountNext));
  }

  /** Unmounts and stops everything; what was mounted stays so in the registry. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#servers].map(([id, server]) =>
        this.#turns
          .run(id, () => server.stop())
          .catch((error: unknown) => {
            this.#options.logger.error({ session: id, err: error }, 'Cannot stop the session');
          }),
      ),
    );
  }

  /** A session that is mounted while the others are unmounted would outlive the daemon. */
  #assertRunning(): void {
    if (!this.#isStopping) return;
    throw new SessfsError('DAEMON_UNREACHABLE', 'Cannot mount: the daemon is stopping', {
      hint: 'Try again once it is started anew',
    });
  }

  configure(config: Config): void {
    this.#config = config;
    this.#options.logger.level = config.logLevel;
    for (const server of this.#servers.values()) {
      if (server.info.pid === undefined) continue;
      void callJson({
        socketPath: server.socketPath,
        method: 'POST',
        path: '/v1/configure',
        body: { logLevel: config.logLevel },
        timeoutMs: CONFIGURE_TIMEOUT_MS,
      }).catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'Cannot configure a volume server');
      });
    }
  }

  status(): DaemonStatus {
    return {
      pid: process.pid,
      version: this.#options.version,
      root: this.#options.layout.root,
      started: this.#started,
      rssBytes: process.memoryUsage.rss(),
      sessions: this.list(),
    };
  }

  list(): SessionInfo[] {
    return this.#registry.list().map((record) => this.#describe(record));
  }

  /** @throws {SessfsError} SESSION_UNKNOWN */
  get(session: string): SessionInfo {
    return this.#describe(this.#getRecord(session));
  }

  async create(request: CreateRequest): Promise<SessionInfo> {
    const { name } = request;
    this.#assertRunning();
    if (name !== undefined) this.#assertNameFree(name);
    // One after the other as far as the name and the mount point are concerned.
    const record = await this.#turns.run('create', async () => {
      if (name !== undefined) this.#assertNameFree(name);
      const made = await planSession(request, {
        layout: this.#options.layout,
        mounts: this.#options.mounts,
        defaults: this.#config.sessionDefaults,
        taken: this.#registry.list(),
        created: this.#now(),
      });
      await this.#registry.put(made);
      return made;
    });
    return this.#turns.run(record.id, async () => {
      try {
        this.#assertRunning();
        return await this.#mountRecord(record);
      } catch (error) {
        await this.#forget(record);
        throw error;
      }
    });
  }

  /** @param mountPoint Another one than before, from now on. */
  async mount(session: string, mountPoint?: string): Promise<SessionInfo> {
    const { id } = this.#getRecord(session);
    return this.#turns.run(id, async () => {
      const record = this.#getRecord(id);
      this.#assertActive(record, 'mount');
      const server = this.#server(id);
      const isElsewhere = mountPoint !== undefined && mountPoint !== record.mountPoint;
      this.#assertRunning();
      if (server.isMounted && isElsewhere) {
        throw new SessfsError(
          'SESSION_STATE',
          `Cannot mount session ${id} at "${mountPoint}": it is mounted at "${record.mountPoint}"`,
          { hint: `Unmount it first: sessfs unmount ${id}` },
        );
      }
      const place = isElsewhere
        ? await prepareMountPoint(mountPoint, this.#options.mounts)
        : record.mountPoint;
      const changed = { ...record, mounted: true, mountPoint: place };
      const info = await this.#mountRecord(changed);
      await this.#registry.put(changed);
      return { ...info, ...changed };
    });
  }

  async unmount(session: string): Promise<SessionInfo & { warning?: string }> {
    const { id } = this.#getRecord(session);
    return this.#turns.run(id, async () => {
      const record = { ...this.#getRecord(id), mounted: false };
      await this.#registry.put(record);
      const warning = await this.#server(id).unmount();
      return withWarning(this.#describe(record), warning);
    });
  }

  /** Ends a session: unmounted for good, its history stays. */
  async end(session: string): Promise<SessionInfo & { warning?: string }> {
    const { id } = this.#getRecord(session);
    return this.#turns.run(id, async () => {
      const record = this.#getRecord(id);
      if (record.state === 'ended') return this.#describe(record);
      const ended = { ...record, state: 'ended' as const, ended: this.#now(), mounted: false };
      const warning = await this.#server(id).unmount();
      await this.#registry.put(ended);
      return withWarning(this.#describe(ended), warning);
    });
  }

  /** Removes a session with all its history. */
  async delete(session: string): Promise<SessionInfo> {
    const { id } = this.#getRecord(session);
    return this.#turns.run(id, async () => {
      const info = this.#describe(this.#getRecord(id));
      await this.#server(id).stop();
      await this.#forget(info);
      return info;
    });
  }

  /**
   * The socket of a session's volume server, started if need be, for as long as `release` is not called.
   *
   * @param options.mayChange The request changes files: refused for a session that has ended.
   */
  async borrowVolume(
    session: string,
    options: { mayChange: boolean },
  ): Promise<{ socketPath: string; release: () => void }> {
    const { id } = this.#getRecord(session);
    return this.#turns.run(id, async () => {
      const record = this.#getRecord(id);
      if (options.mayChange) this.#assertActive(record, 'change');
      const server = this.#server(id);
      await server.ensureRunning(record);
      return { socketPath: server.socketPath, release: server.use() };
    });
  }

  async #mountRecord(record: SessionRecord): Promise<SessionInfo> {
    const { layout } = this.#options;
    if (record.mountPoint === join(layout.mountsDir, record.id)) {
      await prepareDefaultMountPoint(record, this.#options.mounts);
    }
    await this.#server(record.id).mount(record);
    this.#options.logger.info({ session: record.id, mountPoint: record.mountPoint }, 'Mounted');
    return this.#describe(record);
  }

  async #forget(record: SessionRecord): Promise<void> {
    const { layout, mounts } = this.#options;
    this.#servers.delete(record.id);
    await this.#registry.remove(record.id);
    await rm(volumeDir(layout, record.id), { recursive: true, force: true });
    await rm(volumeSocket(layout, record.id), { force: true });
    const own = join(layout.mountsDir, record.id);
    // rmdir and never rm: if the mount were still there, that would empty the session.
    if (!mounts.isMounted(own)) await rmdir(own).catch(() => undefined);
  }

  #server(id: string): SessionServer {
    let server = this.#servers.get(id);
    if (server === undefined) {
      const { layout, mounts, serverScript, logger } = this.#options;
      server = new SessionServer(id, {
        layout,
        mounts,
        serverScript,
        logger,
        config: () => this.#config,
        onUnmountedOutside: (gone) => this.#markUnmounted(gone),
        inTurn: (work) => {
          this.#turns.run(id, work).catch((error: unknown) => {
            logger.error({ session: id, err: error }, 'Cannot follow the end of a volume server');
          });
        },
      });
      this.#servers.set(id, server);
    }
    return server;
  }

  #markUnmounted(id: string): void {
    const record = this.#registry.find(id);
    if (record === undefined || this.#isStopping) return;
    void this.#turns
      .run(id, () => this.#registry.put({ ...record, mounted: false }))
      .catch((error: unknown) => {
        this.#options.logger.error({ session: id, err: error }, 'Cannot write the registry');
      });
  }

  #describe(record: SessionRecord): SessionInfo {
    return { ...record, server: this.#server(record.id).info };
  }

  #getRecord(session: string): SessionRecord {
    const record = this.#registry.find(session);
    if (record !== undefined) return record;
    throw new SessfsError(
      'SESSION_UNKNOWN',
      `Cannot find session "${session}": no such id or name`,
      {
        hint: 'List the sessions: sessfs list',
      },
    );
  }

  #assertActive(record: SessionRecord, action: string): void {
    if (this.#isStopping) {
      throw new SessfsError('DAEMON_UNREACHABLE', `Cannot ${action}: the daemon is stopping`);
    }
    if (record.state === 'active') return;
    throw new SessfsError(
      'SESSION_STATE',
      `Cannot ${action} session ${record.id}: it ended at ${record.ended ?? 'an unknown time'}`,
      { hint: 'Its history can still be read: sessfs log, cat, diff, export' },
    );
  }

  #assertNameFree(name: string): void {
    if (!SESSION_NAME.test(name)) {
      throw new SessfsError(
        'USAGE',
        `Cannot name a session "${name}": the name has other characters`,
        {
          hint: 'Use up to 64 letters, digits, ".", "_" and "-", and begin with a letter or digit',
        },
      );
    }
    const holder = this.#registry.find(name);
    if (holder === undefined) return;
    throw new SessfsError(
      'SESSION_EXISTS',
      `Cannot create session "${name}": ${holder.id} has that name`,
      {
        hint: 'Choose another name, or delete that session',
      },
    );
  }

  #now(): string {
    return timeToIso(this.#clock.now());
  }
}

function withWarning(
  info: SessionInfo,
  warning: string | undefined,
): SessionInfo & { warning?: string } {
  return warning === undefined ? info : { ...info, warning };
}
