/**
 * What statfs(2) says of a volume: its quota where that is smaller than the disk, and the disk otherwise.
 *
 * df(1) then shows the live limit as the size, what live files hold as used, and as available what is left of
 * both the limit and the disk. What the history holds is not in it: removing files makes room at once.
 */

import type { StatfsReply } from '../fuse/file-system.ts';
import { NAME_MAX_BYTES } from '../shared/names.ts';
import type { Volume } from '../volume/volume.ts';

export function measureSpace(volume: Pick<Volume, 'space' | 'state' | 'quota'>): StatfsReply {
  const { blockBytes, ...disk } = volume.space.measure();
  const { liveBytes, inodes } = volume.state;
  const { limits } = volume.quota;
  const hasQuota = limits.liveBytes < disk.blocks * blockBytes;
  const leftBlocks = Math.max(0, Math.floor((limits.liveBytes - liveBytes) / blockBytes));
  // Inodes are records in a log: there are as many as there is room for.
  const files = Math.min(limits.inodes, inodes + disk.freeBlocks);
  return {
    blocks: hasQuota ? Math.ceil(limits.liveBytes / blockBytes) : disk.blocks,
    freeBlocks: hasQuota ? leftBlocks : disk.freeBlocks,
    availableBlocks: hasQuota ? Math.min(leftBlocks, disk.availableBlocks) : disk.availableBlocks,
    files,
    freeFiles: Math.max(0, files - inodes),
    blockSize: blockBytes,
    fragmentSize: blockBytes,
    maxNameBytes: NAME_MAX_BYTES,
  };
}
