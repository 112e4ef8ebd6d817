/**
 * Whether the program on disk would start, asked before this process becomes it: after that there is no
 * way back.
 */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { SessfsError } from '../shared/errors.ts';

/** How long a check may take, in milliseconds. */
const CHECK_TIMEOUT_MS = 30_000;
/** The argument with which a volume server loads its code and does nothing else. */
export const CHECK_ARGUMENT = '--check';

const run = promisify(execFile);

/** @throws {SessfsError} FAILED With what the program said. */
export async function checkProgram(root: string): Promise<void> {
  const program = process.argv[1] ?? '';
  const server = fileURLToPath(new URL('volume-server.js', import.meta.url));
  const { execArgv } = process;
  for (const args of [
    [...execArgv, program, 'daemon', CHECK_ARGUMENT, '--root', root],
    [server, CHECK_ARGUMENT],
  ]) {
    try {
      await run(process.execPath, args, { timeout: CHECK_TIMEOUT_MS });
    } catch (error) {
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
      throw new SessfsError(
        'FAILED',
        `Cannot upgrade: the program on disk does not start: ${said === '' ? String(error) : said}`,
        { hint: 'Nothing has changed, everything runs on; install it again', cause: error },
      );
    }
  }
}
