/**
 * The sessions of a store: what the registry keeps of each, how each is served, and whose turn it is.
 */

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { Logger } from 'pino';

import type { SweepStatus } from '../control/promise-protocol.ts';
import type { SessionInfo, SessionRecord } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import type { Config } from './config.ts';
import { DescriptorName } from './handover.ts';
import { prepareDefaultMountPoint } from './mount-point.ts';
import type { MountPort } from './mount-port.ts';
import { Registry } from './registry.ts';
import { Reserve } from './reserve.ts';
import type { ServiceManager } from './service-manager.ts';
import type { Connection } from './session-connection.ts';
import { SessionServer } from './session-server.ts';
import type { StoreLayout } from './store-layout.ts';
import { Turns } from './turns.ts';

/** How long a mount that was taken away counts as mounted for the next start, in milliseconds. */
const OUTSIDE_GRACE_MS = 2_000;

export interface SessionsOptions {
  readonly layout: StoreLayout;
  readonly mounts: MountPort;
  /** The program of a volume server. */
  readonly serverScript: string;
  readonly logger: Logger;
  readonly config: Config;
  /** Keeps descriptors for the case that this process dies. */
  readonly serviceManager: ServiceManager | undefined;
}

export class Sessions {
  readonly options: SessionsOptions;
  readonly registry: Registry;
  readonly reserve: Reserve;
  config: Config;
  /** What the sweeps of each session came to; nothing of one that was not swept yet. */
  readonly sweeps = new Map<string, SweepStatus>();
  /** The daemon ends: what is mounted now would outlive it. */
  isStopping = false;
  readonly #servers = new Map<string, SessionServer>();
  readonly #turns = new Turns();
  /** What has happened meanwhile, while that is put off. */
  #held: { id: string; work: () => Promise<void> }[] | undefined;

  constructor(options: SessionsOptions) {
    this.options = options;
    this.config = options.config;
    this.reserve = new Reserve(options.layout.root);
    this.registry = Registry.open(options.layout.sessionsDir);
  }

  get logger(): Logger {
    return this.options.logger;
  }

  /** Something is under way. */
  get isBusy(): boolean {
    return this.#turns.isBusy;
  }

  /** How each session is served that was ever looked at. */
  get servers(): ReadonlyMap<string, SessionServer> {
    return this.#servers;
  }

  /** Runs work on a session when everything asked for before is over. */
  inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(id, work);
  }

  describe(record: SessionRecord): SessionInfo {
    return { ...record, server: this.server(record.id).info, sweep: this.sweeps.get(record.id) };
  }

  /**
   * @param session An id or a name.
   *
   * @throws {SessfsError} SESSION_UNKNOWN
   */
  getRecord(session: string): SessionRecord {
    const record = this.registry.find(session);
    if (record !== undefined) return record;
    throw new SessfsError(
      'SESSION_UNKNOWN',
      `Cannot find session "${session}": no such id or name`,
      {
        hint: 'List the sessions: sessfs list',
      },
    );
  }

  /** How a session is served. */
  server(id: string): SessionServer {
    let server = this.#servers.get(id);
    if (server === undefined) {
      const { layout, mounts, serverScript, logger } = this.options;
      server = new SessionServer(id, {
        layout,
        mounts,
        reserve: this.reserve,
        serverScript,
        logger,
        config: () => this.config,
        upToDate: (record) => ({ ...record, quota: this.registry.find(record.id)?.quota }),
        onUnmountedOutside: (gone) => this.#markUnmounted(gone),
        onConnection: (of, connection) => this.#keepDescriptors(of, connection),
        inTurn: (work) => this.#follow(id, work),
      });
      this.#servers.set(id, server);
    }
    return server;
  }

  /**
   * Puts off what follows from deaths and knocks, so that there is a moment in which nothing is under way.
   *
   * Where servers die all the time there would be none. A successor finds out by itself what happened.
   */
  holdEvents(): void {
    this.#held ??= [];
  }

  releaseEvents(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { id, work } of held) this.#follow(id, work);
  }

  #follow(id: string, work: () => Promise<void>): void {
    if (this.#held !== undefined) {
      this.#held.push({ id, work });
      return;
    }
    this.#turns.run(id, work).catch((error: unknown) => {
      const { logger } = this.options;
      logger.error({ session: id, err: error }, 'Cannot follow the end of a volume server');
    });
  }

  /** Mounts and serves a session; its turn is the caller's. */
  async mountRecord(record: SessionRecord): Promise<SessionInfo> {
    const { layout } = this.options;
    if (record.mountPoint === join(layout.mountsDir, record.id)) {
      await prepareDefaultMountPoint(record, this.options.mounts);
    }
    await this.server(record.id).mount(record);
    this.options.logger.info({ session: record.id, mountPoint: record.mountPoint }, 'Mounted');
    return this.describe(record);
  }

  /** A session is no more. */
  forget(id: string): void {
    this.#servers.delete(id);
    this.sweeps.delete(id);
  }

  #keepDescriptors(id: string, connection: Connection | undefined): void {
    const manager = this.options.serviceManager;
    const [fuse, vitals] = [DescriptorName.fuse(id), DescriptorName.vitals(id)];
    if (connection === undefined) {
      manager?.dropDescriptor(fuse);
      manager?.dropDescriptor(vitals);
      return;
    }
    manager?.storeDescriptor(fuse, connection.descriptors.fuse);
    manager?.storeDescriptor(vitals, connection.descriptors.vitals);
  }

  /**
   * Remembers that an operator has unmounted a session.
   *
   * Not at once: a host that shuts down unmounts everything while it tells the daemon to stop, and what
   * was mounted then has to be mounted again when it is back.
   */
  #markUnmounted(id: string): void {
    const mark = async (): Promise<void> => {
      await delay(OUTSIDE_GRACE_MS, undefined, { ref: false });
      if (this.isStopping || (await this.options.serviceManager?.isHostStopping()) === true) return;
      await this.#turns.run(id, async () => {
        const record = this.registry.find(id);
        if (record === undefined || this.isStopping || this.server(id).isMounted) return;
        await this.registry.put({ ...record, mounted: false });
      });
    };
    mark().catch((error: unknown) => {
      this.options.logger.error({ session: id, err: error }, 'Cannot write the registry');
    });
  }
}
