/**
 * What a crash leaves: torn tails are cut, damage is refused, and what was synced is never given up.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { LogPos } from '../../src/shared/brands.ts';
import {
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  encodeSegmentHeader,
  offsetOf,
  segmentName,
  segmentOf,
} from '../../src/log/segment.ts';
import {
  DIR,
  SEGMENT_0,
  SEGMENT_1,
  appendOne,
  appendRecords,
  dataOf,
  failureOf,
  openLog,
  revisionsOf,
  upTo,
} from './fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

const SYNCED = `${DIR}/synced`;

interface Written {
  readonly disk: MemoryDisk;
  /** Where each record starts; the index is its revision - 1. */
  readonly positions: readonly LogPos[];
}

/** A log that was synced up to one revision, then killed. */
async function makeLog(options: {
  synced: number;
  last: number;
  segmentBytes?: number;
  dataBytes?: number;
  /** Another one makes data of the same length but other content. */
  seed?: number;
}): Promise<Written> {
  const { synced, last, segmentBytes = 1e6, dataBytes, seed = 0 } = options;
  const disk = new MemoryDisk();
  const { log } = await openLog(disk, { create: true, segmentBytes });
  const data = dataBytes === undefined ? {} : { dataBytes, seed };
  const positions = appendRecords(log, { first: 1, last: synced, ...data });
  await log.sync();
  positions.push(...appendRecords(log, { first: synced + 1, last, ...data }));
  disk.kill();
  return { disk, positions };
}

const fileOf = (pos: LogPos): string => `${DIR}/${segmentName(segmentOf(pos))}`;

/** Opens, appends one more, closes, opens again: what the second replay gives. */
async function reviveTwice(disk: MemoryDisk): Promise<{ first: number[]; second: number[] }> {
  const { log, seen } = await openLog(disk, { segmentBytes: 400 });
  appendOne(log, log.lastRevision + 1);
  await log.close();
  const again = await openLog(disk);
  await again.log.close();
  expect(disk.openCount).toBe(0);
  return { first: revisionsOf(seen), second: revisionsOf(again.seen) };
}

