/**
 * Opens what a log's directory holds: checks, replays, and cuts off what a crash left at the end.
 *
 * Rule: what was once on disk for certain is there, or the log is refused. How far that was is told by
 * the records (each says how far was synced when it was written) and by the file "synced". A record
 * that does not hold behind that point is where the log ends, also if later ones hold: a disk writes
 * in any order between two syncs. In words: FORMAT.md, «Recovery».
 */

import type { LogPos, Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { EPOCH } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import type { ByteSource } from './byte-source.ts';
import type { Disk } from './disk.ts';
import { findLastRecord } from './last-record.ts';
import type { FoundRecord } from './last-record.ts';
import { loadPackedCode } from './packed-code.ts';
import { RecordReader } from './record-reader.ts';
import type { Predecessor } from './record-reader.ts';
import type { LogRecord } from './record.ts';
import { SEGMENT_HEADER_BYTES, offsetOf, segmentOf } from './segment.ts';
import { RESTORE_HINT, corruptError, openRecords, readChain } from './segment-files.ts';
import type { Break, Chain, ChainLink, SegmentFile } from './segment-files.ts';
import { syncDirectory } from './syncer.ts';

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly dir: string;
  readonly volumeId: string;
  readonly from: LogPos | undefined;
  readonly onRecord: (record: LogRecord) => void | Promise<void>;
  /** A log may be made here. */
  readonly create: boolean;
  /** The revision up to which all was on disk, as far as that was written down. */
  readonly synced: number | undefined;
}

export interface Recovered {
  /** Never empty; the last one is where the log goes on. */
  readonly links: readonly ChainLink[];
  /** Where the last record ends, in the last segment. */
  readonly size: number;
  /** The checksum of the last record, or of the last segment's header. */
  readonly lastCrc: number;
  readonly lastRevision: Revision;
  readonly lastTime: Time;
  /** Known to be on disk. */
  readonly syncedRevision: Revision;
  /** Where the first record begins that is not; undefined if all are. */
  readonly unsyncedFrom: LogPos | undefined;
  readonly tornTail: TornTail | undefined;
}

/** What was cut off the end. */
export interface TornTail {
  readonly path: string;
  readonly offset: number;
  /** In this segment and those after it, which are gone. */
  readonly bytes: number;
  readonly problem: string;
}

/** Where replay is: in which link, where in it, and after what. */
interface Cursor {
  index: number;
  at: number;
  predecessor: Predecessor;
  unsyncedFrom?: LogPos;
}

/**
 * @returns undefined If there is no log, or only the beginning of a first segment.
 * @throws {SessfsError} LOG_CORRUPT, STORE_FOREIGN, or INDEX_CORRUPT if `from` is not in the log.
 */
export async function recoverLog(options: RecoveryOptions): Promise<Recovered | undefined> {
  const { disk, dir, volumeId } = options;
  const chain = readChain(disk, dir, volumeId);
  if (chain.files.some(({ isPacked }) => isPacked)) await loadPackedCode();
  const last = findLast(disk, chain);
  const synced = Math.max(options.synced ?? 0, last?.synced ?? 0, chain.packedUpTo);
  if (synced > (last?.record.revision ?? 0)) throw lostError(dir, chain, synced);
  const start = findStart(options, chain, synced);
  const cursor = start.predecessor.revision > synced ? startBefore(chain, synced) : { ...start };
  const broken = await replay(options, chain, { synced, start }, cursor);
  if (broken !== undefined) {
    // Of the first segment nothing holds: given up only if it may be one that was just being made.
    const isUnborn = last === undefined && options.synced === undefined && options.create;
    if (cursor.index < 0 && !isUnborn) throw corruptError(broken);
    if (synced > cursor.predecessor.revision) throw damageError(broken, cursor, synced);
    if (cursor.predecessor.revision < start.predecessor.revision) throw aheadError(options);
  }
  await removeSuperseded(disk, dir, chain);
  if (broken !== undefined) await cutTail(disk, dir, chain.files, broken);
  const links = chain.links.slice(0, cursor.index + 1);
  const link = links.at(-1);
  if (link === undefined) return undefined;
  return {
    links,
    size: cursor.at,
    lastCrc: cursor.predecessor.crc ?? link.headerCrc,
    lastRevision: cursor.predecessor.revision as Revision,
    lastTime: cursor.predecessor.time,
    syncedRevision: synced as Revision,
    unsyncedFrom: cursor.unsyncedFrom,
    tornTail: broken === undefined ? undefined : describeTail(chain, broken),
  };
}

