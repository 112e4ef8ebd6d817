/**
 * Bytes that are read by their place, whatever file they are in and however they are stored there.
 *
 * Rule: whoever reads a segment reads through this, so that plain and packed segments look the same.
 */

import type { Disk } from './disk.ts';

export interface ByteSource {
  /** @returns The bytes read, which may be fewer than asked for; 0 at the end only. */
  read(into: Uint8Array, offset: number, length: number, position: number): number;
  /** The same without blocking, to the start of `into`. */
  readAsync(into: Uint8Array, length: number, position: number): Promise<number>;
}

/** A source that holds something open. */
export interface OpenSource extends ByteSource {
  /** Where its bytes end. */
  readonly size: number;
  close(): void;
}

/** A file, byte for byte. */
export class DiskFile implements OpenSource {
  readonly #disk: Disk;
  readonly #fd: number;

  constructor(disk: Disk, fd: number) {
    this.#disk = disk;
    this.#fd = fd;
  }

  static open(disk: Disk, path: string): DiskFile {
    return new DiskFile(disk, disk.open(path, 'r'));
  }

  get size(): number {
    return this.#disk.size(this.#fd);
  }

  read(into: Uint8Array, offset: number, length: number, position: number): number {
    return this.#disk.read(this.#fd, into, offset, length, position);
  }

  readAsync(into: Uint8Array, length: number, position: number): Promise<number> {
    return this.#disk.readAsync(this.#fd, into, length, position);
  }

  close(): void {
    this.#disk.close(this.#fd);
  }
}

/** As many of the bytes as there are. */
export function readFully(source: ByteSource, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = source.read(bytes, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

/** As many of the bytes as there are, without blocking. */
export async function readFullyAsync(
  source: ByteSource,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const count = await source.readAsync(bytes.subarray(done), length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