describe('a log that ends in the middle', () => {
  test('is cut to its last whole record, at every byte of what was not synced', async () => {
    const { disk, positions } = await makeLog({ synced: 4, last: 9, dataBytes: 30 });
    const whole = disk.bytesOf(SEGMENT_0);
    const start = offsetOf(positions[4] ?? (0 as LogPos));
    for (let size = start; size < whole.length; size++) {
      const torn = disk.clone();
      torn.setBytes(SEGMENT_0, Buffer.from(whole.subarray(0, size)));
      const kept = positions.filter(
        (_, i) => offsetOf(positions[i + 1] ?? (whole.length as LogPos)) <= size,
      );
      const { first, second } = await reviveTwice(torn);
      expect({ size, first }).toEqual({ size, first: upTo(kept.length) });
      expect(second).toEqual(upTo(kept.length + 1));
    }
  });

  test('is refused, with file and offset, at every byte of what was synced', async () => {
    const { disk } = await makeLog({ synced: 4, last: 4, dataBytes: 30 });
    const whole = disk.bytesOf(SEGMENT_0);
    for (let size = 0; size < whole.length; size++) {
      const torn = disk.clone();
      torn.setBytes(SEGMENT_0, Buffer.from(whole.subarray(0, size)));
      const { code, message } = await failureOf(openLog(torn));
      expect({ size, code }).toEqual({ size, code: 'LOG_CORRUPT' });
      expect(message).toContain(`Cannot read log "${SEGMENT_0}": offset `);
      expect(torn.bytesOf(SEGMENT_0).length).toBe(size);
    }
  });

  test('is cut in any segment that was not synced, and those after it go', async () => {
    const { disk, positions } = await makeLog({ synced: 3, last: 20, segmentBytes: 400 });
    const files = [...disk.files.keys()].filter((name) => name.endsWith('.seg'));
    expect(files.length).toBeGreaterThan(4);
    for (const file of files.slice(1)) {
      const whole = disk.bytesOf(file);
      for (let size = 0; size < whole.length; size += 7) {
        const torn = disk.clone();
        torn.setBytes(file, Buffer.from(whole.subarray(0, size)));
        const kept = positions.filter((pos, i) => {
          if (fileOf(pos) !== file) return fileOf(pos) < file;
          const next = positions[i + 1];
          const end = next !== undefined && fileOf(next) === file ? offsetOf(next) : whole.length;
          return end <= size;
        });
        const { first, second } = await reviveTwice(torn);
        expect({ file, size, first }).toEqual({ file, size, first: upTo(kept.length) });
        expect(second).toEqual(upTo(kept.length + 1));
      }
    }
  });

  test('is read to its end where large data was not synced', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    // Larger than the window of a reader, and than the smaller one that it uses among large data.
    appendRecords(log, { first: 1, last: 4, dataBytes: 300_000 });
    appendRecords(log, { first: 5, last: 6, dataBytes: 1_500_000 });
    const { seen } = await openLog(disk);
    expect(revisionsOf(seen)).toEqual(upTo(6));
  });

  test('tells what was cut', async () => {
    const { disk, positions } = await makeLog({ synced: 2, last: 4 });
    const whole = disk.bytesOf(SEGMENT_0);
    disk.setBytes(SEGMENT_0, Buffer.from(whole.subarray(0, whole.length - 1)));
    const { log } = await openLog(disk);
    const offset = offsetOf(positions[3] ?? (0 as LogPos));
    expect(log.tornTail).toMatchObject({
      path: SEGMENT_0,
      offset,
      bytes: whole.length - 1 - offset,
    });
    await log.close();
    const again = await openLog(disk);
    expect(again.log.tornTail).toBeUndefined();
    await again.log.close();
  });

  test('loses a last segment whose header is short, zeros or only begun', async () => {
    for (const header of [
      Buffer.alloc(0),
      Buffer.alloc(50),
      Buffer.alloc(128),
      Buffer.alloc(4096),
    ]) {
      const { disk } = await makeLog({ synced: 2, last: 3 });
      disk.setBytes(SEGMENT_1, header);
      const { first, second } = await reviveTwice(disk);
      expect(first).toEqual([1, 2, 3]);
      expect(second).toEqual([1, 2, 3, 4]);
    }
  });

  test('is made anew when its first segment was only begun, if it may be', async () => {
    const disk = new MemoryDisk();
    disk.setBytes(SEGMENT_0, Buffer.alloc(50));
    expect((await failureOf(openLog(disk.clone()))).code).toBe('LOG_CORRUPT');
    const { log } = await openLog(disk, { create: true });
    appendOne(log, 1);
    await log.close();
    expect(revisionsOf((await openLog(disk)).seen)).toEqual([1]);
  });
});

