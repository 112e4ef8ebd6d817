/**
 * Bytes of a log, each counted once however many extents refer to it.
 */

import type { SegmentId } from '../shared/brands.ts';
import type { Extent } from '../index/extents.ts';
import { offsetOf, segmentOf } from '../log/segment.ts';
import { RangeList } from './range-list.ts';

export class SegmentRanges {
  readonly #lists = new Map<SegmentId, RangeList>();

  add({ pos, skip, length }: Extent): void {
    const segment = segmentOf(pos);
    let list = this.#lists.get(segment);
    if (list === undefined) this.#lists.set(segment, (list = new RangeList()));
    const start = offsetOf(pos) + skip;
    list.add(start, start + length);
  }

  /** How many bytes are in it. */
  get size(): number {
    let size = 0;
    for (const list of this.#lists.values()) size += list.size;
    return size;
  }
}
