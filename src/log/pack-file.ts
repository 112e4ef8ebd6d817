/**
 * A pack that is open for reading: gives its frames, each verified before it is unpacked.
 */

import { DiskFile, readFully, readFullyAsync } from './byte-source.ts';
import { corruptFile, foreignFile } from './corrupt.ts';
import type { Disk } from './disk.ts';
import { unpack } from './map-file.ts';
import {
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  decodePackChunks,
  decodePackFrames,
  decodePackHeader,
  decodePackTrailer,
  packName,
} from './pack-format.ts';
import type { PackChunks, PackFrames, PackIdentity, PackTrailer } from './pack-format.ts';

export class PackFile {
  readonly path: string;
  readonly size: number;
  readonly trailer: PackTrailer;
  readonly frames: PackFrames;
  readonly #file: DiskFile;

  /** @throws {SessfsError} LOG_CORRUPT, or STORE_FOREIGN if it is none of this volume's. */
  constructor(disk: Disk, dir: string, identity: PackIdentity) {
    this.path = `${dir}/${packName(identity.id)}`;
    this.#file = DiskFile.open(disk, this.path);
    try {
      this.size = this.#file.size;
      this.#assertIdentity(identity);
      this.trailer = this.#readTrailer();
      this.frames = this.#readFrames();
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** @throws {SessfsError} LOG_CORRUPT If it is not what was stored. Zstd has to be loaded. */
  readFrame(frame: number): Buffer {
    const [start, stored] = this.#placeOf(frame);
    return this.#unpack(frame, readFully(this.#file, start, stored));
  }

  async readFrameAsync(frame: number): Promise<Buffer> {
    const [start, stored] = this.#placeOf(frame);
    return this.#unpack(frame, await readFullyAsync(this.#file, start, stored));
  }

  /** A frame as it is stored, verified. */
  readStored(frame: number): Buffer {
    const [start, stored] = this.#placeOf(frame);
    const bytes = readFully(this.#file, start, stored);
    this.#unpack(frame, bytes);
    return bytes;
  }

  readChunks(): PackChunks {
    const { length, crc } = this.trailer.chunksTable;
    const at = this.size - PACK_TRAILER_BYTES - length;
    const what = 'the table of chunks';
    const place = { path: this.path, what, stored: length, raw: length, crc };
    const bytes = unpack(readFully(this.#file, at, length), place);
    return this.#decode(what, () => decodePackChunks(bytes, this.trailer));
  }

  close(): void {
    this.#file.close();
  }

  #assertIdentity({ id, volumeId }: PackIdentity): void {
    const found = decodePackHeader(readFully(this.#file, 0, PACK_HEADER_BYTES));
    if (found === undefined)
      throw corruptFile(this.path, 'its first bytes are not those of a pack');
    if (found.volumeId !== volumeId || found.id !== id) {
      const what = `pack ${found.id} of volume ${found.volumeId}, wanted ${id} of ${volumeId}`;
      throw foreignFile(this.path, what);
    }
  }

  #readTrailer(): PackTrailer {
    const at = Math.max(0, this.size - PACK_TRAILER_BYTES);
    const trailer = decodePackTrailer(readFully(this.#file, at, PACK_TRAILER_BYTES));
    if (trailer === undefined) throw corruptFile(this.path, 'its last bytes fail their checksum');
    return trailer;
  }

  #readFrames(): PackFrames {
    const { framesTable, chunksTable, frames } = this.trailer;
    const { length, crc } = framesTable;
    const at = this.size - PACK_TRAILER_BYTES - chunksTable.length - length;
    const what = 'the table of frames';
    const place = { path: this.path, what, stored: length, raw: length, crc };
    const bytes = unpack(readFully(this.#file, at, length), place);
    return this.#decode(what, () => decodePackFrames(bytes, frames));
  }

  #decode<T>(what: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw corruptFile(this.path, `${what}: ${error.message}`);
    }
  }

  #placeOf(frame: number): [start: number, stored: number] {
    const start = this.frames.starts[frame];
    if (start === undefined) throw corruptFile(this.path, `there is no frame ${frame}`);
    return [start, this.frames.stored[frame] ?? 0];
  }

  #unpack(frame: number, bytes: Buffer): Buffer {
    const { stored, raw, crcs } = this.frames;
    const [path, what] = [this.path, `frame ${frame}`];
    const place = { path, what, stored: stored[frame] ?? 0, raw: raw[frame] ?? 0 };
    return unpack(bytes, { ...place, crc: crcs[frame] ?? 0 });
  }
}
