/**
 * Finds the last whole record before a place in a segment, from behind.
 *
 * Rule: looks for the mark that every record of the segment carries, so that it costs what the last
 * record is long, not what the segment is. The data of what it finds is not verified.
 */

import type { LogPos, SegmentId } from '../shared/brands.ts';
import { readFully } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { linkAfter } from './gap.ts';
import {
  AT_MARK,
  RECORD_HEADER_BYTES,
  decodeRecord,
  findRecordShape,
  isRecordIntact,
  recordCrc,
  recordLink,
  recordSynced,
} from './record.ts';
import type { LogRecord } from './record.ts';
import { SEGMENT_HEADER_BYTES, makeLogPos } from './segment.ts';

export interface FoundRecord {
  readonly record: LogRecord;
  readonly pos: LogPos;
  /** What it names as its predecessor. */
  readonly link: number;
  /** What the record after it names as its predecessor. */
  readonly crc: number;
  /** The newest revision that was on disk when it was written. */
  readonly synced: number;
}

export interface RecordRange {
  readonly id: SegmentId;
  readonly mark: number;
  /** Where the record must end at the latest. */
  readonly end: number;
}

const FIRST_WINDOW_BYTES = 16 * 1024;
const WINDOW_MAX_BYTES = 4 * 1024 * 1024;
const MARK_BYTES = 4;

export function findLastRecord(source: ByteSource, place: RecordRange): FoundRecord | undefined {
  const mark = Buffer.alloc(MARK_BYTES);
  mark.writeUInt32LE(place.mark);
  let windowBytes = FIRST_WINDOW_BYTES;
  let end = place.end;
  while (end - SEGMENT_HEADER_BYTES > AT_MARK) {
    const start = Math.max(SEGMENT_HEADER_BYTES, end - windowBytes);
    const window = readFully(source, start, end - start);
    for (
      let at = window.lastIndexOf(mark);
      at >= AT_MARK;
      at = at === 0 ? -1 : window.lastIndexOf(mark, at - 1)
    ) {
      const found = findRecordAt(source, place, start + at - AT_MARK);
      if (found !== undefined) return found;
    }
    if (start === SEGMENT_HEADER_BYTES) return undefined;
    // A mark that begins in the bytes before the window must be whole in the next one.
    end = start + AT_MARK + MARK_BYTES - 1;
    windowBytes = Math.min(windowBytes * 4, WINDOW_MAX_BYTES);
  }
  return undefined;
}

/** The record that starts at an offset, if its checksum holds and it ends within the range. */
export function findRecordAt(
  source: ByteSource,
  place: RecordRange,
  offset: number,
): FoundRecord | undefined {
  const { id, mark } = place;
  const room = place.end - offset;
  if (room < RECORD_HEADER_BYTES) return undefined;
  const head = readFully(source, offset, RECORD_HEADER_BYTES);
  if (head.length < RECORD_HEADER_BYTES) return undefined;
  const shape = findRecordShape(head, 0, mark);
  if (shape === undefined || shape.totalLength > room) return undefined;
  const meta = readFully(source, offset, shape.metaLength);
  if (meta.length < shape.metaLength) return undefined;
  if (!isRecordIntact(meta, 0, shape, { mark, offset })) return undefined;
  const pos = makeLogPos(id, offset);
  const record = decodeRecord(meta, 0, shape, pos);
  const crc = linkAfter(record, recordCrc(meta, 0));
  return { record, pos, link: recordLink(meta, 0), crc, synced: recordSynced(meta, 0) };
}
