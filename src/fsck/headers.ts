/**
 * The header of a segment as it is, as it must have been, or as it has to be made up.
 *
 * Rule: a header is only called exact if something else proves it: its checksum, the digest in the
 * header of the next segment, or the first record, which names its checksum.
 */

import type { FoundRecord } from '../log/last-record.ts';
import {
  NO_DIGEST,
  decodeSegmentHeader,
  digestSegment,
  encodeSegmentHeader,
  segmentHeaderCrc,
} from '../log/segment.ts';
import type { SegmentHeader } from '../log/segment.ts';
import type { Revision } from '../shared/brands.ts';
import { EPOCH, compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import type { Slot } from './slots.ts';

/** How the segment before ends, once it is repaired. */
export interface PreviousEnd {
  readonly header: SegmentHeader;
  readonly size: number;
  readonly crc: number;
  readonly revision: number;
  readonly time: Time;
}

export interface DecidedHeader {
  readonly header: SegmentHeader;
  /** What the first record links to. */
  readonly link: number;
  /** It is in the file as it has to be. */
  readonly isThere: boolean;
  /** It is what the log once had; otherwise it is made up. */
  readonly isExact: boolean;
  readonly problem: string | undefined;
}

/**
 * @param first The record behind the header, if it holds.
 * @param next The header of the next segment, if it holds.
 */
export function decideHeader(
  slot: Slot,
  volumeId: string,
  previous: PreviousEnd | undefined,
  around: { first: FoundRecord | undefined; next: SegmentHeader | undefined },
): DecidedHeader {
  const { header } = slot;
  const { first, next } = around;
  if (header !== undefined) {
    const link = linkOf(header);
    const problem = findMisfit(header, previous, first);
    if (problem === undefined) {
      return { header, link, isThere: true, isExact: true, problem: undefined };
    }
    return { ...makeUp(slot, volumeId, previous, first?.link ?? link), problem };
  }
  const problem = slot.problem ?? 'its header is damaged';
  for (const candidate of candidatesFor(slot, volumeId, previous)) {
    if (findMisfit(candidate, previous, first) !== undefined) continue;
    if (!isProved(candidate, { first, next })) continue;
    return { header: candidate, link: linkOf(candidate), isThere: false, isExact: true, problem };
  }
  return { ...makeUp(slot, volumeId, previous, first?.link ?? 0), problem };
}

const linkOf = (header: SegmentHeader): number => header.firstLink ?? segmentHeaderCrc(header);

function findMisfit(
  header: SegmentHeader,
  previous: PreviousEnd | undefined,
  first: FoundRecord | undefined,
): string | undefined {
  if (first !== undefined && first.link !== linkOf(header)) {
    return 'its header is not the one that its first record follows';
  }
  const wanted = previous ?? { size: 0, crc: 0, revision: 0, time: header.time };
  const digest =
    previous === undefined ? NO_DIGEST : digestSegment(previous.header, header.previous);
  const isAfterMadeUp = previous?.header.firstLink !== undefined;
  const fits =
    header.previous.size === wanted.size &&
    header.previous.lastCrc === wanted.crc &&
    header.firstRevision === wanted.revision + 1 &&
    compareTime(header.time, wanted.time) >= 0 &&
    (isAfterMadeUp || header.previousDigest.equals(digest));
  return fits ? undefined : 'it does not follow the segment before it';
}

/** What the header may have been: with one bit flipped back, or as it follows from what is before it. */
function* candidatesFor(
  slot: Slot,
  volumeId: string,
  previous: PreviousEnd | undefined,
): Generator<SegmentHeader> {
  const bytes = Buffer.from(slot.headerBytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const at = bit >>> 3;
    const mask = 1 << (bit & 7);
    bytes[at] = (bytes[at] ?? 0) ^ mask;
    const decoded = decodeSegmentHeader(bytes);
    if (
      decoded.kind === 'header' &&
      decoded.header.volumeId === volumeId &&
      decoded.header.id === slot.id
    ) {
      yield decoded.header;
    }
    bytes[at] = (bytes[at] ?? 0) ^ mask;
  }
  if (previous !== undefined) yield headerAfter(slot, volumeId, previous);
}

/** The checksum of a candidate proves nothing if it was just computed. */
function isProved(
  candidate: SegmentHeader,
  { first, next }: { first: FoundRecord | undefined; next: SegmentHeader | undefined },
): boolean {
  if (first !== undefined) return first.link === linkOf(candidate);
  return next?.previousDigest.equals(digestSegment(candidate, next.previous)) ?? false;
}

function headerAfter(slot: Slot, volumeId: string, previous: PreviousEnd): SegmentHeader {
  const end = { size: previous.size, lastCrc: previous.crc };
  return {
    volumeId,
    id: slot.id,
    firstRevision: (previous.revision + 1) as Revision,
    time: previous.time,
    previous: end,
    previousDigest: digestSegment(previous.header, end),
  };
}

function makeUp(
  slot: Slot,
  volumeId: string,
  previous: PreviousEnd | undefined,
  firstLink: number,
): Omit<DecidedHeader, 'problem'> {
  const first = {
    volumeId,
    id: slot.id,
    firstRevision: 1 as Revision,
    time: EPOCH,
    previous: { size: 0, lastCrc: 0 },
    previousDigest: NO_DIGEST,
  };
  const base = previous === undefined ? first : headerAfter(slot, volumeId, previous);
  const header = { ...base, firstLink };
  return { header, link: firstLink, isThere: false, isExact: false };
}

/** As it is written. */
export const headerBytesOf = (decided: DecidedHeader): Buffer =>
  encodeSegmentHeader(decided.header);
