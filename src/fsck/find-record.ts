/**
 * Finds the next record that holds behind damage, by the mark that every record of the segment carries.
 */

import { readFully } from '../log/byte-source.ts';
import type { ByteSource } from '../log/byte-source.ts';
import { findRecordAt } from '../log/last-record.ts';
import type { FoundRecord, RecordRange } from '../log/last-record.ts';
import { AT_MARK } from '../log/record.ts';

const WINDOW_BYTES = 1024 * 1024;
const MARK_BYTES = 4;

/**
 * @param from Where it may start at the earliest.
 * @param isWanted Passes over records that hold and yet do not belong there.
 */
export function findRecord(
  source: ByteSource,
  range: RecordRange,
  from: number,
  isWanted: (found: FoundRecord) => boolean = () => true,
): FoundRecord | undefined {
  const mark = Buffer.alloc(MARK_BYTES);
  mark.writeUInt32LE(range.mark);
  for (let start = from; start < range.end; start += WINDOW_BYTES) {
    // A mark may begin in this window and end in the next one.
    const length = WINDOW_BYTES + AT_MARK + MARK_BYTES;
    const window = readFully(source, start, Math.min(length, range.end - start));
    for (let at = window.indexOf(mark); at >= 0; at = window.indexOf(mark, at + 1)) {
      if (at < AT_MARK || at - AT_MARK >= WINDOW_BYTES) continue;
      const found = findRecordAt(source, range, start + at - AT_MARK);
      if (found !== undefined && isWanted(found)) return found;
    }
  }
  return undefined;
}
