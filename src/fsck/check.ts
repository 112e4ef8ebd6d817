/**
 * The check of one volume: its log, its index against the log, its tree; and what is affected.
 *
 * Rule: nothing of the volume is changed. What is written goes into a scratch directory of the caller,
 * who removes it. Extents lie in the data of write records because the index equals its replay, and
 * are readable because the data of every record is read.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { Index } from '../index/index.ts';
import { nodeDisk } from '../log/disk.ts';
import { findLastRecord } from '../log/last-record.ts';
import type { FoundRecord } from '../log/last-record.ts';
import type { LogRecord } from '../log/record.ts';
import { makeLogPos, segmentOf } from '../log/segment.ts';
import { SyncedFile } from '../log/synced-mark.ts';
import { loadZstd } from '../log/zstd.ts';
import type { Ino, LogPos } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { IRREPLACEABLE } from '../volume/open-parts.ts';
import { findAffected } from './affected.ts';
import { checkPacks } from './check-packs.ts';
import { checkTree } from './check-tree.ts';
import { compareIndexes } from './compare-index.ts';
import type { DataDamage, Loss, WalkOptions, WalkResult } from './damage.ts';
import { readKnownDamage } from './known-damage.ts';
import type { KnownDamage } from './known-damage.ts';
import { Listed } from './report.ts';
import type { AffectedContent, FsckReport, Problem, Progress } from './report.ts';
import { Replayed, copyIndex, loadIndex } from './scratch.ts';
import type { OpenedIndex } from './scratch.ts';
import { SlotSource } from './slot-source.ts';
import type { LogPlace } from './slot-source.ts';
import { readSlots } from './slots.ts';
import type { Slot } from './slots.ts';
import { walkLog } from './walk-log.ts';

/** An index that goes on further behind the log than this is not believed. */
const MAX_LOST_SEGMENTS = 4096;

export interface CheckOptions {
  readonly volumeDir: string;
  readonly volumeId: string;
  readonly session?: string | undefined;
  /** An empty directory on the same file system. */
  readonly scratchDir: string;
  /**
   * The index as its server tells it, while the volume is served; then the log is checked up to there.
   * Undefined: nobody has the volume open.
   */
  readonly entries?: AsyncIterable<[Buffer, Buffer][]> | undefined;
  readonly onProgress?: Progress | undefined;
}

/** What the check found, with all that a repair goes on with. */
export interface Checked {
  readonly report: FsckReport;
  readonly walk: WalkResult;
  readonly slots: readonly Slot[];
  readonly stray: readonly string[];
  readonly newData: readonly DataDamage[];
  readonly known: KnownDamage;
  /** What the index on disk is the state after; undefined if it cannot be used. */
  readonly applied: number | undefined;
  /** See IndexMeta: as that index says, if it can be used. */
  readonly answered: LogPos | undefined;
  /** There is one, or there was. */
  readonly hasIndex: boolean;
  readonly isIndexSound: boolean;
  /** The last revision that is lost; 0 if none is. */
  readonly lastLoss: number;
  /** The index as it follows from the log, closed, in this directory; whole if the log is. */
  readonly replayedDir: string;
  readonly isReplayWhole: boolean;
}

export async function checkVolume(options: CheckOptions): Promise<Checked> {
  const check = new Check(options);
  try {
    return await check.run();
  } finally {
    await check.close();
  }
}

