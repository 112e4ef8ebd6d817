/**
 * What takes room in a volume, and what removing something would really give back.
 *
 * Rules:
 * - Bytes are counted once, however many files and versions share them; nothing is estimated.
 * - As of one place in the log: what is written while it is measured does not count.
 * - Streams, and pauses as it is told: the thread that runs this also serves the kernel.
 */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Ino } from '../shared/brands.ts';
import { isRegular } from '../shared/mode.ts';
import { takeSteps } from '../shared/steps.ts';
import type { Steps } from '../shared/steps.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import type { Volume } from '../volume/volume.ts';
import { describeLife } from './content-intervals.ts';
import type { Life } from './content-intervals.ts';
import { Examiner } from './examiner.ts';
import { InodeExtents } from './inode-extents.ts';
import { surveyInodes } from './inode-survey.ts';
import type { SurveyedInode } from './inode-survey.ts';
import { ALL_KEPT, isKept, keptContent, NONE_KEPT } from './kept-content.ts';
import type { KeptContent } from './kept-content.ts';
import { measureContent } from './log-content.ts';
import { SegmentRanges } from './segment-ranges.ts';
import { judge } from './verdict.ts';
import type { VerdictInput } from './verdict.ts';

/** In bytes of content, before it is packed, but for what is on disk. */
export interface Usage {
  /** What live files hold. */
  readonly liveBytes: number;
  /** What only the past holds. */
  readonly historyBytes: number;
  /** Of that, what the next sweep would remove if all checkpoints and holds were released now. */
  readonly pinnedBytes: number;
  /** In the log, and referred to by nothing: given back by the next cleaning. */
  readonly reclaimableBytes: number;
  /** What log and index take on disk. */
  readonly storedBytes: number;
  readonly inodes: number;
  readonly versions: number;
  /** What a question asked for would give back, if one was asked. */
  readonly freedBytes: number | undefined;
}

export interface UsageOptions {
  readonly nowMs: number;
  /** undefined: the session is active. */
  readonly sessionEndedMs: number | undefined;
  /** If these inodes and all their versions were gone. */
  readonly without?: ReadonlySet<Ino>;
  /**
   * If no promise kept what was superseded longer ago, in milliseconds, and a sweep had been. What is held,
   * in a checkpoint, or one of the newest versions that a tier keeps would stay.
   */
  readonly shortenedToMs?: number;
  /** Awaited every few hundred steps. */
  readonly pause?: () => Promise<void>;
}

export async function measureUsage(volume: Volume, options: UsageOptions): Promise<Usage> {
  const { log, state } = volume;
  const pause = options.pause ?? letOthersRun;
  const end = log.head;
  await volume.flushed();
  const content = await countContent(volume, { ...options, pause, end });
  const held = await measureContent(log, end, pause);
  const allBytes = content.all.size;
  const liveBytes = content.live.size;
  return {
    liveBytes,
    historyBytes: allBytes - liveBytes,
    pinnedBytes: content.kept.size - content.unpinned.size,
    // Not below: a damaged place may have taken the head of a record with it.
    reclaimableBytes: Math.max(0, held - allBytes),
    storedBytes: log.storedBytes + (await measureFiles(join(volume.dir, 'index'))),
    inodes: state.inodes,
    versions: state.versions,
    freedBytes: asksForMore(options) ? allBytes - content.left.size : undefined,
  };
}

/** Bytes that something refers to. */
interface Content {
  readonly all: SegmentRanges;
  readonly live: SegmentRanges;
  /** What a sweep now would leave, with checkpoints and holds and without; both empty if there are none. */
  readonly kept: SegmentRanges;
  readonly unpinned: SegmentRanges;
  /** What the question would leave; empty if none was asked. */
  readonly left: SegmentRanges;
}

async function countContent(
  volume: Volume,
  options: UsageOptions & { readonly pause: () => Promise<void>; readonly end: number },
): Promise<Content> {
  const content: Content = {
    all: new SegmentRanges(),
    live: new SegmentRanges(),
    kept: new SegmentRanges(),
    unpinned: new SegmentRanges(),
    left: new SegmentRanges(),
  };
  const judging = await Judging.begin(volume, options);
  let extents: InodeExtents | undefined;
  try {
    for await (const surveyed of surveyInodes(volume.index, { pause: options.pause })) {
      // After the inodes: see InodeExtents.
      extents ??= await InodeExtents.open(volume.index, options.pause);
      const { inode } = surveyed;
      if (!isRegular(inode.mode)) continue;
      const { kept, unpinned, left } = await takeSteps(judging.judge(surveyed), options.pause);
      await extents.visit(inode, (extent, to) => {
        if (extent.pos >= options.end) return;
        content.all.add(extent);
        if (to === Infinity && inode.nlink > 0) content.live.add(extent);
        if (judging.mayPin && isKept(kept, extent, to)) content.kept.add(extent);
        if (judging.mayPin && isKept(unpinned, extent, to)) content.unpinned.add(extent);
        if (judging.isAsked && isKept(left, extent, to)) content.left.add(extent);
      });
    }
  } finally {
    await extents?.close();
  }
  return content;
}

