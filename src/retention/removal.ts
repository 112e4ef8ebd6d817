/**
 * From what was judged to what is removed: the part of a purge event that concerns one inode.
 */

import type { Revision } from '../shared/brands.ts';
import { nameToText } from '../shared/names.ts';
import type { Extent } from '../index/extents.ts';
import type { Index } from '../index/index.ts';
import {
  prefixEnd,
  regionHistoryKey,
  regionKey,
  regionOfHistoryKey,
  revisionOfHistoryKey,
} from '../index/keys.ts';
import { decodeRegion } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import { describeReason } from '../policy/reason-text.ts';
import type { PurgedInode } from '../volume/promise-events.ts';
import { isExtentKept } from '../volume/purge.ts';
import type { Life } from './content-intervals.ts';
import type { Verdict } from './verdict.ts';

/** Prefix and inode: what stands before the region in a key. */
const REGION_AT = 1 + 6;
/** Behind inode, region and revision. */
const SEQUENCE_AT = REGION_AT + 4 + 6;

export interface Removal {
  readonly purged: PurgedInode;
  /** Bytes of content that nothing refers to any more. */
  readonly bytes: number;
}

/** True if there is anything to remove. */
export function removesAnything(verdict: Verdict): boolean {
  return (
    verdict.isForgotten ||
    verdict.removed.length > 0 ||
    verdict.forgottenStates.length > 0 ||
    verdict.versions.some(({ isRemoved }) => isRemoved)
  );
}

/** @param path Of the inode, one char per byte. */
export async function planRemoval(
  index: Index,
  subject: {
    readonly life: Life;
    readonly verdict: Verdict;
    readonly path: string;
    readonly tiers: readonly { readonly to: Revision }[];
  },
): Promise<Removal> {
  const { life, verdict, path, tiers } = subject;
  const kept = verdict.isForgotten ? [] : verdict.kept.map(({ start }) => start);
  const found =
    verdict.removed.length > 0 || verdict.isForgotten
      ? await listRegions(index, life, kept)
      : { regions: [], bytes: 0, least: Infinity };
  const forgotten = new Set<number>(verdict.forgottenStates);
  const gone = new Set<number>(verdict.removed.map(({ start }) => start));
  const isLastGone = life.removed !== undefined && gone.has(life.inode.contentRevision);
  const last = verdict.isForgotten ? 'all' : isLastGone ? 'content' : 'stays';
  const held =
    last === 'stays' ? { bytes: 0, least: Infinity } : await measureLast(index, life.inode, kept);
  const least = Math.min(found.least, held.least);
  return {
    bytes: found.bytes + held.bytes,
    purged: {
      ino: life.inode.ino,
      path: nameToText(path),
      reason: describeEnd(verdict),
      versions: verdict.versions
        .filter(({ isRemoved }) => isRemoved || verdict.isForgotten)
        .map(({ version }) => ({ revision: version.revision, size: version.size })),
      content: [...gone] as Revision[],
      kept: kept.filter((revision) => revision >= least),
      states: life.states
        .filter(
          ({ inode, to }) =>
            forgotten.has(to) || (gone.has(inode.contentRevision) && !inode.isGone),
        )
        .map(({ to }) => ({ to, isForgotten: forgotten.has(to) })),
      losesFirst: life.states[0] !== undefined && forgotten.has(life.states[0].to),
      regions: found.regions.map(({ region, to, sequence }) => ({ region, to, sequence })),
      last,
      tiers: verdict.isForgotten ? tiers.map(({ to }) => to) : [],
    },
  };
}

interface FoundRegions {
  readonly regions: readonly { region: number; to: Revision; sequence: number }[];
  readonly bytes: number;
  /** The oldest revision from which any of the pieces was there. */
  readonly least: number;
}

/**
 * The pieces of the past of which something goes, and how much.
 *
 * What was superseded since the inode was looked at belongs to contents that nobody has judged.
 */
async function listRegions(
  index: Index,
  { inode, intervals }: Life,
  kept: readonly Revision[],
): Promise<FoundRegions> {
  const regions: { region: number; to: Revision; sequence: number }[] = [];
  let bytes = 0;
  let least = Infinity;
  if (intervals.length === 0) return { regions, bytes, least };
  const prefix = Buffer.from(regionHistoryKey(inode.ino, 0, 0, 0)).subarray(0, REGION_AT);
  for await (const [key, value] of index.scan({ gte: prefix, lt: prefixEnd(prefix) })) {
    const region = regionOfHistoryKey(key);
    const to = revisionOfHistoryKey(key) as Revision;
    if (to > inode.contentRevision) continue;
    const extents = decodeRegion(value, region);
    const going = sumOf(extents.filter((extent) => !isExtentKept(extent, to, kept)));
    if (going === 0) continue;
    bytes += going;
    for (const { since } of extents) least = Math.min(least, since);
    regions.push({ region, to, sequence: key.readUInt32BE(SEQUENCE_AT) });
  }
  return { regions, bytes, least };
}

/** What goes with what a removed inode held at last: earlier contents may share some of it. */
async function measureLast(
  index: Index,
  inode: InodeRecord,
  kept: readonly Revision[],
): Promise<{ readonly bytes: number; readonly least: number }> {
  let bytes = 0;
  let least = Infinity;
  const add = (extents: readonly Extent[]): void => {
    const going = extents.filter((extent) => !isExtentKept(extent, inode.contentRevision, kept));
    bytes += sumOf(going);
    for (const { since } of extents) least = Math.min(least, since);
  };
  add(inode.inline ?? []);
  const prefix = Buffer.from(regionKey(inode.ino, 0)).subarray(0, REGION_AT);
  for await (const [key, value] of index.scan({ gte: prefix, lt: prefixEnd(prefix) })) {
    const region = regionOfHistoryKey(key);
    // A first region that became small again leaves its key behind.
    if (region > 0 || inode.inline === undefined) add(decodeRegion(value, region));
  }
  return { bytes, least };
}

const sumOf = (extents: readonly Extent[]): number =>
  extents.reduce((sum, { length }) => sum + length, 0);

/** What kept the last of it, and is over. */
function describeEnd({ versions }: Verdict): string {
  const last = versions.findLast(({ isRemoved }) => isRemoved);
  const reason = last?.decision.reasons[0];
  return reason === undefined ? 'moments of the session' : describeReason(reason);
}