describe('one changed bit', () => {
  test('is refused anywhere in what was synced', async () => {
    const { disk } = await makeLog({ synced: 6, last: 6, segmentBytes: 350 });
    for (const file of [...disk.files.keys()].filter((name) => name.endsWith('.seg'))) {
      for (let offset = 0; offset < disk.bytesOf(file).length; offset++) {
        const changed = disk.clone();
        changed.flipBit(file, offset, offset & 7);
        const { code } = await failureOf(openLog(changed));
        const wanted = offset < 8 ? 'STORE_FOREIGN' : 'LOG_CORRUPT';
        expect({ file, offset, code }).toEqual({ file, offset, code: wanted });
      }
    }
  });

  test('ends the log at its record in what was not synced, data included', async () => {
    const { disk, positions } = await makeLog({ synced: 3, last: 8, dataBytes: 40 });
    const length = disk.bytesOf(SEGMENT_0).length;
    for (let offset = offsetOf(positions[3] ?? (0 as LogPos)); offset < length; offset++) {
      const changed = disk.clone();
      changed.flipBit(SEGMENT_0, offset, offset & 7);
      const whole = positions.filter((pos) => offsetOf(pos) <= offset).length - 1;
      const { first } = await reviveTwice(changed);
      expect({ offset, first }).toEqual({ offset, first: upTo(whole) });
    }
  });

  test('is refused without the file that tells how far was synced, if a later record tells', async () => {
    const { disk, positions } = await makeLog({ synced: 5, last: 6 });
    disk.files.delete(SYNCED);
    for (const [index, pos] of positions.entries()) {
      const changed = disk.clone();
      changed.flipBit(SEGMENT_0, offsetOf(pos) + 20);
      const { code } = await failureOf(openLog(changed));
      expect({ index, code }).toEqual({ index, code: index < 5 ? 'LOG_CORRUPT' : 'none' });
    }
  });

  test('in the file that tells how far was synced makes it count for nothing', async () => {
    const { disk } = await makeLog({ synced: 5, last: 5 });
    for (let offset = 0; offset < disk.bytesOf(SYNCED).length; offset++) {
      const changed = disk.clone();
      changed.flipBit(SYNCED, offset);
      expect(revisionsOf((await openLog(changed)).seen)).toEqual(upTo(5));
    }
  });
});

describe('a log with segments that do not belong', () => {
  test('is refused when one is missing: first, middle or last', async () => {
    const { disk } = await makeLog({ synced: 12, last: 12, segmentBytes: 400 });
    const files = [...disk.files.keys()].filter((name) => name.endsWith('.seg'));
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const less = disk.clone();
      less.files.delete(file);
      expect({ file, ...(await failureOf(openLog(less))) }).toMatchObject({ code: 'LOG_CORRUPT' });
    }
  });

  test('is refused when two have changed places or one is an older copy', async () => {
    const { disk } = await makeLog({ synced: 12, last: 12, segmentBytes: 400 });
    const older = await makeLog({ synced: 12, last: 12, segmentBytes: 400, dataBytes: 1 });
    const swapped = disk.clone();
    swapped.setBytes(SEGMENT_0, disk.bytesOf(SEGMENT_1));
    swapped.setBytes(SEGMENT_1, disk.bytesOf(SEGMENT_0));
    expect((await failureOf(openLog(swapped))).code).toBe('LOG_CORRUPT');
    const mixed = disk.clone();
    mixed.setBytes(SEGMENT_1, older.disk.bytesOf(SEGMENT_1));
    expect((await failureOf(openLog(mixed))).code).toBe('LOG_CORRUPT');
  });

  test('is refused when one follows another history, though its own bytes hold', async () => {
    const history = { synced: 12, last: 12, segmentBytes: 600 };
    const { disk } = await makeLog({ ...history, dataBytes: 20 });
    const other = await makeLog({ ...history, dataBytes: 20, seed: 1 });
    expect(other.disk.bytesOf(SEGMENT_0).length).toBe(disk.bytesOf(SEGMENT_0).length);
    const mixed = disk.clone();
    mixed.setBytes(SEGMENT_0, other.disk.bytesOf(SEGMENT_0));
    expect(await failureOf(openLog(mixed))).toMatchObject({
      code: 'LOG_CORRUPT',
      message: expect.stringContaining(`"${SEGMENT_1}": offset 0: a segment that does not follow`),
    });
    const bytes = Buffer.from(disk.bytesOf(SEGMENT_1));
    const decoded = decodeSegmentHeader(bytes);
    if (decoded.kind !== 'header') throw new Error('no header');
    encodeSegmentHeader({ ...decoded.header, previousDigest: Buffer.alloc(32, 1) }).copy(bytes);
    disk.setBytes(SEGMENT_1, bytes);
    expect((await failureOf(openLog(disk))).message).toContain(
      'offset 0: a segment that does not follow the one before it',
    );
  });

  test('is refused when a sealed one is shorter or longer, also where replay does not read it', async () => {
    const { disk, positions } = await makeLog({ synced: 12, last: 12, segmentBytes: 400 });
    const whole = disk.bytesOf(SEGMENT_0);
    const from = positions.at(-1);
    for (const bytes of [
      whole.subarray(0, whole.length - 1),
      Buffer.concat([whole, Buffer.alloc(9)]),
    ]) {
      disk.setBytes(SEGMENT_0, Buffer.from(bytes));
      expect((await failureOf(openLog(disk.clone()))).code).toBe('LOG_CORRUPT');
      expect((await failureOf(openLog(disk.clone(), { from }))).code).toBe('LOG_CORRUPT');
    }
  });

  test('is refused as foreign when it is of another volume, another format, or no log', async () => {
    const { disk } = await makeLog({ synced: 3, last: 3 });
    const volumeId = 'f'.repeat(32);
    const other = await failureOf(openLog(disk.clone(), { volumeId }));
    expect(other).toMatchObject({
      code: 'STORE_FOREIGN',
      message: expect.stringContaining(SEGMENT_0),
    });
    disk.setBytes(SEGMENT_0, Buffer.alloc(500, 'a text file\n'));
    expect((await failureOf(openLog(disk))).code).toBe('STORE_FOREIGN');
  });
});

