/**
 * Reading and writing of small binary values: the one way in which payloads and index values are laid out.
 *
 * Numbers of 48 bits carry inos, revisions and sizes; big-endian where order matters (keys), else little.
 */

import type { Time } from './time.ts';

const TWO_32 = 4294967296;
const STRING_MAX_BYTES = 0xffff;

/** A growing buffer that is written from the front and reused: take() hands out a view, valid until reset(). */
export class ByteWriter {
  #bytes: Buffer;
  #view: DataView;
  length = 0;

  constructor(capacityBytes = 4096) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Forgets what was written; makes sure that `needBytes` fit without growing. */
  reset(needBytes = 0): this {
    this.length = 0;
    this.reserve(needBytes);
    return this;
  }

  reserve(moreBytes: number): void {
    const need = this.length + moreBytes;
    if (need <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(need, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.length);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** The bytes written so far, not copied. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  copy(): Buffer {
    return Buffer.from(this.view());
  }

  u8(value: number): this {
    this.reserve(1);
    this.#view.setUint8(this.length, value);
    this.length += 1;
    return this;
  }

  u16(value: number): this {
    this.reserve(2);
    this.#view.setUint16(this.length, value, true);
    this.length += 2;
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
    return this;
  }

  u48(value: number): this {
    this.reserve(6);
    this.#view.setUint32(this.length, value % TWO_32, true);
    this.#view.setUint16(this.length + 4, Math.floor(value / TWO_32), true);
    this.length += 6;
    return this;
  }

  /**
   * A safe integer of either sign.
   *
   * @throws {RangeError} If it is none: it could not be read back.
   */
  i53(value: number): this {
    if (!Number.isSafeInteger(value)) throw new RangeError(`Cannot write ${value}: no integer`);
    this.reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
    return this;
  }

  u32be(value: number): this {
    this.reserve(4);
    this.#view.setUint32(this.length, value);
    this.length += 4;
    return this;
  }

  u48be(value: number): this {
    this.reserve(6);
    this.#view.setUint16(this.length, Math.floor(value / TWO_32));
    this.#view.setUint32(this.length + 2, value % TWO_32);
    this.length += 6;
    return this;
  }

  time(value: Time): this {
    return this.i53(value.sec).u32(value.nsec);
  }

  /** A string of bytes without its length. */
  latin1(value: string): this {
    this.reserve(value.length);
    this.length += this.#bytes.write(value, this.length, 'latin1');
    return this;
  }

  /**
   * A string of bytes behind its length (16 bits).
   *
   * @throws {RangeError} If it is longer: what follows it could not be read back.
   */
  string(value: string): this {
    if (value.length > STRING_MAX_BYTES) {
      throw new RangeError(`Cannot write a string of ${value.length} bytes`);
    }
    return this.u16(value.length).latin1(value);
  }

  /** Bytes behind their length (32 bits). */
  blob(value: Uint8Array): this {
    this.u32(value.length).reserve(value.length);
    this.#bytes.set(value, this.length);
    this.length += value.length;
    return this;
  }
}

/** Reads what ByteWriter wrote. Reading past the end throws RangeError: the caller's format error. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.offset;
  }

  u8(): number {
    const value = this.#view.getUint8(this.offset);
    this.offset += 1;
    return value;
  }

  u16(): number {
    const value = this.#view.getUint16(this.offset, true);
    this.offset += 2;
    return value;
  }

  u32(): number {
    const value = this.#view.getUint32(this.offset, true);
    this.offset += 4;
    return value;
  }

  u48(): number {
    const value =
      this.#view.getUint32(this.offset, true) +
      this.#view.getUint16(this.offset + 4, true) * TWO_32;
    this.offset += 6;
    return value;
  }

  i53(): number {
    const value = this.#view.getFloat64(this.offset, true);
    // NaN and infinities would make loops over offsets and regions endless.
    if (!Number.isSafeInteger(value)) throw new RangeError(`Read ${value}: no integer`);
    this.offset += 8;
    return value;
  }

  u32be(): number {
    const value = this.#view.getUint32(this.offset);
    this.offset += 4;
    return value;
  }

  u48be(): number {
    const value =
      this.#view.getUint16(this.offset) * TWO_32 + this.#view.getUint32(this.offset + 2);
    this.offset += 6;
    return value;
  }

  time(): Time {
    const sec = this.i53();
    return { sec, nsec: this.u32() };
  }

  latin1(length: number): string {
    if (length > this.remaining) throw new RangeError(`Read past the end: ${length} bytes`);
    const value = this.#bytes.toString('latin1', this.offset, this.offset + length);
    this.offset += length;
    return value;
  }

  string(): string {
    return this.latin1(this.u16());
  }

  /** A copy. */
  blob(): Buffer {
    const length = this.u32();
    if (length > this.remaining) throw new RangeError(`Read past the end: ${length} bytes`);
    const value = Buffer.from(this.#bytes.subarray(this.offset, this.offset + length));
    this.offset += length;
    return value;
  }
}
