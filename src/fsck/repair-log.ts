/**
 * Puts a damaged log right: what can be read stays where it is, what cannot becomes a gap.
 *
 * Rule: all new segments are written and synced before the first one takes its place, and what was there
 * is put aside under another name first. Killed at any moment this leaves a log that is damaged as before,
 * or less, and the next repair goes on.
 *
 * A packed segment that has to be repaired becomes a file again: what its map has lost is a gap there as
 * anywhere else. What was removed from it is zeros, so that chunks of which parts were removed fail their
 * checksum from then on.
 */

import fs from 'node:fs';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';

import { GAP_MIN_BYTES, encodeGap, gapShape } from '../log/gap.ts';
import { readFully } from '../log/byte-source.ts';
import { DATA_CHUNK_BYTES } from '../log/record.ts';
import { SEGMENT_HEADER_BYTES, segmentName } from '../log/segment.ts';
import type { Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { Damage, SegmentPlan } from './damage.ts';
import { headerBytesOf } from './headers.ts';
import { syncDirectory } from './known-damage.ts';
import { linkOrCopy } from './scratch.ts';
import { SlotSource } from './slot-source.ts';
import type { LogPlace } from './slot-source.ts';
import { NEW_SUFFIX } from './slots.ts';
import type { Slot } from './slots.ts';

export interface LogRepair {
  readonly place: LogPlace;
  /** Where what was there goes. */
  readonly asideDir: string;
  readonly plans: readonly SegmentPlan[];
  /** Files that are no segments of this volume. */
  readonly stray: readonly string[];
}

/** @returns What was put aside. */
export function repairLog({ place, asideDir, plans, stray }: LogRepair): string[] {
  const { logDir } = place;
  for (const plan of plans) assertRoom(plan);
  for (const plan of plans) writeSegment(place, plan);
  const aside: string[] = [];
  const putAside = (path: string): void => {
    if (!fs.existsSync(path)) return;
    const target = join(asideDir, basename(path));
    linkOrCopy(path, target);
    aside.push(target);
  };
  for (const { slot } of plans) {
    putAside(slot.path);
    if (!slot.isPacked) putAside(slot.mapPath);
  }
  for (const path of stray) putAside(path);
  syncDirectory(asideDir);
  for (const { slot } of plans) {
    const path = filePathOf(logDir, slot);
    fs.renameSync(`${path}${NEW_SUFFIX}`, path);
    fs.rmSync(slot.mapPath, { force: true });
  }
  for (const path of stray) fs.rmSync(path);
  for (const name of fs.readdirSync(logDir)) {
    if (name.endsWith(`.seg${NEW_SUFFIX}`)) fs.rmSync(join(logDir, name));
  }
  syncDirectory(logDir);
  return aside;
}

function assertRoom({ slot, damages }: SegmentPlan): void {
  const small = damages.find(({ from, to }) => to - from < GAP_MIN_BYTES);
  if (small === undefined) return;
  throw new SessfsError(
    'FAILED',
    `Cannot repair "${slot.path}": offset ${small.from}: ${small.to - small.from} bytes are no place for a gap`,
    { hint: 'Restore this segment from a backup' },
  );
}

function writeSegment(place: LogPlace, { slot, header, size, damages }: SegmentPlan): void {
  const path = `${filePathOf(place.logDir, slot)}${NEW_SUFFIX}`;
  const isCopied = slot.source !== undefined && !slot.isPacked;
  if (slot.source !== path) {
    fs.rmSync(path, { force: true });
    if (slot.source !== undefined && isCopied) fs.copyFileSync(slot.source, path);
  }
  const fd = fs.openSync(path, isCopied ? 'r+' : 'wx+', 0o600);
  try {
    if (slot.isPacked) unpackInto(fd, place, slot);
    fs.ftruncateSync(fd, size);
    if (!header.isThere) fs.writeSync(fd, headerBytesOf(header), 0, undefined, 0);
    for (const damage of damages) writeGap(fd, slot.mark, damage);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Where it is as a file. */
const filePathOf = (logDir: string, { id }: Slot): string => join(logDir, segmentName(id));

/** All of a packed segment that can be read, at its places. */
function unpackInto(fd: number, place: LogPlace, slot: Slot): void {
  const source = SlotSource.open(place, slot);
  if (source === undefined) return;
  const piece = Buffer.alloc(DATA_CHUNK_BYTES);
  try {
    for (let at = 0; at < slot.size; at += piece.length) {
      const end = Math.min(slot.size, at + piece.length);
      // Zeros where there is data.
      const bytes = readFully(source.records, at, end - at);
      for (const [from, to] of source.aliveParts(Math.max(at, SEGMENT_HEADER_BYTES), end)) {
        source.readContent(bytes.subarray(from - at, to - at), from);
      }
      fs.writeSync(fd, bytes, 0, bytes.length, at);
    }
  } finally {
    source.close();
  }
}

function writeGap(fd: number, mark: number, damage: Damage): void {
  const { from, to, before, lastLost, nextLink } = damage;
  const shape = gapShape(to - from);
  const dataStart = from + shape.metaLength;
  const chunk = Buffer.alloc(DATA_CHUNK_BYTES);
  const crcs: number[] = [];
  for (let at = 0; at < shape.dataLength; at += DATA_CHUNK_BYTES) {
    const length = Math.min(DATA_CHUNK_BYTES, shape.dataLength - at);
    const count = readOrZeros(fd, chunk.subarray(0, length), dataStart + at);
    crcs.push(count);
  }
  const place = { mark, offset: from, link: before.crc };
  const content = { revision: lastLost as Revision, time: before.time, nextLink };
  fs.writeSync(fd, encodeGap(place, shape, content, crcs), 0, undefined, from);
}

/** What the disk will not give is zeros from now on. @returns The checksum of what is there then. */
function readOrZeros(fd: number, into: Buffer, position: number): number {
  try {
    const count = fs.readSync(fd, into, 0, into.length, position);
    into.fill(0, count);
  } catch {
    into.fill(0);
    fs.writeSync(fd, into, 0, into.length, position);
  }
  return crc32(into);
}
