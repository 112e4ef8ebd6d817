/**
 * Goes through a whole log, past what is damaged in it, and tells what it met, in order.
 *
 * Rule: one pass, and nothing kept but what is damaged. What is found damaged comes with all that a
 * repair needs to put a gap in its place (SegmentPlan).
 */

import { GAP_MIN_BYTES, isGap } from '../log/gap.ts';
import { findRecordAt } from '../log/last-record.ts';
import type { RecordRange } from '../log/last-record.ts';
import { RecordReader } from '../log/record-reader.ts';
import type { Predecessor } from '../log/record-reader.ts';
import { DATA_CHUNK_BYTES } from '../log/record.ts';
import type { LogRecord } from '../log/record.ts';
import { SEGMENT_HEADER_BYTES, offsetOf, segmentOf } from '../log/segment.ts';
import type { SegmentHeader } from '../log/segment.ts';
import type { LogPos } from '../shared/brands.ts';
import { findRecord } from './find-record.ts';
import { revisionsText } from './damage.ts';
import type { Damage, DataDamage, SegmentPlan, WalkOptions, WalkResult } from './damage.ts';
import { decideHeader } from './headers.ts';
import type { DamagedRange } from './affected.ts';
import type { DecidedHeader, PreviousEnd } from './headers.ts';
import { Listed } from './report.ts';
import type { Problem } from './report.ts';
import { SlotSource } from './slot-source.ts';
import type { Slot } from './slots.ts';

/** More damaged chunks than this are counted, not remembered: a disk that is gone for good. */
const MAX_DATA_DAMAGES = 100_000;

interface SourceRange extends RecordRange {
  readonly source: SlotSource;
}

interface Cursor {
  at: number;
  predecessor: Predecessor & { crc: number };
  /** Of the last record, if it stands right before `at`. */
  lastStart: number | undefined;
  beforeLast: Predecessor & { crc: number };
}

interface WantedEnd {
  readonly size: number;
  readonly crc: number;
  readonly revision: number;
}

export function walkLog(options: WalkOptions): Promise<WalkResult> {
  return new Walk(options).run();
}

