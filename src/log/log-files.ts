/**
 * The segments of an open log for reading, plain and packed ones alike.
 *
 * Rule: a segment that becomes packed is read from its map by whoever asks from then on; who is reading
 * its file reads on to the end.
 */

import type { LogPos, SegmentId } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError, SessfsError } from '../shared/errors.ts';
import { DiskFile } from './byte-source.ts';
import type { OpenSource } from './byte-source.ts';
import { diskError } from './disk.ts';
import type { Disk } from './disk.ts';
import { mapName } from './map-header.ts';
import { OpenFiles } from './open-files.ts';
import { getPackedCode, loadPackedCode } from './packed-code.ts';
import type { PackedSegments } from './packed-segments.ts';
import { openRecords } from './segment-files.ts';
import type { SegmentFile } from './segment-files.ts';
import { offsetOf, segmentName, segmentOf } from './segment.ts';
import { syncDirectory } from './syncer.ts';

/** Enough for a working set of 2 GiB in segments of 64 MiB. */
const OPEN_SEGMENTS_MAX = 32;

interface LogPlace {
  readonly disk: Disk;
  readonly dir: string;
  readonly volumeId: string;
}

export class LogFiles {
  readonly #place: LogPlace;
  readonly #disk: Disk;
  readonly #dir: string;
  /** Undefined as long as no segment is packed. */
  #packed: PackedSegments | undefined;
  readonly #plain: OpenFiles<SegmentId, DiskFile>;

  constructor(place: LogPlace) {
    const { disk, dir } = place;
    this.#place = place;
    this.#disk = disk;
    this.#dir = dir;
    this.#plain = new OpenFiles(
      (id) => DiskFile.open(disk, `${dir}/${segmentName(id)}`),
      OPEN_SEGMENTS_MAX,
    );
  }

  /** Takes up one that is packed; the code that reads it is loaded. */
  addPacked(file: SegmentFile): void {
    this.#packed ??= getPackedCode().makeSegments(this.#place);
    this.#packed.add(file);
  }

  isPacked(id: SegmentId): boolean {
    return this.#packed !== undefined && this.#packed.has(id);
  }

  /** What a map takes on disk; undefined if the segment is not packed. */
  mapBytes(id: SegmentId): number | undefined {
    return this.#packed?.mapBytes(id);
  }

  /** What all packed segments are, take on disk with their packs, and have of data. */
  packedBytes(): { logical: number; stored: number; data: number } {
    const packed = this.#packed;
    if (packed === undefined) return { logical: 0, stored: 0, data: 0 };
    return { logical: packed.logicalBytes, stored: packed.storedBytes, data: packed.dataBytes };
  }

  pathOf(id: SegmentId): string {
    return `${this.#dir}/${this.isPacked(id) ? mapName(id) : segmentName(id)}`;
  }

  /** A segment for somebody who reads its records, and closes it. */
  openRecords(id: SegmentId): OpenSource {
    return openRecords(this.#disk, { path: this.pathOf(id), isPacked: this.isPacked(id) });
  }

  /** @throws {FsError} EIO If not all of it is there, or it was removed by cleaning. */
  readSync(pos: LogPos, into: Uint8Array, offset: number, length: number): void {
    const id = segmentOf(pos);
    const position = offsetOf(pos);
    try {
      const source = this.#sourceOf(id);
      let done = source.read(into, offset, length, position);
      while (done < length) {
        const count = source.read(into, offset + done, length - done, position + done);
        if (count === 0) throw shortError(position, length, done);
        done += count;
      }
    } catch (error) {
      throw this.#readError(error, id);
    }
  }

  /** @throws {FsError} EIO If not all of it is there, or it was removed by cleaning. */
  async read(pos: LogPos, length: number): Promise<Buffer> {
    const id = segmentOf(pos);
    const position = offsetOf(pos);
    const bytes = Buffer.allocUnsafeSlow(length);
    const fill = async (source: OpenSource): Promise<void> => {
      for (let done = 0; done < length;) {
        const rest = bytes.subarray(done);
        const count = await source.readAsync(rest, length - done, position + done);
        if (count === 0) throw shortError(position, length, done);
        done += count;
      }
    };
    try {
      if (this.#packed?.has(id) === true) await this.#packed.withPinned(id, fill);
      else await this.#plain.withPinned(id, fill);
    } catch (error) {
      throw this.#readError(error, id);
    }
    return bytes;
  }

  /** @param size Of the segment, which the map must have. */
  async adoptPacked(id: SegmentId, size: number): Promise<void> {
    await loadPackedCode();
    const packed = (this.#packed ??= getPackedCode().makeSegments(this.#place));
    const wasPacked = packed.has(id);
    await packed.adopt(id, size);
    if (wasPacked) return;
    await this.#plain.drop(id);
    await this.#disk.removeAsync(`${this.#dir}/${segmentName(id)}`);
    await syncDirectory(this.#disk, this.#dir);
  }

  /** Reads maps anew, and no longer from the packs that were replaced. */
  async refreshPacked(ids: readonly SegmentId[], oldPacks: readonly number[]): Promise<void> {
    await this.#packed?.refresh(ids, oldPacks);
  }

  closeAll(): void {
    this.#plain.closeAll();
    this.#packed?.closeAll();
  }

  #sourceOf(id: SegmentId): OpenSource {
    const packed = this.#packed;
    return packed !== undefined && packed.has(id) ? packed.get(id) : this.#plain.get(id);
  }

  #readError(error: unknown, id: SegmentId): FsError {
    if (error instanceof SessfsError) return new FsError(Errno.EIO, error.message);
    return diskError(error, `read "${this.pathOf(id)}"`);
  }
}

function shortError(position: number, wanted: number, got: number): FsError {
  return new FsError(Errno.EIO, `offset ${position}: ${got} bytes, wanted ${wanted}`);
}
