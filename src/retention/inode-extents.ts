/**
 * The extents of inodes that somebody goes through in order: what each holds, and what it held.
 *
 * Opened after the cursor over the inodes: what is superseded meanwhile is then met in the past.
 */

import type { Ino, Revision } from '../shared/brands.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import type { Extent } from '../index/extents.ts';
import { regionOfHistoryKey, revisionOfHistoryKey, Space } from '../index/keys.ts';
import { decodeRegion } from '../index/records.ts';
import type { Index } from '../index/index.ts';
import type { InodeRecord } from '../index/records.ts';

/** Space byte and inode: what stands before the region in both keys. */
const REGION_AT = 1 + 6;
/** Entries of one inode between two pauses. */
const PAUSE_EVERY = 512;

export class InodeExtents {
  readonly #regions: EntryCursor;
  readonly #past: EntryCursor;
  readonly #pause: (() => Promise<void>) | undefined;

  private constructor(index: Index, pause: (() => Promise<void>) | undefined) {
    this.#regions = new EntryCursor(index, spaceRange(Space.REGION));
    this.#past = new EntryCursor(index, spaceRange(Space.REGION_HISTORY));
    this.#pause = pause;
  }

  static async open(index: Index, pause?: () => Promise<void>): Promise<InodeExtents> {
    const extents = new InodeExtents(index, pause);
    await extents.#regions.next();
    await extents.#past.next();
    return extents;
  }

  /**
   * Every extent of one inode; those of smaller ones are passed over.
   *
   * @param inode As the index has it.
   * @param note.to The revision at which the extent was superseded; Infinity for what the inode holds.
   */
  async visit(
    inode: InodeRecord,
    note: (extent: Extent, to: Revision | number) => void,
  ): Promise<void> {
    for (const extent of inode.inline ?? []) note(extent, Infinity);
    await this.#take(this.#regions, inode.ino, (key, value) => {
      const region = key.readUInt32BE(REGION_AT);
      // A first region that became small again leaves its key behind.
      if (!inode.leaves.has(region)) return;
      for (const extent of decodeRegion(value, region)) note(extent, Infinity);
    });
    await this.#take(this.#past, inode.ino, (key, value) => {
      const to = revisionOfHistoryKey(key);
      for (const extent of decodeRegion(value, regionOfHistoryKey(key))) note(extent, to);
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#regions.close(), this.#past.close()]);
  }

  async #take(
    cursor: EntryCursor,
    ino: Ino,
    take: (key: Buffer, value: Buffer) => void,
  ): Promise<void> {
    for (let seen = 1; !cursor.isDone; seen++) {
      const at = cursor.key.readUIntBE(1, 6);
      if (at > ino) return;
      if (at === ino) take(cursor.key, cursor.value);
      if (seen % PAUSE_EVERY === 0) await this.#pause?.();
      if (!cursor.step()) await cursor.fill();
    }
  }
}
