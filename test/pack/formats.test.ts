/**
 * Maps and packs as bytes: what is written is read back, and damaged bytes are refused.
 */

import { assert, array, integer, nat, property, record } from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { SegmentId } from '../../src/shared/brands.ts';
import { ByteReader, ByteWriter } from '../../src/shared/bytes.ts';
import { SessfsError } from '../../src/shared/errors.ts';
import { MAP_HEADER_BYTES, decodeMapHeader, encodeMapHeader } from '../../src/log/map-header.ts';
import type { MapHeader } from '../../src/log/map-header.ts';
import { SpanKind, decodeMapTables, encodeMapTables } from '../../src/log/map-tables.ts';
import type { MapTables } from '../../src/log/map-tables.ts';
import {
  decodePackHeader,
  decodePackTrailer,
  encodePackHeader,
} from '../../src/log/pack-format.ts';
import { PackFile } from '../../src/log/pack-file.ts';
import { readSigned, readVarint, writeSigned, writeVarint } from '../../src/log/varint.ts';
import { hashChunk } from '../../src/pack/chunk-store.ts';
import { PackWriter } from '../../src/pack/pack-writer.ts';
import { ChunkBuilder, SpanBuilder } from '../../src/pack/table-builders.ts';
import { MemoryDisk } from '../log/memory-disk.ts';
import { DIR, VOLUME, loadStore, openPackLog, pack, randomBytes, writeRecord } from './fixture.ts';

const HEADER: MapHeader = {
  volumeId: VOLUME,
  id: 42 as SegmentId,
  size: 2 ** 30,
  records: 77,
  lastRevision: 2 ** 40 + 1,
  aliveBytes: 1000,
  skeletonBytes: 500,
  skeletonStored: 300,
  tables: { stored: 10, raw: 20, crc: 0xfedcba98 },
  segmentHeader: Buffer.alloc(128, 'header'),
};

/** What comes of reading something: "read" if it is right, or what it fails with. */
function outcomeOf(read: () => boolean): string {
  try {
    return read() ? 'read' : 'wrong';
  } catch (error) {
    if (error instanceof SessfsError) return error.code;
    return error instanceof Error ? error.name : String(error);
  }
}

const columnsOf = ({ frames, spans, chunks }: MapTables): string =>
  [frames, spans, chunks]
    .flatMap((table) => Object.entries(table))
    .map(([name, column]) => `${name}: ${(column as Uint32Array).join()}`)
    .join('\n');

