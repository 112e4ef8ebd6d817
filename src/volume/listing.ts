/**
 * Reading directories, in the stable order of their names' hashes.
 *
 * A directory that is in memory answers at once; a small one is brought there; a very large one is read
 * from the index a page at a time.
 */

import type { Ino, Name } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Index } from '../index/index.ts';
import { dentryKey, prefixEnd } from '../index/keys.ts';
import { decodeDentry } from '../index/records.ts';
import type { Dentry, InodeRecord } from '../index/records.ts';
import { FIRST_COOKIE, findAfter, hashOfCookie, sortNames } from './directory.ts';
import type { ListedName } from './directory.ts';
import type { Core } from './core.ts';

/** Above this many names a directory is not brought into memory: about 15 MB. */
const MAX_NAMES_IN_MEMORY = 100_000;
/** Names that one reading of the index brings. */
const PAGE_NAMES = 4096;

/** Prefix byte, parent, hash: what stands before the name in a key. */
const NAME_AT = 1 + 6 + 6;

/** @returns False to stop before this entry. */
export type Visit = (entry: ListedName) => boolean;

interface Page {
  readonly names: readonly ListedName[];
  /** The cookie after which the page begins. */
  readonly from: number;
  readonly isLast: boolean;
}

/** What listings need beyond the core: the index, and its being up to date. */
export interface ListingsCore extends Core {
  readonly index: Index;
  flushed(): Promise<void>;
}

export class Listings {
  readonly #core: ListingsCore;
  readonly #loading = new Map<Ino, Promise<void>>();
  /** The page that the last reader of a very large directory is in. */
  readonly #pages = new Map<Ino, Page>();

  constructor(core: ListingsCore) {
    this.#core = core;
  }

  /**
   * Gives the names after a cookie, until visit says stop or there are no more.
   *
   * Names that come or go meanwhile may or may not be given; all others are, exactly once.
   */
  read(ino: Ino, cookie: number, visit: Visit): void | Promise<void> {
    const inode = this.#core.state.findInode(ino);
    if (inode === undefined) throw new FsError(Errno.ESTALE, `inode ${ino}`);
    const directory = this.#core.state.findDirectory(ino);
    if (directory?.isComplete === true) {
      this.#visit(ino, directory.list(cookie), cookie, visit);
      return;
    }
    if (inode.size > MAX_NAMES_IN_MEMORY) return this.#readPages(ino, cookie, visit);
    return this.#readLoaded(inode, cookie, visit);
  }

  /** Every name of a directory, sorted by its bytes. */
  async listAll(ino: Ino): Promise<ListedName[]> {
    const names: ListedName[] = [];
    await this.read(ino, 0, (entry) => {
      names.push(entry);
      return true;
    });
    return names.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns False if visit said stop. */
  #visit(ino: Ino, names: readonly ListedName[], cookie: number, visit: Visit): boolean {
    for (let index = findAfter(names, cookie); index < names.length; index++) {
      const listed = names[index] as ListedName;
      const dentry = this.#core.state.findDentry(ino, listed.name);
      if (dentry === undefined) continue;
      const entry = dentry.ino === listed.ino ? listed : { ...listed, ...dentry };
      if (!visit(entry)) return false;
    }
    return true;
  }

  async #readLoaded(inode: InodeRecord, cookie: number, visit: Visit): Promise<void> {
    const { ino } = inode;
    let loading = this.#loading.get(ino);
    if (loading === undefined) {
      loading = this.#load(ino).finally(() => this.#loading.delete(ino));
      this.#loading.set(ino, loading);
    }
    await loading;
    const directory = this.#core.state.getDirectory(ino);
    // Trimmed again already: the names must then come from the index.
    if (!directory.isComplete) return this.#readPages(ino, cookie, visit);
    this.#visit(ino, directory.list(cookie), cookie, visit);
  }

  async #load(ino: Ino): Promise<void> {
    const { state, index } = this.#core;
    const directory = state.getDirectory(ino);
    directory.isLoading = true;
    try {
      const scanned: [Name, Dentry][] = [];
      const prefix = dentryKey(ino, 0, '').subarray(0, NAME_AT - 6);
      for await (const [key, value] of index.scanPrefix(prefix)) {
        scanned.push([nameOf(key), decodeDentry(value)]);
      }
      state.completeDirectory(directory, scanned);
    } finally {
      directory.isLoading = false;
    }
  }

  async #readPages(ino: Ino, cookie: number, visit: Visit): Promise<void> {
    let from = cookie;
    for (;;) {
      const page = await this.#getPage(ino, from);
      if (!this.#visit(ino, page.names, from, visit)) return;
      if (page.isLast) {
        this.#pages.delete(ino);
        return;
      }
      from = (page.names.at(-1) as ListedName).cookie;
    }
  }

  async #getPage(ino: Ino, cookie: number): Promise<Page> {
    const held = this.#pages.get(ino);
    if (held !== undefined && cookie > 0 && held.from <= cookie) {
      const last = held.names.at(-1);
      if (held.isLast || (last !== undefined && cookie < last.cookie)) return held;
    }
    await this.#core.flushed();
    const entries: [Name, Dentry][] = [];
    const hash = cookie < FIRST_COOKIE ? 0 : hashOfCookie(cookie);
    const gte = Buffer.from(dentryKey(ino, hash, ''));
    const lt = prefixEnd(gte.subarray(0, NAME_AT - 6));
    for await (const [key, value] of this.#core.index.scan({ gte, lt, limit: PAGE_NAMES })) {
      entries.push([nameOf(key), decodeDentry(value)]);
    }
    const page = { names: sortNames(entries), from: cookie, isLast: entries.length < PAGE_NAMES };
    this.#pages.clear();
    this.#pages.set(ino, page);
    return page;
  }
}

const nameOf = (key: Buffer): Name => key.toString('latin1', NAME_AT) as Name;
