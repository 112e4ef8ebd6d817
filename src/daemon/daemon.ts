/**
 * The daemon from start to exit. What start() opens in order, stop() closes in the reverse.
 */

import { fileURLToPath } from 'node:url';

import type { Logger } from 'pino';

import { ControlServer } from '../control/http-server.ts';
import { loadConfig, watchConfig } from './config.ts';
import { makeLogger } from './logger.ts';
import type { MountPort } from './mount-port.ts';
import { prepareStore, storeLayout } from './store-layout.ts';
import { StoreLock } from './store-lock.ts';
import { supervisorRoutes } from './supervisor-routes.ts';
import { Supervisor } from './supervisor.ts';
import { readVersion } from './version.ts';

/** How long commands under way may take after the daemon was asked to stop, in milliseconds. */
const COMMAND_DRAIN_MS = 5_000;

export interface DaemonOptions {
  readonly root: string;
  readonly mounts: MountPort;
  /** The program of a volume server; the built one beside this file. */
  readonly serverScript?: string;
}

export interface RunningDaemon {
  readonly root: string;
  readonly socketPath: string;
  readonly logger: Logger;
  stop(): Promise<void>;
}

/** @throws {SessfsError} DAEMON_RUNNING, CONFIG_INVALID, STORE_FOREIGN: then nothing was started. */
export async function startDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  const layout = storeLayout(options.root);
  prepareStore(layout);
  const lock = StoreLock.acquire(layout);
  try {
    const config = loadConfig(layout.configFile);
    const logger = makeLogger('supervisor', config.logLevel);
    const supervisor = new Supervisor({
      layout,
      mounts: options.mounts,
      serverScript:
        options.serverScript ?? fileURLToPath(new URL('volume-server.js', import.meta.url)),
      logger,
      config,
      version: readVersion(),
    });
    await supervisor.clean();
    const control = await ControlServer.listen({
      socketPath: layout.controlSocket,
      routes: supervisorRoutes(supervisor),
      onError: (error, on) => logger.warn({ err: error, on }, 'A command failed'),
    });
    // Commands are answered already: a session with a long log must not keep them waiting.
    await supervisor.mountAll();
    const watcher = watchConfig({
      path: layout.configFile,
      current: config,
      onChange: (changed) => {
        supervisor.configure(changed);
        logger.info('The configuration was loaded again');
      },
      onInvalid: (error) => logger.error({ err: error }, 'The configuration stays as it was'),
    });
    logger.info({ root: layout.root, socket: layout.controlSocket }, 'Ready');
    return {
      root: layout.root,
      socketPath: layout.controlSocket,
      logger,
      stop: async () => {
        logger.info('Stopping');
        await watcher.close();
        await supervisor.stop();
        await control.close(COMMAND_DRAIN_MS);
        lock.release();
        logger.info('Stopped');
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
