/**
 * What takes room in a volume, and what removing something would really give back.
 *
 * Rule: bytes are counted once, however many files and versions share them; nothing is estimated.
 */

import type { Ino, SegmentId } from '../shared/brands.ts';
import type { Extent } from '../index/extents.ts';
import {
  prefixEnd,
  regionHistoryKey,
  regionOfHistoryKey,
  revisionOfHistoryKey,
} from '../index/keys.ts';
import { decodeRegion } from '../index/records.ts';
import { offsetOf, segmentOf } from '../log/segment.ts';
import { listExtents } from '../volume/content.ts';
import { isExtentKept } from '../volume/purge.ts';
import type { Volume } from '../volume/volume.ts';
import { Examiner } from './examiner.ts';
import { surveyInodes } from './inode-survey.ts';
import { RangeList } from './range-list.ts';
import { isIn } from './verdict.ts';

/** In bytes of content, before it is packed, but for what is on disk. */
export interface Usage {
  /** What live files hold. */
  readonly liveBytes: number;
  /** What only the past holds. */
  readonly historyBytes: number;
  /** Of that, what only checkpoints and holds keep. */
  readonly pinnedBytes: number;
  /** In the log, and referred to by nothing: given back by the next cleaning. */
  readonly reclaimableBytes: number;
  /** What log and index take on disk. */
  readonly storedBytes: number;
  readonly inodes: number;
  readonly versions: number;
  /** What a question asked for would give back, if one was asked. */
  readonly freedBytes: number | undefined;
}

export interface UsageOptions {
  readonly nowMs: number;
  readonly sessionEndedMs: number | undefined;
  /** If these inodes and all their versions were gone. */
  readonly without?: ReadonlySet<Ino>;
  /** If nothing were kept that was superseded longer ago, in milliseconds. */
  readonly shortenedToMs?: number;
  readonly pause?: () => Promise<void>;
}

type Ranges = Map<SegmentId, RangeList>;

export async function measureUsage(volume: Volume, options: UsageOptions): Promise<Usage> {
  await volume.flushed();
  const examiner = new Examiner(volume, { ...options, horizon: volume.state.horizon });
  const all: Ranges = new Map();
  const live: Ranges = new Map();
  /** What is kept also without checkpoints and holds. */
  const unpinned: Ranges = new Map();
  /** What would be left. */
  const left: Ranges = new Map();
  const isAsked = options.without !== undefined || options.shortenedToMs !== undefined;
  const { pause } = options;
  for await (const surveyed of surveyInodes(volume.index, pause === undefined ? {} : { pause })) {
    const { inode } = surveyed;
    const { life } = examiner.examine(surveyed);
    const isWithout = options.without?.has(inode.ino) === true;
    const note = (extent: Extent, to: number): void => {
      add(all, extent);
      const isLive = to === Infinity && inode.nlink > 0;
      if (isLive) add(live, extent);
      const overlapping = life.intervals.filter(
        ({ start, end }) => start < to && end > extent.since,
      );
      const pins = examiner.commitments.pinsOf(inode);
      const isHeld = examiner.commitments.holdsOf(inode).length > 0;
      const isOnlyPinned =
        !isLive &&
        (isHeld ||
          overlapping.every(
            (interval) =>
              interval.versions.length === 0 ||
              pins.some(({ revision }) => isIn(interval, revision)),
          ));
      if (!isOnlyPinned) add(unpinned, extent);
      if (!isAsked || isWithout) return;
      const { shortenedToMs } = options;
      const starts = overlapping
        .filter(
          ({ endedMs }) =>
            endedMs === undefined ||
            shortenedToMs === undefined ||
            endedMs + shortenedToMs > options.nowMs,
        )
        .map(({ start }) => start);
      if (isLive || isExtentKept(extent, to as never, starts)) add(left, extent);
    };
    const live_ = volume.state.findInode(inode.ino) ?? inode;
    for (const extent of listExtents(volume.state, live_, 0, Infinity)) note(extent, Infinity);
    const prefix = Buffer.from(regionHistoryKey(inode.ino, 0, 0, 0)).subarray(0, 1 + 6);
    for await (const [key, value] of volume.index.scan({ gte: prefix, lt: prefixEnd(prefix) })) {
      for (const extent of decodeRegion(value, regionOfHistoryKey(key))) {
        note(extent, revisionOfHistoryKey(key));
      }
    }
  }
  const allBytes = sizeOf(all);
  const liveBytes = sizeOf(live);
  const { state, log, index } = volume;
  const indexBytes = await index.approximateBytes(Buffer.from([0]), Buffer.from([0xff]));
  return {
    liveBytes,
    historyBytes: allBytes - liveBytes,
    pinnedBytes: allBytes - sizeOf(unpinned),
    reclaimableBytes: Math.max(0, log.dataBytes - allBytes),
    storedBytes: log.storedBytes + indexBytes,
    inodes: state.inodes,
    versions: state.versions,
    freedBytes: isAsked ? allBytes - sizeOf(left) : undefined,
  };
}

function add(ranges: Ranges, { pos, skip, length }: Extent): void {
  const segment = segmentOf(pos);
  let list = ranges.get(segment);
  if (list === undefined) ranges.set(segment, (list = new RangeList()));
  const start = offsetOf(pos) + skip;
  list.add(start, start + length);
}

const sizeOf = (ranges: Ranges): number =>
  [...ranges.values()].reduce((sum, list) => sum + list.size, 0);