describe('numbers', () => {
  test('are read back', () => {
    assert(
      property(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), nat(), (value, small) => {
        const writer = new ByteWriter();
        writeVarint(writer, value);
        writeSigned(writer, -small);
        writeSigned(writer, small);
        const reader = new ByteReader(writer.copy());
        expect([readVarint(reader), readSigned(reader), readSigned(reader)]).toEqual([
          value,
          small === 0 ? 0 : -small,
          small,
        ]);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  test('that do not end are refused', () => {
    for (const length of [1, 8, 20]) {
      expect(() => readVarint(new ByteReader(Buffer.alloc(length, 0xff)))).toThrow(RangeError);
    }
  });
});

describe('the head of a map', () => {
  test('is read back, and refused with any bit flipped', () => {
    const bytes = encodeMapHeader(HEADER);
    expect(bytes.length).toBe(MAP_HEADER_BYTES);
    expect(decodeMapHeader(bytes)).toEqual({ kind: 'map', header: HEADER });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeMapHeader(damaged).kind).not.toBe('map');
    }
    expect(decodeMapHeader(bytes.subarray(0, 255)).kind).toBe('damaged');
  });
});

/** Spans and chunks that fit together. */
const tables = record({
  spans: array(
    record({ kind: integer({ min: 0, max: 2 }), length: integer({ min: 1, max: 99_999 }) }),
  ),
  places: array(record({ pack: nat(5), frame: nat(9), offset: nat(999) }), { minLength: 1 }),
  seed: nat(),
}).map(({ spans, places, seed }) => {
  const builder = new SpanBuilder(128);
  let [end, aliveBytes] = [128, 0];
  const rows: { row: number; length: number }[] = [];
  for (const { kind, length } of spans) {
    end += length;
    const row = builder.add(kind, end);
    if (kind === SpanKind.ALIVE) rows.push({ row, length });
  }
  const ordered = seed % 2 === 0 ? rows : rows.toReversed();
  for (const { row, length } of ordered) {
    builder.setPlace(row, aliveBytes);
    aliveBytes += length;
  }
  const chunks = new ChunkBuilder();
  for (let i = 0; chunks.length < aliveBytes; i++) {
    const place = places[i % places.length] ?? { pack: 0, frame: 0, offset: 0 };
    chunks.add(place, Math.min(aliveBytes - chunks.length, 1 + (seed % 70_000)));
  }
  const skeletonBytes = spans.reduce((sum, { kind, length }) => sum + (kind === 0 ? length : 0), 0);
  const count = Math.ceil(skeletonBytes / (256 * 1024));
  const frames = {
    stored: new Uint32Array(count).fill(9),
    crcs: new Uint32Array(count).fill(seed),
  };
  const sizes = { size: end, aliveBytes, skeletonBytes, skeletonStored: 9 * count };
  return { tables: { frames, spans: builder.build(), chunks: chunks.build() }, sizes };
});

describe('the tables of a map', () => {
  test('are read back', () => {
    assert(
      property(tables, ({ tables: wanted, sizes }) => {
        const read = decodeMapTables(encodeMapTables(wanted), sizes);
        expect(columnsOf(read)).toBe(columnsOf(wanted));
      }),
    );
  });

  test('are refused if they do not fit their head, and end in no other error', () => {
    assert(
      property(tables, nat(), nat(255), ({ tables: made, sizes }, at, byte) => {
        const bytes = encodeMapTables(made);
        expect(() => decodeMapTables(bytes, { ...sizes, size: sizes.size + 1 })).toThrow(
          RangeError,
        );
        expect(() => decodeMapTables(bytes.subarray(0, -1), sizes)).toThrow(RangeError);
        bytes[at % bytes.length] = byte;
        expect(['read', 'RangeError']).toContain(
          outcomeOf(() => decodeMapTables(bytes, sizes).spans.starts.at(-1) === sizes.size),
        );
      }),
    );
  });
});

async function makePack(disk: MemoryDisk): Promise<Buffer[]> {
  disk.makeDirectory(DIR);
  await loadStore(disk);
  const writer = new PackWriter({ disk, dir: DIR, volumeId: VOLUME, nextId: () => 12 });
  const chunks = Array.from({ length: 40 }, (_, i) =>
    i % 2 === 0 ? randomBytes(1000 * i + 1, i) : Buffer.alloc(700 * i, `text ${i} `),
  );
  for (const chunk of chunks) await writer.add(hashChunk(chunk), chunk);
  await writer.finish();
  return chunks;
}

function readPack(disk: MemoryDisk): { chunks: Buffer[]; hashes: Buffer } {
  const file = new PackFile(disk, DIR, { volumeId: VOLUME, id: 12 });
  try {
    const { counts, lengths, hashes } = file.readChunks();
    const chunks: Buffer[] = [];
    for (const [frame, count] of counts.entries()) {
      const bytes = file.readFrame(frame);
      let at = 0;
      for (let i = 0; i < count; i++) {
        const length = lengths[chunks.length] ?? 0;
        chunks.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(at).toBe(bytes.length);
    }
    return { chunks, hashes };
  } finally {
    file.close();
  }
}

describe('a pack', () => {
  test('gives back its chunks, and their hashes', async () => {
    const disk = new MemoryDisk();
    const wanted = await makePack(disk);
    const { chunks, hashes } = readPack(disk);
    expect(chunks.map((chunk) => chunk.toString('latin1'))).toEqual(
      wanted.map((chunk) => chunk.toString('latin1')),
    );
    expect(hashes.equals(Buffer.concat(wanted.map(hashChunk)))).toBe(true);
    expect(disk.openCount).toBe(0);
  });

  test('with a bit flipped anywhere is refused', async () => {
    const disk = new MemoryDisk();
    const wanted = await makePack(disk);
    const path = `${DIR}/p0000000c.pack`;
    const whole = disk.bytesOf(path);
    for (let at = 0; at < whole.length; at += at < 40 || at > whole.length - 1200 ? 7 : 997) {
      disk.flipBit(path, at, at % 8);
      const outcome = outcomeOf(() =>
        readPack(disk).chunks.every((chunk, i) => chunk.equals(wanted[i] ?? Buffer.alloc(0))),
      );
      expect(['LOG_CORRUPT', 'STORE_FOREIGN']).toContain(outcome);
      disk.setBytes(path, whole);
    }
  });

  test('is not taken for another', () => {
    const head = encodePackHeader({ volumeId: VOLUME, id: 3 });
    expect(decodePackHeader(head)).toEqual({ volumeId: VOLUME, id: 3 });
    expect(decodePackHeader(Buffer.alloc(32))).toBeUndefined();
    expect(decodePackTrailer(Buffer.alloc(64))).toBeUndefined();
  });
});

describe('a packed segment with a bit flipped', () => {
  test('never gives wrong content: it gives the right one, or fails', async () => {
    const disk = new MemoryDisk();
    const log = await openPackLog(disk, { create: true });
    const { pos, data } = writeRecord(log, 2, Buffer.alloc(30_000, 'some text; '));
    log.seal();
    await pack(log, disk, { id: 0 as SegmentId, alive: [pos, pos + data.length] });
    await log.close();
    for (const name of disk.list(DIR).filter((each) => /map$|pack$/.test(each))) {
      const path = `${DIR}/${name}`;
      const whole = disk.bytesOf(path);
      for (let at = 0; at < whole.length; at++) {
        disk.flipBit(path, at, at % 8);
        const read = await openPackLog(disk).then(
          async (again) => {
            const bytes = await again.read(pos, data.length).catch(() => undefined);
            await again.close();
            return bytes;
          },
          () => undefined,
        );
        expect(read === undefined || read.equals(data)).toBe(true);
        disk.setBytes(path, whole);
      }
    }
    expect(disk.openCount).toBe(0);
  });
});
