/**
 * What must hold of an index by itself, counted anew: names and inodes, link counts, sizes, extents,
 * versions, totals.
 *
 * Rule: streams. Each key space is gone through in its order, those by inode side by side; only counts
 * of names are kept, four bytes an inode, for WINDOW_INODES inodes at a time.
 */

import { Space, dentryKey, hashName, inodeKey } from '../index/keys.ts';
import type { Index } from '../index/index.ts';
import { REGION_BYTES } from '../index/extents.ts';
import type { Extent } from '../index/extents.ts';
import { decodeDentry, decodeInode, decodeRegion, decodeVersion } from '../index/records.ts';
import type { IndexMeta, InodeRecord } from '../index/records.ts';
import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { isDirectory, isRegular, S_IFDIR } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { describeKey } from './describe-entry.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import type { Listed, Problem } from './report.ts';

/** 16 million inodes are 80 MB of counts: one pass over the names for nearly every volume. */
const WINDOW_INODES = 1 << 24;

/** Directories that are known to lead to the root; then it begins anew. */
const MAX_KNOWN_DIRECTORIES = 100_000;

export interface TreeCheck {
  readonly index: Index;
  readonly meta: IndexMeta;
  readonly problems: Listed<Problem>;
  /** Called for each live inode that no name leads to. */
  readonly onOrphan: (ino: Ino) => void;
}

interface Totals {
  inodes: number;
  live: number;
  liveBytes: number;
  historyBytes: number;
  versions: number;
}

export async function checkTree(options: TreeCheck): Promise<{ inodes: number }> {
  const check = new Check(options);
  return check.run();
}

