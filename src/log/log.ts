/**
 * The log of one volume: an append-only chain of segments. The layout is in FORMAT.md.
 *
 * Rule: what append returned for is in the page cache, whole; what sync returned for is on disk. A
 * log that cannot keep this stops taking records (readOnly) and goes on being read.
 */

import { assert } from '../shared/assert.ts';
import type { LogPos, Revision, SegmentId } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError, SessfsError } from '../shared/errors.ts';
import { compareTime } from '../shared/time.ts';
import type { Clock, Time } from '../shared/time.ts';
import { nodeDisk } from './disk.ts';
import type { Disk } from './disk.ts';
import { LogFiles } from './log-files.ts';
import { RecordReader } from './record-reader.ts';
import { PAYLOAD_MAX_BYTES, RecordEncoder, checksumChunks, metaLengthOf } from './record.ts';
import type { LogRecord, RecordHeader } from './record.ts';
import { recoverLog } from './recovery.ts';
import type { Recovered, TornTail } from './recovery.ts';
import { SegmentWriter } from './segment-writer.ts';
import {
  DEFAULT_SEGMENT_BYTES,
  SEGMENT_HEADER_BYTES,
  SEGMENT_ID_MAX,
  SEGMENT_MAX_BYTES,
  headerAfter,
  makeLogPos,
  offsetOf,
  segmentMark,
  segmentOf,
} from './segment.ts';
import { makeFirst, openError, reopenLast, writeAgain } from './start.ts';
import type { Start } from './start.ts';
import { SyncedFile } from './synced-mark.ts';
import { Syncer } from './syncer.ts';
import type { LogEnd } from './syncer.ts';

export type { LogRecord, RecordHeader } from './record.ts';
export type { TornTail } from './recovery.ts';

export interface LogOptions {
  readonly dir: string;
  /** 32 hex digits. */
  readonly volumeId: string;
  readonly clock: Clock;
  /** Makes the log if there is none. */
  readonly create?: boolean;
  /** The size at which a segment is full. */
  readonly segmentBytes?: number;
  readonly disk?: Disk;
  /**
   * Where replay begins: 0 or a `head` of this log. Undefined: the first record.
   *
   * What stands before it is not read again if it was synced before the place was kept: sync first.
   */
  readonly from?: LogPos | undefined;
  /**
   * Called in order for each record from `from` to the end; its payload is valid until it returns. What it
   * promises is awaited before the next.
   */
  readonly onRecord: (record: LogRecord) => void | Promise<void>;
}

export interface SegmentInfo {
  readonly id: SegmentId;
  readonly path: string;
  /** Its length, in which places are counted. */
  readonly bytes: number;
  /** What its file takes; what is packed takes room in packs besides. */
  readonly storedBytes: number;
  readonly sealed: boolean;
  readonly isPacked: boolean;
}

/** Room for the small data that is copied behind its record. */
const ENCODER_BYTES = 64 * 1024;

/** After a larger record the encoder's buffer is given back. */
const ENCODER_KEEP_BYTES = 4 * 1024 * 1024;

export class Log {
  readonly #volumeId: string;
  readonly #segmentBytes: number;
  readonly #disk: Disk;
  readonly #files: LogFiles;
  readonly #syncedFile: SyncedFile;
  #encoder = new RecordEncoder(ENCODER_BYTES);
  #writer: SegmentWriter;
  /** Bytes of each sealed segment; the index is its id. */
  readonly #sealedBytes: number[];
  #sealedTotal: number;
  readonly #syncer: Syncer;
  /** What open cut off the end, which was never synced: somebody should be told. */
  readonly tornTail: TornTail | undefined;
  #readOnly: string | undefined;
  #isClosed = false;
  #lastCrc: number;
  #lastRevision: Revision;
  #lastTime: Time;
  #recordPos: LogPos;
  readonly #chunkCrcs: number[] = [];
  /** One for all appends: an object for each would be the costliest part of a small record. */
  readonly #place = { mark: 0, offset: 0, link: 0, unsynced: 0 };

