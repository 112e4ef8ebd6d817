/**
 * The bytes of the command's arguments. Node decodes them as UTF-8 and puts U+FFFD where that fails,
 * which loses names that are not UTF-8; the kernel still has them.
 */

import { readFileSync } from 'node:fs';

import { nameFromText } from '../shared/names.ts';

const REPLACEMENT = '\uFFFD';

/** The bytes behind an argument, one char per byte. */
export function bytesOfArgument(argument: string, cmdline?: Buffer): string {
  if (!argument.includes(REPLACEMENT)) return nameFromText(argument);
  const raw = cmdline ?? readFileSync('/proc/self/cmdline');
  for (const candidate of raw.toString('latin1').split('\0')) {
    if (Buffer.from(candidate, 'latin1').toString('utf8') === argument) return candidate;
  }
  return nameFromText(argument);
}
