/**
 * Which extents of an inode stay when a verdict is carried out: the same that a purge leaves. Pure.
 */

import type { Revision } from '../shared/brands.ts';
import type { Extent } from '../index/extents.ts';
import { isExtentKept } from '../volume/purge.ts';
import type { Life } from './content-intervals.ts';
import type { Verdict } from './verdict.ts';

export interface KeptContent {
  /** Where the intervals begin that stay, ascending; undefined: everything stays. */
  readonly starts: readonly Revision[] | undefined;
  /** What a removed inode held at last goes, but for what it shares with those: where that content began. */
  readonly goneSince: Revision | undefined;
}

export const ALL_KEPT: KeptContent = { starts: undefined, goneSince: undefined };
export const NONE_KEPT: KeptContent = { starts: [], goneSince: 0 as Revision };

export function keptContent({ inode, removed }: Life, verdict: Verdict): KeptContent {
  if (verdict.isForgotten) return NONE_KEPT;
  if (verdict.removed.length === 0) return ALL_KEPT;
  const last = inode.contentRevision;
  const isLastGone = removed !== undefined && verdict.removed.some(({ start }) => start === last);
  return {
    starts: verdict.kept.map(({ start }) => start),
    goneSince: isLastGone ? last : undefined,
  };
}

/** @param to The revision at which the extent was superseded; Infinity for what the inode holds. */
export function isKept(
  { starts, goneSince }: KeptContent,
  extent: Extent,
  to: Revision | number,
): boolean {
  if (starts === undefined) return true;
  const end = to === Infinity ? goneSince : to;
  return end === undefined || isExtentKept(extent, end as Revision, starts);
}
