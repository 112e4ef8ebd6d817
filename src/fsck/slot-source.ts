/**
 * A segment that is open for checking: its records, and its content, whether it is packed or not.
 *
 * Rule: while the volume is served its segments become packed, and packs are replaced. What has gone from
 * under its name meanwhile is looked for where it is now, once.
 */

import { crc32 } from 'node:zlib';

import { DiskFile } from '../log/byte-source.ts';
import type { OpenSource } from '../log/byte-source.ts';
import { nodeDisk, systemCode } from '../log/disk.ts';
import { MapFile } from '../log/map-file.ts';
import { SpanKind, cell, findRow } from '../log/map-tables.ts';
import { PackedSegment } from '../log/packed-segment.ts';
import { Packs } from '../log/packs.ts';
import { makeLogPos } from '../log/segment.ts';
import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { DamagedRange } from './affected.ts';
import type { Slot } from './slots.ts';

/** Whose segments they are. */
export interface LogPlace {
  readonly logDir: string;
  readonly volumeId: string;
}

export class SlotSource {
  /** Of what a map has lost the bytes are zeros, which no record is. */
  readonly records: OpenSource;
  /** Undefined if it is a file as it was written. */
  packed: PackedSegment | undefined;
  readonly #id: SegmentId;
  readonly #mapPath: string;
  #packs: Packs;
  readonly #place: LogPlace;

  private constructor(place: LogPlace, slot: Slot, onDamagedFrame: (problem: string) => void) {
    this.#place = place;
    this.#id = slot.id;
    this.#packs = makePacks(place);
    this.#mapPath = slot.mapPath;
    if (!slot.isPacked) {
      const file = findFile(slot.source ?? slot.path);
      if (file !== undefined) {
        this.records = file;
        return;
      }
    }
    const map = new MapFile(nodeDisk, this.#mapPath, onDamagedFrame);
    this.records = map;
    this.packed = new PackedSegment(this.#mapPath, map.map, this.#packs);
  }

  /** Zstd has to be loaded. @returns undefined If nothing of the segment is there. */
  static open(
    place: LogPlace,
    slot: Slot,
    onDamagedFrame: (problem: string) => void = () => {},
  ): SlotSource | undefined {
    return slot.source === undefined ? undefined : new SlotSource(place, slot, onDamagedFrame);
  }

  /** The parts of a range of data that are still there; all of it, if the segment is not packed. */
  aliveParts(start: number, end: number): readonly (readonly [start: number, end: number])[] {
    if (this.packed === undefined) return [[start, end]];
    const { starts, kinds } = this.packed.map.spans;
    const parts: [number, number][] = [];
    for (let row = findRow(starts, start); row < kinds.length && cell(starts, row) < end; row++) {
      if (cell(kinds, row) !== SpanKind.ALIVE) continue;
      const from = Math.max(start, cell(starts, row));
      const to = Math.min(end, cell(starts, row + 1));
      const last = parts.at(-1);
      if (last?.[1] === from) last[1] = to;
      else if (to > from) parts.push([from, to]);
    }
    return parts;
  }

  /** Data that an earlier cleaning removed. */
  *removedRanges(): Generator<DamagedRange> {
    if (this.packed === undefined) return;
    const { starts, kinds } = this.packed.map.spans;
    for (let row = 0; row < kinds.length; row++) {
      if (cell(kinds, row) !== SpanKind.DEAD) continue;
      const [start, end] = [cell(starts, row), cell(starts, row + 1)];
      yield { start: makeLogPos(this.#id, start), end: makeLogPos(this.#id, end) };
    }
  }

  /** @returns False if it cannot be read. What was removed meanwhile is zeros. */
  readContent(into: Buffer, position: number): boolean {
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#fill(into, position);
      } catch (error) {
        if (error instanceof SessfsError) {
          into.fill(0);
          return error.code === 'CONTENT_REMOVED';
        }
        if (this.packed === undefined || systemCode(error) !== 'ENOENT') throw error;
        if (attempt > 0) return false;
        this.#reopen();
      }
    }
  }

  /** @returns False if it cannot be read, or is not what it was. */
  holds(scratch: Buffer, position: number, crc: number): boolean {
    const wasPacked = this.packed;
    if (!this.readContent(scratch, position)) return false;
    // It is from another map now: what was alive may be so no longer.
    return crc32(scratch) === crc || wasPacked !== this.packed;
  }

  close(): void {
    this.records.close();
    this.#packs.closeAll();
  }

  #fill(into: Buffer, position: number): boolean {
    const source = this.packed ?? this.records;
    for (let done = 0; done < into.length;) {
      const count = source.read(into, done, into.length - done, position + done);
      if (count === 0) return false;
      done += count;
    }
    return true;
  }

  #reopen(): void {
    this.#packs.closeAll();
    this.#packs = makePacks(this.#place);
    this.packed = PackedSegment.open(nodeDisk, this.#mapPath, this.#packs);
  }
}

const makePacks = ({ logDir, volumeId }: LogPlace): Packs => new Packs(nodeDisk, logDir, volumeId);

function findFile(path: string): DiskFile | undefined {
  try {
    return DiskFile.open(nodeDisk, path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
