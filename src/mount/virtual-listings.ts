/**
 * Listings of virtual directories: what one opendir(3) saw, told in portions.
 *
 * Rule: a cookie is a position in the listing, so a listing can be made again from the nodeid alone:
 * for a handle that another server gave, and for a kernel that opens directories without a message.
 */

import type { Name, NodeId } from '../shared/brands.ts';
import { S_IFDIR } from '../shared/mode.ts';
import type { DirSink, Entry } from '../fuse/file-system.ts';
import type { VirtualNode } from './virtual-nodes.ts';

export interface ListedNode {
  readonly name: Name;
  readonly ino: number;
  readonly type: number;
  /** For READDIRPLUS; undefined where making it costs too much: the kernel asks for it if it is needed. */
  readonly node: VirtualNode | undefined;
}

interface OpenListing {
  readonly nodeid: NodeId;
  /** Set once it was read from. */
  listing: Promise<readonly ListedNode[]> | undefined;
}

/** What libfuse tells for an unknown inode number; only ".." has it. */
const UNKNOWN_INO = 0xffffffff;
/** "." is 1, ".." is 2. */
const DOTS = 2;
/** Listings without a handle that are kept, so that the next portion need not list anew. */
const MAX_UNHANDLED = 8;

export class VirtualListings {
  readonly #list: (nodeid: NodeId) => Promise<readonly ListedNode[]>;
  readonly #byHandle = new Map<number, OpenListing>();
  readonly #unhandled = new Map<NodeId, Promise<readonly ListedNode[]>>();
  #lastHandle = 0;

  /** @param list Lists a directory in byte order of the names. */
  constructor(list: (nodeid: NodeId) => Promise<readonly ListedNode[]>) {
    this.#list = list;
  }

  /** How many handles are open. */
  get size(): number {
    return this.#byHandle.size;
  }

  open(nodeid: NodeId): number {
    this.#lastHandle += 1;
    this.#byHandle.set(this.#lastHandle, { nodeid, listing: undefined });
    return this.#lastHandle;
  }

  close(handle: number): void {
    this.#byHandle.delete(handle);
  }

  /**
   * Tells the entries after a cookie until the sink is full.
   *
   * @param entryOf Makes the entry of a node; undefined if it is gone.
   * @param told Called for each entry that the kernel was given.
   */
  async read(
    where: { nodeid: NodeId; handle: number; cookie: number },
    sink: DirSink,
    entryOf: (node: VirtualNode) => Promise<Entry | undefined>,
    told: (entry: Entry) => void,
  ): Promise<void> {
    if (where.cookie < 1 && !sink.add('.' as Name, where.nodeid, S_IFDIR, 1)) return;
    if (where.cookie < 2 && !sink.add('..' as Name, UNKNOWN_INO, S_IFDIR, 2)) return;
    const listing = await this.#listingOf(where);
    for (let i = Math.max(where.cookie - DOTS, 0); i < listing.length; i++) {
      const listed = listing[i];
      if (listed === undefined) return;
      const entry = sink.plus && listed.node ? await entryOf(listed.node) : undefined;
      if (!sink.add(listed.name, listed.ino, listed.type, i + DOTS + 1, entry)) return;
      if (entry) told(entry);
    }
  }

  #listingOf(where: {
    nodeid: NodeId;
    handle: number;
    cookie: number;
  }): Promise<readonly ListedNode[]> {
    const open = this.#byHandle.get(where.handle);
    // The same number may come from an earlier server, for another directory.
    const handle = open?.nodeid === where.nodeid ? open : undefined;
    const known = handle ? handle.listing : this.#unhandled.get(where.nodeid);
    // rewinddir(3) sees the directory as it is now.
    if (known !== undefined && where.cookie > 0) return known;
    const listing = this.#list(where.nodeid);
    if (handle) handle.listing = listing;
    else this.#keepUnhandled(where.nodeid, listing);
    // A failed listing is tried again by the next request; this one's caller gets the error.
    listing.catch(() => {
      if (handle?.listing === listing) handle.listing = undefined;
      if (this.#unhandled.get(where.nodeid) === listing) this.#unhandled.delete(where.nodeid);
    });
    return listing;
  }

  #keepUnhandled(nodeid: NodeId, listing: Promise<readonly ListedNode[]>): void {
    this.#unhandled.delete(nodeid);
    this.#unhandled.set(nodeid, listing);
    for (const oldest of this.#unhandled.keys()) {
      if (this.#unhandled.size <= MAX_UNHANDLED) break;
      this.#unhandled.delete(oldest);
    }
  }
}