function findLast(disk: Disk, chain: Chain): FoundRecord | undefined {
  for (const file of chain.files.toReversed()) {
    const { id, mark, size: end } = file;
    const found = withFile(disk, file, (source) => findLastRecord(source, { id, mark, end }));
    if (found !== undefined) return found;
  }
  return undefined;
}

function findStart(options: RecoveryOptions, chain: Chain, synced: number): Cursor {
  const { disk, from } = options;
  if (from === undefined || from <= SEGMENT_HEADER_BYTES) return startOf(chain, 0);
  const index = segmentOf(from);
  const end = offsetOf(from);
  const gap = findBreakBefore(chain, index);
  if (gap !== undefined) {
    if (gap.file.id < indexOfSynced(chain, synced)) throw corruptError(gap);
    // Beyond what was synced: reading up to it tells whether it is all of what was lost.
    return { index, at: end, predecessor: { crc: undefined, revision: Infinity, time: EPOCH } };
  }
  const link = chain.links[index];
  if (link === undefined || end > endOf(chain, index)) throw aheadError(options);
  if (end <= SEGMENT_HEADER_BYTES) return startOf(chain, index);
  const { id, mark } = link.file;
  const range = { id, mark, end };
  const before = withFile(disk, link.file, (source) => findLastRecord(source, range));
  if (before === undefined || before.record.end !== from) throw aheadError(options);
  const { revision, time } = before.record;
  return { index, at: end, predecessor: { crc: before.crc, revision, time } };
}

/**
 * Where to begin so that all that was not synced is verified, though the index has some of it.
 *
 * A power cut may have taken a record in the middle of what the index knows.
 */
function startBefore(chain: Chain, synced: number): Cursor {
  return startOf(chain, Math.max(0, indexOfSynced(chain, synced)));
}

/** The segment in which the first record is, or would be, that is not known to be on disk. */
function indexOfSynced(chain: Chain, synced: number): number {
  return chain.links.findLastIndex((link) => link.header.firstRevision - 1 <= synced);
}

/** What is not replayed is not read; but it must be there. */
function findBreakBefore(chain: Chain, index: number): Break | undefined {
  for (let i = 0; i < index; i++) {
    const file = chain.links[i]?.file;
    if (file === undefined) break;
    const wanted = endOf(chain, i);
    if (file.size === wanted) continue;
    return { file, offset: file.size, problem: `the end of the segment, wanted ${wanted} bytes` };
  }
  return chain.broken !== undefined && chain.broken.file.id <= index ? chain.broken : undefined;
}

function startOf(chain: Chain, index: number): Cursor {
  const link = chain.links[index];
  if (link === undefined) {
    return { index: -1, at: 0, predecessor: { crc: undefined, revision: 0, time: EPOCH } };
  }
  const { firstRevision, time } = link.header;
  const predecessor = { crc: link.headerCrc, revision: firstRevision - 1, time };
  return { index, at: SEGMENT_HEADER_BYTES, predecessor };
}

/** Where the records of a segment must end. */
function endOf(chain: Chain, index: number): number {
  const next = chain.links[index + 1];
  if (next !== undefined) return next.header.previous.size;
  const file = chain.links[index]?.file;
  if (file === undefined) return 0;
  return chain.broken?.file === file ? chain.broken.offset : file.size;
}

/** Reads from the cursor on, which then stands behind the last record that holds. */
async function replay(
  options: RecoveryOptions,
  chain: Chain,
  { synced, start }: { synced: number; start: Cursor },
  cursor: Cursor,
): Promise<Break | undefined> {
  for (;;) {
    const link = chain.links[cursor.index];
    if (link === undefined) return chain.broken;
    const broken = await replaySegment(options, link.file, cursor, {
      end: endOf(chain, cursor.index),
      verifyDataAfter: synced,
      giveAfter: start.predecessor.revision,
    });
    if (broken !== undefined) return broken;
    const next = chain.links[cursor.index + 1];
    if (next === undefined) return chain.broken;
    const { crc, revision } = cursor.predecessor;
    if (next.header.previous.lastCrc !== crc || next.header.firstRevision !== revision + 1) {
      const problem = 'a segment that does not follow the last record of the one before it';
      return { file: next.file, offset: 0, problem };
    }
    Object.assign(cursor, startOf(chain, cursor.index + 1));
  }
}

