/**
 * How a command fails: one sentence and a hint on standard error (JSON with --json), and an exit code.
 */

import { encodeWireError } from '../control/wire-error.ts';
import { EXIT_CODES } from '../shared/errors.ts';

export function exitCodeOf(error: unknown): number {
  return EXIT_CODES[encodeWireError(error).code];
}

export function isJsonAsked(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes('--json');
}

export function printFailure(error: unknown, options: { json: boolean }): void {
  const wire = encodeWireError(error);
  if (options.json) {
    process.stderr.write(`${JSON.stringify({ error: wire })}\n`);
    return;
  }
  const hint = wire.hint === undefined ? '' : `  ${wire.hint}\n`;
  process.stderr.write(`sessfs: ${wire.message}\n${hint}`);
  // What nobody foresaw needs its stack; what was foreseen has its sentence.
  if (process.env['SESSFS_DEBUG'] !== undefined && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
}
