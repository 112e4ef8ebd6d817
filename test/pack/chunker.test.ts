/**
 * Cutting by content: every byte in one chunk, lengths within bounds, and what is equal cut equally.
 */

import { assert, integer, nat, property, record } from 'fast-check';
import { describe, expect, test } from 'vitest';

import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, findChunkEnd } from '../../src/pack/chunker.ts';
import { randomBytes } from './fixture.ts';

function chunksOf(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = findChunkEnd(bytes, at, bytes.length);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

const MIB = 1024 * 1024;

describe('findChunkEnd', () => {
  test('cuts content into chunks that are the content, within bounds but for the last', () => {
    const content = record({
      seed: nat(),
      length: nat(300_000),
      period: integer({ min: 1, max: 256 }),
    }).map(({ seed, length, period }) => randomBytes(length, seed).map((byte) => byte % period));
    assert(
      property(content, (bytes) => {
        const chunks = chunksOf(bytes);
        expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
        for (const { length } of chunks.slice(0, -1)) {
          expect(length).toBeGreaterThan(CHUNK_MIN_BYTES);
          expect(length).toBeLessThanOrEqual(CHUNK_MAX_BYTES);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('cuts chunks of 16 KiB on average', () => {
    const average = (16 * MIB) / chunksOf(randomBytes(16 * MIB, 1)).length;
    expect(average).toBeGreaterThan(14 * 1024);
    expect(average).toBeLessThan(19 * 1024);
  });

  test('cuts where it did before, soon behind a byte that was put in front', () => {
    const bytes = randomBytes(4 * MIB, 2);
    const before = new Set(chunksOf(bytes).map((chunk) => Buffer.from(chunk).toString('latin1')));
    const after = chunksOf(Buffer.concat([Buffer.from('!'), bytes]));
    const isNew = after.map((chunk) => !before.has(Buffer.from(chunk).toString('latin1')));
    expect(isNew.slice(8)).not.toContain(true);
    expect(isNew.filter(Boolean).length).toBeLessThanOrEqual(3);
  });

  test('goes on equally wherever in a buffer the content stands', () => {
    const bytes = randomBytes(MIB, 3);
    const shifted = Buffer.concat([Buffer.alloc(12_345), bytes]);
    const end = findChunkEnd(bytes, 0, bytes.length);
    expect(findChunkEnd(shifted, 12_345, shifted.length)).toBe(12_345 + end);
  });
});
