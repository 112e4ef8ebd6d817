/**
 * What can be wrong with a log, as data: found by walk-log.ts, put right by repair-log.ts.
 */

import type { Predecessor } from '../log/record-reader.ts';
import type { LogRecord } from '../log/record.ts';
import type { LogPos } from '../shared/brands.ts';
import type { DamagedRange } from './affected.ts';
import type { DecidedHeader } from './headers.ts';
import type { Listed, Problem } from './report.ts';
import type { LogPlace } from './slot-source.ts';
import type { Slot } from './slots.ts';

/** Bytes of a segment in which no record can be read. */
export interface Damage {
  readonly from: number;
  readonly to: number;
  /** The first and the last revision that were there. */
  readonly firstLost: number;
  readonly lastLost: number;
  /** What stands before and behind it. */
  readonly before: Predecessor & { readonly crc: number };
  readonly nextLink: number;
  readonly what: string;
}

/** A segment that has to be written again. */
export interface SegmentPlan {
  readonly slot: Slot;
  readonly header: DecidedHeader;
  readonly size: number;
  readonly damages: readonly Damage[];
}

/** A chunk of content that fails its checksum. */
export interface DataDamage {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  readonly revision: number;
}

/** Revisions of which no record is left. */
export interface Loss {
  readonly first: number;
  readonly last: number;
  /** A gap of an earlier repair tells of it. */
  readonly isKnown: boolean;
}

export interface WalkOptions {
  readonly place: LogPlace;
  readonly slots: readonly Slot[];
  /** All up to this revision was on disk for certain: what is broken behind it is a torn end. */
  readonly synced: number;
  /** Where the index goes on, and after which revision: the log must get there. */
  readonly reach: { readonly pos: LogPos; readonly revision: number } | undefined;
  /** Nothing behind this place is looked at: somebody is writing there. */
  readonly until: LogPos | undefined;
  /** Each record that holds; its payload is valid until the promise resolves. */
  readonly onRecord: (record: LogRecord) => Promise<void> | undefined;
  readonly onLoss: (loss: Loss) => void;
  /** A gap of an earlier repair, once it has been told by onLoss. */
  readonly onGap: (record: LogRecord) => Promise<void> | undefined;
  readonly onBytes: (bytes: number) => void;
}

export interface WalkResult {
  readonly plans: readonly SegmentPlan[];
  readonly problems: Listed<Problem>;
  readonly data: Listed<DataDamage>;
  /** Chunks in packed segments with plans of which parts were removed: as files they would not hold. */
  readonly partial: Listed<DataDamage>;
  /** What was removed from packed segments: nothing may refer to it. */
  readonly removed: readonly DamagedRange[];
  /** Gaps that an earlier repair left. */
  readonly gaps: Listed<Problem>;
  readonly torn: string | undefined;
  readonly revision: number;
  readonly records: number;
  readonly dataBytes: number;
  /** Where the last record ends. */
  readonly end: LogPos;
}

export const revisionsText = ([first, last]: readonly [number, number]): string =>
  first === last ? `revision ${first}` : `revisions ${first} to ${last}`;