class Walk {
  readonly #options: WalkOptions;
  readonly #plans: SegmentPlan[] = [];
  readonly #problems = new Listed<Problem>();
  readonly #data = new Listed<DataDamage>(MAX_DATA_DAMAGES);
  readonly #partial = new Listed<DataDamage>(MAX_DATA_DAMAGES);
  readonly #removed: DamagedRange[] = [];
  /** Of the segment that is being read. */
  #slotPartial: DataDamage[] = [];
  readonly #gaps = new Listed<Problem>();
  readonly #chunk = Buffer.allocUnsafeSlow(DATA_CHUNK_BYTES);
  #previous: PreviousEnd | undefined;
  #torn: string | undefined;
  #records = 0;
  #dataBytes = 0;
  #end = 0 as LogPos;

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  async run(): Promise<WalkResult> {
    const { slots, until } = this.#options;
    for (const slot of slots) {
      if (this.#torn !== undefined) break;
      if (until !== undefined && slot.id > segmentOf(until)) break;
      await this.#walkSlot(slot);
    }
    return {
      plans: this.#plans,
      problems: this.#problems,
      data: this.#data,
      partial: this.#partial,
      removed: this.#removed,
      gaps: this.#gaps,
      torn: this.#torn,
      revision: this.#previous?.revision ?? 0,
      records: this.#records,
      dataBytes: this.#dataBytes,
      end: this.#end,
    };
  }

  async #walkSlot(slot: Slot): Promise<void> {
    const { place } = this.#options;
    const source = SlotSource.open(place, slot, (problem) => this.#reportMap(slot, problem));
    this.#slotPartial = [];
    if (source !== undefined) for (const range of source.removedRanges()) this.#removed.push(range);
    try {
      const next = this.#nextHeader(slot);
      const range = { id: slot.id, mark: slot.mark, end: slot.size };
      const first = source && findRecordAt(source.records, range, SEGMENT_HEADER_BYTES);
      const header = decideHeader(slot, place.volumeId, this.#previous, { first, next });
      const mayBeTorn = slot.mayBeTorn || (slot.header !== undefined && slot.source === slot.path);
      if (!header.isThere && mayBeTorn && this.#isUnsynced()) {
        this.#tear(slot, 0, header.problem ?? 'its header');
        return;
      }
      if (header.problem !== undefined || slot.problem !== undefined) {
        this.#reportHeader(slot, header);
      }
      await this.#walkRecords(slot, header, next, source && { ...range, source });
    } finally {
      source?.close();
    }
  }

  #isUnsynced(): boolean {
    return (this.#previous?.revision ?? 0) >= this.#options.synced;
  }

  #nextHeader(slot: Slot): SegmentHeader | undefined {
    const { slots, until } = this.#options;
    if (until !== undefined && slot.id >= segmentOf(until)) return undefined;
    return slots[slot.id + 1]?.header;
  }

  async #walkRecords(
    slot: Slot,
    header: DecidedHeader,
    next: SegmentHeader | undefined,
    range: SourceRange | undefined,
  ): Promise<void> {
    const wanted = next === undefined ? undefined : wantedEndOf(next);
    const limit = this.#limitOf(slot);
    const end = Math.min(slot.size, wanted?.size ?? limit, limit);
    const { firstRevision, time } = header.header;
    const start = { crc: header.link, revision: firstRevision - 1, time };
    const at = SEGMENT_HEADER_BYTES;
    const cursor: Cursor = { at, predecessor: start, lastStart: undefined, beforeLast: start };
    const damages: Damage[] = [];
    for (;;) {
      const isMissing = range === undefined && damages.length === 0;
      const what = isMissing
        ? 'the segment is missing'
        : range && (await this.#readOn({ ...range, end }, cursor));
      if (what === undefined) break;
      if (this.#isTornAt(slot, cursor, what)) break;
      const damage = this.#findEndOf(what, slot, cursor, { range, end, wanted });
      damages.push(damage);
      this.#report(slot, damage);
    }
    if (this.#torn === undefined) this.#checkEnd(slot, cursor, wanted, damages);
    const isTooLong = this.#torn === undefined && wanted !== undefined && slot.size > wanted.size;
    if (isTooLong) this.#checkLength(slot, cursor, wanted.size);
    const size = this.#torn === undefined ? (wanted?.size ?? cursor.at) : slot.size;
    const isWhole = header.isThere && slot.source === slot.path && damages.length === 0;
    if (!isWhole || (isTooLong && this.#torn === undefined)) {
      this.#plans.push({ slot, header, size, damages });
      for (const each of this.#slotPartial) this.#partial.add(each);
    }
    const { crc, revision, time: lastTime } = cursor.predecessor;
    this.#previous = { header: header.header, size, crc, revision, time: lastTime };
    this.#end = (slot.id * 2 ** 32 + cursor.at) as LogPos;
  }

  /** Reads records up to the first that does not hold. @returns What is wrong there, if anything is. */
  async #readOn(range: SourceRange, cursor: Cursor): Promise<string | undefined> {
    if (cursor.at >= range.end) return undefined;
    const reader = new RecordReader(range.source.records, {
      ...range,
      start: cursor.at,
      predecessor: cursor.predecessor,
      verifyDataAfter: Infinity,
    });
    for (;;) {
      const before = reader.predecessor;
      const step = reader.step();
      if (step === 'more') {
        await reader.fill();
        continue;
      }
      if (step === 'end') return undefined;
      if (step === 'bad') return reader.problem;
      const { record } = reader;
      if (record === undefined) continue;
      cursor.beforeLast = { ...before, crc: before.crc ?? 0 };
      cursor.lastStart = cursor.at;
      this.#options.onBytes(reader.at - cursor.at);
      cursor.at = reader.at;
      cursor.predecessor = { ...reader.predecessor, crc: reader.predecessor.crc ?? 0 };
      this.#records += 1;
      let handled: Promise<void> | undefined;
      if (isGap(record)) {
        this.#meetGap(record, before.revision);
        handled = this.#options.onGap(record);
      } else {
        if (record.dataLength > 0) this.#verifyData(range.source, record);
        handled = this.#options.onRecord(record);
      }
      if (handled !== undefined) await handled;
    }
  }

  #meetGap(record: LogRecord, before: number): void {
    const [segment, offset] = [segmentOf(record.pos), offsetOf(record.pos)];
    const length = record.end - record.pos;
    const revisions = [before + 1, record.revision] as const;
    const message = `Segment ${segment}, offset ${offset}: ${revisionsText(revisions)} lost: a gap that a repair left`;
    this.#gaps.add({ kind: 'records', message, segment, offset, length, revisions });
    this.#options.onLoss({ first: before + 1, last: record.revision, isKnown: true });
  }

  #verifyData(source: SlotSource, record: LogRecord): void {
    const start = offsetOf(record.dataPos);
    this.#dataBytes += record.dataLength;
    const { revision } = record;
    const segment = segmentOf(record.pos);
    for (const [index, crc] of record.chunkCrcs.entries()) {
      const offset = start + index * DATA_CHUNK_BYTES;
      const length = Math.min(DATA_CHUNK_BYTES, start + record.dataLength - offset);
      const parts = source.aliveParts(offset, offset + length);
      if (parts[0]?.[0] === offset && parts[0][1] === offset + length) {
        const holds = source.holds(this.#chunk.subarray(0, length), offset, crc);
        if (!holds) this.#data.add({ segment, offset, length, revision });
        continue;
      }
      this.#addPartial({ segment, offset, length, revision });
      for (const [from, to] of parts) {
        if (source.readContent(this.#chunk.subarray(0, to - from), from)) continue;
        this.#data.add({ segment, offset: from, length: to - from, revision });
      }
    }
  }

  #addPartial(damage: DataDamage): void {
    if (this.#slotPartial.length < MAX_DATA_DAMAGES) this.#slotPartial.push(damage);
  }

  /** Where records begin again behind one that does not hold; goes on from there. */
  #findEndOf(
    what: string,
    slot: Slot,
    cursor: Cursor,
    limits: {
      readonly range: SourceRange | undefined;
      readonly end: number;
      readonly wanted: WantedEnd | undefined;
    },
  ): Damage {
    const { range, end, wanted } = limits;
    const bad = range && findRecordAt(range.source.records, { ...range, end }, cursor.at);
    const { lastStart } = cursor;
    if (
      bad !== undefined &&
      lastStart !== undefined &&
      bad.link !== cursor.predecessor.crc &&
      bad.record.revision > cursor.beforeLast.revision
    ) {
      // It holds, and names another record than the one before it: that one is from another time.
      return this.#loseLast(cursor, { to: cursor.at, next: bad, what });
    }
    const before = cursor.predecessor;
    const most = wanted?.revision ?? Infinity;
    const found =
      range &&
      findRecord(
        range.source.records,
        { ...range, end },
        cursor.at + 1,
        ({ record }) => record.revision > before.revision && record.revision <= most,
      );
    const from = cursor.at;
    if (found !== undefined) {
      const to = offsetOf(found.pos);
      const nextLink = found.link;
      const lastLost = found.record.revision - 1;
      cursor.at = to;
      cursor.lastStart = undefined;
      cursor.predecessor = { crc: nextLink, revision: lastLost, time: before.time };
      return { from, to, firstLost: before.revision + 1, lastLost, before, nextLink, what };
    }
    if (wanted !== undefined) return this.#loseRest(cursor, wanted, what);
    return this.#loseTail(slot, cursor, end, what);
  }

  /** The record before `to` is not the one that was there. */
  #loseLast(
    cursor: Cursor,
    at: {
      to: number;
      next: { link: number; record: { revision: number } };
      what: string;
    },
  ): Damage {
    const before = cursor.beforeLast;
    const from = cursor.lastStart ?? cursor.at;
    const lastLost = at.next.record.revision - 1;
    const nextLink = at.next.link;
    cursor.lastStart = undefined;
    cursor.predecessor = { crc: nextLink, revision: lastLost, time: before.time };
    const firstLost = before.revision + 1;
    return { from, to: at.to, firstLost, lastLost, before, nextLink, what: at.what };
  }

  /** Up to where the next segment says that this one ends. */
  #loseRest(cursor: Cursor, wanted: WantedEnd, what: string): Damage {
    const before = cursor.predecessor;
    const from = cursor.at;
    cursor.at = wanted.size;
    cursor.lastStart = undefined;
    cursor.predecessor = { crc: wanted.crc, revision: wanted.revision, time: before.time };
    const [to, nextLink, lastLost] = [wanted.size, wanted.crc, wanted.revision];
    return { from, to, firstLost: before.revision + 1, lastLost, before, nextLink, what };
  }

  /** Nobody says where it ended: at least where the file does, and where the index goes on. */
  #loseTail(slot: Slot, cursor: Cursor, end: number, what: string): Damage {
    const { reach, synced } = this.#options;
    const before = cursor.predecessor;
    const from = cursor.at;
    const isReached = reach !== undefined && segmentOf(reach.pos) === slot.id;
    const reached = isReached ? offsetOf(reach.pos) : 0;
    const lastLost = Math.max(before.revision, this.#isLast(slot) ? synced : this.#before(slot));
    // Where the index goes on a record has to end, if it knows all that is lost.
    const isTold = reached >= from + GAP_MIN_BYTES && lastLost <= (reach?.revision ?? 0);
    const to = isTold ? reached : Math.max(from + GAP_MIN_BYTES, end, reached);
    cursor.at = to;
    cursor.lastStart = undefined;
    // Nothing that could be verified follows it: any number will do.
    const nextLink = 0;
    cursor.predecessor = { crc: nextLink, revision: lastLost, time: before.time };
    return { from, to, firstLost: before.revision + 1, lastLost, before, nextLink, what };
  }

  #isTornAt(slot: Slot, cursor: Cursor, what: string): boolean {
    const { synced, until } = this.#options;
    if (slot.source === undefined || until !== undefined) return false;
    if (cursor.predecessor.revision < synced) return false;
    this.#tear(slot, cursor.at, what);
    return true;
  }

  #tear(slot: Slot, offset: number, what: string): void {
    this.#torn = `The end of the log is torn at segment ${slot.id}, offset ${offset} (${what}): it was never on disk for certain, and is cut off at the next start`;
  }