describe('records of another history', () => {
  test('end the log where they begin, though they stand in their place', async () => {
    const { disk, positions } = await makeLog({ synced: 2, last: 6, dataBytes: 20 });
    const other = await makeLog({ synced: 2, last: 6, dataBytes: 20, seed: 1 });
    const at = offsetOf(positions[3] ?? (0 as LogPos));
    const [head, tail] = [disk.bytesOf(SEGMENT_0), other.disk.bytesOf(SEGMENT_0)];
    disk.setBytes(SEGMENT_0, Buffer.concat([head.subarray(0, at), tail.subarray(at)]));
    const { log, seen } = await openLog(disk);
    expect(revisionsOf(seen)).toEqual([1, 2, 3]);
    expect(log.tornTail?.problem).toBe('a record that does not follow the one before it');
  });
});

describe('data that looks like records', () => {
  test('is not taken for them when the record that holds it is damaged', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    appendRecords(log, { first: 1, last: 3 });
    await log.sync();
    appendOne(log, 4, Buffer.from(disk.bytesOf(SEGMENT_0)));
    const { recordPos } = log;
    disk.kill();
    disk.flipBit(SEGMENT_0, offsetOf(recordPos));
    const { log: again, seen } = await openLog(disk);
    expect(revisionsOf(seen)).toEqual([1, 2, 3]);
    expect(again.head).toBe(recordPos);
  });
});

