/**
 * Open segments for reading: the least recently used one is closed when there are too many.
 *
 * Why a bound: the limit on descriptors is shared by all sessions of a host.
 */

import type { SegmentId } from '../shared/brands.ts';
import type { Disk } from './disk.ts';

/** Enough for a working set of 2 GiB in segments of 64 MiB. */
const DEFAULT_DESCRIPTORS_MAX = 32;

export class Descriptors {
  readonly #disk: Disk;
  readonly #pathOf: (id: SegmentId) => string;
  readonly #max: number;
  /** In order of use, the oldest first. */
  readonly #fdById = new Map<SegmentId, number>();
  /** How many await each segment's descriptor. */
  readonly #pins = new Map<SegmentId, number>();
  #latestId: SegmentId | undefined;
  #latestFd = -1;

  constructor(
    disk: Disk,
    pathOf: (id: SegmentId) => string,
    max: number = DEFAULT_DESCRIPTORS_MAX,
  ) {
    this.#disk = disk;
    this.#pathOf = pathOf;
    this.#max = max;
  }

  /** A descriptor of the segment, valid until the caller returns to the event loop or calls again. */
  get(id: SegmentId): number {
    if (id === this.#latestId) return this.#latestFd;
    let fd = this.#fdById.get(id);
    if (fd === undefined) {
      this.#shrink(this.#max - 1);
      fd = this.#disk.open(this.#pathOf(id), 'r');
    } else {
      this.#fdById.delete(id);
    }
    this.#fdById.set(id, fd);
    this.#latestId = id;
    this.#latestFd = fd;
    return fd;
  }

  /** Keeps the segment's descriptor open while something awaits it. */
  async withPinned<T>(id: SegmentId, use: (fd: number) => Promise<T>): Promise<T> {
    const fd = this.get(id);
    this.#pins.set(id, (this.#pins.get(id) ?? 0) + 1);
    try {
      return await use(fd);
    } finally {
      const pins = (this.#pins.get(id) ?? 1) - 1;
      if (pins > 0) this.#pins.set(id, pins);
      else this.#pins.delete(id);
      this.#shrink(this.#max);
    }
  }

  closeAll(): void {
    for (const fd of this.#fdById.values()) this.#disk.close(fd);
    this.#fdById.clear();
    this.#latestId = undefined;
  }

  #shrink(count: number): void {
    for (const [id, fd] of this.#fdById) {
      if (this.#fdById.size <= count) return;
      if (this.#pins.has(id)) continue;
      this.#fdById.delete(id);
      if (id === this.#latestId) this.#latestId = undefined;
      this.#disk.close(fd);
    }
  }
}
