/**
 * The daemon from start to exit, or to the program that it becomes. What start() opens in order, stop()
 * closes in the reverse.
 */

import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Logger } from 'pino';

import { ControlServer } from '../control/http-server.ts';
import type { UpgradeReply } from '../control/protocol.ts';
import { loadConfig, watchConfig } from './config.ts';
import type { Config } from './config.ts';
import { DescriptorName, execSelf, takeHandover } from './handover.ts';
import type { Handover } from './handover.ts';
import { takeInherited } from './inherited.ts';
import { duplicateDescriptor, makeListeningSocket } from './listening-socket.ts';
import { makeLogger } from './logger.ts';
import type { MountPort } from './mount-port.ts';
import { checkProgram } from './preflight.ts';
import { Registry } from './registry.ts';
import { ServiceManager } from './service-manager.ts';
import { SessionCommands } from './session-commands.ts';
import { Sessions } from './sessions.ts';
import { StoreClock } from './store-clock.ts';
import { prepareStore, storeLayout } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';
import { StoreLock } from './store-lock.ts';
import { daemonRoutes } from './daemon-routes.ts';
import { Supervisor } from './supervisor.ts';
import { Sweeps } from './sweeps.ts';
import { readVersion } from './version.ts';

/** How long commands under way may take after the daemon was asked to stop, in milliseconds. */
const COMMAND_DRAIN_MS = 5_000;
/** A watchdog is fed so many times in its period. */
const WATCHDOG_FACTOR = 3;

export interface DaemonOptions {
  readonly root: string;
  readonly mounts: MountPort;
  /** The program of a volume server; the built one beside this file. */
  readonly serverScript?: string;
  /** Aborted: mounts nothing more, and is soon ready to be stopped. */
  readonly signal?: AbortSignal;
}

