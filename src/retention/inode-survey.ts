/**
 * Goes through the inodes of a volume with their past: states, versions, earlier tiers, in one pass over
 * the key spaces side by side.
 *
 * Rule: streams, and pauses as it is told: the thread that runs this also serves the kernel.
 */

import type { Ino, Revision } from '../shared/brands.ts';
import type { Index } from '../index/index.ts';
import { Space, tierHistoryKey } from '../index/keys.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import { decodePastTier } from '../index/promised-records.ts';
import { decodeInode, decodeVersion } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import type { PastState, PastVersion } from './content-intervals.ts';

/** One inode with all that the index knows of its past. */
export interface SurveyedInode {
  readonly inode: InodeRecord;
  readonly states: readonly PastState[];
  readonly versions: readonly PastVersion[];
  /** The tiers that it had until a revision, oldest first. */
  readonly tiers: readonly PastTier[];
}

/** A tier that an inode had until a revision. */
export interface PastTier {
  readonly tier: number;
  readonly to: Revision;
}

/** Space byte and inode: what stands before the revision in the keys of an inode's past. */
const REVISION_AT = 1 + 6;
/** Entries between two pauses: an inode may have thousands, and each is judged as well. */
const PAUSE_EVERY = 100;

/**
 * @param options.from The first inode to look at.
 * @param options.pause Awaited every few hundred entries.
 * @throws {SessfsError} INDEX_CORRUPT If any of it is damaged.
 */
export async function* surveyInodes(
  index: Index,
  options: { readonly from?: Ino; readonly pause?: () => Promise<void> } = {},
): AsyncGenerator<SurveyedInode> {
  const from = options.from ?? (0 as Ino);
  const snapshot = index.snapshot();
  const open = (space: number): EntryCursor => {
    const { gte, lt } = spaceRange(space);
    const start = Buffer.alloc(REVISION_AT);
    gte.copy(start);
    start.writeUIntBE(from, 1, 6);
    // A version that cannot be read is not one that is not there.
    return new EntryCursor(index, { gte: start, lt }, { snapshot });
  };
  const inodes = open(Space.INODE);
  const states = open(Space.INODE_HISTORY);
  const versions = open(Space.VERSION);
  const tiers = open(Space.TIER_HISTORY);
  try {
    await Promise.all([inodes, states, versions, tiers].map((cursor) => cursor.next()));
    let seen = 0;
    const count = async (): Promise<void> => {
      seen += 1;
      if (seen % PAUSE_EVERY === 0) await options.pause?.();
    };
    while (!inodes.isDone) {
      const ino = inoOf(inodes.key);
      const inode = decodeInode(ino, inodes.value);
      await count();
      const past = await takeAll(states, { ino, count }, (key, value) => ({
        inode: decodeInode(ino, value, false),
        to: revisionOf(key),
      }));
      yield {
        inode,
        // Those that it was in later are of another time than what was read of it.
        states: past.filter(({ to }) => to <= inode.since),
        versions: await takeAll(versions, { ino, count }, (key, value) => ({
          ...decodeVersion(value),
          revision: revisionOf(key),
        })),
        tiers: await takeAll(tiers, { ino, count }, (key, value) => ({
          tier: decodePastTier(value),
          to: revisionOf(key),
        })),
      };
      if (!inodes.step()) await inodes.fill();
    }
  } finally {
    await Promise.all([inodes, states, versions, tiers].map((cursor) => cursor.close()));
    await snapshot.close();
  }
}

/** One inode with its past; undefined if there is none on disk. */
export async function readInode(index: Index, ino: Ino): Promise<SurveyedInode | undefined> {
  for await (const surveyed of surveyInodes(index, { from: ino })) {
    return surveyed.inode.ino === ino ? surveyed : undefined;
  }
  return undefined;
}

/** The tiers that an inode had before the one it has, oldest first. */
export async function listTiers(index: Index, ino: Ino): Promise<PastTier[]> {
  const tiers: PastTier[] = [];
  const prefix = Buffer.from(tierHistoryKey(ino, 0)).subarray(0, REVISION_AT);
  for await (const [key, value] of index.scanPrefix(prefix)) {
    tiers.push({ tier: decodePastTier(value), to: revisionOf(key) });
  }
  return tiers;
}

/** The entries of one inode; those of smaller ones are passed over. */
async function takeAll<T>(
  cursor: EntryCursor,
  { ino, count }: { readonly ino: Ino; readonly count: () => Promise<void> },
  decode: (key: Buffer, value: Buffer) => T,
): Promise<T[]> {
  const taken: T[] = [];
  while (!cursor.isDone && inoOf(cursor.key) <= ino) {
    if (inoOf(cursor.key) === ino) {
      taken.push(decode(cursor.key, cursor.value));
      await count();
    }
    if (!cursor.step()) await cursor.fill();
  }
  return taken;
}

const inoOf = (key: Buffer): Ino => key.readUIntBE(1, 6) as Ino;

const revisionOf = (key: Buffer): Revision => key.readUIntBE(REVISION_AT, 6) as Revision;