class Check {
  readonly #options: TreeCheck;
  readonly #totals: Totals = {
    inodes: 0,
    live: 0,
    liveBytes: 0,
    historyBytes: 0,
    versions: 0,
  };
  readonly #uncut: Set<Ino>;
  readonly #rooted = new Set<Ino>([ROOT_INO]);

  constructor(options: TreeCheck) {
    this.#options = options;
    this.#uncut = new Set(options.meta.uncut.map(({ ino }) => ino));
  }

  async run(): Promise<{ inodes: number }> {
    const { meta } = this.#options;
    await this.#checkInodes();
    const windows = Math.max(1, Math.ceil(meta.nextIno / WINDOW_INODES));
    // A state record that does not hold must not make this go on for ever.
    for (let window = 0; window < Math.min(windows, 64); window++) {
      await this.#checkLinks(window * WINDOW_INODES);
    }
    this.#compareTotal('inodes', this.#totals.live, meta.inodes);
    this.#compareTotal('liveBytes', this.#totals.liveBytes, meta.liveBytes);
    await this.#countHistory();
    this.#compareTotal('historyBytes', this.#totals.historyBytes, meta.historyBytes);
    this.#compareTotal('versions', this.#totals.versions, meta.versions);
    for (const ino of this.#uncut) {
      this.#add(`Inode ${ino} is said to have changed since its last version, and it is not live`);
    }
    return { inodes: this.#totals.inodes };
  }

  /** What extents of the past hold. */
  async #countHistory(): Promise<void> {
    const pieces = new EntryCursor(this.#options.index, spaceRange(Space.REGION_HISTORY));
    for (await pieces.next(); !pieces.isDone; await advance(pieces)) {
      const region = pieces.key.readUInt32BE(7);
      for (const { length } of this.#decode(pieces, () => decodeRegion(pieces.value, region)) ??
        []) {
        this.#totals.historyBytes += length;
      }
    }
  }

  /** Each inode with its names (as a directory), its extents and its versions. */
  async #checkInodes(): Promise<void> {
    const { index } = this.#options;
    const inodes = new EntryCursor(index, spaceRange(Space.INODE));
    const names = new EntryCursor(index, spaceRange(Space.DENTRY));
    const regions = new EntryCursor(index, spaceRange(Space.REGION));
    const versions = new EntryCursor(index, spaceRange(Space.VERSION));
    await Promise.all([inodes.next(), names.next(), regions.next(), versions.next()]);
    for (; !inodes.isDone; await advance(inodes)) {
      this.#totals.inodes += 1;
      const ino = inoOf(inodes.key);
      const inode = this.#decode(inodes, () => decodeInode(ino, inodes.value));
      const children = await this.#takeNames(names, ino);
      const content = await this.#takeRegions(regions, ino, inode);
      const newest = await this.#takeVersions(versions, ino);
      if (inode === undefined) continue;
      this.#checkInode(inode, { children, newest });
      if (content !== undefined) this.#checkContent(inode, content);
      if (isDirectory(inode.mode) && inode.nlink > 0) this.#checkPlace(inode);
    }
    await this.#takeNames(names, Infinity);
    await this.#takeRegions(regions, Infinity, undefined);
    await this.#takeVersions(versions, Infinity);
  }

  #checkInode(
    inode: InodeRecord,
    found: { children: { names: number; directories: number }; newest: number },
  ): void {
    const { ino, nlink } = inode;
    const { names, directories } = found.children;
    if (isDirectory(inode.mode)) {
      if (inode.size !== names)
        this.#add(`Directory ${ino} has size ${inode.size}, and ${names} names`);
      const links = nlink === 0 ? 0 : 2 + directories;
      if (nlink !== links) this.#add(`Directory ${ino} has link count ${nlink}, wanted ${links}`);
      if (nlink === 0 && names > 0)
        this.#add(`Directory ${ino} was removed, and has ${names} names`);
    } else if (names > 0) {
      this.#add(`Inode ${ino} is no directory, and has ${names} names in it`);
    }
    if (found.newest > inode.cutRevision) {
      const said = `r${inode.cutRevision} as its newest version`;
      this.#add(`Inode ${ino} has ${said}, and there is r${found.newest}`);
    }
    if (inode.since > this.#options.meta.applied) this.#add(`Inode ${ino} is from after the index`);
    const { contentRevision, cutRevision, born } = inode;
    const hasChanged = contentRevision > cutRevision && contentRevision > born;
    const isUncut = this.#uncut.delete(ino);
    if (nlink === 0) {
      this.#totals.historyBytes += inode.allocated;
      if (isUncut) this.#uncut.add(ino);
      return;
    }
    this.#totals.live += 1;
    this.#totals.liveBytes += inode.allocated;
    if (isRegular(inode.mode) && hasChanged && !isUncut) {
      this.#add(`Inode ${ino} has changed at r${contentRevision}, and no version of it is due`);
    }
  }

  #checkContent(inode: InodeRecord, content: readonly Extent[]): void {
    const { ino, extentEnd } = inode;
    let end = 0;
    let bytes = 0;
    for (const extent of content) {
      if (extent.offset < end)
        this.#add(`Inode ${ino} has extents that overlap at ${extent.offset}`);
      end = extent.offset + extent.length;
      bytes += extent.length;
      if (extent.skip + extent.length > extent.chunkLength || extent.length <= 0) {
        this.#add(`Inode ${ino} has an extent at ${extent.offset} beyond its chunk`);
      }
      if (extent.pos + extent.chunkLength > this.#options.meta.next) {
        this.#add(`Inode ${ino} has an extent at ${extent.offset} behind the end of the log`);
      }
    }
    if (bytes !== inode.allocated) {
      this.#add(`Inode ${ino} has ${bytes} bytes in extents, and says ${inode.allocated}`);
    }
    if (end > extentEnd) {
      this.#add(`Inode ${ino} has extents up to ${end}, and says up to ${extentEnd}`);
    }
  }

  /** A live directory has one name, and its parents lead to the root. */
  #checkPlace(directory: InodeRecord): void {
    if (this.#rooted.has(directory.ino)) return;
    const { index } = this.#options;
    const passed = new Set<Ino>();
    let at = directory;
    while (!this.#rooted.has(at.ino)) {
      if (passed.has(at.ino)) {
        this.#add(`Directory ${directory.ino} is in a loop of directories`);
        return;
      }
      passed.add(at.ino);
      const { parent, name } = at;
      const place = tryTo(() => index.get(dentryKey(parent, hashName(name), name)));
      if (place === undefined || decodeDentry(place).ino !== at.ino) {
        // Said once, for the directory itself; counting links tells what no name leads to.
        if (at === directory && place !== undefined) {
          this.#add(`Directory ${at.ino} is not under its name ${quote(name)} in ${parent}`);
        }
        return;
      }
      const value = tryTo(() => index.get(inodeKey(parent)));
      if (value === undefined) {
        this.#add(`Directory ${at.ino} is in directory ${parent}, which does not exist`);
        return;
      }
      at = decodeInode(parent, value);
    }
    if (this.#rooted.size > MAX_KNOWN_DIRECTORIES) {
      this.#rooted.clear();
      this.#rooted.add(ROOT_INO);
    }
    for (const ino of passed) this.#rooted.add(ino);
  }

  async #takeNames(
    names: EntryCursor,
    ino: number,
  ): Promise<{ names: number; directories: number }> {
    const found = { names: 0, directories: 0 };
    for (; !names.isDone && inoOf(names.key) <= ino; await advance(names)) {
      const dentry = this.#decode(names, () => decodeDentry(names.value));
      if (inoOf(names.key) < ino) {
        this.#add(`Index: ${describeKey(names.key)}: there is no such directory`);
      } else {
        found.names += 1;
        if (dentry?.type === S_IFDIR) found.directories += 1;
      }
    }
    return found;
  }

  /** The live extents of an inode; undefined if it has none of its own, or they cannot be read. */
  async #takeRegions(
    regions: EntryCursor,
    ino: number,
    inode: InodeRecord | undefined,
  ): Promise<readonly Extent[] | undefined> {
    const extents: Extent[] = [...(inode?.inline ?? [])];
    let isWhole = true;
    let seen = 0;
    for (; !regions.isDone && inoOf(regions.key) <= ino; await advance(regions)) {
      if (inoOf(regions.key) < ino) {
        this.#add(`Index: ${describeKey(regions.key)}: there is no such inode`);
        continue;
      }
      const region = regions.key.readUInt32BE(7);
      if (inode === undefined) continue;
      if (!inode.leaves.has(region)) {
        this.#add(`Index: ${describeKey(regions.key)}: the inode does not know of it`);
      }
      seen += 1;
      const decoded = this.#decode(regions, () => decodeRegion(regions.value, region));
      if (decoded === undefined) isWhole = false;
      else for (const extent of decoded) extents.push(extent);
    }
    if (inode !== undefined && isWhole) {
      for (const region of inode.leaves
        .clone()
        .between(0, Math.ceil(inode.extentEnd / REGION_BYTES))) {
        if (seen-- <= 0) this.#add(`Inode ${ino} lacks the extents of a region, as of ${region}`);
      }
    }
    return isWhole ? extents : undefined;
  }

  /** @returns The newest; 0 is none. */
  async #takeVersions(versions: EntryCursor, ino: number): Promise<number> {
    let newest = 0;
    for (; !versions.isDone && inoOf(versions.key) <= ino; await advance(versions)) {
      this.#totals.versions += 1;
      this.#decode(versions, () => decodeVersion(versions.value));
      if (inoOf(versions.key) === ino) newest = versions.key.readUIntBE(7, 6);
      else this.#add(`Index: ${describeKey(versions.key)}: there is no such inode`);
    }
    return newest;
  }

  /** Counts the names of the inodes from `first` on, and compares with what each says. */
  async #checkLinks(first: number): Promise<void> {
    const { index, onOrphan } = this.#options;
    const counts = new Uint32Array(this.#windowSize(first));
    /** The type bits that names say, shifted into a byte. */
    const types = new Uint8Array(counts.length);
    const names = new EntryCursor(index, spaceRange(Space.DENTRY));
    for (await names.next(); !names.isDone; await advance(names)) {
      const dentry = tryTo(() => decodeDentry(names.value));
      if (dentry === undefined) continue;
      const at = dentry.ino - first;
      if (at < 0) continue;
      if (at >= counts.length) {
        if (first + WINDOW_INODES >= this.#options.meta.nextIno)
          this.#addLoose(names.key, dentry.ino);
        continue;
      }
      counts[at] = (counts[at] ?? 0) + 1;
      types[at] = dentry.type >>> 12;
    }
    const inodes = new EntryCursor(index, spaceRange(Space.INODE));
    for (await inodes.next(); !inodes.isDone; await advance(inodes)) {
      const ino = inoOf(inodes.key);
      const at = ino - first;
      const inode =
        at < 0 || at >= counts.length ? undefined : tryTo(() => decodeInode(ino, inodes.value));
      if (inode === undefined) continue;
      const count = counts[at] ?? 0;
      counts[at] = 0;
      this.#compareLinks(inode, count, onOrphan);
      if (count > 0 && types[at] !== inode.mode >>> 12) {
        this.#add(`Inode ${ino} has another type than its name says`);
      }
    }
    for (const [at, count] of counts.entries()) {
      if (count > 0) this.#add(`${count} names are of inode ${first + at}, which does not exist`);
    }
  }

  #compareLinks(inode: InodeRecord, count: number, onOrphan: (ino: Ino) => void): void {
    const { ino, nlink } = inode;
    const isDir = isDirectory(inode.mode);
    const wanted = isDir ? (nlink > 0 && ino !== ROOT_INO ? 1 : 0) : nlink;
    if (count === wanted) return;
    if (count === 0) {
      this.#add(`Inode ${ino} has link count ${nlink}, and no name leads to it`);
      onOrphan(ino);
    } else if (isDir) this.#add(`Directory ${ino} has ${count} names, wanted ${wanted}`);
    else this.#add(`Inode ${ino} has link count ${nlink}, and ${count} names`);
  }

  #addLoose(key: Buffer, ino: Ino): void {
    this.#add(`Index: ${describeKey(key)}: it is of inode ${ino}, which does not exist`);
  }

  #windowSize(first: number): number {
    return Math.min(WINDOW_INODES, Math.max(1, this.#options.meta.nextIno - first));
  }

  #compareTotal(
    name: 'inodes' | 'liveBytes' | 'historyBytes' | 'versions',
    counted: number,
    said: number,
  ): void {
    if (counted !== said) this.#add(`The state record has ${name} ${said}, counted ${counted}`);
  }

  #decode<T>(entry: EntryCursor, decode: () => T): T | undefined {
    const value = tryTo(decode);
    if (value === undefined)
      this.#add(`Index: ${describeKey(entry.key)}: its value cannot be read`);
    return value;
  }

  #add(message: string): void {
    this.#options.problems.add({ kind: 'tree', message });
  }
}

/** Keys of all these spaces begin with an inode number behind the byte of the space. */
const inoOf = (key: Buffer): Ino => (key.length >= 7 ? key.readUIntBE(1, 6) : 0) as Ino;

const quote = (name: Name): string => JSON.stringify(nameToText(name));

function advance(cursor: EntryCursor): Promise<void> | undefined {
  return cursor.step() ? undefined : cursor.fill();
}

/** What cannot be decoded is no value. */
function tryTo<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