/** @throws {SessfsError} DAEMON_RUNNING, CONFIG_INVALID, STORE_FOREIGN: then nothing was started. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const layout = storeLayout(options.root);
  prepareStore(layout);
  // What a service manager kept and what this process handed to itself have the same names.
  const inherited = takeInherited(process.env);
  const handed = takeHandover(process.env);
  const handover = { ...handed, descriptors: new Map([...inherited, ...handed.descriptors]) };
  const lockFd = handover.descriptors.get(DescriptorName.lock);
  const lock = lockFd === undefined ? StoreLock.acquire(layout) : StoreLock.adopt(lockFd);
  try {
    const config = loadConfig(layout.configFile);
    const logger = makeLogger('supervisor', config.logLevel);
    const daemon = new Daemon({ ...options, layout, lock, config, logger, handover });
    await daemon.start();
    return daemon;
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Parts extends DaemonOptions {
  readonly layout: StoreLayout;
  readonly lock: StoreLock;
  readonly config: Config;
  readonly logger: Logger;
  readonly handover: Handover;
}

export class Daemon {
  readonly #parts: Parts;
  readonly #manager: ServiceManager | undefined;
  readonly #supervisor: Supervisor;
  readonly #commands: SessionCommands;
  readonly #clock: StoreClock;
  readonly #sweeps: Sweeps;
  #control: ControlServer | undefined;
  #controlFd: number;
  #watcher: { close: () => Promise<void> } | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #upgrading: Promise<UpgradeReply> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { layout, logger, config, handover } = parts;
    this.#manager = ServiceManager.find(process.env, { logger });
    this.#controlFd =
      handover.descriptors.get(DescriptorName.control) ?? makeListeningSocket(layout.controlSocket);
    const sessions = new Sessions({
      layout,
      mounts: parts.mounts,
      serverScript:
        parts.serverScript ?? fileURLToPath(new URL('volume-server.js', import.meta.url)),
      logger,
      config,
      serviceManager: this.#manager,
    });
    this.#commands = new SessionCommands(sessions);
    const commands = this.#commands;
    this.#clock = new StoreClock({ path: layout.clockFile, logger });
    this.#sweeps = new Sweeps({ sessions, commands, clock: this.#clock });
    this.#supervisor = new Supervisor(sessions, {
      version: readVersion(),
      generation: handover.generation,
    });
  }

  get root(): string {
    return this.#parts.layout.root;
  }

  get socketPath(): string {
    return this.#parts.layout.controlSocket;
  }

  get logger(): Logger {
    return this.#parts.logger;
  }

  /** How many programs this process has been before. */
  get generation(): number {
    return this.#parts.handover.generation;
  }

  async start(): Promise<void> {
    const { layout, config, logger, handover, signal } = this.#parts;
    const supervisor = this.#supervisor;
    const descriptors = new Map(handover.descriptors);
    descriptors.delete(DescriptorName.lock);
    descriptors.delete(DescriptorName.control);
    try {
      this.#feedWatchdog();
      await supervisor.stopOrphans();
      this.#letGo(supervisor.adopt({ ...handover, descriptors }));
      await supervisor.cleanMounts();
      await this.#listen();
      supervisor.start();
      // Commands are answered already: a session with a long log must not keep them waiting.
      await supervisor.mountAll(signal);
    } catch (error) {
      await this.#control?.close(0);
      await supervisor.stop();
      throw error;
    }
    this.#watcher = watchConfig({
      path: layout.configFile,
      current: config,
      onChange: (changed) => {
        supervisor.configure(changed);
        logger.info('The configuration was loaded again');
      },
      onInvalid: (error) => logger.error({ err: error }, 'The configuration stays as it was'),
    });
    this.#clock.start();
    this.#sweeps.start();
    this.#manager?.ready();
    logger.info({ root: layout.root, socket: layout.controlSocket }, 'Ready');
    // After an upgrade the supervisor is new, and its volume servers are still the old ones.
    if (handover.generation > 0) void supervisor.replaceServers();
  }

  /** Unmounts everything and lets go of the store. */
  async stop(): Promise<void> {
    await this.#end(() => this.#supervisor.stop());
  }

  /**
   * Ends, and leaves the mounts to the next daemon, which the service manager gives their descriptors.
   *
   * Without a service manager nobody would keep them: then this is stop().
   */
  async leave(): Promise<void> {
    const manager = this.#manager;
    if (manager === undefined) {
      this.logger.warn('No service manager keeps the mounts: they are taken down');
      await this.stop();
      return;
    }
    await this.#end(() => this.#supervisor.leave());
    await manager.flushed();
  }

  /**
   * Becomes the program that is on disk now, and has it replace the volume servers one by one.
   *
   * Resolves before it happens: whoever asked has to get an answer first.
   *
   * @throws {SessfsError} FAILED If that program would not start: then everything runs on.
   */
  async upgrade(): Promise<UpgradeReply> {
    this.#upgrading ??= this.#prepareUpgrade().catch((error: unknown) => {
      this.#upgrading = undefined;
      throw error;
    });
    return this.#upgrading;
  }

  async #prepareUpgrade(): Promise<UpgradeReply> {
    await checkProgram(this.root);
    await this.#supervisor.prepareHandover();
    setImmediate(() => {
      this.#becomeSuccessor().catch((error: unknown) => {
        this.logger.error({ err: error }, 'The upgrade failed: everything runs on as it was');
        this.#upgrading = undefined;
      });
    });
    return { generation: this.generation + 1 };
  }

  async #becomeSuccessor(): Promise<void> {
    const { lock } = this.#parts;
    this.logger.info('Becoming the program on disk');
    this.#manager?.reloading();
    // The socket goes on listening through its other descriptor: who connects now waits a moment.
    const controlFd = duplicateDescriptor(this.#controlFd);
    await this.#control?.close(COMMAND_DRAIN_MS);
    this.#controlFd = controlFd;
    await this.#sweeps.stop();
    try {
      const { descriptors, servers } = await this.#supervisor.handOver();
      const all = new Map(descriptors).set(DescriptorName.control, controlFd);
      if (lock.fd !== undefined) all.set(DescriptorName.lock, lock.fd);
      execSelf({ generation: this.generation + 1, descriptors: all, servers });
    } catch (error) {
      this.#supervisor.takeBack();
      await this.#listen();
      this.#sweeps.start();
      this.#manager?.ready();
      throw error;
    }
  }

  /**
   * Of mounts that went while nobody was there.
   *
   * Before new ones have their names: a service manager that kept both would hand back the wrong one.
   */
  #letGo(descriptors: ReadonlyMap<string, number>): void {
    for (const [name, fd] of descriptors) {
      // A second one of a name ("#2") cannot be dropped without the first, which may be in use.
      if (!name.includes('#')) this.#manager?.dropDescriptor(name);
      closeSync(fd);
    }
  }

  async #listen(): Promise<void> {
    this.#control = await ControlServer.listen({
      socketPath: this.socketPath,
      listeningFd: this.#controlFd,
      routes: daemonRoutes({
        supervisor: this.#supervisor,
        commands: this.#commands,
        sweeps: this.#sweeps,
        layout: this.#parts.layout,
        upgrade: () => this.upgrade(),
      }),
      onError: (error, on) => this.logger.warn({ err: error, on }, 'A command failed'),
    });
  }

  async #end(endSupervisor: () => Promise<void>): Promise<void> {
    this.logger.info('Stopping');
    this.#manager?.stopping();
    clearInterval(this.#watchdog);
    await this.#watcher?.close();
    await this.#sweeps.stop();
    await endSupervisor();
    await this.#control?.close(COMMAND_DRAIN_MS);
    await this.#clock.stop();
    this.#parts.lock.release();
    this.logger.info('Stopped');
  }

  #feedWatchdog(): void {
    const periodMs = this.#manager?.watchdogMs;
    if (periodMs === undefined) return;
    this.#watchdog = setInterval(() => this.#manager?.watchdog(), periodMs / WATCHDOG_FACTOR);
  }
}

/** @throws {SessfsError} If the daemon could not start on this store: for an upgrade, before it is tried. */
export function checkDaemon(root: string): void {
  const layout = storeLayout(root);
  loadConfig(layout.configFile);
  Registry.open(layout.sessionsDir);
}
