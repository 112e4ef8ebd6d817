/**
 * `damaged.json` of a volume: what a repair has left that cannot be read, so that it is not found anew.
 *
 * Gaps tell of themselves in the log; content that fails its checksum is only noted here.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { DAMAGE_FILE, IRREPLACEABLE } from '../volume/open-parts.ts';
import type { DataDamage } from './damage.ts';

export interface KnownDamage {
  readonly format: 1;
  /** `rebuilt`: the index follows from the log as it is, gaps and all; else it knows more than the log. */
  readonly index: 'kept' | 'continued' | 'rebuilt';
  readonly data: readonly DataDamage[];
  /** With gaps in the log and an index that knows more: it must not be made anew by itself. */
  readonly [IRREPLACEABLE]: boolean;
  /** Inodes that are still to get a name in /lost+found. */
  readonly nameless: readonly number[];
}

const NONE: KnownDamage = {
  format: 1,
  index: 'kept',
  data: [],
  [IRREPLACEABLE]: false,
  nameless: [],
};

/** One that cannot be read knows of nothing: then it is found once more. */
export function readKnownDamage(volumeDir: string): KnownDamage {
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(join(volumeDir, DAMAGE_FILE), 'utf8'));
  } catch {
    return NONE;
  }
  return isKnownDamage(value) ? value : NONE;
}

export function writeKnownDamage(volumeDir: string, known: KnownDamage): void {
  writeFileDurably(join(volumeDir, DAMAGE_FILE), `${JSON.stringify(known, undefined, 1)}\n`);
}

/** Either the old file or the new one, whatever happens meanwhile. */
export function writeFileDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  const fd = fs.openSync(temporary, 'w', 0o600);
  try {
    fs.writeSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(temporary, path);
  syncDirectory(join(path, '..'));
}

export function syncDirectory(path: string): void {
  const fd = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function isKnownDamage(value: unknown): value is KnownDamage {
  if (typeof value !== 'object' || value === null) return false;
  if (!('format' in value) || value.format !== 1 || !('data' in value)) return false;
  return Array.isArray(value.data) && 'nameless' in value && Array.isArray(value.nameless);
}
