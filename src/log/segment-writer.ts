/**
 * The segment that grows: writes records at its end, whole or not at all.
 *
 * INVARIANT: the file ends where the last whole record ends, or the writer is stuck.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { diskError, systemCode } from './disk.ts';
import type { Disk } from './disk.ts';
import {
  SEGMENT_HEADER_BYTES,
  encodeSegmentHeader,
  segmentHeaderCrc,
  segmentMark,
} from './segment.ts';
import type { SegmentHeader } from './segment.ts';

/** Up to here copying the data behind the record and one write(2) costs no more than a writev(2). */
const COPY_MAX_BYTES = 8 * 1024;

export class SegmentWriter {
  readonly header: SegmentHeader;
  readonly mark: number;
  readonly fd: number;
  readonly headerCrc: number;
  /** Where the next record goes. */
  size: number;
  /** Why nothing can be written any more: a failure left something behind, or will not pass. */
  stuck: string | undefined;
  readonly #disk: Disk;

  constructor(disk: Disk, options: { header: SegmentHeader; fd: number; size: number }) {
    this.#disk = disk;
    this.header = options.header;
    this.mark = segmentMark(options.header.volumeId, options.header.id);
    this.headerCrc = segmentHeaderCrc(options.header);
    this.fd = options.fd;
    this.size = options.size;
  }

  /**
   * Makes a segment with nothing in it but its header.
   *
   * @throws {FsError} ENOSPC, EDQUOT, EIO If it cannot; then no file of that name is left.
   */
  static create(disk: Disk, path: string, header: SegmentHeader): SegmentWriter {
    const fd = openNew(disk, path);
    const writer = new SegmentWriter(disk, { header, fd, size: 0 });
    try {
      writer.write(encodeSegmentHeader(header), SEGMENT_HEADER_BYTES);
      return writer;
    } catch (error) {
      // A failure here must not hide the first one; an empty file is cut off at the next start.
      try {
        disk.close(fd);
        disk.remove(path);
      } catch {}
      throw error;
    }
  }

  /**
   * Writes one record.
   *
   * @param meta Holds the record up to its data; overwritten behind metaLength.
   * @throws {FsError} ENOSPC, EDQUOT If there is no room: nothing is left of the record.
   * @throws {FsError} EIO If the disk fails: the writer is stuck.
   */
  write(meta: Uint8Array, metaLength: number, data?: Uint8Array): void {
    const start = this.size;
    const dataLength = data === undefined ? 0 : data.length;
    const total = metaLength + dataLength;
    try {
      let written: number;
      if (data === undefined || dataLength === 0) {
        written = this.#disk.write(this.fd, meta, 0, metaLength, start);
      } else if (dataLength <= COPY_MAX_BYTES && total <= meta.length) {
        meta.set(data, metaLength);
        written = this.#disk.write(this.fd, meta, 0, total, start);
      } else {
        written = this.#disk.writePair(this.fd, meta.subarray(0, metaLength), data, start);
      }
      if (written !== total) this.#writeRest(meta, metaLength, data, written);
    } catch (error) {
      throw this.#takeBack(error, start);
    }
    this.size = start + total;
  }

  /** A short write is no error yet: the call that follows it says why. */
  #writeRest(
    meta: Uint8Array,
    metaLength: number,
    data: Uint8Array | undefined,
    written: number,
  ): void {
    const total = metaLength + (data?.length ?? 0);
    let done = written;
    while (done < total) {
      const position = this.size + done;
      const count =
        data === undefined || done < metaLength
          ? this.#disk.write(this.fd, meta, done, metaLength - done, position)
          : this.#disk.write(this.fd, data, done - metaLength, total - done, position);
      if (count <= 0) throw new FsError(Errno.EIO, 'write: nothing written');
      done += count;
    }
  }

  #takeBack(error: unknown, start: number): FsError {
    const failure = diskError(error, 'append to the log');
    if (failure.errno === Errno.EIO) this.stuck = failure.message;
    try {
      this.#disk.truncate(this.fd, start);
    } catch (truncateError) {
      this.stuck = diskError(truncateError, 'take back a torn record').message;
    }
    return failure;
  }
}

function openNew(disk: Disk, path: string): number {
  try {
    try {
      return disk.open(path, 'wx+');
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      // A segment that was begun, failed, and could not be removed then: nothing is in it.
      disk.remove(path);
      return disk.open(path, 'wx+');
    }
  } catch (error) {
    throw diskError(error, `create "${path}"`);
  }
}