async function replaySegment(
  { disk, onRecord }: RecoveryOptions,
  file: SegmentFile,
  cursor: Cursor,
  limits: { end: number; verifyDataAfter: number; giveAfter: number },
): Promise<Break | undefined> {
  const { end, verifyDataAfter, giveAfter } = limits;
  const source = openRecords(disk, file);
  try {
    const { id, mark, isPacked } = file;
    const { at: start, predecessor } = cursor;
    const reader = new RecordReader(source, {
      id,
      mark,
      start,
      end,
      predecessor,
      // What is left of the data is in packs, which were synced before the segment was given up.
      verifyDataAfter: isPacked ? Infinity : verifyDataAfter,
    });
    for (;;) {
      const step = reader.step();
      if (step === 'more') {
        await reader.fill();
        continue;
      }
      cursor.at = reader.at;
      cursor.predecessor = reader.predecessor;
      if (step === 'end') return undefined;
      if (step === 'bad') return { file, offset: reader.at, problem: reader.problem };
      const { record } = reader;
      if (record !== undefined && record.revision > verifyDataAfter) {
        cursor.unsyncedFrom ??= record.pos;
      }
      if (record === undefined || record.revision <= giveAfter) continue;
      const handled = onRecord(record);
      if (handled !== undefined) await handled;
    }
  } finally {
    source.close();
  }
}

/** What stands at the break was on disk for certain. */
function damageError(broken: Break, cursor: Cursor, synced: number): SessfsError {
  const place = `after revision ${cursor.predecessor.revision}`;
  const wanted = `wanted all up to revision ${synced}, which was on disk`;
  return corruptError({ ...broken, problem: `${broken.problem}, ${place}; ${wanted}` });
}

function describeTail(chain: Chain, { file, offset, problem }: Break): TornTail {
  const later = chain.files.filter((each) => each.id > file.id);
  const bytes = later.reduce((sum, each) => sum + each.size, Math.max(0, file.size - offset));
  return { path: file.path, offset, bytes, problem };
}

/** From behind, so that being stopped in the middle leaves a log that is cut at the same place again. */
async function cutTail(
  disk: Disk,
  dir: string,
  files: readonly SegmentFile[],
  { file, offset }: Break,
): Promise<void> {
  const isGone = offset < SEGMENT_HEADER_BYTES;
  for (const later of files.toReversed()) {
    if (later.id > file.id || (later.id === file.id && isGone)) disk.remove(later.path);
  }
  if (!isGone) {
    const fd = disk.open(file.path, 'r+');
    try {
      disk.truncate(fd, offset);
      await disk.syncData(fd);
    } finally {
      disk.close(fd);
    }
  }
  await syncDirectory(disk, dir);
}

function withFile<T>(disk: Disk, file: SegmentFile, use: (source: ByteSource) => T): T {
  const source = openRecords(disk, file);
  try {
    return use(source);
  } finally {
    source.close();
  }
}

/** Segments that were packed by a process that ended before it could remove them. */
async function removeSuperseded(disk: Disk, dir: string, { superseded }: Chain): Promise<void> {
  if (superseded.length === 0) return;
  // That their maps are there may not be on disk yet.
  await syncDirectory(disk, dir);
  for (const path of superseded) disk.remove(path);
}

function lostError(dir: string, chain: Chain, revision: number): SessfsError {
  const file = chain.files.at(-1);
  const wanted = `wanted all up to revision ${revision}, which was on disk`;
  if (file !== undefined) {
    return corruptError({ file, offset: file.size, problem: `the end of the log; ${wanted}` });
  }
  return new SessfsError('LOG_CORRUPT', `Cannot read log "${dir}": no segment; ${wanted}`, {
    hint: RESTORE_HINT,
  });
}

/** The log is whole and yet the index knows more: a power cut took what was never synced. */
function aheadError({ dir, from = 0 as LogPos }: RecoveryOptions): SessfsError {
  const place = `segment ${segmentOf(from)}, offset ${offsetOf(from)}`;
  return new SessfsError(
    'INDEX_CORRUPT',
    `Cannot go on in log "${dir}": the index was written up to ${place}, which the log does not reach`,
    { hint: 'The index is made anew from the log by "sessfs fsck SESSION --rebuild-index"' },
  );
}
