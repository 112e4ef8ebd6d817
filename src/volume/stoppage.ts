/**
 * Why a volume takes no more changes, and whether that passes.
 *
 * Rule: what is in the log is safe, and what is in memory is right; what failed is the index, which on
 * disk is older than both and stays so. LevelDB does not go on after a write that failed: only another
 * server that replays the log can, and when there was no room it needs some first.
 */

import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { Errno } from '../shared/errno.ts';

export interface Stoppage {
  /** The sentence to show. */
  readonly reason: string;
  /** What a change is refused with. */
  readonly errno: Errno;
  /** It is over when the disk has room again. */
  readonly awaitsRoom: boolean;
}

/** What LevelDB needs to open an index: a manifest, a journal, and a table of what the last one held. */
const ROOM_BYTES = 16 << 20;
const PIECE_BYTES = 1 << 20;
const RETRY_MS = 1000;

/** @param logProblem The log has failed as well, and says why. */
export function stoppageOf(error: unknown, logProblem: string | undefined): Stoppage {
  if (logProblem !== undefined) {
    return { reason: logProblem, errno: Errno.EROFS, awaitsRoom: false };
  }
  if (isNoRoom(error)) {
    const reason = 'the index cannot be written, the disk is full: goes on when there is room';
    return { reason, errno: Errno.ENOSPC, awaitsRoom: true };
  }
  const reason = `the index cannot be written (${String(error)}): restart the session`;
  return { reason, errno: Errno.EROFS, awaitsRoom: false };
}

/** LevelDB tells in words only. */
function isNoRoom(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (/No space left|quota exceeded/i.test(each.message)) return true;
  }
  return false;
}

/** Resolves when a directory takes as much as LevelDB needs to begin again; looks every second. */
export async function untilRoom(dir: string, isWanted: () => boolean): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    if (!isWanted() || (await hasRoom(dir))) return;
  }
}

/** By trying: what statfs(2) says knows of no quota, and of no others who want the same room. */
async function hasRoom(dir: string): Promise<boolean> {
  const path = join(dir, 'room');
  try {
    const file = await open(path, 'w', 0o600);
    try {
      const piece = Buffer.alloc(PIECE_BYTES, 1);
      for (let done = 0; done < ROOM_BYTES; done += PIECE_BYTES) await file.write(piece);
      await file.datasync();
    } finally {
      await file.close();
    }
    return true;
  } catch {
    return false;
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}
