/**
 * Compression of packed content: Node's own zstd where it has one, else one that was compiled to WASM.
 *
 * Rule: nothing is loaded until something packed is to be read or written. Loading waits; what comes
 * after it does not, so that a read on the serving thread needs no turn of the event loop.
 */

import zlib from 'node:zlib';

import { assert } from '../shared/assert.ts';

interface Zstd {
  compress(bytes: Uint8Array): Uint8Array;
  decompress(bytes: Uint8Array, length: number): Uint8Array;
}

/** Of Node 22.15 and later; the types here are those of Node 20. */
interface NativeZlib {
  zstdCompressSync?: (bytes: Uint8Array, options: { params: Record<number, number> }) => Buffer;
  zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer;
}

/** Higher ones take twice the time and more for a twentieth of the size. */
const LEVEL = 3;
const ZSTD_C_COMPRESSION_LEVEL = 100;

let loaded: Zstd | undefined;
let loading: Promise<Zstd> | undefined;

/** To be awaited before anything is compressed or decompressed; does nothing the second time. */
export async function loadZstd(): Promise<void> {
  if (loaded !== undefined) return;
  loading ??= load();
  loaded = await loading;
}

/** @returns The bytes themselves if they do not become smaller. */
export function compress(bytes: Uint8Array): Uint8Array {
  const compressed = get().compress(bytes);
  return compressed.length < bytes.length ? compressed : bytes;
}

/**
 * @param bytes What compress returned: their checksum has to be verified before.
 * @param length What was given to it.
 * @throws {Error} If they are not what compress made.
 */
export function decompress(bytes: Buffer, length: number): Buffer {
  if (bytes.length === length) return bytes;
  const raw = get().decompress(bytes, length);
  if (raw.length !== length) throw new RangeError(`${raw.length} bytes, wanted ${length}`);
  return Buffer.from(raw.buffer, raw.byteOffset, raw.length);
}

function get(): Zstd {
  assert(loaded !== undefined, 'zstd is loaded before it is used');
  return loaded;
}

async function load(): Promise<Zstd> {
  const { zstdCompressSync, zstdDecompressSync } = zlib as NativeZlib;
  if (zstdCompressSync !== undefined && zstdDecompressSync !== undefined) {
    const params = { [ZSTD_C_COMPRESSION_LEVEL]: LEVEL };
    return {
      compress: (bytes) => zstdCompressSync(bytes, { params }),
      decompress: (bytes, length) => zstdDecompressSync(bytes, { maxOutputLength: length }),
    };
  }
  const wasm = await import('@bokuweb/zstd-wasm');
  await wasm.init();
  return {
    compress: (bytes) => wasm.compress(bytes, LEVEL),
    decompress: (bytes) => wasm.decompress(bytes),
  };
}
