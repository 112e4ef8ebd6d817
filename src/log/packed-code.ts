/**
 * What reads packed segments, loaded when there is one: most servers that wake have none, and their
 * first client waits.
 */

import { assert } from '../shared/assert.ts';
import type { OpenSource } from './byte-source.ts';
import type { Disk } from './disk.ts';
import type { PackedSegments } from './packed-segments.ts';

interface PackedCode {
  readonly openMap: (disk: Disk, path: string) => OpenSource;
  readonly makeSegments: (place: { disk: Disk; dir: string; volumeId: string }) => PackedSegments;
}

let loaded: PackedCode | undefined;

/** To be awaited before a packed segment is read. */
export async function loadPackedCode(): Promise<void> {
  if (loaded !== undefined) return;
  const [{ MapFile }, segments, { loadZstd }] = await Promise.all([
    import('./map-file.ts'),
    import('./packed-segments.ts'),
    import('./zstd.ts'),
  ]);
  await loadZstd();
  loaded = {
    openMap: (disk, path) => new MapFile(disk, path),
    makeSegments: (place) => new segments.PackedSegments(place),
  };
}

export function getPackedCode(): PackedCode {
  assert(loaded !== undefined, 'the code is loaded before a packed segment is read');
  return loaded;
}
