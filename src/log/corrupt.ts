/**
 * What is told of a file of the log that does not hold.
 */

import { SessfsError } from '../shared/errors.ts';

export const CORRUPT_HINT =
  'Nothing was changed. See what is damaged with "sessfs fsck SESSION", then restore the file from a backup or use --repair';

/** @param problem What is wrong, and where. */
export function corruptFile(path: string, problem: string): SessfsError {
  const message = `Cannot read log "${path}": ${problem}`;
  return new SessfsError('LOG_CORRUPT', message, { hint: CORRUPT_HINT });
}

export function foreignFile(path: string, what: string): SessfsError {
  return new SessfsError('STORE_FOREIGN', `Cannot use log "${path}": ${what}`, {
    hint: 'Take the file away if it does not belong here, or use the sessfs that made it',
  });
}
