/**
 * What the last version of a file held where it has changed since: found again after a restart.
 *
 * While a server runs it keeps that in memory (DirtyFile.base). Without it every file that was dirty at a
 * restart would become a version, also if it came back to what the last one holds. It is in the index:
 * what is live and was then, and what was superseded since. Reading is bounded: a file of which too much
 * has changed, or one of too many, becomes a version instead.
 */

import { SessfsError } from '../shared/errors.ts';
import type { Ino } from '../shared/brands.ts';
import { regionOf } from '../index/extents.ts';
import type { Extent } from '../index/extents.ts';
import { regionHistoryKey, regionOfHistoryKey, revisionOfHistoryKey } from '../index/keys.ts';
import { decodeRegion } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import type { State } from './state.ts';

/** Entries and seeks of the index for all files together: some 100 ms. */
const MAX_READINGS = 20_000;

type Base = Map<number, readonly Extent[]>;

interface Budget {
  readings: number;
}

/** The index must have everything that the state has. */
export async function recallBases(state: State): Promise<void> {
  const budget = { readings: MAX_READINGS };
  for (const [ino, dirty] of state.dirtyFiles) {
    if (dirty.base !== undefined) continue;
    try {
      const inode = state.findInode(ino);
      // What never was cut has nothing to be compared with.
      if (inode === undefined || inode.cutRevision === 0) continue;
      const base = await findBase(state, inode, budget);
      if (budget.readings <= 0) return;
      state.dirtyFiles.set(ino, { ...dirty, base });
    } catch (error) {
      // A damaged value concerns one file: whoever uses that hears of it, and all else is served.
      if (!(error instanceof SessfsError)) throw error;
    }
  }
}

async function findBase(state: State, inode: InodeRecord, budget: Budget): Promise<Base> {
  const cut = inode.cutRevision;
  const superseded = await listSuperseded(state, inode, budget);
  const base: Base = new Map(superseded);
  const last = regionOf(Math.max(0, inode.extentEnd - 1));
  for (const region of state.regionsBetween(inode, 0, last)) {
    budget.readings -= 1;
    if (budget.readings <= 0) break;
    const present = state.getRegion(inode, region);
    const pieces = superseded.get(region);
    const isNew = present.some(({ since }) => since > cut);
    if (pieces === undefined && !isNew) continue;
    const lasting = present.filter(({ since }) => since <= cut);
    base.set(
      region,
      [...(pieces ?? []), ...lasting].toSorted((a, b) => a.offset - b.offset),
    );
  }
  return base;
}

/** By region: what was there at the last version and has been taken out since. */
async function listSuperseded(
  { index }: State,
  { ino, cutRevision: cut }: InodeRecord,
  budget: Budget,
): Promise<Map<number, Extent[]>> {
  const superseded = new Map<number, Extent[]>();
  const keyOf = (region: number, to: number): Buffer =>
    Buffer.from(regionHistoryKey(ino, region, to, 0));
  const end = Buffer.from(regionHistoryKey((ino + 1) as Ino, 0, 0, 0));
  // From one region to the next: a file's history before its last version may be long.
  let gte = keyOf(0, cut + 1);
  while (budget.readings > 0) {
    budget.readings -= 1;
    const found = await index.findFirst({ gte, lt: end });
    if (found === undefined) break;
    const region = regionOfHistoryKey(found[0]);
    gte = keyOf(region, cut + 1);
    if (revisionOfHistoryKey(found[0]) <= cut) continue;
    const pieces: Extent[] = [];
    const limit = Math.max(1, budget.readings);
    for await (const [, value] of index.scan({ gte, lt: keyOf(region + 1, 0), limit })) {
      budget.readings -= 1;
      pieces.push(...decodeRegion(value, region).filter(({ since }) => since <= cut));
    }
    superseded.set(region, pieces);
    gte = keyOf(region + 1, cut + 1);
  }
  return superseded;
}
