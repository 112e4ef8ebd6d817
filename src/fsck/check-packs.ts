/**
 * Packs by themselves: every frame, and every piece of content against its hash.
 *
 * What of the volume is affected is found from the segments: content in a damaged frame that nobody
 * refers to is no damage. So this only says more about what is wrong.
 */

import { nodeDisk, systemCode } from '../log/disk.ts';
import { PackFile } from '../log/pack-file.ts';
import { HASH_BYTES, findPackId } from '../log/pack-format.ts';
import type { PackChunks } from '../log/pack-format.ts';
import { hashChunk } from '../pack/chunk-store.ts';
import { SessfsError } from '../shared/errors.ts';
import type { LogPlace } from './slot-source.ts';

/** @param onProblem A sentence for each frame or table that does not hold. */
export async function checkPacks(
  place: LogPlace,
  onProblem: (problem: string) => void,
): Promise<void> {
  for (const name of nodeDisk.list(place.logDir)) {
    const id = findPackId(name);
    if (id === undefined) continue;
    try {
      await checkPack(place, id, onProblem);
    } catch (error) {
      // While the volume is served packs are replaced.
      if (systemCode(error) === 'ENOENT') continue;
      if (!(error instanceof SessfsError)) throw error;
      onProblem(error.message);
    }
  }
}

async function checkPack(
  { logDir, volumeId }: LogPlace,
  id: number,
  onProblem: (problem: string) => void,
): Promise<void> {
  const file = new PackFile(nodeDisk, logDir, { volumeId, id });
  try {
    const chunks = file.readChunks();
    let row = 0;
    for (const [frame, count] of chunks.counts.entries()) {
      try {
        const bytes = await file.readFrameAsync(frame);
        if (!areChunks(bytes, chunks, { row, count })) {
          onProblem(`Pack "${file.path}", frame ${frame}: its content is not that of its hashes`);
        }
      } catch (error) {
        if (!(error instanceof SessfsError)) throw error;
        onProblem(error.message);
      }
      row += count;
    }
  } finally {
    file.close();
  }
}

/** True if a frame is these chunks, one behind the other. */
function areChunks(
  frame: Buffer,
  { lengths, hashes }: PackChunks,
  { row, count }: { row: number; count: number },
): boolean {
  let at = 0;
  for (let i = row; i < row + count; i++) {
    const end = at + (lengths[i] ?? 0);
    const hash = hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
    if (!hashChunk(frame.subarray(at, end)).equals(hash)) return false;
    at = end;
  }
  return at === frame.length;
}
