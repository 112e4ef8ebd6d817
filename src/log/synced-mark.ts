/**
 * The file "synced" beside the segments: how far the log was on disk for certain.
 *
 * Rule: written only after fdatasync has returned, so that what it says was true, however old it is.
 * It is an aid: without it (in a restored backup) the records themselves say how far was synced.
 */

import { crc32 } from 'node:zlib';

import { DiskFile, readFully } from './byte-source.ts';
import type { Disk } from './disk.ts';

const FILE_NAME = 'synced';
const MAGIC = Buffer.from('SESSFSSY', 'latin1');
const FORMAT_VERSION = 1;
const FILE_BYTES = 64;
const AT_FORMAT = 8;
const AT_VOLUME = 16;
const AT_REVISION = 32;
const AT_FAILED = 38;
const AT_CRC = FILE_BYTES - 4;

interface Synced {
  /** All records up to it were on disk. */
  readonly revision: number;
  /** A sync of what stands behind it failed, and none has succeeded since. */
  readonly hasFailed: boolean;
}

export class SyncedFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #bytes = Buffer.alloc(FILE_BYTES);
  #fd: number | undefined;

  constructor(disk: Disk, dir: string, volumeId: string) {
    this.#disk = disk;
    this.#path = `${dir}/${FILE_NAME}`;
    MAGIC.copy(this.#bytes);
    this.#bytes.writeUInt32LE(FORMAT_VERSION, AT_FORMAT);
    this.#bytes.write(volumeId, AT_VOLUME, 'hex');
  }

  /** What is written there, or undefined if nothing there holds for this volume. */
  find(): Synced | undefined {
    let bytes: Buffer;
    try {
      this.#fd = this.#disk.open(this.#path, 'r+');
      bytes = readFully(new DiskFile(this.#disk, this.#fd), 0, FILE_BYTES);
    } catch {
      return undefined;
    }
    if (bytes.length < FILE_BYTES) return undefined;
    if (crc32(bytes.subarray(0, AT_CRC)) !== bytes.readUInt32LE(AT_CRC)) return undefined;
    if (!bytes.subarray(0, AT_REVISION).equals(this.#bytes.subarray(0, AT_REVISION)))
      return undefined;
    return {
      revision: bytes.readUIntLE(AT_REVISION, 6),
      hasFailed: bytes.readUInt8(AT_FAILED) !== 0,
    };
  }

  /** Says that the log is on disk up to a revision; if that cannot be written, the older word stays. */
  write(revision: number): void {
    this.#write(revision, false);
  }

  /**
   * Says that a sync behind this revision failed.
   *
   * The page cache may be the only place that has what stands there, and takes it for clean. This lies in
   * the page cache too: it is there for as long as that matters.
   */
  writeFailed(revision: number): void {
    this.#write(revision, true);
  }

  #write(revision: number, hasFailed: boolean): void {
    this.#bytes.writeUIntLE(revision, AT_REVISION, 6);
    this.#bytes.writeUInt8(hasFailed ? 1 : 0, AT_FAILED);
    this.#bytes.writeUInt32LE(crc32(this.#bytes.subarray(0, AT_CRC)), AT_CRC);
    try {
      this.#fd ??= this.#disk.open(this.#path, 'wx+');
      this.#disk.write(this.#fd, this.#bytes, 0, FILE_BYTES, 0);
    } catch {
      // A full disk: the log itself is on disk, which is what was asked for.
    }
  }

  close(): void {
    if (this.#fd !== undefined) this.#disk.close(this.#fd);
    this.#fd = undefined;
  }
}
