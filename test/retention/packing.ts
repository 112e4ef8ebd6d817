/**
 * A cleaner whose packer works in this process, as the worker does in its thread.
 */

import { join } from 'node:path';

import { nodeDisk } from '../../src/log/disk.ts';
import { loadZstd } from '../../src/log/zstd.ts';
import { ChunkStore } from '../../src/pack/chunk-store.ts';
import { collectPacks } from '../../src/pack/collect-packs.ts';
import { packSegment } from '../../src/pack/pack-segment.ts';
import { Cleaner } from '../../src/retention/cleaner.ts';
import type { Volume } from '../../src/volume/volume.ts';
import { DESK_VOLUME_ID } from '../volume/desk.ts';

/** What a packer was asked for that had been given up before: a bug of whoever asked. */
export interface PackedTotals {
  missingBytes: number;
  segments: number;
}

const pace = (): Promise<void> => Promise.resolve();

export function makeCleaner(volume: Volume, totals: PackedTotals): Cleaner {
  const { log } = volume;
  const common = { disk: nodeDisk, dir: join(volume.dir, 'log'), volumeId: DESK_VOLUME_ID };
  return new Cleaner(volume, {
    async pack(id, alive) {
      await log.sync();
      await loadZstd();
      const store = ChunkStore.load(common);
      try {
        const bounds = Array.from(alive);
        const result = await packSegment({ ...common, id, alive: bounds, store, pace });
        await log.adoptPacked(id);
        totals.missingBytes += result.missingBytes;
        totals.segments += 1;
        return result;
      } finally {
        store.close();
      }
    },
    async collect(threshold) {
      await loadZstd();
      return collectPacks({
        ...common,
        threshold,
        pace,
        onRewritten: (ids, oldPacks) => log.refreshPacked(ids, oldPacks),
      });
    },
  });
}
