/**
 * Room on the store's disk: content is refused while there is still some left.
 *
 * What is kept back serves the index, and what must go on when the disk is full: deleting, renaming,
 * rolling back.
 */

import fs from 'node:fs';

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';

/** 64 MiB, or a twentieth of a small disk: the index of some 100,000 changes. */
const RESERVE_BYTES = 64 << 20;
const RESERVE_SHARE = 0.05;
/** How stale the figure may be, in bytes of our own and in time for what others write. */
const RECHECK_BYTES = 16 << 20;
const RECHECK_MS = 1000;

export interface Space {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
}

export class StoreSpace {
  readonly #dir: string;
  #unclaimedBytes = 0;
  #recheckAtMs = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Before content is written.
   *
   * @throws {FsError} ENOSPC If only the reserve is left.
   */
  claim(bytes: number): void {
    this.#unclaimedBytes -= bytes;
    if (this.#unclaimedBytes > 0 && performance.now() < this.#recheckAtMs) return;
    const space = this.measure();
    const left = space.availableBlocks * space.blockBytes;
    this.#recheckAtMs = performance.now() + RECHECK_MS;
    this.#unclaimedBytes = Math.min(RECHECK_BYTES, left) - bytes;
    if (left < bytes) throw new FsError(Errno.ENOSPC, 'the disk of the store is full');
  }

  /** What statfs(2) says, with what content may not use taken as used. */
  measure(): Space {
    const stats = fs.statfsSync(this.#dir);
    const reserve = Math.min(RESERVE_BYTES, stats.blocks * stats.bsize * RESERVE_SHARE);
    return {
      blockBytes: stats.bsize,
      blocks: stats.blocks,
      freeBlocks: stats.bfree,
      availableBlocks: Math.max(0, stats.bavail - Math.ceil(reserve / stats.bsize)),
    };
  }
}
