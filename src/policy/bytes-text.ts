/**
 * How many bytes, as a person writes it: "10GB", "500MiB", "none".
 *
 * Rule: formatBytes is exact, and parseBytes reads the same number from it.
 */

import { SessfsError } from '../shared/errors.ts';

/** Powers of 1000 and of 1024, each by its own name: "10G" could be either and is neither. */
const UNITS: readonly { readonly name: string; readonly bytes: number }[] = [
  { name: 'PiB', bytes: 1024 ** 5 },
  { name: 'PB', bytes: 1000 ** 5 },
  { name: 'TiB', bytes: 1024 ** 4 },
  { name: 'TB', bytes: 1000 ** 4 },
  { name: 'GiB', bytes: 1024 ** 3 },
  { name: 'GB', bytes: 1000 ** 3 },
  { name: 'MiB', bytes: 1024 ** 2 },
  { name: 'MB', bytes: 1000 ** 2 },
  { name: 'KiB', bytes: 1024 },
  { name: 'KB', bytes: 1000 },
  { name: 'B', bytes: 1 },
];

const NONE = 'none';
const BYTES = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i;

/**
 * Reads a number of bytes.
 *
 * @param text A number, perhaps with a fraction, and B, KB, MB, GB, TB, PB (powers of 1000) or KiB to
 *   PiB (powers of 1024), in any case; "none" for no limit.
 * @returns Bytes; Infinity is no limit.
 * @throws {SessfsError} USAGE If it is none of these, not a whole number of bytes, or 2^53 or more.
 */
export function parseBytes(text: string): number {
  if (text === NONE) return Infinity;
  const [, digits, name] = BYTES.exec(text) ?? [];
  const unit = UNITS.find((each) => each.name.toLowerCase() === name?.toLowerCase());
  if (digits === undefined || unit === undefined) {
    throw unreadable(text, 'want for example 10GB, 500MiB or none');
  }
  const bytes = Number(digits) * unit.bytes;
  if (!Number.isSafeInteger(bytes)) throw unreadable(text, 'want a whole number below 8PiB');
  return bytes;
}

/** Writes a number of bytes exactly, in the largest unit that divides it. */
export function formatBytes(bytes: number): string {
  if (bytes === Infinity) return NONE;
  const unit = UNITS.find((each) => bytes > 0 && bytes % each.bytes === 0);
  return unit === undefined ? `${bytes}B` : `${bytes / unit.bytes}${unit.name}`;
}

function unreadable(text: string, reason: string): SessfsError {
  return new SessfsError('USAGE', `Cannot read size ${JSON.stringify(text)}: ${reason}`);
}
