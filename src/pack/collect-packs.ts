/**
 * Gives back the room of content that no map refers to: packs with too little in use are written anew.
 *
 * Rule: a pack is removed when no map on disk refers to it, and nobody reads from it any more. Ended at
 * any moment this leaves packs that nobody refers to, which the next collection removes. The number of
 * a pack is never used again: the highest one is removed only if a higher one is there.
 */

import type { Disk } from '../log/disk.ts';
import { MapFile } from '../log/map-file.ts';
import { mapName } from '../log/map-header.ts';
import { SKELETON_FRAME_BYTES, cell } from '../log/map-tables.ts';
import type { ChunkTable } from '../log/map-tables.ts';
import { PackFile } from '../log/pack-file.ts';
import { packName } from '../log/pack-format.ts';
import { syncDirectory } from '../log/syncer.ts';
import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { StorePlace } from './chunk-store.ts';
import type { CollectResult } from './jobs.ts';
import { MapWriter } from './map-writer.ts';
import { isUnfinished } from './new-file.ts';
import type { Pace } from './pack-segment.ts';
import { readUsage } from './pack-usage.ts';
import type { PackUsage, Usage } from './pack-usage.ts';
import { PackWriter } from './pack-writer.ts';
import type { ChunkPlace } from './pack-writer.ts';

export interface CollectOptions extends StorePlace {
  /** A pack is written anew if a smaller share of it than this is in use. */
  readonly threshold: number;
  readonly pace: Pace;
  /** Resolves when nothing is read from the old packs any more. */
  readonly onRewritten: (ids: readonly SegmentId[], oldPacks: readonly number[]) => Promise<void>;
}

/** So many packs below this size are made one. */
const SMALL_PACKS = 16;
const SMALL_PACK_BYTES = 8 * 1024 * 1024;

/** What is copied before the first old pack is removed: a full disk needs so much room, and no more. */
const GROUP_BYTES = 256 * 1024 * 1024;

/** @throws {SessfsError} LOG_CORRUPT If a map is damaged: what is in use cannot be told then. */
export async function collectPacks(options: CollectOptions): Promise<CollectResult> {
  const { disk, dir, pace, threshold } = options;
  removeUnfinished(disk, dir);
  const usage = await readUsage(options, pace);
  let removedPacks = 0;
  let freedBytes = 0;
  const rewrittenMaps = new Set<SegmentId>();
  let { highest } = usage;
  for (const group of groupsOf(chooseOld(usage, threshold))) {
    const writer = new PackWriter({ ...options, nextId: () => ++highest });
    try {
      const { old, maps } = await replaceGroup(options, { usage, group, writer });
      removedPacks += old.length;
      freedBytes += old.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
      freedBytes -= writer.storedBytes;
      for (const id of maps) rewrittenMaps.add(id);
    } catch (error) {
      writer.discard();
      throw error;
    }
  }
  return { removedPacks, rewrittenMaps: [...rewrittenMaps], freedBytes };
}

interface Group {
  readonly usage: Usage;
  readonly group: readonly PackUsage[];
  readonly writer: PackWriter;
}

async function replaceGroup(
  options: CollectOptions,
  { usage, group, writer }: Group,
): Promise<{ old: readonly PackUsage[]; maps: readonly SegmentId[] }> {
  const { disk, dir } = options;
  const moves = new Moves();
  const old: PackUsage[] = [];
  for (const pack of group) if (await copyLive(options, pack, { writer, moves })) old.push(pack);
  const isHighestOld = old.some(({ id }) => id === usage.highest);
  await (isHighestOld ? writer.finishEvenIfEmpty() : writer.finish());
  await syncDirectory(disk, dir);
  const maps = await rewriteMaps(options, usage, moves);
  await syncDirectory(disk, dir);
  const ids = old.map(({ id }) => id);
  await options.onRewritten(maps, ids);
  for (const id of ids) await disk.removeAsync(`${dir}/${packName(id)}`);
  await syncDirectory(disk, dir);
  return { old, maps };
}

