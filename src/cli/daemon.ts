/**
 * sessfs daemon: the supervisor in the foreground, until it is told to stop.
 */

import type { Command } from 'commander';

import { findStoreRoot } from '../daemon/store-layout.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

/** After this long a daemon that cannot stop gives up, in milliseconds; init systems kill at 90 s. */
const STOP_DEADLINE_MS = 80_000;

export function addDaemon(program: Command): void {
  const command = program
    .command('daemon')
    .description('Run the daemon in the foreground; its log goes to standard error')
    .option('--stop-with-stdin', 'stop when standard input ends (for programs that start it)');
  withCommon(command, 'sessfs daemon --root /srv/sessfs').action(run);
}

async function run(options: CommonOptions & { stopWithStdin?: boolean }): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    // SIGHUP is the end of the terminal: without its daemon a mount would hang on.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => resolve());
    }
    if (options.stopWithStdin === true) {
      process.stdin.on('end', () => resolve()).on('error', () => resolve());
      process.stdin.resume();
    }
  });
  // Loaded here, so that other commands start without what only the daemon needs.
  const { startDaemon } = await import('../daemon/daemon.ts');
  const { KernelMounts } = await import('../daemon/kernel-mounts.ts');
  const root = findStoreRoot(options.root);
  const daemon = await startDaemon({ root, mounts: new KernelMounts(root) });
  const ready = { pid: process.pid, root: daemon.root, socket: daemon.socketPath };
  if (options.json === true) printJson({ ready });
  else printLine(`sessfs: ready, pid ${ready.pid}, store ${ready.root}`);
  await asked;
  // A daemon that hangs on its way out would keep its store locked for ever.
  setTimeout(() => {
    daemon.logger.fatal('Could not stop in time: exiting all the same');
    process.exit(1);
  }, STOP_DEADLINE_MS).unref();
  await daemon.stop();
  process.exit(0);
}
