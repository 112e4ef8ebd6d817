/**
 * The segments of a log as they lie in its directory, and the chain that their headers make.
 *
 * Rule: only headers are read here. A chain that breaks says where; whether that is damage or what a
 * power cut left is decided in recovery.ts.
 */

import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { compareTime } from '../shared/time.ts';
import { DiskFile, readFully } from './byte-source.ts';
import type { OpenSource } from './byte-source.ts';
import { CORRUPT_HINT, corruptFile, foreignFile } from './corrupt.ts';
import type { Disk } from './disk.ts';
import { findMapId, mapName, mapStoredBytes, readMapHeader } from './map-header.ts';
import { getPackedCode } from './packed-code.ts';
import {
  NO_DIGEST,
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  digestSegment,
  findSegmentId,
  segmentMark,
  segmentName,
} from './segment.ts';
import type { SegmentHeader } from './segment.ts';

export interface SegmentFile {
  readonly id: SegmentId;
  readonly path: string;
  readonly mark: number;
  /** Bytes of the segment: those in the file, unless it is packed. */
  readonly size: number;
  /** The file is the map of it. */
  readonly isPacked: boolean;
  /** Bytes in the file. */
  readonly storedBytes: number;
  /** Bytes of data; of a segment that is not packed all of it, as nobody has counted. */
  readonly dataBytes: number;
}

/** A segment whose header holds and follows the one before it. */
export interface ChainLink {
  readonly file: SegmentFile;
  readonly header: SegmentHeader;
  /** What its first record names as the one before it. */
  readonly headerCrc: number;
}

export interface Break {
  readonly file: SegmentFile;
  readonly offset: number;
  readonly problem: string;
}

export interface Chain {
  readonly files: readonly SegmentFile[];
  /** Those of files, from the first, up to where the chain breaks. */
  readonly links: readonly ChainLink[];
  readonly broken: Break | undefined;
  /** The last revision in a packed segment: what is packed, and all before it, was on disk. */
  readonly packedUpTo: number;
  /** Files whose segment is packed by now. */
  readonly superseded: readonly string[];
}

export const RESTORE_HINT =
  'Restore the log from a backup, or see what is left with "sessfs fsck SESSION"';

export function corruptError(place: Break): SessfsError {
  const { file, offset, problem } = place;
  return corruptFile(file.path, `offset ${offset}: ${problem}`);
}

/**
 * @throws {SessfsError} LOG_CORRUPT If a segment is missing.
 * @throws {SessfsError} STORE_FOREIGN If a segment is another volume's, or of another format.
 */
export function readChain(disk: Disk, dir: string, volumeId: string): Chain {
  const names = disk.list(dir);
  const plain = new Set(names.map(findSegmentId).filter((id) => id !== undefined));
  const maps = new Set(names.map(findMapId).filter((id) => id !== undefined));
  const ids = [...new Set([...plain, ...maps])].toSorted((a, b) => a - b);
  const superseded: string[] = [];
  let packedUpTo = 0;
  const files: SegmentFile[] = [];
  const links: ChainLink[] = [];
  let broken: Break | undefined;
  for (const [index, id] of ids.entries()) {
    const isPacked = maps.has(id);
    const path = `${dir}/${isPacked ? mapName(id) : segmentName(id)}`;
    if (isPacked && plain.has(id)) superseded.push(`${dir}/${segmentName(id)}`);
    if (id !== index) {
      const missing = `${dir}/${segmentName(index as SegmentId)}`;
      throw new SessfsError(
        'LOG_CORRUPT',
        `Cannot read log "${dir}": segment "${missing}" is missing, before "${path}"`,
        { hint: CORRUPT_HINT },
      );
    }
    const { bytes, lastRevision, ...sizes } = isPacked
      ? readPackedHeader(disk, path)
      : readHeader(disk, path);
    packedUpTo = Math.max(packedUpTo, lastRevision);
    const file: SegmentFile = { id, path, mark: segmentMark(volumeId, id), isPacked, ...sizes };
    files.push(file);
    if (broken !== undefined) continue;
    const decoded = decodeSegmentHeader(bytes);
    if (decoded.kind === 'foreign') throw foreignFile(path, decoded.what);
    if (decoded.kind === 'damaged') {
      broken = { file, offset: 0, problem: 'a segment header that is incomplete or damaged' };
      continue;
    }
    const { header, crc } = decoded;
    if (header.volumeId !== volumeId) {
      throw foreignFile(path, `a segment of volume ${header.volumeId}, wanted ${volumeId}`);
    }
    broken = findBreak(links.at(-1), file, header);
    if (broken === undefined) links.push({ file, header, headerCrc: header.firstLink ?? crc });
  }
  return { files, links, broken, packedUpTo, superseded };
}

function findBreak(
  before: ChainLink | undefined,
  file: SegmentFile,
  header: SegmentHeader,
): Break | undefined {
  if (header.id !== file.id) {
    return { file, offset: 0, problem: `the header of segment ${header.id}, wanted ${file.id}` };
  }
  const digest = before === undefined ? NO_DIGEST : digestSegment(before.header, header.previous);
  const isLater =
    before === undefined ||
    (header.firstRevision >= before.header.firstRevision &&
      compareTime(header.time, before.header.time) >= 0);
  // A header that was made up has not the digest that the next one knows.
  const isMadeUp = before?.header.firstLink !== undefined;
  if (!isLater || (!isMadeUp && !header.previousDigest.equals(digest))) {
    return { file, offset: 0, problem: 'a segment that does not follow the one before it' };
  }
  if (before !== undefined && before.file.size > header.previous.size) {
    const offset = header.previous.size;
    return { file: before.file, offset, problem: 'a segment that goes on beyond its end' };
  }
  return undefined;
}

interface HeaderOfFile {
  /** The segment's. */
  readonly bytes: Buffer;
  readonly size: number;
  readonly storedBytes: number;
  readonly dataBytes: number;
  /** 0 if it is not known. */
  readonly lastRevision: number;
}

function readHeader(disk: Disk, path: string): HeaderOfFile {
  const file = DiskFile.open(disk, path);
  try {
    const { size } = file;
    const bytes = readFully(file, 0, SEGMENT_HEADER_BYTES);
    return { size, storedBytes: size, dataBytes: size, bytes, lastRevision: 0 };
  } finally {
    file.close();
  }
}

function readPackedHeader(disk: Disk, path: string): HeaderOfFile {
  const file = DiskFile.open(disk, path);
  try {
    const header = readMapHeader(file, path);
    const { size, segmentHeader: bytes, lastRevision, aliveBytes: dataBytes } = header;
    return { size, storedBytes: mapStoredBytes(header), dataBytes, bytes, lastRevision };
  } finally {
    file.close();
  }
}

/** A segment for those who read its records; if it is packed its data reads as zeros. */
export function openRecords(
  disk: Disk,
  { path, isPacked }: Pick<SegmentFile, 'path' | 'isPacked'>,
): OpenSource {
  return isPacked ? getPackedCode().openMap(disk, path) : DiskFile.open(disk, path);
}
