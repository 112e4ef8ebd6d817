/**
 * Numbers on the command line.
 */

import { SessfsError } from '../shared/errors.ts';

/** @throws {SessfsError} USAGE If it is no whole number above 0. */
export function parseCount(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number > 0) return number;
  throw new SessfsError('USAGE', `Cannot use ${what} "${text}": want a number above 0`);
}
