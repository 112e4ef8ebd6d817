/**
 * A value of the index as it lies in LevelDB: with a checksum over its key and itself.
 *
 * Rule: what was damaged on disk is never taken for what was written. LevelDB has checksums of its blocks
 * but verifies none when it is asked for a value (classic-level 3 does not offer it).
 */

import { crc32 } from 'node:zlib';

export const SEAL_BYTES = 4;

let scratch = Buffer.allocUnsafeSlow(1 << 16);

/** @returns A view into a shared buffer, valid until the next call. */
export function sealValue(key: Uint8Array, value: Uint8Array): Buffer {
  const length = value.length + SEAL_BYTES;
  if (length > scratch.length) scratch = Buffer.allocUnsafeSlow(2 * length);
  scratch.set(value);
  scratch.writeUInt32LE(checksum(key, value), value.length);
  return scratch.subarray(0, length);
}

/** @returns The value, or undefined if it is not what was sealed under this key. */
export function unsealValue(key: Uint8Array, sealed: Buffer): Buffer | undefined {
  const length = sealed.length - SEAL_BYTES;
  if (length < 0) return undefined;
  const value = sealed.subarray(0, length);
  return sealed.readUInt32LE(length) === checksum(key, value) ? value : undefined;
}

const checksum = (key: Uint8Array, value: Uint8Array): number => crc32(value, crc32(key));
