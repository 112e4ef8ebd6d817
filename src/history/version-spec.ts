/**
 * How a person names a version of a file: r42, ~1, latest, or what it was at a moment.
 *
 * Rule: "r42" is the version of exactly that revision or nothing; "@r42" and times are moments, and
 * mean the version that was current then.
 */

import type { Ino, Revision } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';
import { parseMomentSpec } from './moment-spec.ts';
import type { MomentSpec } from './moment-spec.ts';

export type VersionSpec =
  | { readonly kind: 'revision'; readonly revision: Revision }
  /** So many before the latest; 0 is the latest. */
  | { readonly kind: 'back'; readonly count: number }
  | { readonly kind: 'moment'; readonly moment: MomentSpec };

const REVISION = /^r?(\d{1,15})$/;
const BACK = /^~(\d{1,9})$/;

/**
 * Reads what stands behind the "@" of PATH@VERSION, or a name inside `.versions/FILE/`.
 *
 * @param text r42, 42, ~1, latest, previous, or a moment, with or without "@" before it.
 * @param now What relative times count from.
 * @returns undefined if it is none of these.
 */
export function parseVersionSpec(text: string, now: Time): VersionSpec | undefined {
  const spec = text.trim();
  if (spec === 'latest') return { kind: 'back', count: 0 };
  if (spec === 'previous') return { kind: 'back', count: 1 };
  const back = BACK.exec(spec);
  if (back) return { kind: 'back', count: Number(back[1]) };
  // A slip, not the name of a checkpoint.
  if (spec.startsWith('~')) return undefined;
  const revision = REVISION.exec(spec);
  if (revision) return { kind: 'revision', revision: Number(revision[1]) as Revision };
  const moment = parseMomentSpec(spec.startsWith('@') ? spec.slice(1) : spec, now);
  return moment && { kind: 'moment', moment };
}

/**
 * Picks the version that is meant.
 *
 * @param versions In the order of orderVersions: oldest first.
 * @param at For a moment: the revision it stands for (see findMoment).
 * @returns undefined if there is none: an unknown revision, further back than the first, before the first.
 */
export function resolveVersion<V extends { readonly revision: Revision }>(
  spec: VersionSpec,
  versions: readonly V[],
  at?: Revision,
): V | undefined {
  if (spec.kind === 'revision') return versions.find((v) => v.revision === spec.revision);
  if (spec.kind === 'back') return versions[versions.length - 1 - spec.count];
  if (at === undefined) return undefined;
  let best: V | undefined;
  for (const version of versions) {
    if (version.revision <= at && (best === undefined || version.revision > best.revision)) {
      best = version;
    }
  }
  return best;
}

/**
 * The versions of a name in the order in which it showed them: by revision, and what it holds now last.
 *
 * A dirty file that is renamed over is cut at that moment, which is after the cut of the file that
 * takes its place: by revision alone the replaced content would be the "latest".
 *
 * @param liveIno The inode that has the name now.
 */
export function orderVersions<V extends { readonly revision: Revision; readonly ino: Ino }>(
  versions: readonly V[],
  liveIno: Ino | undefined,
): readonly V[] {
  if (liveIno === undefined || versions.at(-1)?.ino === liveIno) return versions;
  const current = versions.findLast((version) => version.ino === liveIno);
  if (current === undefined) return versions;
  return [...versions.filter((version) => version !== current), current];
}
