/**
 * Gap records: they cover any place exactly, and a log goes on over them.
 */

import { crc32 } from 'node:zlib';

import { describe, expect, test } from 'vitest';

import type { Revision } from '../../src/shared/brands.ts';
import { encodeGap, GAP_MIN_BYTES, gapShape } from '../../src/log/gap.ts';
import { DATA_CHUNK_BYTES, recordCrc } from '../../src/log/record.ts';
import { offsetOf, segmentMark } from '../../src/log/segment.ts';
import { appendOne, appendRecords, dataOf, DIR, openLog, SEGMENT_0, VOLUME } from './fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

describe('gapShape', () => {
  test('divides every length, with a few bytes of padding at most', () => {
    const lengths = [0, 1, 2].flatMap((chunks) =>
      Array.from({ length: 40 }, (_, i) => GAP_MIN_BYTES + chunks * DATA_CHUNK_BYTES + i),
    );
    for (const length of lengths) {
      const { payloadLength, dataLength, metaLength } = gapShape(length);
      expect(metaLength + dataLength).toBe(length);
      expect(metaLength).toBe(56 + payloadLength + 4 * Math.ceil(dataLength / DATA_CHUNK_BYTES));
      expect(payloadLength).toBeLessThanOrEqual(8);
    }
  });

  test('leaves the content of a record that it covers alone', () => {
    for (const bytes of [1, 5000, DATA_CHUNK_BYTES, DATA_CHUNK_BYTES + 1, 8 * DATA_CHUNK_BYTES]) {
      // A write has a payload of 19 bytes.
      const head = 56 + 19 + 4 * Math.ceil(bytes / DATA_CHUNK_BYTES);
      expect(gapShape(head + bytes).metaLength).toBeLessThanOrEqual(head);
    }
  });
});

describe('a log with a gap', () => {
  test('is replayed past it, goes on, and can be read from behind it', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk, { create: true });
    const positions = appendRecords(log, { first: 1, last: 3 });
    appendOne(log, 4, dataOf(4, 1000));
    const lost = log.recordPos;
    const [after = log.head] = appendRecords(log, { first: 5, last: 6 });
    await log.close();
    const bytes = Buffer.from(disk.bytesOf(SEGMENT_0));
    const [from, to] = [offsetOf(lost), offsetOf(after)];
    const shape = gapShape(to - from);
    const data = bytes.subarray(from + shape.metaLength, to);
    const gap = encodeGap(
      {
        mark: segmentMark(VOLUME, 0 as never),
        offset: from,
        link: recordCrc(bytes, offsetOf(positions[2] ?? lost)),
      },
      shape,
      { revision: 4 as Revision, time: { sec: 1003, nsec: 3 }, nextLink: recordCrc(bytes, from) },
      [crc32(data)],
    );
    gap.copy(bytes, from);
    disk.setBytes(SEGMENT_0, bytes);

    const again = await openLog(disk);
    expect(again.seen.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(again.log.tornTail).toBeUndefined();
    appendOne(again.log, 7);
    await again.log.close();
    const later = await openLog(disk, { from: after });
    expect(later.seen.map(({ revision }) => revision)).toEqual([5, 6, 7]);
    const found: number[] = [];
    for await (const record of later.log.scan(0 as never)) found.push(record.type);
    expect(found).toEqual([3, 3, 3, 255, 3, 3, 3]);
    await later.log.close();
    expect(disk.list(DIR)).toContain('00000000.seg');
  });
});
