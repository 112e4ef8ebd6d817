/**
 * What the cleaner asks of the worker that packs, and what it is told.
 */

import type { SegmentId } from '../shared/brands.ts';
import type { ErrorCode } from '../shared/errors.ts';

export interface PackResult {
  /** The length of the segment. */
  readonly logicalBytes: number;
  /** The content that is left of it. */
  readonly aliveBytes: number;
  /** What its map takes on disk. */
  readonly storedBytes: number;
  /** What was added to packs: the content that was in none. */
  readonly newBytes: number;
  /** Content that was asked for and had been removed before: a bug of whoever asked. */
  readonly missingBytes: number;
}

export interface CollectResult {
  /** How many packs are gone. */
  readonly removedPacks: number;
  readonly rewrittenMaps: readonly SegmentId[];
  /** What packs take less on disk than before. */
  readonly freedBytes: number;
}

/** What a worker is started with. */
export interface PackWorkerData {
  readonly dir: string;
  readonly volumeId: string;
  readonly duty: number;
}

export type Job =
  /** `alive`: pairs of start and end, as offsets in the segment. */
  | { readonly kind: 'pack'; readonly id: SegmentId; readonly alive: Float64Array }
  | { readonly kind: 'collect'; readonly threshold: number };

export type ToWorker =
  | Job
  | { readonly kind: 'duty'; readonly duty: number }
  | { readonly kind: 'abort' }
  /** Nothing is read from the old packs any more. */
  | { readonly kind: 'refreshed' };

export interface JobFailure {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly isAborted: boolean;
}

export type FromWorker =
  | { readonly kind: 'done'; readonly result: PackResult | CollectResult }
  | { readonly kind: 'failed'; readonly failure: JobFailure }
  /** Maps were written anew; the answer is `refreshed`. */
  | {
      readonly kind: 'refresh';
      readonly ids: readonly SegmentId[];
      readonly oldPacks: readonly number[];
    };
