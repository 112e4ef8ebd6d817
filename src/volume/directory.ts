/**
 * What is in memory of one directory: some of its names, or all of them.
 *
 * Changes that are not yet in the index are always here, so that index + memory is the live state.
 */

import type { Ino, Name } from '../shared/brands.ts';
import { hashName } from '../index/keys.ts';
import type { Dentry } from '../index/records.ts';

/** One name in the order in which directories are read. */
export interface ListedName extends Dentry {
  readonly name: Name;
  /** Where a listing goes on after it; above FIRST_COOKIE. */
  readonly cookie: number;
}

/** Cookies up to this one are for "." and "..". */
export const FIRST_COOKIE = 8;

/** Names of the same hash are told apart by their rank among them: 3 bits, in byte order. */
const COLLISION_SPAN = 8;

export class Directory {
  readonly ino: Ino;
  /** Every name is in memory: what is not here does not exist. */
  isComplete: boolean;
  /** The batch of the index that takes the newest change here. */
  dirtyEpoch = 0;
  /** A scan is under way that will complete it: nothing may be dropped. */
  isLoading = false;
  /** undefined: known to be absent. */
  readonly entries = new Map<Name, Dentry | undefined>();
  #listing: ListedName[] | undefined;
  #isListingFresh = false;

  constructor(ino: Ino, isComplete: boolean) {
    this.ino = ino;
    this.isComplete = isComplete;
  }

  set(name: Name, dentry: Dentry): void {
    this.entries.set(name, dentry);
    this.#isListingFresh = false;
  }

  /** In a complete directory a missing name needs no tombstone. */
  delete(name: Name): void {
    if (this.isComplete) this.entries.delete(name);
    else this.entries.set(name, undefined);
    this.#isListingFresh = false;
  }

  /**
   * Every name in reading order; of a complete directory only.
   *
   * @param from Where the reader is. In the middle it goes on with the list that it began, which may
   *   have names that are gone by now: removing a large directory would sort it anew for every reply.
   */
  list(from: number): readonly ListedName[] {
    if (this.#listing === undefined || (from === 0 && !this.#isListingFresh)) {
      this.#listing = sortNames(this.entries);
      this.#isListingFresh = true;
    }
    return this.#listing;
  }
}

/** Gives names their place in the order of reading. */
export function sortNames(entries: Iterable<[Name, Dentry | undefined]>): ListedName[] {
  const listing: { name: Name; ino: Ino; type: number; since: Dentry['since']; cookie: number }[] =
    [];
  for (const [name, dentry] of entries) {
    if (dentry === undefined) continue;
    listing.push({
      name,
      ino: dentry.ino,
      type: dentry.type,
      since: dentry.since,
      cookie: FIRST_COOKIE + hashName(name) * COLLISION_SPAN,
    });
  }
  listing.sort((a, b) => a.cookie - b.cookie || (a.name < b.name ? -1 : 1));
  for (let index = 1; index < listing.length; index++) {
    const before = listing[index - 1] as ListedName;
    const entry = listing[index] as { cookie: number };
    if (entry.cookie <= before.cookie) entry.cookie = before.cookie + 1;
  }
  return listing;
}

/** The index of the first entry after a cookie. */
export function findAfter(listing: readonly ListedName[], cookie: number): number {
  let low = 0;
  let high = listing.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((listing[middle] as ListedName).cookie <= cookie) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The hash below which every name of a cookie lies: where a scan of the index begins again. */
export const hashOfCookie = (cookie: number): number =>
  Math.max(0, Math.floor((cookie - FIRST_COOKIE) / COLLISION_SPAN));
