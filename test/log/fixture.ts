/**
 * Logs for tests: records whose content is told by their revision, and the list of what a replay gives.
 */

import type { ActorId, LogPos, Revision } from '../../src/shared/brands.ts';
import { SessfsError } from '../../src/shared/errors.ts';
import type { Time } from '../../src/shared/time.ts';
import { Log } from '../../src/log/log.ts';
import type { LogOptions, LogRecord } from '../../src/log/log.ts';
import type { MemoryDisk } from './memory-disk.ts';

export const VOLUME = '0123456789abcdef0123456789abcdef';
export const DIR = '/log';
export const SEGMENT_0 = `${DIR}/00000000.seg`;
export const SEGMENT_1 = `${DIR}/00000001.seg`;

export const timeOf = (revision: number): Time => ({ sec: 1000 + revision, nsec: revision });

export interface Seen {
  readonly revision: number;
  readonly payload: string;
  readonly dataLength: number;
}

export const toSeen = (record: LogRecord): Seen => ({
  revision: record.revision,
  payload: record.payload.toString('latin1'),
  dataLength: record.dataLength,
});

export const revisionsOf = (seen: readonly Seen[]): number[] => seen.map((each) => each.revision);

export const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

export interface Opened {
  readonly log: Log;
  readonly seen: readonly Seen[];
}

export async function openLog(disk: MemoryDisk, more: Partial<LogOptions> = {}): Promise<Opened> {
  const seen: Seen[] = [];
  const log = await Log.open({
    dir: DIR,
    volumeId: VOLUME,
    clock: { now: () => timeOf(0) },
    disk,
    onRecord: (record) => {
      seen.push(toSeen(record));
    },
    ...more,
  });
  return { log, seen };
}

/** Appends records first to last, with `dataBytes` of data each, and gives where each one starts. */
export function appendRecords(
  log: Log,
  range: { first: number; last: number; dataBytes?: number; seed?: number },
): LogPos[] {
  const positions: LogPos[] = [];
  for (const revision of upTo(range.last, range.first)) {
    appendOne(
      log,
      revision,
      range.dataBytes === undefined ? undefined : dataOf(revision, range.dataBytes, range.seed),
    );
    positions.push(log.recordPos);
  }
  return positions;
}

export function appendOne(log: Log, revision: number, data?: Uint8Array): LogPos {
  const payload = Buffer.from(`event ${revision}`, 'latin1');
  return log.append(
    {
      revision: revision as Revision,
      time: timeOf(revision),
      unique: revision * 2,
      actor: 7 as ActorId,
      type: 3,
    },
    payload,
    payload.length,
    data,
  );
}

export const dataOf = (revision: number, length: number, seed = 0): Buffer =>
  Buffer.alloc(length, `${seed} data of ${revision};`);

/** The code of the SessfsError that something fails with, and its message. */
export async function failureOf(
  action: Promise<unknown>,
): Promise<{ code: string; message: string }> {
  try {
    await action;
  } catch (error) {
    if (error instanceof SessfsError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 'none', message: '' };
}
