/**
 * Puts a volume right after a check: the log first, then the index, then what lost its place.
 *
 * Rule: an index that holds is kept, it knows what the log has lost. One that does not is made anew from
 * what the log still has. Before anything is replaced it is put aside into `damaged/<time>/`, with a
 * report of what cannot be read.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { swapIndex } from '../index/swap-index.ts';
import type { Ino, LogPos, Name } from '../shared/brands.ts';
import { ROOT_INO } from '../shared/brands.ts';
import { S_IFDIR } from '../shared/mode.ts';
import { SystemClock, timeToIso } from '../shared/time.ts';
import { findChild, makeNode } from '../volume/names.ts';
import { SYSTEM_CALLER } from '../volume/store.ts';
import { IRREPLACEABLE } from '../volume/open-parts.ts';
import { Volume } from '../volume/volume.ts';
import type { Checked } from './check.ts';
import { writeFileDurably, syncDirectory, writeKnownDamage } from './known-damage.ts';
import type { KnownDamage } from './known-damage.ts';
import { repairLog } from './repair-log.ts';
import type { FsckReport, Progress, RepairResult } from './report.ts';
import { Replayed, copyIndex } from './scratch.ts';
import { readSlots } from './slots.ts';
import { walkLog } from './walk-log.ts';

export interface RepairOptions {
  readonly volumeDir: string;
  readonly volumeId: string;
  readonly scratchDir: string;
  /** Otherwise a log that is damaged is left as it is. */
  readonly repair: boolean;
  /** Makes the index anew, though it holds. */
  readonly rebuildIndex: boolean;
  readonly onProgress?: Progress | undefined;
}

const LOST_AND_FOUND = 'lost+found' as Name;

interface NewIndex {
  readonly how: RepairResult['index'];
  readonly dir: string | undefined;
  readonly skipped: readonly string[];
  readonly skippedCount: number;
  readonly nameless: readonly Ino[];
}

export async function repairVolume(checked: Checked, options: RepairOptions): Promise<FsckReport> {
  const { report, walk, stray } = checked;
  const { volumeDir } = options;
  const isLogDamaged = walk.plans.length > 0 || stray.length > 0;
  if (isLogDamaged && !options.repair) {
    return withNote(report, 'The log is damaged: the index can be made anew with --repair only');
  }
  const isNeeded = report.problemCount > 0 || (options.rebuildIndex && canRebuild(checked));
  const nameless = checked.known.nameless as readonly Ino[];
  if (!isNeeded && nameless.length === 0) {
    const why = 'The index knows what the log has lost: it is kept';
    return options.rebuildIndex ? withNote(report, why) : report;
  }
  const aside = makeAsideDir(volumeDir);
  const setAside: string[] = [];
  if (isLogDamaged) {
    const logDir = join(volumeDir, 'log');
    const place = { logDir, volumeId: options.volumeId };
    setAside.push(...repairLog({ place, asideDir: aside, plans: walk.plans, stray }));
  }
  const made = await makeIndex(checked, options);
  const isLossNew = walk.plans.some(({ damages }) => damages.length > 0);
  const index = made.how === 'kept' && !isLossNew ? checked.known.index : made.how;
  const known: KnownDamage = {
    format: 1,
    index,
    data: [...walk.data.items, ...walk.partial.items],
    [IRREPLACEABLE]: checked.lastLoss > 0 && index !== 'rebuilt',
    nameless: [...new Set([...nameless, ...made.nameless])],
  };
  writeKnownDamage(volumeDir, known);
  if (made.dir !== undefined) setAside.push(...replaceIndex(volumeDir, made.dir, aside));
  const recovered = await giveNames(options, known);
  const reportFile = join(aside, 'report.json');
  const { skipped, skippedCount } = made;
  const repair: RepairResult = {
    setAside,
    segments: walk.plans.map(({ slot }) => slot.path),
    index: made.how,
    recovered,
    skipped,
    skippedCount,
    reportFile,
  };
  const status = report.problemCount > 0 ? 'repaired' : report.status;
  const repaired: FsckReport = { ...report, status, repair };
  writeFileDurably(reportFile, `${JSON.stringify(repaired, undefined, 1)}\n`);
  return repaired;
}

/** An index that knows more than the log is better than one that is made of it. */
const canRebuild = ({ lastLoss, isIndexSound, known }: Checked): boolean =>
  lastLoss === 0 || !isIndexSound || known.index === 'rebuilt';

