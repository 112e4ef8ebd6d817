/**
 * The first and the last segment of a log when it is opened: made, or taken up again.
 */

import { dirname } from 'node:path';

import { assert } from '../shared/assert.ts';
import type { Revision, SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { Clock } from '../shared/time.ts';
import { systemCode } from './disk.ts';
import type { Disk } from './disk.ts';
import type { Recovered } from './recovery.ts';
import { RESTORE_HINT } from './segment-files.ts';
import type { ChainLink } from './segment-files.ts';
import { SegmentWriter } from './segment-writer.ts';
import {
  NO_DIGEST,
  SEGMENT_HEADER_BYTES,
  headerAfter,
  offsetOf,
  segmentName,
  segmentOf,
} from './segment.ts';
import type { SegmentHeader } from './segment.ts';

const PIECE_BYTES = 1 << 20;

interface FirstOptions {
  readonly dir: string;
  readonly volumeId: string;
  readonly clock: Clock;
  readonly create?: boolean;
}

export interface Start {
  readonly writer: SegmentWriter;
  readonly recovered: Recovered;
}

export function openError(dir: string, error: unknown): Error {
  if (error instanceof SessfsError) return error;
  const code = systemCode(error);
  // A bug, here or in what replays.
  if (code === undefined) return error instanceof Error ? error : new Error(String(error));
  const message = `Cannot open log "${dir}": ${error instanceof Error ? error.message : code}`;
  if (code === 'ENOENT') {
    return new SessfsError('LOG_CORRUPT', message, { hint: RESTORE_HINT, cause: error });
  }
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new SessfsError(isFull ? 'NO_SPACE' : 'FAILED', message, { cause: error });
}

export function makeFirst({ dir, volumeId, clock, create }: FirstOptions, disk: Disk): Start {
  if (create !== true) {
    throw new SessfsError('LOG_CORRUPT', `Cannot read log "${dir}": it has no segment`, {
      hint: RESTORE_HINT,
    });
  }
  const id = 0 as SegmentId;
  const path = `${dir}/${segmentName(id)}`;
  const header: SegmentHeader = {
    volumeId,
    id,
    firstRevision: 1 as Revision,
    time: clock.now(),
    previous: { size: 0, lastCrc: 0 },
    previousDigest: NO_DIGEST,
  };
  const writer = SegmentWriter.create(disk, path, header);
  const recovered: Recovered = {
    links: [linkOf(writer, path)],
    size: writer.size,
    lastCrc: writer.headerCrc,
    lastRevision: 0 as Revision,
    lastTime: header.time,
    syncedRevision: 0 as Revision,
    unsyncedFrom: undefined,
    tornTail: undefined,
  };
  return { writer, recovered };
}

export function reopenLast(recovered: Recovered, disk: Disk): Start {
  const last = recovered.links.at(-1);
  assert(last !== undefined, 'a recovered log has a segment');
  if (last.file.isPacked) return startBehind(recovered, last, disk);
  const fd = disk.open(last.file.path, 'r+');
  const { header } = last;
  return { writer: new SegmentWriter(disk, { header, fd, size: recovered.size }), recovered };
}

/** The segment behind a packed one was just being made when the host went down: it is made again. */
function startBehind(recovered: Recovered, last: ChainLink, disk: Disk): Start {
  const { size, lastCrc, lastRevision, lastTime } = recovered;
  const id = (last.file.id + 1) as SegmentId;
  const path = `${dirname(last.file.path)}/${segmentName(id)}`;
  const header = headerAfter(last.header, { size, lastCrc, lastRevision, lastTime });
  const writer = SegmentWriter.create(disk, path, header);
  const link = linkOf(writer, path);
  return {
    writer,
    recovered: {
      ...recovered,
      links: [...recovered.links, link],
      size: writer.size,
      lastCrc: writer.headerCrc,
    },
  };
}

function linkOf(writer: SegmentWriter, path: string): ChainLink {
  const { header, mark, size, headerCrc } = writer;
  const file = {
    id: header.id,
    path,
    mark,
    size,
    isPacked: false,
    storedBytes: size,
    dataBytes: size,
  };
  return { file, header, headerCrc };
}

/**
 * Makes dirty again what no sync is known to have covered.
 *
 * After a sync that failed the kernel takes the pages for clean, and the next sync would succeed without
 * writing them. The same bytes go to the same places: it does not matter where this is cut short.
 */
export function writeAgain(disk: Disk, { links, size, unsyncedFrom }: Recovered): void {
  if (unsyncedFrom === undefined) return;
  const piece = Buffer.alloc(PIECE_BYTES);
  for (const [index, { file }] of links.entries()) {
    if (index < segmentOf(unsyncedFrom) || file.isPacked) continue;
    // A later segment was begun after that: its header is not known to be on disk either.
    let at = index === segmentOf(unsyncedFrom) ? offsetOf(unsyncedFrom) : 0;
    if (at === SEGMENT_HEADER_BYTES) at = 0;
    const end = index === links.length - 1 ? size : file.size;
    const fd = disk.open(file.path, 'r+');
    try {
      while (at < end) {
        const count = disk.read(fd, piece, 0, Math.min(PIECE_BYTES, end - at), at);
        if (count === 0) break;
        for (let done = 0; done < count;) {
          done += disk.write(fd, piece, done, count - done, at + done);
        }
        at += count;
      }
    } finally {
      disk.close(fd);
    }
  }
}
