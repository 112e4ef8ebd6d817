/**
 * The process that serves one volume: opens it, answers the kernel and the volume's control socket.
 *
 * It is disposable: it holds nothing that its log does not have, and says so on its way out by syncing.
 * Started by the supervisor only (see volume-server-options.ts).
 */

import { writeSync } from 'node:fs';

import type { Logger } from 'pino';

import { decodeTrusted } from '../control/json.ts';
import { ControlServer } from '../control/http-server.ts';
import { encodeWireError } from '../control/wire-error.ts';
import { Connection } from '../fuse/connection.ts';
import type { ConnectionInfo, FileSystem } from '../fuse/file-system.ts';
import type { OperationStats } from '../fuse/message-stats.ts';
import { keepHeapSmall } from '../shared/heap.ts';
import { makeLogger } from './logger.ts';
import { openVolume } from './open-volume.ts';
import { CHECK_ARGUMENT } from './preflight.ts';
import type { ServedVolume } from './open-volume.ts';
import { volumeRoutes } from './volume-api.ts';
import { Vitals } from './vitals.ts';
import { EVENT_FD, FUSE_FD, VITALS_FD } from './volume-server-options.ts';
import type { VolumeServerEvent, VolumeServerOptions } from './volume-server-options.ts';

/** How long commands under way may take once the server was told to stop, in milliseconds. */
const COMMAND_DRAIN_MS = 2_000;

/** What serves the kernel. */
interface Frontend {
  /** Resolves when the mount is gone. */
  readonly ended: Promise<void>;
  stats(): Readonly<Record<string, OperationStats>> | undefined;
  /** Answers what is under way, then no more. */
  stop(): Promise<void>;
}

async function main(): Promise<void> {
  if (process.argv[2] === CHECK_ARGUMENT) return;
  keepHeapSmall();
  const options = decodeTrusted<VolumeServerOptions>(process.argv[2] ?? '{}');
  const logger = makeLogger('volume', options.logLevel, { session: options.sessionId });
  // The supervisor tells it when to stop; a terminal's Ctrl-C is not meant for it.
  process.on('SIGINT', () => undefined);
  try {
    await serve(options, logger);
  } catch (error) {
    logger.error({ err: error }, 'The volume cannot be served');
    tell({ event: 'failed', error: encodeWireError(error) });
    process.exitCode = 1;
  }
}

async function serve(options: VolumeServerOptions, logger: Logger): Promise<void> {
  const vitals = options.serve === 'kernel' ? new Vitals(VITALS_FD) : undefined;
  let frontend: Frontend | undefined;
  const countRequests = (): number =>
    Object.values(frontend?.stats() ?? {}).reduce((sum, { count }) => sum + count, 0);
  const served = await openVolume(options, { logger, open: vitals, countRequests });
  let control: ControlServer | undefined;
  let stopping: Promise<void> | undefined;
  const stop = (cut = false): Promise<void> => {
    stopping ??= shutDown({ served, frontend, control, logger, cut });
    return stopping;
  };
  const routes = volumeRoutes({
    served,
    connectionStats: () => frontend?.stats(),
    setLogLevel: (level) => {
      logger.level = level;
    },
    // Not awaited by the request: its reply has to leave before the socket closes.
    stop: ({ cut }) => setImmediate(() => void stop(cut)),
  });
  try {
    control = await ControlServer.listen({
      socketPath: options.socketPath,
      routes,
      onError: (error, on) => logger.debug({ err: error, on }, 'A command failed'),
    });
    frontend = await openFrontend(options, { served, vitals, logger });
  } catch (error) {
    await control?.close(0);
    await served.retention.stop();
    await served.volume.close();
    throw error;
  }
  process.on('SIGTERM', () => void stop());
  tell({ event: 'ready' });
  if (frontend === undefined) return;
  await frontend.ended;
  if (stopping === undefined) tell({ event: 'ended' });
  await stop();
}