class Check {
  readonly #options: CheckOptions;
  readonly #startMs = performance.now();
  readonly #problems = new Listed<Problem>();
  readonly #indexProblems = new Listed<Problem>();
  readonly #treeProblems = new Listed<Problem>();
  readonly #notes: string[] = [];
  readonly #known: KnownDamage;
  readonly #replayedDir: string;
  readonly #orphans: Ino[] = [];
  #real: OpenedIndex | undefined;
  #replayed: Replayed | undefined;
  #isCompared = false;
  #lastLoss = 0;
  #indexEntries = 0;
  #inodes = 0;
  #bytesDone = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
    this.#known = readKnownDamage(options.volumeDir);
    this.#replayedDir = join(options.scratchDir, 'replayed');
  }

  async run(): Promise<Checked> {
    const { volumeId, entries } = this.#options;
    const place = this.#place;
    const { logDir } = place;
    await loadZstd();
    await this.#openIndex();
    const isServed = entries !== undefined;
    const first = readSlots(logDir, volumeId, 0);
    const synced = isServed ? (this.#real?.meta.applied ?? 0) : this.#findSynced(first.slots);
    const reach = await this.#findReach(first.slots);
    const reachCount = reach === undefined ? 0 : segmentOf(reach.pos) + 1;
    const { slots, stray } = readSlots(logDir, volumeId, reachCount);
    for (const path of stray) {
      const message = `"${path}" is no segment of this volume`;
      this.#problems.add({ kind: 'segment', message, file: path });
    }
    const isLenient = this.#known.index === 'rebuilt';
    this.#replayed = await Replayed.open(this.#replayedDir, volumeId, isLenient);
    const total = slots.reduce((sum, slot) => sum + slot.size, 0);
    const packedUpTo = slots.reduce((most, slot) => Math.max(most, slot.packedUpTo), 0);
    const walk = await walkLog({
      place,
      slots,
      synced: Math.max(synced, packedUpTo, reach?.revision ?? 0),
      reach,
      until: isServed ? this.#real?.meta.next : undefined,
      onRecord: (record) => this.#take(record),
      onLoss: (loss) => this.#lose(loss),
      onGap: (record) => (isLenient ? this.#take(record) : undefined),
      onBytes: (bytes) => {
        this.#bytesDone += bytes;
        this.#options.onProgress?.('reading the log', this.#bytesDone, total);
      },
    });
    await checkPacks(place, (problem) => this.#notes.push(problem));
    await this.#compare();
    await this.#tryIndex(() => this.#checkTree());
    return this.#conclude(walk, slots, stray);
  }

  async close(): Promise<void> {
    await this.#real?.index.close();
    await this.#replayed?.close();
  }

  get #place(): LogPlace {
    const { volumeDir, volumeId } = this.#options;
    return { logDir: join(volumeDir, 'log'), volumeId };
  }

  async #openIndex(): Promise<void> {
    const { volumeDir, volumeId, scratchDir, entries } = this.#options;
    const dir = join(volumeDir, 'index');
    const copy = join(scratchDir, 'index');
    if (entries !== undefined) {
      this.#real = await loadIndex(entries, copy, volumeId);
      return;
    }
    if (!fs.existsSync(dir) || fs.readdirSync(dir).length === 0) {
      this.#notes.push('There is no index: it is made from the log at the next start');
      return;
    }
    try {
      copyIndex(dir, copy);
      const { index, meta } = await Index.open(copy, volumeId);
      if (meta !== undefined) this.#real = { index, meta };
      else {
        await index.close();
        this.#notes.push('The index is empty: it is made from the log at the next start');
      }
    } catch (error) {
      if (!(error instanceof SessfsError)) throw error;
      this.#indexProblems.add({ kind: 'index', message: error.message.replace(copy, dir) });
    }
  }

  /** All up to it was on disk for certain: by the file beside the log, or by the last record. */
  #findSynced(slots: readonly Slot[]): number {
    const { volumeDir, volumeId } = this.#options;
    const mark = new SyncedFile(nodeDisk, join(volumeDir, 'log'), volumeId);
    const marked = mark.find()?.revision ?? 0;
    mark.close();
    return Math.max(marked, findLast(this.#place, slots)?.synced ?? 0);
  }

  /** Where the log has to go, if the index goes on behind its end and means it. */
  async #findReach(slots: readonly Slot[]): Promise<WalkOptions['reach']> {
    const meta = this.#real?.meta;
    if (meta === undefined) return undefined;
    const reach = { pos: meta.next, revision: meta.applied };
    if (this.#options.entries !== undefined) return reach;
    const last = findLast(this.#place, slots);
    const lastRevision = last?.record.revision ?? 0;
    if (meta.applied <= lastRevision)
      return reach.pos <= (last?.record.end ?? 0) ? reach : undefined;
    // Its state has a checksum: what it says of the log was so.
    if (segmentOf(meta.next) <= slots.length + MAX_LOST_SEGMENTS) return reach;
    const message = `Index: the state record goes on in segment ${segmentOf(meta.next)}, and the log has ${slots.length}`;
    this.#indexProblems.add({ kind: 'index', message });
    await this.#real?.index.close();
    this.#real = undefined;
    return undefined;
  }

  #take(record: LogRecord): Promise<void> | undefined {
    const applied = this.#real?.meta.applied;
    if (!this.#isCompared && applied !== undefined && record.revision > applied) {
      return this.#compare().then(() => this.#replay(record));
    }
    return this.#replay(record);
  }

  #replay(record: LogRecord): Promise<void> | undefined {
    const replayed = this.#replayed;
    if (replayed === undefined) return undefined;
    try {
      return replayed.take(record);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      replayed.stopped = `record r${record.revision} cannot be applied: ${reason}`;
      this.#problems.add({
        kind: 'event',
        message: `Log: ${replayed.stopped}`,
        segment: segmentOf(record.pos),
        offset: record.pos % 2 ** 32,
        revisions: [record.revision, record.revision],
      });
      return undefined;
    }
  }

  #lose({ first, last, isKnown }: Loss): void {
    this.#lastLoss = Math.max(this.#lastLoss, last);
    const replayed = this.#replayed;
    if (replayed === undefined || (isKnown && replayed.lenient !== undefined)) return;
    replayed.stopped ??= `from revision ${first} on the log is damaged`;
    // The last record before the damage may be one that does not belong there.
    replayed.revision = Math.min(replayed.revision, first - 1);
  }

  /** What LevelDB itself cannot read ends the step, and not the check. */
  async #tryIndex(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof SessfsError) || error.code !== 'INDEX_CORRUPT') throw error;
      this.#indexProblems.add({ kind: 'index', message: error.message });
    }
  }

  /** The index that is there with what follows from the log, as far as that goes. */
  async #compare(): Promise<void> {
    const [real, replayed] = [this.#real, this.#replayed];
    if (this.#isCompared || real === undefined || replayed === undefined) return;
    this.#isCompared = true;
    await replayed.flush();
    const { revision } = replayed;
    const upTo = revision === real.meta.applied ? undefined : revision;
    await this.#tryIndex(() =>
      compareIndexes({
        seen: real.index,
        wanted: replayed.index,
        upTo,
        isKept: this.#known[IRREPLACEABLE],
        problems: this.#indexProblems,
        onEntry: () => {
          this.#indexEntries += 1;
          this.#options.onProgress?.('comparing the index', this.#indexEntries, 0);
        },
      }),
    );
  }

  async #checkTree(): Promise<void> {
    if (this.#real === undefined) return;
    this.#options.onProgress?.('counting names and links', 0, 0);
    const { inodes } = await checkTree({
      index: this.#real.index,
      meta: this.#real.meta,
      problems: this.#treeProblems,
      onOrphan: (ino) => this.#orphans.push(ino),
    });
    this.#inodes = inodes;
  }

  async #conclude(
    walk: WalkResult,
    slots: readonly Slot[],
    stray: readonly string[],
  ): Promise<Checked> {
    const replayed = this.#replayed;
    await replayed?.flush();
    const isKnown = (damage: DataDamage): boolean =>
      this.#known.data.some(
        (each) => each.segment === damage.segment && each.offset === damage.offset,
      );
    const newData = walk.data.items.filter((damage) => !isKnown(damage));
    const known = new Listed<Problem>();
    for (const gap of walk.gaps.items) known.add(gap);
    for (const damage of walk.data.items.filter(isKnown)) known.add(dataProblem(damage, slots));
    for (const damage of newData) this.#problems.add(dataProblem(damage, slots));
    const affected = await this.#findAffected(walk, slots);
    await this.#findRemoved(walk, slots);
    if (walk.torn !== undefined) this.#notes.push(walk.torn);
    if (this.#real === undefined && this.#lastLoss > 0 && this.#indexProblems.count === 0) {
      const message =
        'Index: it is missing, and the log, which has lost something, does not make it';
      this.#indexProblems.add({ kind: 'index', message });
    }
    const listed = [walk.problems, this.#problems, this.#indexProblems, this.#treeProblems];
    const problemCount = listed.reduce((sum, { count }) => sum + count, 0);
    const { session, volumeId } = this.#options;
    const report: FsckReport = {
      session,
      volumeId,
      status: problemCount === 0 ? 'clean' : 'damaged',
      revision: walk.revision,
      segments: slots.length,
      logBytes: slots.reduce((sum, slot) => sum + slot.size, 0),
      records: walk.records,
      dataBytes: walk.dataBytes,
      indexEntries: this.#indexEntries,
      inodes: this.#inodes,
      durationMs: Math.round(performance.now() - this.#startMs),
      problems: listed.flatMap(({ items }) => items),
      problemCount,
      known: known.items,
      knownCount: known.count,
      notes: this.#notes,
      affected: affected.items,
      affectedCount: affected.count,
      repair: undefined,
    };
    const isSound = this.#indexProblems.count === 0 && this.#treeProblems.count === 0;
    return {
      report,
      walk,
      slots,
      stray,
      newData,
      known: this.#known,
      applied: this.#real?.meta.applied,
      answered: this.#real?.meta.answered,
      hasIndex: this.#real !== undefined || this.#indexProblems.count > 0,
      isIndexSound: isSound && this.#real !== undefined,
      lastLoss: this.#lastLoss,
      replayedDir: this.#replayedDir,
      isReplayWhole: replayed?.stopped === undefined && replayed?.revision === walk.revision,
    };
  }

  /** What is referred to and was removed all the same: a bug of the cleaning, or of the index. */
  async #findRemoved(walk: WalkResult, slots: readonly Slot[]): Promise<void> {
    const index = this.#real?.index;
    // While the volume is served its index may have let go of it since.
    if (index === undefined || this.#options.entries !== undefined) return;
    const found = await findAffected(index, { place: this.#place, slots }, walk.removed);
    for (const { text, offset, length, versions } of found.items) {
      const what = `${length} bytes at ${offset} of "${text}" (versions ${versions.join(', ') || 'none'})`;
      const message = `Content was removed that is still referred to: ${what}`;
      this.#treeProblems.add({ kind: 'data', message });
    }
  }

  async #findAffected(walk: WalkResult, slots: readonly Slot[]): Promise<Listed<AffectedContent>> {
    const index = this.#real?.index ?? this.#replayed?.index;
    if (index === undefined) return new Listed();
    const ranges = walk.data.items.map(({ segment, offset, length }) =>
      rangeOf(segment, offset, length),
    );
    for (const { segment = 0, offset = 0, length = 0 } of [
      ...walk.problems.items,
      ...walk.gaps.items,
    ]) {
      ranges.push(rangeOf(segment, offset, length));
    }
    return findAffected(index, { place: this.#place, slots }, ranges);
  }
}

function rangeOf(segment: number, offset: number, length: number): { start: LogPos; end: LogPos } {
  const start = makeLogPos(segment, offset);
  return { start, end: (start + length) as LogPos };
}

function dataProblem(damage: DataDamage, slots: readonly Slot[]): Problem {
  const { segment, offset, length, revision } = damage;
  const file = slots[segment]?.path ?? '';
  return {
    kind: 'data',
    message: `Segment ${segment} ("${file}"), offset ${offset}: ${length} bytes of content of r${revision} fail their checksum`,
    file,
    segment,
    offset,
    length,
    revisions: [revision, revision],
  };
}

function findLast(place: LogPlace, slots: readonly Slot[]): FoundRecord | undefined {
  for (const slot of slots.toReversed()) {
    const { id, mark, size } = slot;
    const source = SlotSource.open(place, slot);
    if (source === undefined) continue;
    try {
      const found = findLastRecord(source.records, { id, mark, end: size });
      if (found !== undefined) return found;
    } finally {
      source.close();
    }
  }
  return undefined;
}
