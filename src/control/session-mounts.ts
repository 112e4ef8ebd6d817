/**
 * Which mounts are sessions', by the table of mounts: reading it never waits for a file system, as
 * stat(2) on a mount does.
 */

import { readFileSync } from 'node:fs';

import { parseMountInfo } from '../fuse/mount-table.ts';
import { nameFromText } from '../shared/names.ts';

export interface MountEntry {
  /** Bytes, one char per byte. */
  readonly mountPoint: string;
  /** What was mounted: "sessfs:ID@ROOT" for a session of the store at ROOT. */
  readonly source: string;
}

export interface SessionMount {
  readonly sessionId: string;
  readonly root: string;
  readonly mountPoint: string;
}

const SOURCE = /^sessfs:([^@]+)@(.*)$/s;

/** How a session's mount is called in the table: by it a command finds the session and its daemon. */
export function sourceOf(sessionId: string, root: string): string {
  return `sessfs:${sessionId}@${root}`;
}

export function readMountTable(): MountEntry[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1')).map(
    ({ mountPoint, source }) => ({ mountPoint: nameFromText(mountPoint), source }),
  );
}

/** @returns undefined if the entry is not a session's. */
export function parseSessionMount({ source, mountPoint }: MountEntry): SessionMount | undefined {
  const match = SOURCE.exec(source);
  if (match === null) return undefined;
  return { sessionId: match[1] ?? '', root: match[2] ?? '', mountPoint };
}

/** The session whose mount is the topmost one at or above a path; undefined if that is none of ours. */
export function findSessionMount(
  path: string,
  table: readonly MountEntry[],
): SessionMount | undefined {
  let best: MountEntry | undefined;
  for (const entry of table) {
    if (!isAtOrBelow(path, entry.mountPoint)) continue;
    // Of two mounts on one point the later hides the earlier.
    if (best === undefined || entry.mountPoint.length >= best.mountPoint.length) best = entry;
  }
  return best && parseSessionMount(best);
}

/** Every mount at or below a directory, deepest first. */
export function listMountsBelow(dir: string, table: readonly MountEntry[]): MountEntry[] {
  return table
    .filter((entry) => isAtOrBelow(entry.mountPoint, dir))
    .toSorted((a, b) => b.mountPoint.length - a.mountPoint.length);
}

export function isAtOrBelow(path: string, dir: string): boolean {
  return dir === '/' || path === dir || path.startsWith(`${dir}/`);
}
