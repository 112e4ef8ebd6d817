/**
 * The segments of a log as a checker sees them: one slot for each sequence number, whatever is in it.
 *
 * Nothing is refused here. A file that holds another segment of this volume is taken for that one, so
 * that two that were swapped are found again.
 */

import fs from 'node:fs';

import { DiskFile, readFully } from '../log/byte-source.ts';
import { nodeDisk, systemCode } from '../log/disk.ts';
import { readMap } from '../log/map-file.ts';
import { findMapId, mapName } from '../log/map-header.ts';
import {
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  findSegmentId,
  hasMagic,
  segmentMark,
  segmentName,
} from '../log/segment.ts';
import type { SegmentHeader } from '../log/segment.ts';
import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { findRecord } from './find-record.ts';

/** Of a segment that a repair has written and not yet put into its place. */
export const NEW_SUFFIX = '.new';

export interface Slot {
  readonly id: SegmentId;
  /** Where the segment belongs. */
  readonly path: string;
  readonly mark: number;
  /** Where its map is, if it is packed. */
  readonly mapPath: string;
  /** The source is that map; `path` is too then. */
  readonly isPacked: boolean;
  /** The last revision in it, if it is packed: all up to it was on disk. */
  readonly packedUpTo: number;
  /** The file that has its records; undefined if none has. */
  readonly source: string | undefined;
  /** Bytes of the segment, as the source has it. */
  readonly size: number;
  /** Its first bytes, as many as there are. */
  readonly headerBytes: Buffer;
  /** If it holds, and is this segment's. */
  readonly header: SegmentHeader | undefined;
  /** What is wrong with the file, or its header. */
  readonly problem: string | undefined;
  /** It may be a file that was being made when the host went down. */
  readonly mayBeTorn: boolean;
}

export interface Slots {
  readonly slots: readonly Slot[];
  /** Files behind the last segment that are none of this volume. */
  readonly stray: readonly string[];
}

interface Found {
  readonly path: string;
  readonly isPacked: boolean;
  /** 0 if it is not packed. */
  readonly packedUpTo: number;
  readonly size: number;
  readonly bytes: Buffer;
  /** The segment whose records it has, by its header or by the records themselves. */
  readonly holds: SegmentId | undefined;
  readonly header: SegmentHeader | undefined;
  readonly problem: string | undefined;
}

/**
 * Zstd has to be loaded.
 *
 * @param count At least so many: the index knows of them.
 * @throws {SessfsError} STORE_FOREIGN If a segment is of a format that this sessfs does not know.
 */
export function readSlots(dir: string, volumeId: string, count: number): Slots {
  const files = new Map<SegmentId, Found>();
  const unfinished = new Map<SegmentId, Found>();
  for (const name of fs.existsSync(dir) ? fs.readdirSync(dir) : []) {
    const id = findSegmentId(name);
    const mapId = findMapId(name);
    if (id !== undefined && files.get(id)?.holds !== id) {
      const file = findFile(`${dir}/${name}`, id, volumeId);
      if (file !== undefined) files.set(id, file);
    }
    if (mapId !== undefined) {
      const map = readMapOf(`${dir}/${name}`, mapId, volumeId);
      // A segment whose map is whole is read from there, and its file removed at the next start.
      if (map.holds === mapId || files.get(mapId) === undefined) files.set(mapId, map);
    }
    const newId = name.endsWith(NEW_SUFFIX)
      ? findSegmentId(name.slice(0, -NEW_SUFFIX.length))
      : undefined;
    if (newId === undefined) continue;
    const file = readFile(`${dir}/${name}`, newId, volumeId);
    if (file.header !== undefined && file.holds === newId) unfinished.set(newId, file);
  }
  const displaced = new Map<SegmentId, Found>();
  // Whole, if a repair was stopped after it had begun to put them into their places.
  for (const [id, file] of unfinished) displaced.set(id, file);
  for (const [id, file] of files) {
    if (file.holds !== undefined && file.holds !== id) displaced.set(file.holds, file);
  }
  const held = [...files.values()].map(({ holds }) => holds ?? -1);
  const last = Math.max(count - 1, -1, ...held);
  const stray = [...files].filter(([id]) => id > last).map(([, file]) => file.path);
  const slots = Array.from({ length: last + 1 }, (_, index) => {
    const id = index as SegmentId;
    return makeSlot({ dir, volumeId, id }, files.get(id), displaced.get(id));
  });
  return { slots, stray };
}

