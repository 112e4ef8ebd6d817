/**
 * From what was judged to what is removed: the part of a purge event that concerns one inode.
 */

import type { Revision } from '../shared/brands.ts';
import { nameToText } from '../shared/names.ts';
import type { Index } from '../index/index.ts';
import {
  prefixEnd,
  regionHistoryKey,
  regionOfHistoryKey,
  revisionOfHistoryKey,
} from '../index/keys.ts';
import { decodeRegion } from '../index/records.ts';
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
  const kept = verdict.kept.map(({ start }) => start);
  const found =
    verdict.removed.length > 0 || verdict.isForgotten
      ? await listRegions(index, life, verdict.isForgotten ? [] : kept)
      : { regions: [], bytes: 0 };
  const forgotten = new Set<number>(verdict.forgottenStates);
  const gone = new Set<number>(verdict.removed.map(({ start }) => start));
  const isLastGone = life.removed !== undefined && gone.has(life.inode.contentRevision);
  const last = verdict.isForgotten ? 'all' : isLastGone ? 'content' : 'stays';
  const least = Math.min(Infinity, ...found.regions.map(({ since }) => since));
  return {
    bytes: found.bytes + (last === 'stays' ? 0 : life.inode.allocated),
    purged: {
      ino: life.inode.ino,
      path: nameToText(path),
      reason: describeEnd(verdict),
      versions: verdict.versions
        .filter(({ isRemoved }) => isRemoved || verdict.isForgotten)
        .map(({ version }) => ({ revision: version.revision, size: version.size })),
      content: [...gone] as Revision[],
      kept: verdict.isForgotten ? [] : kept.filter((revision) => revision >= least),
      states: life.states
        .filter(
          ({ inode, to }) =>
            forgotten.has(to) ||
            (gone.has(inode.contentRevision) && inode.size > 0 && !inode.isGone),
        )
        .map(({ to }) => ({ to, isForgotten: forgotten.has(to) })),
      losesFirst: life.states[0] !== undefined && forgotten.has(life.states[0].to),
      regions: found.regions.map(({ region, to, sequence }) => ({ region, to, sequence })),
      last,
      tiers: verdict.isForgotten ? tiers.map(({ to }) => to) : [],
    },
  };
}

/** The pieces of the past of which something goes, and how much. */
async function listRegions(
  index: Index,
  { inode, intervals }: Life,
  kept: readonly Revision[],
): Promise<{
  regions: { region: number; to: Revision; sequence: number; since: number }[];
  bytes: number;
}> {
  const regions: { region: number; to: Revision; sequence: number; since: number }[] = [];
  let bytes = 0;
  if (intervals.length === 0) return { regions, bytes };
  const prefix = Buffer.from(regionHistoryKey(inode.ino, 0, 0, 0)).subarray(0, REGION_AT);
  for await (const [key, value] of index.scan({ gte: prefix, lt: prefixEnd(prefix) })) {
    const region = regionOfHistoryKey(key);
    const to = revisionOfHistoryKey(key) as Revision;
    let since = Infinity;
    let goes = 0;
    for (const extent of decodeRegion(value, region)) {
      since = Math.min(since, extent.since);
      if (!isExtentKept(extent, to, kept)) goes += extent.length;
    }
    if (goes === 0) continue;
    bytes += goes;
    regions.push({ region, to, sequence: key.readUInt32BE(SEQUENCE_AT), since });
  }
  return { regions, bytes };
}

/** What kept the last of it, and is over. */
function describeEnd({ versions }: Verdict): string {
  const last = versions.findLast(({ isRemoved }) => isRemoved);
  const reason = last?.decision.reasons[0];
  return reason === undefined ? 'moments of the session' : describeReason(reason);
}
