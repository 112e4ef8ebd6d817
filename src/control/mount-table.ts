/**
 * Which mounts of sessfs there are, from /proc/self/mountinfo: reading it never waits for a file system,
 * as stat(2) on a mount does.
 */

import { readFileSync } from 'node:fs';

export interface MountEntry {
  /** Paths are bytes, one char per byte. */
  readonly mountPoint: string;
  readonly fsType: string;
  /** What was mounted: "sessfs:ID@ROOT" for a session of the store at ROOT. */
  readonly source: string;
}

const SOURCE_PREFIX = 'sessfs:';

/** How a session's mount is called in the table: by it a command finds the session and its daemon. */
export function sourceOf(sessionId: string, root: string): string {
  return `${SOURCE_PREFIX}${sessionId}@${root}`;
}

export interface SessionMount {
  readonly sessionId: string;
  readonly root: string;
  readonly mountPoint: string;
}

/** @returns undefined if the entry is not a session's. */
export function parseSessionMount(entry: MountEntry): SessionMount | undefined {
  const { source, mountPoint } = entry;
  if (!source.startsWith(SOURCE_PREFIX)) return undefined;
  const at = source.indexOf('@');
  if (at < 0) return undefined;
  const sessionId = source.slice(SOURCE_PREFIX.length, at);
  return { sessionId, root: source.slice(at + 1), mountPoint };
}

export function readMountTable(): MountEntry[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'latin1'));
}

/** Decodes mountinfo; lines that are not as proc(5) says are left out. */
export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    // 36 35 98:0 /root /mountpoint options [optional fields] - fstype source superoptions
    const [before = '', after] = line.split(' - ', 2);
    const mountPoint = before.split(' ')[4];
    const [fsType, source] = after?.split(' ') ?? [];
    if (mountPoint === undefined || fsType === undefined || source === undefined) continue;
    entries.push({ mountPoint: unescapeOctal(mountPoint), fsType, source: unescapeOctal(source) });
  }
  return entries;
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

/** Every mount of sessfs at or below a directory, deepest first. */
export function listMountsBelow(dir: string, table: readonly MountEntry[]): MountEntry[] {
  return table
    .filter((entry) => isAtOrBelow(entry.mountPoint, dir))
    .toSorted((a, b) => b.mountPoint.length - a.mountPoint.length);
}

export function isAtOrBelow(path: string, dir: string): boolean {
  return dir === '/' || path === dir || path.startsWith(`${dir}/`);
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
