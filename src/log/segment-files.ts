/**
 * The segments of a log as they lie in its directory, and the chain that their headers make.
 *
 * Rule: only headers are read here. A chain that breaks says where; whether that is damage or what a
 * power cut left is decided in recovery.ts.
 */

import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { compareTime } from '../shared/time.ts';
import type { Disk } from './disk.ts';
import { readFully } from './last-record.ts';
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
  /** Bytes in the file. */
  readonly size: number;
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
}

export const RESTORE_HINT =
  'Restore the log from a backup, or see what is left with "sessfs fsck SESSION"';

const CORRUPT_HINT =
  'Nothing was changed. See what is damaged with "sessfs fsck SESSION", then restore the file from a backup or use --repair';

export function corruptError(place: Break): SessfsError {
  const { file, offset, problem } = place;
  return new SessfsError(
    'LOG_CORRUPT',
    `Cannot read log "${file.path}": offset ${offset}: ${problem}`,
    { hint: CORRUPT_HINT },
  );
}

/**
 * @throws {SessfsError} LOG_CORRUPT If a segment is missing.
 * @throws {SessfsError} STORE_FOREIGN If a segment is another volume's, or of another format.
 */
export function readChain(disk: Disk, dir: string, volumeId: string): Chain {
  const ids = disk
    .list(dir)
    .map(findSegmentId)
    .filter((id) => id !== undefined)
    .toSorted((a, b) => a - b);
  const files: SegmentFile[] = [];
  const links: ChainLink[] = [];
  let broken: Break | undefined;
  for (const [index, id] of ids.entries()) {
    const path = `${dir}/${segmentName(id)}`;
    if (id !== index) {
      const missing = `${dir}/${segmentName(index as SegmentId)}`;
      throw new SessfsError(
        'LOG_CORRUPT',
        `Cannot read log "${dir}": segment "${missing}" is missing, before "${path}"`,
        { hint: CORRUPT_HINT },
      );
    }
    const { size, bytes } = readHeader(disk, path);
    const file: SegmentFile = { id, path, mark: segmentMark(volumeId, id), size };
    files.push(file);
    if (broken !== undefined) continue;
    const decoded = decodeSegmentHeader(bytes);
    if (decoded.kind === 'foreign') throw foreignError(path, decoded.what);
    if (decoded.kind === 'damaged') {
      broken = { file, offset: 0, problem: 'a segment header that is incomplete or damaged' };
      continue;
    }
    const { header, crc } = decoded;
    if (header.volumeId !== volumeId) {
      throw foreignError(path, `a segment of volume ${header.volumeId}, wanted ${volumeId}`);
    }
    broken = findBreak(links.at(-1), file, header);
    if (broken === undefined) links.push({ file, header, headerCrc: header.firstLink ?? crc });
  }
  return { files, links, broken };
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

function readHeader(disk: Disk, path: string): { size: number; bytes: Buffer } {
  const fd = disk.open(path, 'r');
  try {
    return { size: disk.size(fd), bytes: readFully(disk, fd, 0, SEGMENT_HEADER_BYTES) };
  } finally {
    disk.close(fd);
  }
}

function foreignError(path: string, what: string): SessfsError {
  return new SessfsError('STORE_FOREIGN', `Cannot use log "${path}": ${what}`, {
    hint: 'Take the file away if it does not belong here, or use the sessfs that made it',
  });
}
