/**
 * How much content a log holds, whether anything refers to it or not.
 *
 * Rule: only the heads of records are read, and a sealed segment is gone through once.
 */

import type { LogPos, SegmentId } from '../shared/brands.ts';
import type { Log } from '../log/log.ts';
import { makeLogPos, segmentOf } from '../log/segment.ts';
import { readAliveBytes } from './cleaner.ts';

/** Records between two pauses. */
const PAUSE_EVERY = 1000;

/** What sealed segments held when they were gone through. */
const sealedContent = new WeakMap<Log, Map<SegmentId, number>>();

/**
 * Counts the content that is there: of packed segments what is left, of others the data of each record.
 *
 * @param end A `head` of the log: nothing behind it counts.
 * @throws {SessfsError} LOG_CORRUPT If records cannot be read.
 */
export async function measureContent(
  log: Log,
  end: LogPos,
  pause: () => Promise<void>,
): Promise<number> {
  const known = sealedContent.get(log) ?? new Map<SegmentId, number>();
  sealedContent.set(log, known);
  let bytes = 0;
  for (const { id, sealed } of log.segments()) {
    if (id > segmentOf(end)) break;
    await pause();
    let content = log.isPacked(id) ? undefined : known.get(id);
    if (content === undefined && !log.isPacked(id)) {
      const isWhole = sealed && id < segmentOf(end);
      content = await sumData(log, { id, end: isWhole ? undefined : end, pause });
      if (isWhole) known.set(id, content);
    }
    // It may have been packed meanwhile.
    const packed = log.segments()[id];
    bytes += packed?.isPacked === true ? await readAliveBytes(packed.path) : (content ?? 0);
  }
  return bytes;
}

async function sumData(
  log: Log,
  part: { id: SegmentId; end: LogPos | undefined; pause: () => Promise<void> },
): Promise<number> {
  const from = makeLogPos(part.id, 0);
  const to = part.end ?? makeLogPos(part.id + 1, 0);
  let bytes = 0;
  let seen = 0;
  for await (const { dataLength } of log.scan(from, to)) {
    bytes += dataLength;
    seen += 1;
    if (seen % PAUSE_EVERY === 0) await part.pause();
  }
  return bytes;
}