  /** All records hold; are they all there? */
  #checkEnd(slot: Slot, cursor: Cursor, wanted: WantedEnd | undefined, damages: Damage[]): void {
    const problem = this.#findEndProblem(slot, cursor, wanted);
    if (problem === undefined || this.#isTornAt(slot, cursor, problem)) return;
    let damage: Damage;
    if (wanted === undefined) damage = this.#loseTail(slot, cursor, cursor.at, problem);
    else if (cursor.at < wanted.size) damage = this.#loseRest(cursor, wanted, problem);
    else {
      const next = { link: wanted.crc, record: { revision: wanted.revision + 1 } };
      damage = this.#loseLast(cursor, { to: cursor.at, next, what: problem });
    }
    damages.push(damage);
    this.#report(slot, damage);
  }

  #findEndProblem(
    slot: Slot,
    { at, predecessor, lastStart }: Cursor,
    wanted: WantedEnd | undefined,
  ): string | undefined {
    const { synced, until } = this.#options;
    const tooShort = 'the end of the file';
    if (wanted !== undefined) {
      if (at < wanted.size) return tooShort;
      const isOther = predecessor.crc !== wanted.crc || predecessor.revision !== wanted.revision;
      // With nothing to give up the next header is the one that does not fit.
      return isOther && lastStart !== undefined
        ? 'a last record that the next segment does not follow'
        : undefined;
    }
    if (until !== undefined) return at < this.#limitOf(slot) ? tooShort : undefined;
    const least = this.#isLast(slot) ? synced : this.#before(slot);
    return predecessor.revision < least ? tooShort : undefined;
  }

  #isLast(slot: Slot): boolean {
    return slot.id === this.#options.slots.length - 1;
  }

  /** The revision before the first one of the next segment, if that begins with a record that holds. */
  #before(slot: Slot): number {
    const next = this.#options.slots[slot.id + 1];
    if (next?.source === undefined) return 0;
    const source = SlotSource.open(this.#options.place, next);
    try {
      const range = { id: next.id, mark: next.mark, end: next.size };
      const first = source && findRecordAt(source.records, range, SEGMENT_HEADER_BYTES);
      return first === undefined ? 0 : first.record.revision - 1;
    } finally {
      source?.close();
    }
  }

  #checkLength(slot: Slot, cursor: Cursor, size: number): void {
    const what = 'a segment that goes on beyond its end';
    if (!this.#isTornAt(slot, cursor, what)) this.#reportTooLong(slot, size);
  }

  #limitOf(slot: Slot): number {
    const { until } = this.#options;
    return until !== undefined && segmentOf(until) === slot.id ? offsetOf(until) : Infinity;
  }

  #reportHeader(slot: Slot, header: DecidedHeader): void {
    const what = slot.problem ?? header.problem ?? 'its header is damaged';
    this.#problems.add({
      kind: 'segment',
      message: `Segment ${slot.id} ("${slot.path}"): ${what}`,
      file: slot.path,
      segment: slot.id,
      offset: 0,
      length: SEGMENT_HEADER_BYTES,
    });
  }

  /** The records in that part of the segment are found missing, too. */
  #reportMap(slot: Slot, problem: string): void {
    const message = `Segment ${slot.id} ("${slot.path}"): ${problem}`;
    this.#problems.add({ kind: 'segment', message, file: slot.path, segment: slot.id });
  }

  #reportTooLong(slot: Slot, size: number): void {
    const length = slot.size - size;
    this.#problems.add({
      kind: 'segment',
      message: `Segment ${slot.id} ("${slot.path}"), offset ${size}: ${length} bytes beyond its end`,
      file: slot.path,
      segment: slot.id,
      offset: size,
      length,
    });
  }

  #report(slot: Slot, damage: Damage): void {
    const { from, to, firstLost, lastLost, what } = damage;
    const revisions = [firstLost, lastLost] as const;
    const lost = lastLost < firstLost ? 'no revision' : revisionsText(revisions);
    this.#problems.add({
      kind: 'records',
      message: `Segment ${slot.id} ("${slot.path}"), offset ${from}: ${what}: ${to - from} bytes, ${lost}`,
      file: slot.path,
      segment: slot.id,
      offset: from,
      length: to - from,
      revisions,
    });
    this.#options.onLoss({ first: firstLost, last: lastLost, isKnown: false });
  }
}

function wantedEndOf({ previous, firstRevision }: SegmentHeader): WantedEnd {
  return {
    size: previous.size,
    crc: previous.lastCrc,
    revision: firstRevision - 1,
  };
}
