/**
 * The command's entry: parses, runs, and turns what went wrong into a sentence and an exit code.
 */

import { CommanderError } from 'commander';

import { EXIT_CODES } from '../shared/errors.ts';
import { exitCodeOf, isJsonAsked, printFailure } from './failure.ts';
import { makeProgram } from './program.ts';

const INTERRUPTED = 130;

async function main(): Promise<void> {
  // `sessfs log f | head`: the reader has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : EXIT_CODES.FAILED);
  });
  const program = makeProgram();
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said it already; --help and --version are no failures.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_CODES.USAGE;
      return;
    }
    printFailure(error, { json: isJsonAsked(process.argv) });
    process.exitCode = exitCodeOf(error);
  }
}

/** Only for commands: the daemon replaces this with its own way out. */
process.once('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 0) process.exit(INTERRUPTED);
});

await main();
