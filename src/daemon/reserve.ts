/**
 * Room that the store keeps back on its disk, so that a volume server can start when the disk is full:
 * opening an index writes a little, and without a server nothing could be read or removed.
 *
 * Rule: it is given up only when a server did not start for want of room, and made again when there is
 * plenty.
 */

import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const RESERVE_BYTES = 16 * 1024 * 1024;
/** It is not made on a disk that has less than this left: that room is somebody's to use. */
const PLENTY_BYTES = 16 * RESERVE_BYTES;

export class Reserve {
  readonly #root: string;
  readonly #path: string;

  constructor(root: string) {
    this.#root = root;
    this.#path = join(root, 'reserve');
  }

  /** Whether a server that is stopped now could be started again. */
  get hasRoom(): boolean {
    return this.#availableBytes() > RESERVE_BYTES;
  }

  /** Makes the reserve if it is not there and there is room for it. Without one nothing fails. */
  restore(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return;
    if (this.#availableBytes() < PLENTY_BYTES) return;
    try {
      // Written, and not only made long: a hole holds no room.
      writeFileSync(this.#path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
    } catch {
      rmSync(this.#path, { force: true });
    }
  }

  /** @returns False if there was nothing to give. */
  release(): boolean {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    rmSync(this.#path, { force: true });
    return size > 0;
  }

  #availableBytes(): number {
    const { bavail, bsize } = statfsSync(this.#root);
    return bavail * bsize;
  }
}