  private constructor(
    options: LogOptions & { disk: Disk },
    syncedFile: SyncedFile,
    { writer, recovered }: Start,
  ) {
    const { dir, disk } = options;
    this.#volumeId = options.volumeId;
    this.#segmentBytes = options.segmentBytes ?? DEFAULT_SEGMENT_BYTES;
    this.#disk = disk;
    this.#syncedFile = syncedFile;
    this.#files = new LogFiles(options);
    for (const { file } of recovered.links) if (file.isPacked) this.#files.addPacked(file);
    this.#writer = writer;
    this.#sealedBytes = recovered.links.slice(1).map((link) => link.header.previous.size);
    this.#sealedTotal = this.#sealedBytes.reduce((sum, bytes) => sum + bytes, 0);
    this.tornTail = recovered.tornTail;
    this.#lastCrc = recovered.lastCrc;
    this.#lastRevision = recovered.lastRevision;
    this.#lastTime = recovered.lastTime;
    this.#recordPos = makeLogPos(writer.header.id, writer.size);
    this.#syncer = new Syncer({
      disk,
      dir,
      syncedFile,
      durable: { revision: recovered.syncedRevision, time: recovered.lastTime },
      getEnd: () => this.#getEnd(),
      onFailure: (reason) => this.#stop(reason),
    });
  }

  /**
   * Opens the log of a volume, replays it, and cuts off what a crash left at its end.
   *
   * @throws {SessfsError} LOG_CORRUPT If something is missing that was on disk for certain.
   * @throws {SessfsError} STORE_FOREIGN If the directory holds another volume's or format's log.
   * @throws {SessfsError} INDEX_CORRUPT If `from` is not a place in this log: replay all of it.
   */
  static async open(options: LogOptions): Promise<Log> {
    const { dir, volumeId, disk = nodeDisk } = options;
    assert(/^[0-9a-f]{32}$/.test(volumeId), `volume id of 32 hex digits, not "${volumeId}"`);
    const syncedFile = new SyncedFile(disk, dir, volumeId);
    let log: Log | undefined;
    try {
      if (options.create === true) disk.makeDirectory(dir);
      const { from, onRecord, create = false } = options;
      const synced = syncedFile.find();
      const found = await recoverLog({
        disk,
        dir,
        volumeId,
        from,
        onRecord,
        create,
        synced: synced?.revision,
      });
      const start = found === undefined ? makeFirst(options, disk) : reopenLast(found, disk);
      log = new Log({ ...options, disk }, syncedFile, start);
      // The name of the last segment may be in the page cache only, here as in a log that is taken up.
      log.#syncer.addNew();
      if (found === undefined) {
        // A log that was just made outlives a power cut from the start.
        await log.sync();
      } else {
        log.#adoptUnsynced(found);
        if (synced?.hasFailed === true) writeAgain(disk, found);
        else syncedFile.write(log.durableRevision);
      }
      return log;
    } catch (error) {
      if (log === undefined) syncedFile.close();
      else log.#letGo();
      throw openError(dir, error);
    }
  }

  /** CRC-32 of each DATA_CHUNK_BYTES of the data of the last append; overwritten by the next. */
  get chunkCrcs(): readonly number[] {
    return this.#chunkCrcs;
  }

  /** Where the last appended record starts. */
  get recordPos(): LogPos {
    return this.#recordPos;
  }

  /** Where the next record goes; if it does not fit there, to the start of the next segment. */
  get head(): LogPos {
    return makeLogPos(this.#writer.header.id, this.#writer.size);
  }

  get lastRevision(): Revision {
    return this.#lastRevision;
  }

  /** That of the last record: not before its header's, but perhaps after it. */
  get lastTime(): Time {
    return this.#lastTime;
  }

  get durableRevision(): Revision {
    return this.#syncer.durableRevision;
  }

  /** No record up to durableRevision is later. */
  get durableTime(): Time {
    return this.#syncer.durableTime;
  }

  /** Why the log takes no more records, as a sentence; undefined while it does. */
  get readOnly(): string | undefined {
    return this.#readOnly;
  }

  /** How long the oldest record that is not on disk has not been, in milliseconds; 0 if all are. */
  get syncLagMs(): number {
    return this.#syncer.lagMs;
  }

  /** The length of all segments, packed or not. */
  get bytes(): number {
    return this.#sealedTotal + this.#writer.size;
  }

  /** What the log takes on disk: segments, maps and packs. */
  get storedBytes(): number {
    const { logical, stored } = this.#files.packedBytes();
    return this.bytes - logical + stored;
  }

  /** The content that the log has, referred to or not; of plain segments all that is in them is counted. */
  get dataBytes(): number {
    const { logical, data } = this.#files.packedBytes();
    return this.bytes - logical + data;
  }

  segments(): readonly SegmentInfo[] {
    const sizes = [...this.#sealedBytes, this.#writer.size];
    return sizes.map((bytes, index) => {
      const id = index as SegmentId;
      const mapBytes = this.#files.mapBytes(id);
      return {
        id,
        path: this.#files.pathOf(id),
        bytes,
        storedBytes: mapBytes ?? bytes,
        sealed: index < this.#sealedBytes.length,
        isPacked: mapBytes !== undefined,
      };
    });
  }

  /** True if what is left of the content of a segment is in packs, verified by their checksums alone. */
  isPacked(id: SegmentId): boolean {
    return this.#files.isPacked(id);
  }

  /**
   * Begins a new segment if the last one has any record, so that all others can be packed.
   *
   * @returns The last segment.
   * @throws {FsError} ENOSPC, EDQUOT, EIO As append.
   */
  seal(): SegmentId {
    if (this.#readOnly !== undefined) throw new FsError(Errno.EIO, this.#readOnly);
    if (this.#writer.size > SEGMENT_HEADER_BYTES) this.#roll();
    return this.#writer.header.id;
  }

  /**
   * Reads a segment from its map from now on, and removes what the map stands for.
   *
   * To be called when a map, or another one, is in its place and on disk. What is being read from the old
   * file is read to its end.
   *
   * @throws {SessfsError} LOG_CORRUPT If the map is not that of this segment; nothing is removed then.
   */
  async adoptPacked(id: SegmentId): Promise<void> {
    const bytes = this.#sealedBytes[id];
    assert(bytes !== undefined, `only a sealed segment is packed, not ${id}`);
    await this.#files.adoptPacked(id, bytes);
  }

  /**
   * Reads segments from maps that were written anew, and no longer from the packs that these replace.
   *
   * @returns When nothing is read from those packs any more: they can be removed.
   */
  refreshPacked(ids: readonly SegmentId[], oldPacks: readonly number[]): Promise<void> {
    return this.#files.refreshPacked(ids, oldPacks);
  }

  /**
   * Appends one record.
   *
   * @param header.time Raised to lastTime if it is before it.
   * @param payload Its first payloadLength bytes are the event.
   * @returns Where the data is, if there is any; else where the record is.
   * @throws {FsError} ENOSPC, EDQUOT If there is no room. Then nothing was appended, as with:
   * @throws {FsError} EFBIG If the record is larger than a segment may be.
   * @throws {FsError} EIO If the disk fails, or did before (readOnly).
   */
  append(
    header: RecordHeader,
    payload: Uint8Array,
    payloadLength: number,
    data?: Uint8Array,
  ): LogPos {
    if (this.#readOnly !== undefined) throw new FsError(Errno.EIO, this.#readOnly);
    assert(header.revision > this.#lastRevision, 'revisions ascend');
    const dataLength = data === undefined ? 0 : data.length;
    const metaLength = metaLengthOf(payloadLength, dataLength);
    const total = metaLength + dataLength;
    if (payloadLength > PAYLOAD_MAX_BYTES || total > SEGMENT_MAX_BYTES - SEGMENT_HEADER_BYTES) {
      throw new FsError(Errno.EFBIG, `a record of ${total} bytes`);
    }
    let writer = this.#writer;
    if (writer.size + total > this.#segmentBytes && writer.size > SEGMENT_HEADER_BYTES) {
      writer = this.#roll();
    }
    const time = compareTime(header.time, this.#lastTime) < 0 ? this.#lastTime : header.time;
    if (data === undefined || dataLength === 0) this.#chunkCrcs.length = 0;
    else checksumChunks(data, this.#chunkCrcs);
    const offset = writer.size;
    const place = this.#place;
    place.mark = writer.mark;
    place.offset = offset;
    place.link = this.#lastCrc;
    place.unsynced = header.revision - 1 - this.#syncer.durableRevision;
    const crcs = this.#chunkCrcs;
    const crc = this.#encoder.encode(header, time, payload, payloadLength, dataLength, crcs, place);
    try {
      writer.write(this.#encoder.buffer, metaLength, data);
    } catch (error) {
      if (writer.stuck !== undefined) this.#stop(writer.stuck);
      throw error;
    }
    this.#lastCrc = crc;
    this.#lastRevision = header.revision;
    this.#lastTime = time;
    this.#syncer.appended();
    const pos = makeLogPos(writer.header.id, offset);
    this.#recordPos = pos;
    if (metaLength > ENCODER_KEEP_BYTES) this.#encoder = new RecordEncoder(ENCODER_BYTES);
    return dataLength === 0 ? pos : ((pos + metaLength) as LogPos);
  }

  /**
   * Returns when everything appended before the call is on disk.
   *
   * All who call while one sync is under way share the next one.
   *
   * @throws {FsError} EIO If the disk fails; the log is then read-only, since nobody can tell what of
   *   the pages it held is lost.
   */
  sync(): Promise<void> {
    return this.#syncer.sync();
  }

  /** @throws {FsError} EIO If not all of it is there, or it was removed by cleaning. */
  readSync(pos: LogPos, into: Uint8Array, offset: number, length: number): void {
    this.#files.readSync(pos, into, offset, length);
  }

  /** @throws {FsError} EIO If not all of it is there, or it was removed by cleaning. */
  read(pos: LogPos, length: number): Promise<Buffer> {
    return this.#files.read(pos, length);
  }

  /**
   * Reads the records from one on; their data is not verified.
   *
   * @param from Where a record starts, or a `head`.
   * @param to Where to stop, before the record that starts there. Undefined: at the head of now.
   * @throws {SessfsError} LOG_CORRUPT At the first record that does not hold.
   */
  async *scan(from: LogPos, to: LogPos = this.head): AsyncGenerator<LogRecord> {
    const lastId = segmentOf(to);
    for (let id = segmentOf(from); id <= lastId; id = (id + 1) as SegmentId) {
      const end = id === lastId ? offsetOf(to) : (this.#sealedBytes[id] ?? this.#writer.size);
      const first = id === segmentOf(from) ? offsetOf(from) : 0;
      const start = Math.max(first, SEGMENT_HEADER_BYTES);
      if (start < end) yield* this.#scanSegment(id, start, end);
    }
  }

  /**
   * Syncs and lets go of every file. Nothing may be under way but sync.
   *
   * @throws {FsError} EIO If the last sync fails.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      if (this.#readOnly === undefined) await this.sync();
    } finally {
      this.#letGo();
    }
  }

  #letGo(): void {
    this.#readOnly ??= 'The log is closed';
    this.#files.closeAll();
    this.#syncedFile.close();
    this.#syncer.close();
    this.#disk.close(this.#writer.fd);
  }

  #roll(): SegmentWriter {
    const full = this.#writer;
    const { header, size } = full;
    if (header.id >= SEGMENT_ID_MAX) throw new FsError(Errno.EFBIG, 'the log has no more segments');
    const end = { size, lastCrc: this.#lastCrc };
    const { lastRevision, lastTime } = this;
    const next = headerAfter(header, { ...end, lastRevision, lastTime });
    const writer = SegmentWriter.create(this.#disk, this.#files.pathOf(next.id), next);
    this.#syncer.addSealed(full.fd);
    this.#sealedBytes.push(size);
    this.#sealedTotal += size;
    this.#writer = writer;
    this.#lastCrc = writer.headerCrc;
    return writer;
  }

  #getEnd(): LogEnd {
    if (this.#readOnly !== undefined) throw new FsError(Errno.EIO, this.#readOnly);
    return { revision: this.#lastRevision, time: this.#lastTime, fd: this.#writer.fd };
  }

  /** What the last process left in the page cache only is the next sync's to write. */
  #adoptUnsynced({ links, syncedRevision }: Recovered): void {
    if (this.#lastRevision > syncedRevision) this.#syncer.appended();
    for (const [index, link] of links.entries()) {
      const next = links[index + 1];
      if (next === undefined || next.header.firstRevision - 1 <= syncedRevision) continue;
      this.#syncer.addSealed(this.#disk.open(link.file.path, 'r'));
    }
  }

  async *#scanSegment(id: SegmentId, start: number, end: number): AsyncGenerator<LogRecord> {
    const path = this.#files.pathOf(id);
    const source = this.#files.openRecords(id);
    try {
      const reader = new RecordReader(source, {
        id,
        mark: segmentMark(this.#volumeId, id),
        start,
        end,
        predecessor: { crc: undefined, revision: 0, time: { sec: -Infinity, nsec: 0 } },
        verifyDataAfter: Infinity,
      });
      for (;;) {
        const step = reader.step();
        if (step === 'end') return;
        if (step === 'more') await reader.fill();
        else if (step === 'record' && reader.record !== undefined) yield reader.record;
        else {
          const place = `offset ${reader.at}: ${reader.problem}`;
          throw new SessfsError('LOG_CORRUPT', `Cannot read log "${path}": ${place}`);
        }
      }
    } finally {
      source.close();
    }
  }

  #stop(reason: string): void {
    this.#readOnly ??= `The log takes no more changes: ${reason}`;
  }
}
