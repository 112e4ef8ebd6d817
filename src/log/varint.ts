/**
 * Whole numbers in as many bytes as they need, seven bits each, the lowest first. Pure.
 */

import type { ByteReader, ByteWriter } from '../shared/bytes.ts';

const BASE = 128;

/** @param value Not negative, and a safe integer. */
export function writeVarint(writer: ByteWriter, value: number): void {
  let rest = value;
  while (rest >= BASE) {
    writer.u8((rest % BASE) + BASE);
    rest = Math.floor(rest / BASE);
  }
  writer.u8(rest);
}

/** @throws {RangeError} If it does not end, or is no safe integer. */
export function readVarint(reader: ByteReader): number {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 49; scale *= BASE) {
    const byte = reader.u8();
    value += (byte % BASE) * scale;
    if (byte < BASE) {
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
  }
  throw new RangeError('Read a number that is too large');
}

/** A whole number of either sign: small ones of both become small. */
export function writeSigned(writer: ByteWriter, value: number): void {
  writeVarint(writer, value >= 0 ? value * 2 : -value * 2 - 1);
}

export function readSigned(reader: ByteReader): number {
  const value = readVarint(reader);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