describe('power cuts', () => {
  /** What one life of the log does: appends, of so many bytes of data; -1 is a sync. */
  const life = fc.array(fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 400 })), {
    maxLength: 25,
  });

  test('leave a prefix of what was appended, with all that was synced, whatever the disk kept', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(life, fc.array(fc.boolean(), { minLength: 5, maxLength: 40 })), {
          minLength: 1,
          maxLength: 4,
        }),
        async (lives) => {
          const disk = new MemoryDisk();
          let wanted: number[] = [];
          let synced = 0;
          for (const [steps, survivors] of lives) {
            const { log, seen } = await openLog(disk, { create: true, segmentBytes: 700 });
            const lengths = seen.map((each) => each.dataLength);
            expect(lengths).toEqual(wanted.slice(0, lengths.length));
            expect(lengths.length).toBeGreaterThanOrEqual(synced);
            wanted = lengths;
            for (const step of steps) {
              if (step === -1) {
                await log.sync();
                synced = log.durableRevision;
              } else {
                wanted.push(step);
                appendOne(log, wanted.length, dataOf(wanted.length, step));
              }
            }
            let turn = 0;
            disk.losePower(() => survivors[turn++ % survivors.length] === true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of which the index does not know are told apart from damage', async () => {
    const { disk, positions } = await makeLog({ synced: 3, last: 6 });
    disk.losePower(() => false);
    const from = positions[5];
    expect((await failureOf(openLog(disk.clone(), { from }))).code).toBe('INDEX_CORRUPT');
    expect(revisionsOf((await openLog(disk)).seen)).toEqual([1, 2, 3]);
  });

  test('that take a record from the middle of what the index knows are found', async () => {
    const { disk, positions } = await makeLog({ synced: 4, last: 12, segmentBytes: 400 });
    const from = positions[9];
    const { log, seen } = await openLog(disk.clone(), { from });
    expect(revisionsOf(seen)).toEqual([10, 11, 12]);
    expect(log.head).toBeGreaterThan(positions[11] ?? 0);
    for (const [index, pos] of positions.entries()) {
      const torn = disk.clone();
      torn.flipBit(fileOf(pos), offsetOf(pos) + 60);
      const { code } = await failureOf(openLog(torn, { from }));
      const isRead = fileOf(pos) >= fileOf(positions[4] ?? pos);
      const wanted = !isRead || index > 8 ? 'none' : index < 4 ? 'LOG_CORRUPT' : 'INDEX_CORRUPT';
      expect({ index, code }).toEqual({ index, code: wanted });
      expect(torn.openCount === 0).toBe(wanted !== 'none');
    }
  });

  test('that cut a segment short, or take its header, before what the index knows are found', async () => {
    const { disk, positions } = await makeLog({ synced: 4, last: 16, segmentBytes: 400 });
    const from = positions.at(-1) ?? (0 as LogPos);
    const files = [...disk.files.keys()].filter(
      (file) => file.endsWith('.seg') && file < fileOf(from),
    );
    expect(files.length).toBeGreaterThan(2);
    const records = (file: string): number[] =>
      positions.flatMap((pos, index) => (fileOf(pos) === file ? [index + 1] : []));
    for (const file of files) {
      const whole = disk.bytesOf(file);
      for (const size of [0, 60, SEGMENT_HEADER_BYTES, whole.length - 1]) {
        const torn = disk.clone();
        torn.setBytes(file, Buffer.from(whole.subarray(0, size)));
        const lost = size === whole.length - 1 ? records(file).at(-1) : records(file)[0];
        const wanted = (lost ?? 0) <= 4 ? 'LOG_CORRUPT' : 'INDEX_CORRUPT';
        const { code } = await failureOf(openLog(torn, { from }));
        expect({ file, size, code }).toEqual({ file, size, code: wanted });
        if (wanted === 'LOG_CORRUPT') continue;
        expect(revisionsOf((await openLog(torn)).seen)).toEqual(upTo((lost ?? 0) - 1));
      }
    }
  });

  test('right after it was made leave an empty log', async () => {
    const disk = new MemoryDisk();
    await openLog(disk, { create: true });
    disk.losePower(() => false);
    const { log, seen } = await openLog(disk);
    expect(seen).toEqual([]);
    expect(log.head).toBe(SEGMENT_HEADER_BYTES);
  });
});

test('A damaged header of the only segment is refused, and what stands behind it stays', async () => {
  const { disk } = await makeLog({ synced: 0, last: 5 });
  disk.flipBit(SEGMENT_0, 20);
  const before = disk.bytesOf(SEGMENT_0);
  expect((await failureOf(openLog(disk))).code).toBe('LOG_CORRUPT');
  disk.remove(SYNCED);
  expect((await failureOf(openLog(disk, { create: true }))).code).toBe('LOG_CORRUPT');
  expect(disk.bytesOf(SEGMENT_0)).toEqual(before);
});
