/**
 * Finding the last record from behind, wherever the windows it reads happen to begin.
 */

import { expect, test } from 'vitest';

import type { SegmentId } from '../../src/shared/brands.ts';
import { DiskFile } from '../../src/log/byte-source.ts';
import { findLastRecord } from '../../src/log/last-record.ts';
import { segmentMark } from '../../src/log/segment.ts';
import { SEGMENT_0, VOLUME, appendRecords, openLog } from './fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

const id = 0 as SegmentId;
const mark = segmentMark(VOLUME, id);
const FIRST_WINDOW_BYTES = 16 * 1024;

test('findLastRecord finds the last whole record, however much rubbish is behind it', async () => {
  const disk = new MemoryDisk();
  const { log } = await openLog(disk, { create: true });
  const positions = appendRecords(log, { first: 1, last: 3, dataBytes: 10 });
  await log.close();
  const whole = disk.bytesOf(SEGMENT_0);
  for (const windows of [0, 1, 5]) {
    for (let more = -100; more < 100; more++) {
      const rubbish = Buffer.alloc(Math.max(0, windows * FIRST_WINDOW_BYTES + more), 0x5a);
      disk.setBytes(SEGMENT_0, Buffer.concat([whole, rubbish]));
      const file = DiskFile.open(disk, SEGMENT_0);
      const found = findLastRecord(file, { id, mark, end: file.size });
      file.close();
      expect({ windows, more, pos: found?.pos }).toEqual({ windows, more, pos: positions[2] });
    }
  }
});

test('findLastRecord finds the last record that ends before a place, or none', async () => {
  const disk = new MemoryDisk();
  const { log } = await openLog(disk, { create: true });
  const positions = appendRecords(log, { first: 1, last: 3, dataBytes: 10 });
  const file = DiskFile.open(disk, SEGMENT_0);
  for (let end = 0; end <= log.head; end++) {
    const found = findLastRecord(file, { id, mark, end });
    const ends = [...positions.slice(1), log.head];
    const wanted = ends.filter((each) => each <= end).length;
    expect({ end, revision: found?.record.revision ?? 0 }).toEqual({ end, revision: wanted });
  }
  file.close();
  await log.close();
});