function groupsOf(packs: readonly PackUsage[]): PackUsage[][] {
  const groups: PackUsage[][] = [];
  let bytes = Infinity;
  for (const pack of packs) {
    if (bytes >= GROUP_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(pack);
    bytes += pack.liveBytes;
  }
  return groups;
}

/** Where chunks of old packs are now. */
class Moves {
  readonly #byPack = new Map<number, Map<number, ChunkPlace>>();

  add(pack: number, row: number, place: ChunkPlace): void {
    let rows = this.#byPack.get(pack);
    if (rows === undefined) this.#byPack.set(pack, (rows = new Map()));
    rows.set(row, place);
  }

  find(pack: PackUsage, frame: number, offset: number): ChunkPlace | undefined {
    const rows = this.#byPack.get(pack.id);
    const row = rows && pack.findRow(frame, offset);
    return row === undefined ? undefined : rows?.get(row);
  }
}

interface Target {
  readonly writer: PackWriter;
  readonly moves: Moves;
}

/** What was being made when a process ended. */
function removeUnfinished(disk: Disk, dir: string): void {
  for (const name of disk.list(dir)) if (isUnfinished(name)) disk.remove(`${dir}/${name}`);
}

function chooseOld({ packs, highest }: Usage, threshold: number): PackUsage[] {
  const all = [...packs.values()];
  // The highest may be one without anything, made so that its number is not used again.
  const isNeeded = ({ id, rawBytes }: PackUsage): boolean => id === highest && rawBytes === 0;
  const small = all.filter((pack) => pack.storedBytes < SMALL_PACK_BYTES && !isNeeded(pack));
  const merged = new Set(small.length >= SMALL_PACKS ? small : []);
  return all.filter(
    (pack) =>
      !isNeeded(pack) && (pack.liveBytes === 0 || pack.share < threshold || merged.has(pack)),
  );
}

/** @returns False if not all of it can be read: the pack has to stay. */
async function copyLive(
  { disk, dir, volumeId, pace }: CollectOptions,
  pack: PackUsage,
  target: Target,
): Promise<boolean> {
  if (pack.liveBytes === 0) return true;
  const file = new PackFile(disk, dir, { volumeId, id: pack.id });
  let isWhole = true;
  try {
    for (let frame = 0; frame < file.trailer.frames; frame++) {
      try {
        await copyFrame(file, { pack, frame }, target);
      } catch (error) {
        if (!(error instanceof SessfsError)) throw error;
        isWhole = false;
      }
      await pace(0);
    }
  } finally {
    file.close();
  }
  return isWhole;
}

async function copyFrame(
  file: PackFile,
  { pack, frame }: { pack: PackUsage; frame: number },
  { writer, moves }: Target,
): Promise<void> {
  const first = pack.frameRows[frame] ?? 0;
  const count = (pack.frameRows[frame + 1] ?? first) - first;
  const rows = Array.from({ length: count }, (_, i) => first + i);
  const live = rows.filter((row) => pack.isLive(row));
  if (live.length === 0) return;
  const lengthOf = (row: number): number => pack.chunks.lengths[row] ?? 0;
  if (live.length === rows.length) {
    const place = await writer.addFrame({
      bytes: file.readStored(frame),
      raw: file.frames.raw[frame] ?? 0,
      crc: file.frames.crcs[frame] ?? 0,
      lengths: rows.map(lengthOf),
      hashes: rows.map((row) => pack.hashOf(row)),
    });
    for (const row of rows) moves.add(pack.id, row, { ...place, offset: pack.offsetOf(row) });
    return;
  }
  const bytes = file.readFrame(frame);
  for (const row of live) {
    const offset = pack.offsetOf(row);
    const chunk = bytes.subarray(offset, offset + lengthOf(row));
    moves.add(pack.id, row, await writer.add(pack.hashOf(row), chunk));
  }
}

/** @returns Those that referred to anything that has moved. */
async function rewriteMaps(
  options: CollectOptions,
  { maps, packs }: Usage,
  moves: Moves,
): Promise<SegmentId[]> {
  const rewritten: SegmentId[] = [];
  for (const id of maps) {
    const file = new MapFile(options.disk, `${options.dir}/${mapName(id)}`);
    try {
      const chunks = moveChunks(file.map.chunks, packs, moves);
      if (chunks === undefined) continue;
      await rewriteMap(options, file, chunks);
      rewritten.push(id);
    } finally {
      file.close();
    }
    await options.pace(0);
  }
  return rewritten;
}

/** The table with the new places; undefined if nothing of it has moved. */
function moveChunks(
  chunks: ChunkTable,
  packs: ReadonlyMap<number, PackUsage>,
  moves: Moves,
): ChunkTable | undefined {
  const moved: ChunkTable = {
    starts: chunks.starts,
    packs: chunks.packs.slice(),
    frames: chunks.frames.slice(),
    offsets: chunks.offsets.slice(),
  };
  let hasMoved = false;
  for (let i = 0; i < chunks.packs.length; i++) {
    const pack = packs.get(cell(chunks.packs, i));
    const place = pack && moves.find(pack, cell(chunks.frames, i), cell(chunks.offsets, i));
    if (place === undefined) continue;
    moved.packs[i] = place.pack;
    moved.frames[i] = place.frame;
    moved.offsets[i] = place.offset;
    hasMoved = true;
  }
  return hasMoved ? moved : undefined;
}

async function rewriteMap(
  { disk, dir }: StorePlace,
  file: MapFile,
  chunks: ChunkTable,
): Promise<void> {
  const { header, frames, spans } = file.map;
  const map = new MapWriter(disk, dir, header.id);
  try {
    for (let frame = 0; frame < frames.stored.length; frame++) {
      const left = header.skeletonBytes - frame * SKELETON_FRAME_BYTES;
      const raw = Math.min(SKELETON_FRAME_BYTES, left);
      map.addFrame(file.storedFrame(frame), { raw, crc: cell(frames.crcs, frame) });
    }
    await map.finish(header, spans, chunks);
    map.rename();
  } catch (error) {
    map.discard();
    throw error;
  }
}
