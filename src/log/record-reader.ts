/**
 * Reads the records of one segment in order, from a window that slides over the file.
 *
 * Rule: a step is synchronous and never reads; when the window lacks something it says so, and the
 * caller awaits fill(). Thousands of small records then cost one read and one turn of the event loop.
 */

import { crc32 } from 'node:zlib';

import type { SegmentId } from '../shared/brands.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import type { ByteSource } from './byte-source.ts';
import { isGap, linkAfter } from './gap.ts';
import {
  DATA_CHUNK_BYTES,
  RECORD_HEADER_BYTES,
  decodeRecord,
  findRecordShape,
  isRecordIntact,
  recordCrc,
  recordLink,
  recordSynced,
} from './record.ts';
import type { LogRecord, RecordShape } from './record.ts';
import { makeLogPos } from './segment.ts';

/** What must hold of the next record, from the one before it. */
export interface Predecessor {
  /** Its checksum, or that of the segment's header, or what a gap names; undefined if not known. */
  readonly crc: number | undefined;
  readonly revision: number;
  readonly time: Time;
}

export interface RecordReaderOptions {
  readonly id: SegmentId;
  readonly mark: number;
  /** Where the first record starts. */
  readonly start: number;
  /** Where the last record must end. */
  readonly end: number;
  readonly predecessor: Predecessor;
  /** The data of records after this revision is verified too; Infinity is never. */
  readonly verifyDataAfter: number;
}

export type Step = 'record' | 'more' | 'bad' | 'end';

const WINDOW_BYTES = 1024 * 1024;

/** After a record with more data than this, reading a whole window mostly reads data. */
const SPARSE_BYTES = 64 * 1024;

export class RecordReader {
  /** Where the next record starts, or the bad one. */
  at: number;
  /** The one before it. */
  predecessor: Predecessor;
  /** What the last step found. */
  record: LogRecord | undefined;
  /** The newest revision that was on disk when that record was written. */
  synced = 0;
  /** What was wrong, after a bad step. */
  problem = '';

  readonly #source: ByteSource;
  readonly #options: RecordReaderOptions;
  #window: Buffer;
  #windowStart = 0;
  #windowLength = 0;
  #wantStart = 0;
  #wantLength = 0;
  #sparse = false;

  constructor(source: ByteSource, options: RecordReaderOptions) {
    this.#source = source;
    this.#options = options;
    this.#window = Buffer.alloc(Math.min(WINDOW_BYTES, Math.max(options.end - options.start, 64)));
    this.at = options.start;
    this.predecessor = options.predecessor;
  }

  /** Goes to the next record. Its payload is valid until the next step or fill. */
  step(): Step {
    const { end, mark, id } = this.#options;
    const at = this.at;
    if (at === end) return 'end';
    if (end - at < RECORD_HEADER_BYTES) return this.#bad('an incomplete record header');
    if (!this.#has(at, RECORD_HEADER_BYTES)) return 'more';
    const shape = findRecordShape(this.#window, at - this.#windowStart, mark);
    if (shape === undefined) return this.#bad('no record');
    if (shape.totalLength > end - at) return this.#bad('a record that goes on beyond the end');
    if (!this.#has(at, shape.metaLength)) return 'more';
    const here = at - this.#windowStart;
    if (!isRecordIntact(this.#window, here, shape, { mark, offset: at })) {
      return this.#bad('a record whose checksum fails');
    }
    const record = decodeRecord(this.#window, here, shape, makeLogPos(id, at));
    const problem = this.#findBreak(record, recordLink(this.#window, here));
    if (problem !== undefined) return this.#bad(problem);
    if (record.dataLength > 0 && record.revision > this.#options.verifyDataAfter) {
      const step = this.#verifyData(record, shape);
      if (step !== 'record') return step;
    }
    this.record = record;
    this.synced = recordSynced(this.#window, here);
    this.predecessor = {
      crc: linkAfter(record, recordCrc(this.#window, here)),
      revision: record.revision,
      time: record.time,
    };
    this.at = at + shape.totalLength;
    this.#sparse = shape.dataLength > SPARSE_BYTES;
    return 'record';
  }

  /** Reads what the last step lacked. */
  async fill(): Promise<void> {
    const start = this.#wantStart;
    const size = Math.max(this.#sparse ? SPARSE_BYTES : WINDOW_BYTES, this.#wantLength);
    const length = Math.min(size, this.#options.end - start);
    if (length > this.#window.length) this.#window = Buffer.alloc(length);
    this.#windowStart = start;
    this.#windowLength = 0;
    while (this.#windowLength < this.#wantLength) {
      const into = this.#window.subarray(this.#windowLength);
      const rest = length - this.#windowLength;
      const count = await this.#source.readAsync(into, rest, start + this.#windowLength);
      if (count === 0) {
        // Shorter than when it was measured: what is not there reads as zeros, which no record is.
        this.#window.fill(0, this.#windowLength);
        this.#windowLength = this.#window.length;
        return;
      }
      this.#windowLength += count;
    }
  }

  #findBreak(record: LogRecord, link: number): string | undefined {
    const { crc, revision, time } = this.predecessor;
    if (crc !== undefined && link !== crc) return 'a record that does not follow the one before it';
    // A gap that lost no revision of its own stands for what it covers.
    if (record.revision < revision || (record.revision === revision && !isGap(record))) {
      return `revision ${record.revision}, wanted more than ${revision}`;
    }
    if (compareTime(record.time, time) < 0) return 'a record from before the one before it';
    return undefined;
  }

  /** All of the record has to be in the window: going on to its data would leave its header behind. */
  #verifyData(record: LogRecord, shape: RecordShape): Step {
    const at = this.at;
    if (!this.#has(at, shape.totalLength)) return 'more';
    const dataStart = at + shape.metaLength - this.#windowStart;
    for (const [chunk, crc] of record.chunkCrcs.entries()) {
      const from = dataStart + chunk * DATA_CHUNK_BYTES;
      const to = Math.min(from + DATA_CHUNK_BYTES, dataStart + record.dataLength);
      if (crc32(this.#window.subarray(from, to)) !== crc) {
        return this.#bad('a record whose data fails its checksum');
      }
    }
    return 'record';
  }

  /** True if the window has these bytes; if not, fill() will read them. */
  #has(start: number, length: number): boolean {
    if (start >= this.#windowStart && start + length <= this.#windowStart + this.#windowLength) {
      return true;
    }
    this.#wantStart = start;
    this.#wantLength = length;
    return false;
  }

  #bad(problem: string): Step {
    this.problem = problem;
    return 'bad';
  }
}
