/**
 * Replay: a record of the log, applied as when it was made.
 */

import { isGap } from '../log/gap.ts';
import type { LogRecord } from '../log/record.ts';
import { SessfsError } from '../shared/errors.ts';
import type { Moment, PlacedData } from './apply.ts';
import { applyRecord } from './apply.ts';
import { decodeEvent, EVENT_TYPES } from './events.ts';
import type { Event } from './events.ts';
import type { State } from './state.ts';

/** Which record it is. */
export const momentOf = ({ revision, time, actor, pos }: LogRecord): Moment => ({
  revision,
  time,
  actor,
  pos,
});

/** True of a purge: before it is applied, all before it must be in the index on disk. */
export const needsWholeIndex = ({ type }: LogRecord): boolean => type === EVENT_TYPES.purge;

/** Where its data is, if it has any. */
export function placedDataOf(record: LogRecord): PlacedData | undefined {
  const { dataLength, dataPos, chunkCrcs } = record;
  return dataLength === 0 ? undefined : { pos: dataPos, length: dataLength, chunkCrcs };
}

/**
 * @returns What the record says.
 * @throws {SessfsError} LOG_CORRUPT At a gap: what it lost cannot be guessed here.
 */
export function replayRecord(state: State, record: LogRecord): Event {
  if (isGap(record)) {
    throw new SessfsError(
      'LOG_CORRUPT',
      `Cannot replay the log: revisions ${state.revision + 1} to ${record.revision} are lost, and not in the index`,
      { hint: 'Make the index anew from what is left: sessfs fsck SESSION --repair' },
    );
  }
  const event = decodeEvent(record.type, record.payload);
  applyRecord(state, momentOf(record), event, placedDataOf(record));
  state.next = record.end;
  return event;
}
