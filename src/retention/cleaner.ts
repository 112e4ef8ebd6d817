/**
 * Gives bytes back: sealed segments in which nothing changes any more are packed without what nothing
 * refers to, and packs of which little is left are written anew.
 *
 * Rules:
 * - What is alive is found anew each time, from the index; no count is trusted with content.
 * - Positions stay: a packed segment answers for the same places as before. There is nothing to swap in the
 *   index, and being stopped anywhere costs the work of one segment.
 * - Whoever is served goes first: see Pacer.
 */

import { open, stat } from 'node:fs/promises';

import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { decodeMapHeader, MAP_HEADER_BYTES } from '../log/map-header.ts';
import type { SegmentInfo } from '../log/log.ts';
import type { CollectResult, PackResult } from '../pack/jobs.ts';
import type { Volume } from '../volume/volume.ts';
import { findLiveness } from './liveness.ts';
import type { RangeList } from './range-list.ts';

/** A packed segment is packed anew when it holds this share more than is alive. */
const SLACK_SHARE = 0.03;
/** A pack of which less is referred to is written anew. */
const PACK_THRESHOLD = 0.95;
/** An active segment smaller than this is left alone, unless all is to be packed. */
const WORTH_SEALING_BYTES = 1 << 20;

/** What packs: see src/pack/packer.ts. */
export interface SegmentPacker {
  pack(id: SegmentId, alive: ArrayLike<number>, signal?: AbortSignal): Promise<PackResult>;
  collect(threshold: number, signal?: AbortSignal): Promise<CollectResult>;
}

export interface CleanOptions {
  readonly nowMs: number;
  /** Also what is not cold yet, the segment that is written to included. */
  readonly isForced: boolean;
  readonly pause?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface CleanReport {
  readonly packedSegments: number;
  /** What the log took on disk before, and what it takes now. */
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
}

export class Cleaner {
  readonly #volume: Volume;
  readonly #packer: SegmentPacker;
  /** What had been purged when the packed segments were last looked at. */
  #cleanedDigest: string | undefined;

  constructor(volume: Volume, packer: SegmentPacker) {
    this.#volume = volume;
    this.#packer = packer;
  }

  async clean(options: CleanOptions): Promise<CleanReport> {
    const { log, state, index } = this.#volume;
    const storedBytesBefore = log.storedBytes;
    await this.#sealIfCold(options);
    const cold = await this.#listCold(options);
    const digest = state.purgeDigest;
    const isPurged = digest !== this.#cleanedDigest;
    const packed = log.segments().filter(({ isPacked }) => isPacked);
    let packedSegments = 0;
    if (cold.length > 0 || (isPurged && packed.length > 0)) {
      const { pause } = options;
      const liveness = await findLiveness(this.#volume, pause === undefined ? {} : { pause });
      for (const segment of log.segments()) {
        const alive = liveness.all.get(segment.id);
        if (!(await this.#isWorthIt(segment, cold, alive))) continue;
        options.signal?.throwIfAborted();
        if (await this.#pack(segment.id, alive, options.signal)) packedSegments += 1;
      }
      this.#cleanedDigest = digest;
    }
    // Also after a purge that no segment was worth packing for, or a job that was cut off.
    if (packedSegments > 0 || isPurged) await this.#packer.collect(PACK_THRESHOLD, options.signal);
    if ((isPurged && digest !== '') || options.isForced) await index.compact();
    return { packedSegments, storedBytesBefore, storedBytesAfter: log.storedBytes };
  }

  /** @returns False of one that is damaged: it stays as it is, and the others go on. */
  async #pack(
    id: SegmentId,
    alive: RangeList | undefined,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    try {
      await this.#packer.pack(id, alive?.bounds ?? [], signal);
      return true;
    } catch (error) {
      if (!(error instanceof SessfsError) || error.code !== 'LOG_CORRUPT') throw error;
      this.#volume.report(`Cannot pack segment ${id}`, error);
      return false;
    }
  }

  async #isWorthIt(
    { id, path, isPacked }: SegmentInfo,
    cold: readonly SegmentId[],
    alive: RangeList | undefined,
  ): Promise<boolean> {
    if (!isPacked) return cold.includes(id);
    const held = await readAliveBytes(path);
    return held - (alive?.size ?? 0) > held * SLACK_SHARE;
  }

  /** An active segment that nobody has written to for long enough would otherwise never be packed. */
  async #sealIfCold(options: CleanOptions): Promise<void> {
    const { log } = this.#volume;
    const active = log.segments().at(-1);
    if (active === undefined) return;
    const isWorth = options.isForced || active.bytes >= WORTH_SEALING_BYTES;
    if (isWorth && (await this.#isCold(active.path, options))) log.seal();
  }

  async #listCold(options: CleanOptions): Promise<SegmentId[]> {
    const cold: SegmentId[] = [];
    for (const { id, path, sealed, isPacked } of this.#volume.log.segments()) {
      if (sealed && !isPacked && (await this.#isCold(path, options))) cold.push(id);
    }
    return cold;
  }

  async #isCold(path: string, { isForced, nowMs }: CleanOptions): Promise<boolean> {
    if (isForced) return true;
    const { packAfterMs } = this.#volume.promiser.current.policy;
    return (await stat(path)).mtimeMs + packAfterMs <= nowMs;
  }
}

/** What a packed segment still holds of its content. */
export async function readAliveBytes(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAP_HEADER_BYTES), 0);
    const decoded = decodeMapHeader(buffer.subarray(0, bytesRead));
    // A damaged one is found by whoever packs it.
    return decoded.kind === 'map' ? decoded.header.aliveBytes : Infinity;
  } finally {
    await file.close();
  }
}
