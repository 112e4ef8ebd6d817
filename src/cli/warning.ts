/**
 * A command that did its work, but not all of it well: said on standard error, and in the exit code.
 */

import { EXIT_CODES } from '../shared/errors.ts';

/** @param warning Nothing happens if there is none. */
export function finish(warning: string | undefined): void {
  if (warning === undefined) return;
  process.stderr.write(`sessfs: warning: ${warning}\n`);
  process.exitCode = EXIT_CODES.PARTLY_DONE;
}
