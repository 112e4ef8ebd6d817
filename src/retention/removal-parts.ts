/**
 * A removal in parts: a file that was written to all day has tens of thousands of pieces, and to remove
 * them in one event would keep everybody waiting. Pure.
 *
 * Rules:
 * - Content goes behind the states that would show it: stopped between two parts, what is left of it is
 *   not read, and goes with what is removed next of the file.
 * - What goes last is what is asked for again before each part: that nobody has it open or brought it back.
 */

import type { Revision } from '../shared/brands.ts';
import type { PurgedInode } from '../volume/promise-events.ts';

/** How many keys it changes. */
export const countKeys = ({ versions, states, regions }: PurgedInode): number =>
  versions.length + states.length + regions.length;

/** @param most Keys in one part. */
export function* splitRemoval(purged: PurgedInode, most: number): Generator<PurgedInode> {
  if (countKeys(purged) <= most) {
    yield purged;
    return;
  }
  const { ino, path, reason } = purged;
  const none = { versions: [], content: [], kept: [], states: [], regions: [], tiers: [] };
  const part = { ...none, ino, path, reason, losesFirst: false, last: 'stays' } as const;
  for (const [at, states] of slices(purged.states, most).entries()) {
    yield { ...part, states, losesFirst: at === 0 && purged.losesFirst };
  }
  for (const versions of slices(purged.versions, most)) yield { ...part, versions };
  const regions = purged.regions.toSorted((a, b) => a.to - b.to);
  for (const slice of slices(regions, most)) {
    yield { ...part, regions: slice, kept: keptBefore(purged.kept, slice.at(-1)?.to) };
  }
  yield { ...purged, versions: [], states: [], regions: [], losesFirst: false };
}

function slices<T>(list: readonly T[], most: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < list.length; at += most) parts.push(list.slice(at, at + most));
  return parts;
}

/** What is kept from a revision on has no piece that ended by then. */
function keptBefore(kept: readonly Revision[], to: Revision | undefined): Revision[] {
  return to === undefined ? [] : kept.filter((revision) => revision < to);
}
