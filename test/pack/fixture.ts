/**
 * Logs to be packed: records of files with content that is told by a seed, and what of it is alive.
 */

import type { ActorId, LogPos, Revision, SegmentId } from '../../src/shared/brands.ts';
import { Log } from '../../src/log/log.ts';
import type { LogOptions } from '../../src/log/log.ts';
import type { Disk } from '../../src/log/disk.ts';
import { offsetOf, segmentOf } from '../../src/log/segment.ts';
import { loadZstd } from '../../src/log/zstd.ts';
import { ChunkStore } from '../../src/pack/chunk-store.ts';
import { collectPacks } from '../../src/pack/collect-packs.ts';
import type { CollectResult, PackResult } from '../../src/pack/jobs.ts';
import { packSegment } from '../../src/pack/pack-segment.ts';
import type { Pace } from '../../src/pack/pack-segment.ts';
import { DIR, VOLUME, timeOf } from '../log/fixture.ts';

export { DIR, VOLUME } from '../log/fixture.ts';

const WRITE_TYPE = 6;

/** Numbers below 2^32 that look like chance, the same for a seed (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

export function randomBytes(length: number, seed: number): Buffer {
  const random = makeRandom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(random(), at);
  for (let at = length - (length % 4); at < length; at++) bytes[at] = random() & 0xff;
  return bytes;
}

/** What a write put where. */
export interface Written {
  readonly pos: LogPos;
  readonly data: Buffer;
}

let openedRecords: { revision: number; type: number; payload: string; dataLength: number }[] = [];

/** What the last open was given. */
export const replayed = (): typeof openedRecords => openedRecords;

export async function openPackLog(disk: Disk, more: Partial<LogOptions> = {}): Promise<Log> {
  const seen: typeof openedRecords = [];
  openedRecords = seen;
  return Log.open({
    dir: DIR,
    volumeId: VOLUME,
    clock: { now: () => timeOf(0) },
    disk,
    onRecord: ({ revision, type, payload, dataLength }) => {
      seen.push({ revision, type, payload: payload.toString('latin1'), dataLength });
    },
    ...more,
  });
}

/** A write to a file, in records of at most `recordBytes`. */
export function writeFile(
  log: Log,
  ino: number,
  data: Buffer,
  recordBytes = 128 * 1024,
): Written[] {
  const written: Written[] = [];
  for (let at = 0; at < data.length; at += recordBytes) {
    written.push(writeRecord(log, ino, data.subarray(at, at + recordBytes), at));
  }
  return written;
}

export function writeRecord(log: Log, ino: number, data: Buffer, start = 0): Written {
  const payload = Buffer.alloc(19);
  payload.writeUIntLE(ino, 0, 6);
  payload.writeUIntLE(start, 6, 6);
  payload.writeUIntLE(start, 12, 6);
  return { pos: appendEvent(log, WRITE_TYPE, payload, data), data };
}

export function appendEvent(log: Log, type: number, payload: Buffer, data?: Buffer): LogPos {
  const revision = (log.lastRevision + 1) as Revision;
  const header = { revision, time: timeOf(revision), unique: 0, actor: 1 as ActorId, type };
  return log.append(header, payload, payload.length, data);
}

/** The ranges of one segment in which this content is. */
export function rangesIn(id: SegmentId, written: readonly Written[]): number[] {
  return written
    .filter(({ pos }) => segmentOf(pos) === id)
    .flatMap(({ pos, data }) => [offsetOf(pos), offsetOf(pos) + data.length]);
}

export async function loadStore(disk: Disk, packBytes?: number): Promise<ChunkStore> {
  await loadZstd();
  return ChunkStore.load({ disk, dir: DIR, volumeId: VOLUME, packBytes });
}

/** Packs a segment as the worker does, and has the log read it. */
export async function pack(
  log: Log,
  disk: Disk,
  options: {
    id: SegmentId;
    alive: readonly number[];
    store?: ChunkStore;
    pace?: Pace;
    packBytes?: number;
  },
): Promise<PackResult> {
  await log.sync();
  const { id, alive, pace = async () => {} } = options;
  const store = options.store ?? (await loadStore(disk, options.packBytes));
  try {
    const result = await packSegment({ disk, dir: DIR, volumeId: VOLUME, id, alive, store, pace });
    await log.adoptPacked(id);
    return result;
  } finally {
    if (options.store === undefined) store.close();
  }
}

export async function collect(log: Log, disk: Disk, threshold: number): Promise<CollectResult> {
  await loadZstd();
  return collectPacks({
    disk,
    dir: DIR,
    volumeId: VOLUME,
    threshold,
    pace: async () => {},
    onRewritten: (ids, oldPacks) => log.refreshPacked(ids, oldPacks),
  });
}