async function makeIndex(checked: Checked, options: RepairOptions): Promise<NewIndex> {
  const { lastLoss, isIndexSound, applied = 0, hasIndex } = checked;
  const kept = { how: 'kept' as const, dir: undefined, skipped: [], skippedCount: 0, nameless: [] };
  const isForced = options.rebuildIndex && canRebuild(checked);
  if (isIndexSound && applied >= lastLoss && !isForced) return kept;
  // Without losses one is made by itself at the next start.
  if (!hasIndex && lastLoss === 0 && !isForced) return kept;
  if (checked.isReplayWhole && checked.walk.plans.length === 0) {
    const { replayedDir } = checked;
    await answeredAs(options, replayedDir, checked.answered);
    return { ...kept, how: 'rebuilt', dir: replayedDir };
  }
  const dir = join(options.scratchDir, 'next');
  const goesOn = isIndexSound && !isForced;
  if (goesOn) copyIndex(join(options.volumeDir, 'index'), dir);
  const { skipped, nameless } = await replayLeniently(options, dir, checked.answered);
  const { items, count } = skipped;
  const how = goesOn ? 'continued' : 'rebuilt';
  return { how, dir, skipped: items, skippedCount: count, nameless: [...nameless] };
}

/** All that the log still has, on top of what an index in the directory knows. */
async function replayLeniently(
  { volumeDir, volumeId, onProgress }: RepairOptions,
  dir: string,
  answered: LogPos | undefined,
): Promise<{ skipped: { items: string[]; count: number }; nameless: Set<Ino> }> {
  const replayed = await Replayed.open(dir, volumeId, true);
  try {
    const place = { logDir: join(volumeDir, 'log'), volumeId };
    const { slots } = readSlots(place.logDir, volumeId, 0);
    const total = slots.reduce((sum, slot) => sum + slot.size, 0);
    let done = 0;
    await walkLog({
      place,
      slots,
      synced: 0,
      reach: undefined,
      until: undefined,
      onRecord: (record) => replayed.take(record),
      onLoss: () => undefined,
      onGap: (record) => replayed.take(record),
      onBytes: (bytes) => {
        done += bytes;
        onProgress?.('making the index anew', done, total);
      },
    });
    await replayed.flush(answered ?? (0 as LogPos));
    const { lenient } = replayed;
    return {
      skipped: lenient?.skipped ?? { items: [], count: 0 },
      nameless: lenient?.nameless ?? new Set(),
    };
  } finally {
    await replayed.close();
  }
}

/** Which requests were answered the log does not know: as the index said that is replaced. */
async function answeredAs(
  { volumeId }: RepairOptions,
  dir: string,
  answered: LogPos | undefined,
): Promise<void> {
  const replayed = await Replayed.open(dir, volumeId, false);
  await replayed.flush(answered ?? (0 as LogPos));
  await replayed.close();
}

/** @returns Where the one that was there is. */
function replaceIndex(volumeDir: string, made: string, aside: string): string[] {
  const old = swapIndex(volumeDir, made);
  if (old === undefined) return [];
  const kept = join(aside, 'index');
  fs.renameSync(old, kept);
  syncDirectory(volumeDir);
  return [kept];
}

/** What has no name gets one in /lost+found: by changes in the log, as everything else. */
async function giveNames(options: RepairOptions, known: KnownDamage): Promise<number> {
  if (known.nameless.length === 0) return 0;
  const { volumeDir, volumeId } = options;
  const volume = await Volume.open({ dir: volumeDir, volumeId, clock: new SystemClock() });
  let count = 0;
  try {
    const place = { parent: ROOT_INO, name: LOST_AND_FOUND };
    const mode = S_IFDIR | 0o700;
    const parent =
      findChild(volume, ROOT_INO, LOST_AND_FOUND) ??
      makeNode(volume, SYSTEM_CALLER, place, { mode });
    for (const ino of known.nameless as readonly Ino[]) {
      const name = `#${ino}` as Name;
      if (findChild(volume, parent.ino, name) !== undefined) continue;
      volume.commit({ kind: 'link', ino, parent: parent.ino, name }, SYSTEM_CALLER);
      count += 1;
    }
  } finally {
    await volume.close();
  }
  writeKnownDamage(volumeDir, { ...known, nameless: [] });
  return count;
}

function makeAsideDir(volumeDir: string): string {
  const time = timeToIso(new SystemClock().now()).replaceAll(/[-:]/g, '').replace(/\..*$/, 'Z');
  for (let count = 0; ; count++) {
    const dir = join(volumeDir, 'damaged', count === 0 ? time : `${time}-${count}`);
    if (fs.existsSync(dir)) continue;
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    return dir;
  }
}

const withNote = (report: FsckReport, note: string): FsckReport => ({
  ...report,
  notes: [...report.notes, note],
});