/** Drains, syncs, closes; the process then ends by itself, or at the deadline of its supervisor. */
async function shutDown(parts: {
  served: ServedVolume;
  frontend: Frontend | undefined;
  control: ControlServer | undefined;
  logger: Logger;
  cut: boolean;
}): Promise<void> {
  const { served, frontend, control, logger, cut } = parts;
  try {
    // Whoever waits for a sweep is told at once that it ends here.
    const swept = served.retention.stop();
    // Commands first: the kernel is told of what a rollback changed through the frontend.
    await control?.close(COMMAND_DRAIN_MS);
    await frontend?.stop();
    await swept;
    if (cut) served.volume.cutChanged();
    await served.volume.close();
    process.exit(0);
  } catch (error) {
    logger.error({ err: error }, 'The volume could not be closed well');
    process.exit(1);
  }
}

async function openFrontend(
  options: VolumeServerOptions,
  parts: { served: ServedVolume; vitals: Vitals | undefined; logger: Logger },
): Promise<Frontend | undefined> {
  const { served, vitals, logger } = parts;
  if (options.serve === 'none') return undefined;
  return vitals === undefined
    ? openNativeFrontend(options, served.fileSystem, logger)
    : openKernelFrontend(options, { served, vitals, logger });
}

/** Resolves when INIT is over: from then on a successor knows what it needs to resume. */
async function openKernelFrontend(
  { predecessor }: VolumeServerOptions,
  { served, vitals, logger }: { served: ServedVolume; vitals: Vitals; logger: Logger },
): Promise<Frontend> {
  let onConnected: (() => void) | undefined;
  const connected = new Promise<void>((resolve) => (onConnected = resolve));
  const connection = new Connection({
    fd: FUSE_FD,
    fileSystem: withConnected(served.fileSystem, (info) => {
      // Before INIT is answered: a successor that does not know of it could not go on.
      if (predecessor?.connection === undefined) {
        vitals.connected(info, served.volume.status().revision);
      }
      onConnected?.();
    }),
    logger,
    resume: predecessor?.connection,
    takeover: predecessor !== undefined,
    poison: predecessor?.givenUp ?? [],
    pulse: vitals,
  });
  const ended = connection.run();
  // A mount that is gone before it began is told by `ended`.
  await Promise.race([connected, ended]);
  const stop = async (): Promise<void> => {
    await connection.stop();
    vitals.drained();
  };
  return { ended, stats: () => connection.stats(), stop };
}

async function openNativeFrontend(
  options: VolumeServerOptions,
  fileSystem: FileSystem,
  logger: Logger,
): Promise<Frontend> {
  const { serveNative } = await import('../fuse/native-driver.ts');
  const native = await serveNative({
    mountPoint: options.mountPoint,
    fileSystem,
    fsName: options.fsName,
    owner: { uid: options.uid, gid: options.gid },
    allowOther: options.options.allowOther,
    dev: options.options.dev,
    suid: options.options.suid,
    logger,
  });
  return {
    // libfuse tells nobody that the mount was taken away: the supervisor sees it in mountinfo.
    ended: new Promise(() => undefined),
    stats: () => undefined,
    stop: async () => {
      // Busy, or gone already: the supervisor detaches what is left.
      await native
        .unmount()
        .catch((error: unknown) => logger.warn({ err: error }, 'Not unmounted'));
    },
  };
}

/** The same file system, with an ear at what the kernel agreed to. */
function withConnected(
  fileSystem: FileSystem,
  onConnected: (info: ConnectionInfo) => void,
): FileSystem {
  const connected = fileSystem.connected?.bind(fileSystem);
  fileSystem.connected = (info, notifier) => {
    connected?.(info, notifier);
    onConnected(info);
  };
  return fileSystem;
}

/** Best effort: a supervisor that was killed does not listen, and the mount is served all the same. */
function tell(event: VolumeServerEvent): void {
  try {
    writeSync(EVENT_FD, `${JSON.stringify(event)}\n`);
  } catch {
    // EPIPE
  }
}

await main();