function makeSlot(
  { dir, volumeId, id }: { dir: string; volumeId: string; id: SegmentId },
  own: Found | undefined,
  displaced: Found | undefined,
): Slot {
  const isPacked = own !== undefined && own.isPacked && own.holds === id;
  const mapPath = `${dir}/${mapName(id)}`;
  const path = isPacked ? mapPath : `${dir}/${segmentName(id)}`;
  const packedUpTo = isPacked ? own.packedUpTo : 0;
  const mark = segmentMark(volumeId, id);
  const slot = { id, path, mapPath, isPacked, packedUpTo, mark };
  if (own !== undefined && own.holds === id) {
    const { size, bytes, header, problem } = own;
    const mayBeTorn = header === undefined && (hasMagic(bytes) || isZeros(bytes));
    return { ...slot, source: own.path, size, headerBytes: bytes, header, problem, mayBeTorn };
  }
  const what =
    own === undefined ? 'the segment is missing' : (own.problem ?? 'it is not this segment');
  if (displaced === undefined) {
    const none = { source: undefined, size: 0, headerBytes: Buffer.alloc(0), header: undefined };
    return { ...slot, ...none, problem: what, mayBeTorn: false };
  }
  const { size, bytes, header } = displaced;
  const problem = `${what}; its records are in "${displaced.path}"`;
  const source = displaced.path;
  return { ...slot, source, size, headerBytes: bytes, header, problem, mayBeTorn: false };
}

function readFile(path: string, id: SegmentId, volumeId: string): Found {
  const file = DiskFile.open(nodeDisk, path);
  try {
    const { size } = file;
    const bytes = readFully(file, 0, SEGMENT_HEADER_BYTES);
    const decoded = decodeSegmentHeader(bytes);
    const found = { path, isPacked: false, packedUpTo: 0, size, bytes };
    if (decoded.kind === 'header') {
      const { header } = decoded;
      if (header.volumeId !== volumeId) {
        const problem = `it is a segment of volume ${header.volumeId}`;
        return { ...found, holds: undefined, header: undefined, problem };
      }
      const problem = header.id === id ? undefined : `it is segment ${header.id} of this volume`;
      return { ...found, holds: header.id, header, problem };
    }
    if (decoded.kind === 'foreign' && hasMagic(bytes)) {
      throw new SessfsError('STORE_FOREIGN', `Cannot check "${path}": ${decoded.what}`, {
        hint: 'Use the sessfs that made it',
      });
    }
    // Its records tell whether it is ours: each carries the mark of its segment.
    const range = { id, mark: segmentMark(volumeId, id), end: size };
    const isOurs = findRecord(file, range, SEGMENT_HEADER_BYTES) !== undefined;
    const holds = isOurs || size <= SEGMENT_HEADER_BYTES ? id : undefined;
    const what = decoded.kind === 'foreign' ? decoded.what : 'its header is incomplete or damaged';
    const problem = isOurs ? 'its header is incomplete or damaged' : what;
    return { ...found, holds, header: undefined, problem };
  } finally {
    file.close();
  }
}

/** Gone since the directory was read, if it was packed meanwhile: then its map is there, too. */
function findFile(path: string, id: SegmentId, volumeId: string): Found | undefined {
  try {
    return readFile(path, id, volumeId);
  } catch (error) {
    const mapPath = path.replace(segmentName(id), mapName(id));
    if (systemCode(error) !== 'ENOENT' || !fs.existsSync(mapPath)) throw error;
    return readMapOf(mapPath, id, volumeId);
  }
}

function readMapOf(path: string, id: SegmentId, volumeId: string): Found {
  const none = { path, isPacked: true, packedUpTo: 0, size: 0, bytes: Buffer.alloc(0) };
  const lost = { ...none, holds: undefined, header: undefined };
  const file = DiskFile.open(nodeDisk, path);
  try {
    const { size, segmentHeader: bytes, lastRevision } = readMap(file, path).header;
    const decoded = decodeSegmentHeader(bytes);
    const header = decoded.kind === 'header' ? decoded.header : undefined;
    if (header?.volumeId === volumeId && header.id === id) {
      const found = { ...none, packedUpTo: lastRevision, size, bytes };
      return { ...found, holds: id, header, problem: undefined };
    }
    return { ...lost, problem: 'its map is of another segment' };
  } catch (error) {
    if (!(error instanceof SessfsError)) throw error;
    if (error.code === 'STORE_FOREIGN') throw error;
    return { ...lost, problem: `its map is damaged (${error.message})` };
  } finally {
    file.close();
  }
}

/** Short, or zeros where nothing was written. */
const isZeros = (bytes: Buffer): boolean =>
  bytes.length < SEGMENT_HEADER_BYTES || bytes.every((byte) => byte === 0);
