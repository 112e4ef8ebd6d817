/**
 * Reads bytes through extents, and never hands out damaged ones.
 *
 * A chunk's checksum is verified when it is first read; what was verified is trusted to the page cache
 * from then on, or reading a database page by page would read 128 KiB for each. What is in packs has
 * their checksums, and parts of its chunk may have been removed: of that only the piece itself is read.
 */

import { crc32 } from 'node:zlib';

import { DATA_CHUNK_BYTES } from '../log/record.ts';
import type { Log } from '../log/log.ts';
import { offsetOf, segmentOf } from '../log/segment.ts';
import type { LogPos } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Extent } from '../index/extents.ts';

/** 64,000 chunks are up to 8 GiB of content. */
const MAX_VERIFIED = 64_000;

export class ContentReader {
  readonly #log: Log;
  readonly #verified = new Set<LogPos>();
  readonly #scratch = Buffer.allocUnsafeSlow(DATA_CHUNK_BYTES);

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Fills `into` with the bytes from `offset` on; what no extent covers is zeros.
   *
   * @param extents Sorted, cut to the range.
   * @throws {FsError} EIO If the log is damaged there.
   */
  readSync(extents: readonly Extent[], offset: number, into: Uint8Array): void {
    let filled = 0;
    for (const extent of extents) {
      const at = extent.offset - offset;
      if (at > filled) into.fill(0, filled, at);
      this.#readExtent(extent, into, at);
      filled = at + extent.length;
    }
    if (filled < into.length) into.fill(0, filled);
  }

  /** The same without blocking: a fresh buffer of `length` bytes. */
  async read(extents: readonly Extent[], offset: number, length: number): Promise<Buffer> {
    const into = Buffer.alloc(length);
    for (const extent of extents) {
      const at = extent.offset - offset;
      if (this.#isTrusted(extent.pos)) {
        const bytes = await this.#log.read((extent.pos + extent.skip) as LogPos, extent.length);
        bytes.copy(into, at);
      } else {
        const chunk = await this.#log.read(extent.pos, extent.chunkLength);
        this.#verify(extent, chunk);
        chunk.copy(into, at, extent.skip, extent.skip + extent.length);
      }
    }
    return into;
  }

  #readExtent(extent: Extent, into: Uint8Array, at: number): void {
    if (this.#isTrusted(extent.pos)) {
      this.#log.readSync((extent.pos + extent.skip) as LogPos, into, at, extent.length);
      return;
    }
    if (extent.length === extent.chunkLength) {
      this.#log.readSync(extent.pos, into, at, extent.length);
      this.#verify(extent, into.subarray(at, at + extent.length));
      return;
    }
    this.#log.readSync(extent.pos, this.#scratch, 0, extent.chunkLength);
    this.#verify(extent, this.#scratch.subarray(0, extent.chunkLength));
    into.set(this.#scratch.subarray(extent.skip, extent.skip + extent.length), at);
  }

  /** True if the bytes need no checksum of their chunk. */
  #isTrusted(pos: LogPos): boolean {
    return this.#verified.has(pos) || this.#log.isPacked(segmentOf(pos));
  }

  #verify(extent: Extent, chunk: Uint8Array): void {
    if (crc32(chunk) !== extent.crc) {
      const place = `segment ${segmentOf(extent.pos)}, offset ${offsetOf(extent.pos)}`;
      throw new FsError(Errno.EIO, `${place}: ${chunk.length} bytes fail their checksum`);
    }
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
    this.#verified.add(extent.pos);
  }
}
