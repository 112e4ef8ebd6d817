/**
 * What a request for a quota says, read by whoever sends it and by whoever answers it.
 *
 * Rule: JSON has no NaN and no infinity, and makes null of them, which takes a limit away: a request is read
 * before it is sent as well.
 */

import { SessfsError } from '../shared/errors.ts';
import type { OwnQuota, QuotaKind } from '../volume/quota.ts';
import { isFields } from './json.ts';
import type { Fields } from './json.ts';
import type { SetQuotaRequest } from './promise-protocol.ts';

/** What each limit is called in a request. */
const KINDS = new Map<string, QuotaKind>([
  ['live', 'liveBytes'],
  ['history', 'historyBytes'],
  ['inodes', 'inodes'],
  ['versions', 'versions'],
]);

export interface QuotaChange {
  /** What is left out stays as it is; null is no limit. */
  readonly change: OwnQuota;
  /** Also below what is used. */
  readonly isForced: boolean;
}

/** @throws {SessfsError} USAGE */
export function parseQuotaRequest(body: SetQuotaRequest | Fields): QuotaChange {
  const change: { [Kind in QuotaKind]?: number | null } = {};
  let isForced = false;
  for (const [name, value] of Object.entries(body)) {
    const kind = KINDS.get(name);
    if (value === undefined) continue;
    if (kind !== undefined && isLimit(value)) change[kind] = value;
    else if (name === 'force' && typeof value === 'boolean') isForced = value;
    else throw refuse(name, value);
  }
  if (Object.keys(change).length > 0) return { change, isForced };
  throw new SessfsError('USAGE', 'Cannot set a quota: no limit is named', {
    hint: `Name one or more of ${[...KINDS.keys()].join(', ')}`,
  });
}

/** @returns undefined if it is no quota as a session's record keeps it. */
export function readOwnQuota(value: unknown): OwnQuota | undefined {
  if (!isFields(value)) return undefined;
  const own: { [Kind in QuotaKind]?: number | null } = {};
  for (const kind of KINDS.values()) {
    const limit = value[kind];
    if (limit === undefined) continue;
    if (!isLimit(limit)) return undefined;
    own[kind] = limit;
  }
  return own;
}

/** True of what a limit may be: a whole number from 1 below 2^53, or null for none. */
function isLimit(value: unknown): value is number | null {
  return value === null || (Number.isSafeInteger(value) && Number(value) >= 1);
}

function refuse(name: string, value: unknown): SessfsError {
  const seen = typeof value === 'number' ? String(value) : JSON.stringify(value);
  const wanted = KINDS.has(name)
    ? 'a whole number from 1 below 2^53, or null for no limit'
    : name === 'force'
      ? 'true or false'
      : `one of ${[...KINDS.keys(), 'force'].join(', ')}`;
  const what =
    KINDS.has(name) || name === 'force' ? `"${name}" is ${seen}` : `"${name}" is unknown`;
  return new SessfsError('USAGE', `Cannot set a quota: ${what}, want ${wanted}`);
}
