/**
 * Which inodes were in a directory, or below it, at some time: a hold on it is for those, too, wherever
 * they have gone since.
 */

import type { Ino } from '../shared/brands.ts';
import { S_IFDIR } from '../shared/mode.ts';
import { dentryHistoryDirKey, Space } from '../index/keys.ts';
import { decodeDentry, decodePastDentry } from '../index/records.ts';
import type { Index } from '../index/index.ts';

/** Names between two pauses. */
const PAUSE_EVERY = 500;
const REVISION_BYTES = 6;

/** An inode, from one revision up to before another. */
export interface Stay {
  readonly ino: Ino;
  readonly from: number;
  readonly to: number;
}

/** All names must be in the index. */
export async function findEverBelow(
  index: Index,
  top: Stay,
  pause?: () => Promise<void>,
): Promise<Set<Ino>> {
  const found = new Set<Ino>();
  const seen = new Set<string>();
  const waiting: Stay[] = [top];
  let steps = 0;
  const step = async (dir: Stay, type: number, name: Stay): Promise<void> => {
    const from = Math.max(dir.from, name.from);
    const to = Math.min(dir.to, name.to);
    if (from < to) {
      found.add(name.ino);
      if (type === S_IFDIR) waiting.push({ ino: name.ino, from, to });
    }
    steps += 1;
    if (steps % PAUSE_EVERY === 0) await pause?.();
  };
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    const key = `${dir.ino} ${dir.from} ${dir.to}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const past = Buffer.from(dentryHistoryDirKey(dir.ino));
    const live = Buffer.from(past);
    live[0] = Space.DENTRY;
    for await (const [, value] of index.scanPrefix(live)) {
      const { ino, type, since } = decodeDentry(value);
      await step(dir, type, { ino, from: since, to: Infinity });
    }
    for await (const [name, value] of index.scanPrefix(past)) {
      const { ino, type, since } = decodePastDentry(value);
      const to = name.readUIntBE(name.length - REVISION_BYTES, REVISION_BYTES);
      await step(dir, type, { ino, from: since, to });
    }
  }
  return found;
}
