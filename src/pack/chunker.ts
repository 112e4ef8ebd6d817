/**
 * Cuts content into chunks where its bytes say so: what is equal is cut equally, wherever it stands. Pure.
 *
 * FastCDC: a rolling hash of the last 32 bytes (gear), with a mask that cuts seldom before the wanted
 * length and often after it. Where it cuts decides what is found again, never what is read: other
 * constants would only find less of what is there.
 *
 * Source: Xia et al., "FastCDC", USENIX ATC 2016, sections 3.2 to 3.5.
 */

export const CHUNK_MIN_BYTES = 4 * 1024;
export const CHUNK_MAX_BYTES = 64 * 1024;

/** From here on it is cut often; chunks are then 16 KiB on average. */
const NORMAL_BYTES = 14 * 1024;

/** The highest bits: all of the last 32 bytes are in them. One in 2^16, and one in 2^12. */
const MASK_SELDOM = 0xffff0000 | 0;
const MASK_OFTEN = 0xfff00000 | 0;

const GEAR = makeGear();

/**
 * Finds the end of the chunk that begins at `start`.
 *
 * @param end Where the bytes end: that of the content, or at least CHUNK_MAX_BYTES behind `start`.
 */
export function findChunkEnd(bytes: Uint8Array, start: number, end: number): number {
  if (end - start <= CHUNK_MIN_BYTES) return end;
  const most = Math.min(end, start + CHUNK_MAX_BYTES);
  const normal = Math.min(most, start + NORMAL_BYTES);
  let hash = 0;
  let at = start + CHUNK_MIN_BYTES;
  for (; at < normal; at++) {
    hash = ((hash << 1) + gearOf(bytes, at)) | 0;
    if ((hash & MASK_SELDOM) === 0) return at + 1;
  }
  for (; at < most; at++) {
    hash = ((hash << 1) + gearOf(bytes, at)) | 0;
    if ((hash & MASK_OFTEN) === 0) return at + 1;
  }
  return most;
}

// Both are within bounds: `?? 0` costs nothing, an assertion would.
const gearOf = (bytes: Uint8Array, at: number): number => GEAR[bytes[at] ?? 0] ?? 0;

/** Numbers without any meaning, always the same (splitmix32). */
function makeGear(): Int32Array {
  let state = 0x5e55f5;
  return Int32Array.from({ length: 256 }, () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  });
}