/** What would stay of each inode: as things are, without checkpoints and holds, and by the question. */
class Judging {
  /** Something is held or in a checkpoint. */
  readonly mayPin: boolean;
  readonly isAsked: boolean;
  readonly #volume: Volume;
  readonly #examiner: Examiner;
  readonly #options: UsageOptions;
  readonly #shortened = new Map<PromiseDefinition, PromiseDefinition>();

  private constructor(volume: Volume, options: UsageOptions) {
    const { checkpoints, holds } = volume.state.promises;
    this.mayPin = checkpoints.size > 0 || holds.size > 0;
    this.isAsked = asksForMore(options);
    this.#volume = volume;
    this.#options = options;
    this.#examiner = new Examiner(volume, { ...options, horizon: volume.state.horizon });
  }

  static async begin(volume: Volume, options: UsageOptions): Promise<Judging> {
    const judging = new Judging(volume, options);
    await judging.#examiner.commitments.lookBelow(options.pause);
    return judging;
  }

  *judge(
    surveyed: SurveyedInode,
  ): Steps<{ kept: KeptContent; unpinned: KeptContent; left: KeptContent }> {
    const isGone = this.#options.without?.has(surveyed.inode.ino) === true;
    const { shortenedToMs } = this.#options;
    const all = { kept: ALL_KEPT, unpinned: ALL_KEPT, left: isGone ? NONE_KEPT : ALL_KEPT };
    if (!this.mayPin && (isGone || shortenedToMs === undefined)) return all;
    const life = yield* describeLife(surveyed.inode, surveyed.states, surveyed.versions);
    if (this.#isAllFresh(life)) return all;
    const input = this.#examiner.inputOf(surveyed, life);
    const keep = function* (changed: Partial<VerdictInput>): Steps<KeptContent> {
      return keptContent(life, yield* judge({ ...input, ...changed }));
    };
    // What was released goes on to be kept for the grace.
    const pins = input.pins.filter(({ release }) => release !== undefined);
    const isPinned = input.holds.length > 0 || input.pins.length > pins.length;
    const kept = this.mayPin ? yield* keep({}) : ALL_KEPT;
    return {
      kept,
      unpinned: isPinned ? yield* keep({ holds: [], pins }) : kept,
      left:
        isGone || shortenedToMs === undefined
          ? all.left
          : yield* keep(this.#shorten(input, shortenedToMs)),
    };
  }

  /**
   * True if nothing of it can be due, whatever is pinned: what a live file holds stays, and all of the past is
   * younger than what every version is promised (see isContentDue in verdict.ts). Mostly so, and cheap.
   */
  #isAllFresh({ inode, intervals, removed }: Life): boolean {
    const { nowMs, sessionEndedMs, shortenedToMs = Infinity } = this.#options;
    // Of what the sweeper itself took away the last content is due at once.
    if (removed !== undefined && sessionEndedMs !== undefined) return false;
    const { promiser } = this.#volume;
    const { makesVersions, ladder } = promiser.resolveInode(inode);
    const keptMs = makesVersions ? Math.min(ladder.all, shortenedToMs) : 0;
    const { graceMs } = promiser.current.policy;
    return intervals.every(
      ({ endedMs }) => endedMs === undefined || endedMs + keptMs + graceMs > nowMs,
    );
  }

  #shorten(input: VerdictInput, mostMs: number): Partial<VerdictInput> {
    const shorten = (promises: readonly PromiseDefinition[]): PromiseDefinition[] =>
      promises.map((promise) => this.#shortenOne(promise, mostMs));
    return {
      promisesOf: (version) => shorten(input.promisesOf(version)),
      promisesSince: (revision) => shorten(input.promisesSince(revision)),
    };
  }

  #shortenOne(promise: PromiseDefinition, mostMs: number): PromiseDefinition {
    let shortened = this.#shortened.get(promise);
    if (shortened === undefined) {
      const { all, hourly, daily, ...others } = promise.ladder;
      const ladder = {
        ...others,
        all: Math.min(all, mostMs),
        hourly: Math.min(hourly, mostMs),
        daily: Math.min(daily, mostMs),
      };
      this.#shortened.set(promise, (shortened = { ...promise, ladder }));
    }
    return shortened;
  }
}

const asksForMore = ({ without, shortenedToMs }: UsageOptions): boolean =>
  without !== undefined || shortenedToMs !== undefined;

const letOthersRun = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What the files of a directory take; those that go meanwhile count nothing. */
async function measureFiles(dir: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(dir)).map((name) =>
      stat(join(dir, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
