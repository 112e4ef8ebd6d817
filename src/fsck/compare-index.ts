/**
 * Compares two indexes entry by entry, in one pass through both.
 *
 * What is not from the log (hashes, the number of the last batch) is passed over. The state records are compared field by field: the
 * order of the uncut files is that of memory, and numbers of actors are taken before their records are.
 */

import type { Index } from '../index/index.ts';
import { Space } from '../index/keys.ts';
import { decodeInode, decodeMeta, decodeTimeRecord, encodeInodeHistory } from '../index/records.ts';
import type { IndexMeta } from '../index/records.ts';
import type { Ino } from '../shared/brands.ts';
import { describeDifference, describeKey } from './describe-entry.ts';
import { EntryCursor, EVERYTHING } from '../index/entry-cursor.ts';
import type { Listed, Problem } from './report.ts';

export interface Comparison {
  /** The one that is checked. */
  readonly seen: Index;
  /** As it follows from the log. */
  readonly wanted: Index;
  /**
   * Only what was over at this revision: the log is damaged behind it. Undefined compares all.
   */
  readonly upTo: number | undefined;
  /** It may be older than what a repair left: what its migration cannot know is passed over. */
  readonly isKept: boolean;
  readonly problems: Listed<Problem>;
  readonly onEntry: () => void;
}

export async function compareIndexes(options: Comparison): Promise<void> {
  const { seen, wanted, problems } = options;
  const add = (message: string): void => problems.add({ kind: 'index', message });
  const have = new EntryCursor(seen, EVERYTHING, {
    onDamaged: (key) => {
      // Hashes are not missed when they are gone.
      if (key[0] !== Space.HASH) add(`Index: ${describeKey(key)}: its checksum fails`);
    },
  });
  const want = new EntryCursor(wanted, EVERYTHING);
  await Promise.all([have.next(), want.next()]);
  while (!have.isDone || !want.isDone) {
    const order = have.isDone ? 1 : want.isDone ? -1 : have.key.compare(want.key);
    if (order < 0) {
      if (isCompared(options, have)) {
        add(`Index: ${describeKey(have.key)} is there and does not follow from the log`);
      }
    } else if (order > 0) {
      if (isCompared(options, want)) add(`Index: ${describeKey(want.key)} is missing`);
    } else if (isCompared(options, have) || isCompared(options, want)) {
      const isAsGood = options.isKept && isSameAsMigrated(have.key, have.value, want.value);
      const difference = isAsGood ? undefined : findDifference(have.key, have.value, want.value);
      if (difference !== undefined) add(`Index: ${describeKey(have.key)}: ${difference}`);
    }
    if (order <= 0) {
      options.onEntry();
      if (!have.step()) await have.fill();
    }
    if (order >= 0 && !want.step()) await want.fill();
  }
}

function findDifference(key: Buffer, seen: Buffer, wanted: Buffer): string | undefined {
  if (key[0] === Space.META) return findMetaDifference(seen, wanted);
  return seen.equals(wanted) ? undefined : describeDifference(key, seen, wanted);
}

/** But for the flags that src/index/migrate-index.ts cannot tell of what is past. */
function isSameAsMigrated(key: Buffer, seen: Buffer, wanted: Buffer): boolean {
  if (key[0] !== Space.INODE_HISTORY || seen.equals(wanted)) return false;
  try {
    return asMigrated(key, seen).equals(asMigrated(key, wanted));
  } catch (error) {
    // One that cannot be decoded is told as any other difference.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function asMigrated(key: Buffer, value: Buffer): Buffer {
  const state = decodeInode(key.readUIntBE(1, 6) as Ino, value, false);
  state.isRestored = false;
  state.isUnchanged = false;
  return Buffer.from(encodeInodeHistory(state));
}

function isCompared({ upTo }: Comparison, { key, value }: EntryCursor): boolean {
  if (key[0] === Space.HASH || key[0] === Space.BATCH) return false;
  if (upTo === undefined) return true;
  switch (key[0]) {
    case Space.INODE_HISTORY:
    case Space.DENTRY_HISTORY:
    case Space.VERSION:
      return key.readUIntBE(key.length - 6, 6) <= upTo;
    case Space.REGION_HISTORY:
      return key.readUIntBE(key.length - 10, 6) <= upTo;
    case Space.TIME:
      return value.length >= 6 && decodeTimeRecord(value).revision <= upTo;
    default:
      return false;
  }
}

function findMetaDifference(seen: Buffer, wanted: Buffer): string | undefined {
  const [have, want] = [decodeMeta(seen), decodeMeta(wanted)];
  if (have === undefined || want === undefined) return 'it cannot be read';
  const differing = (Object.keys(want) as (keyof IndexMeta)[])
    .filter((name) => textOf(name, have) !== textOf(name, want))
    // Which requests were answered is not in the log.
    .filter((name) => name !== 'answered')
    .filter((name) => name !== 'nextActor' || have.nextActor < want.nextActor);
  if (differing.length === 0) return undefined;
  return differing
    .map((name) => `${name} ${textOf(name, have)}, wanted ${textOf(name, want)}`)
    .join('; ');
}

function textOf(name: keyof IndexMeta, meta: IndexMeta): string {
  return JSON.stringify(
    name === 'uncut' ? meta.uncut.toSorted((a, b) => a.ino - b.ino) : meta[name],
  );
}
