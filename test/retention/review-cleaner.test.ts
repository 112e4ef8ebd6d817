/**
 * What a cleaning does about a segment that is damaged.
 */

import { expect, test } from 'vitest';

import { Cleaner } from '../../src/retention/cleaner.ts';
import type { SegmentId } from '../../src/shared/brands.ts';
import { SessfsError } from '../../src/shared/errors.ts';
import { Desk } from '../volume/desk.ts';

const NOTHING = { logicalBytes: 0, aliveBytes: 0, storedBytes: 0, newBytes: 0, missingBytes: 0 };

test('a segment that is damaged keeps no other from being packed, and packs from being collected', async () => {
  const desk = await Desk.open({ segmentBytes: 4096 });
  for (let i = 0; i < 8; i++) desk.save(`f${i}`, Buffer.alloc(2000, i));
  const packed: SegmentId[] = [];
  let collected = 0;
  const cleaner = new Cleaner(desk.volume, {
    pack: (id) => {
      if (id === 1) {
        return Promise.reject(new SessfsError('LOG_CORRUPT', 'its content fails its checksum'));
      }
      packed.push(id);
      return Promise.resolve(NOTHING);
    },
    collect: () => {
      collected += 1;
      return Promise.resolve({ removedPacks: 0, rewrittenMaps: [], freedBytes: 0 });
    },
  });
  const told: string[] = [];
  desk.volume.report = (message): void => void told.push(message);
  const report = await cleaner.clean({ nowMs: desk.clock.ms, isForced: true });
  expect(packed.length).toBeGreaterThan(2);
  expect(report.packedSegments).toBe(packed.length);
  expect(packed).not.toContain(1);
  expect(collected).toBe(1);
  expect(told).toEqual(['Cannot pack segment 1']);
});
