/**
 * sessfs daemon: the supervisor in the foreground, until it is told to stop.
 *
 * Signals: SIGTERM and SIGINT unmount and end it; SIGHUP makes it the program on disk; SIGUSR2 ends it
 * and leaves the mounts to a service manager that keeps their descriptors.
 */

import type { Command } from 'commander';

import type { Daemon } from '../daemon/daemon.ts';
import { findStoreRoot } from '../daemon/store-layout.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

/** After this long a daemon that cannot stop gives up, in milliseconds; init systems kill at 90 s. */
const STOP_DEADLINE_MS = 80_000;

interface DaemonCommandOptions extends CommonOptions {
  readonly stopWithStdin?: boolean;
  readonly check?: boolean;
}

export function addDaemon(program: Command): void {
  const command = program
    .command('daemon')
    .description('Run the daemon in the foreground; its log goes to standard error')
    .option('--stop-with-stdin', 'stop when standard input ends (for programs that start it)')
    .option('--check', 'only check that it would start');
  withCommon(command, 'sessfs daemon --root /srv/sessfs').action(run);
}

async function run(options: DaemonCommandOptions): Promise<void> {
  const abort = new AbortController();
  let leave = false;
  const asked = new Promise<void>((resolve) => {
    const end = (): void => {
      abort.abort();
      resolve();
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
    process.on('SIGUSR2', () => {
      leave = true;
      end();
    });
    if (options.stopWithStdin === true) {
      process.stdin.on('end', end).on('error', end);
      process.stdin.resume();
    }
  });
  let daemon: Daemon | undefined;
  process.on('SIGHUP', () => {
    daemon?.upgrade().catch((error: unknown) => {
      daemon?.logger.error({ err: error }, 'Cannot upgrade');
    });
  });
  // Loaded here, so that other commands start without what only the daemon needs.
  const { checkDaemon, startDaemon } = await import('../daemon/daemon.ts');
  const { KernelMounts } = await import('../daemon/kernel-mounts.ts');
  const root = findStoreRoot(options.root);
  if (options.check === true) {
    checkDaemon(root);
    return;
  }
  const { signal } = abort;
  daemon = await startDaemon({ root, mounts: new KernelMounts(root), signal });
  const ready = { pid: process.pid, root: daemon.root, socket: daemon.socketPath };
  if (daemon.generation === 0) {
    if (options.json === true) printJson({ ready });
    else printLine(`sessfs: ready, pid ${ready.pid}, store ${ready.root}`);
  }
  await asked;
  // A daemon that hangs on its way out would keep its store locked for ever.
  const { logger } = daemon;
  setTimeout(() => {
    logger.fatal('Could not stop in time: exiting all the same');
    process.exit(1);
  }, STOP_DEADLINE_MS).unref();
  await (leave ? daemon.leave() : daemon.stop());
  process.exit(0);
}
