/**
 * Replay of a log in which records are missing: what an event needs and is not there is put right as far
 * as it can be, or the event is left out and listed.
 *
 * Rule: an event whose preconditions hold is applied by apply and nothing else, so that a log without
 * gaps gives exactly what replay gives. All that is done here follows from the log alone: doing it again
 * gives the same.
 */

import { isGap } from '../log/gap.ts';
import type { LogRecord } from '../log/record.ts';
import { InodeRecord } from '../index/records.ts';
import { ROOT_INO } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { isDirectory, isRegular, S_IFDIR, S_IFMT, S_IFREG } from '../shared/mode.ts';
import { applyEvent, beginRecord } from '../volume/apply.ts';
import type { Moment, PlacedData } from '../volume/apply.ts';
import { decodeEvent } from '../volume/events.ts';
import type { Event, RenameEvent } from '../volume/events.ts';
import { momentOf, placedDataOf } from '../volume/replay.ts';
import type { State } from '../volume/state.ts';
import { Listed } from './report.ts';

/** Of what the log has lost the birth of: its owner's alone, until somebody looks at it. */
const UNKNOWN_FILE_MODE = S_IFREG | 0o600;
const UNKNOWN_DIRECTORY_MODE = S_IFDIR | 0o700;
const ROOT_MODE = S_IFDIR | 0o755;

export class LenientReplay {
  readonly #state: State;
  /** Sentences about what was left out. */
  readonly skipped = new Listed<string>();
  /** What was made here because the log had lost it, or had its place taken: without a name so far. */
  readonly nameless = new Set<Ino>();

  constructor(state: State) {
    this.#state = state;
  }

  replay(record: LogRecord): void {
    const at = momentOf(record);
    const data = placedDataOf(record);
    if (isGap(record)) {
      this.#state.begin(at.revision, at.time);
      this.#needRoot(at);
      this.#state.next = record.end;
      return;
    }
    beginRecord(this.#state, at);
    let event: Event;
    try {
      event = decodeEvent(record.type, record.payload);
    } catch (error) {
      this.#skip(at, String(error));
      this.#state.next = record.end;
      return;
    }
    if (event.kind !== 'genesis') this.#needRoot(at);
    this.#take(at, event, data);
    this.#state.next = record.end;
  }

  #take(at: Moment, event: Event, data: PlacedData | undefined): void {
    if (event.kind === 'batch') {
      for (const part of event.events) this.#take(at, part, data);
      return;
    }
    if (this.#prepare(at, event, data)) applyEvent(this.#state, at, event, data);
  }

  /** @returns False if the event cannot be applied. */
  #prepare(at: Moment, event: Event, data: PlacedData | undefined): boolean {
    switch (event.kind) {
      case 'genesis':
        return this.#state.findInode(ROOT_INO) === undefined;
      case 'make':
        if (this.#state.findInode(event.ino) !== undefined) {
          return this.#skip(at, `inode ${event.ino} is made twice`);
        }
        if (event.parent === 0) return true;
        return this.#freeName(at, event.parent, event.name);
      case 'link':
        this.#needInode(at, event.ino, UNKNOWN_FILE_MODE);
        this.nameless.delete(event.ino);
        return this.#freeName(at, event.parent, event.name);
      case 'unlink':
        return this.#prepareUnlink(at, event.parent, event.name);
      case 'rename':
        return this.#prepareRename(at, event);
      case 'write':
        if (data === undefined) return this.#skip(at, 'a write without data');
        return this.#needFile(at, event.ino);
      case 'allocate':
      case 'cut':
      case 'unchanged':
        return this.#needFile(at, event.ino);
      case 'clone':
        return this.#needFile(at, event.source) && this.#needFile(at, event.ino);
      case 'setattr':
      case 'xattr':
      case 'tier':
      case 'renew':
      case 'restore':
        this.#needInode(at, event.ino, UNKNOWN_FILE_MODE);
        return true;
      default:
        return true;
    }
  }

  #prepareUnlink(at: Moment, parent: Ino, name: Name): boolean {
    const dentry = this.#state.findDentry(parent, name);
    if (dentry === undefined) return this.#skip(at, `no ${quote(name)} in ${parent} to remove`);
    const inode = this.#state.findInode(dentry.ino);
    if (inode === undefined) return this.#skip(at, `${quote(name)} in ${parent} is of no inode`);
    if (isDirectory(inode.mode) && inode.size > 0) {
      return this.#skip(at, `directory ${quote(name)} in ${parent} still has names`);
    }
    this.#needInode(at, parent, UNKNOWN_DIRECTORY_MODE);
    return true;
  }

  #prepareRename(at: Moment, event: RenameEvent): boolean {
    const { parent, name, newParent, newName, exchange } = event;
    const source = this.#state.findDentry(parent, name);
    const target = this.#state.findDentry(newParent, newName);
    if (source === undefined || this.#state.findInode(source.ino) === undefined) {
      return this.#skip(at, `no ${quote(name)} in ${parent} to move to ${quote(newName)}`);
    }
    if (exchange) {
      return target === undefined
        ? this.#skip(at, `no ${quote(newName)} in ${newParent} to exchange`)
        : true;
    }
    if (this.#isBelow(newParent, source.ino)) {
      return this.#skip(at, `directory ${quote(name)} cannot move into itself`);
    }
    if (target === undefined) {
      this.#needInode(at, newParent, UNKNOWN_DIRECTORY_MODE);
      return this.#isDirectory(at, newParent);
    }
    if (target.ino === source.ino) return this.#skip(at, `${quote(name)} is ${quote(newName)}`);
    return this.#freeName(at, newParent, newName, false);
  }

  /**
   * Makes sure of a directory and that it has no such name: something was there whose end is lost.
   *
   * @param removes False leaves what apply will replace by itself.
   */
  #freeName(at: Moment, parent: Ino, name: Name, removes = true): boolean {
    this.#needInode(at, parent, UNKNOWN_DIRECTORY_MODE);
    if (!this.#isDirectory(at, parent)) return false;
    const present = this.#state.findDentry(parent, name);
    if (present === undefined) return true;
    const inode = this.#state.findInode(present.ino);
    if (inode !== undefined && isDirectory(inode.mode) && inode.size > 0) {
      return this.#skip(at, `directory ${quote(name)} in ${parent} still has names`);
    }
    if (removes) applyEvent(this.#state, at, { kind: 'unlink', parent, name }, undefined);
    return true;
  }

  #isDirectory(at: Moment, ino: Ino): boolean {
    const inode = this.#state.findInode(ino);
    if (inode === undefined) return this.#skip(at, `there is no directory ${ino}`);
    if (isDirectory(inode.mode)) return true;
    if (!this.nameless.has(ino) || inode.size > 0) {
      return this.#skip(at, `inode ${ino} is no directory`);
    }
    // It was taken for a file, as nothing said what it was.
    this.#becomeDirectory(inode);
    return true;
  }

  #needFile(at: Moment, ino: Ino): boolean {
    const inode = this.#needInode(at, ino, UNKNOWN_FILE_MODE);
    return isRegular(inode.mode) || this.#skip(at, `inode ${ino} is no file`);
  }

  /** Genesis is the first event: whatever comes without it comes after it. */
  #needRoot(at: Moment): void {
    this.#needInode(at, ROOT_INO, ROOT_MODE);
  }

  /** An inode whose birth is lost, made up: a file removed, a directory without a name. */
  #needInode(at: Moment, ino: Ino, mode: number): InodeRecord {
    const present = this.#state.findInode(ino);
    if (present !== undefined) return present;
    const place = { parent: ROOT_INO, name: `#${ino}` as Name };
    const inode = new InodeRecord(ino, at.revision, at.time, place);
    inode.mode = mode;
    if (ino >= this.#state.nextIno) this.#state.nextIno = ino + 1;
    this.#state.addInode(inode);
    if (isDirectory(inode.mode)) this.#becomeDirectory(inode);
    if (ino === ROOT_INO) inode.nlink = 2;
    else this.nameless.add(ino);
    return inode;
  }

  #becomeDirectory(inode: InodeRecord): void {
    inode.mode = (inode.mode & ~S_IFMT) | S_IFDIR;
    // One link less than with a name, which it is to get.
    inode.nlink = 1;
    this.#state.inodes += 1;
    this.#state.addDirectory(inode.ino);
  }

  #isBelow(ino: Ino, ancestor: Ino): boolean {
    let at: Ino | undefined = ino;
    for (let depth = 0; at !== undefined && at !== ROOT_INO && depth < 4096; depth++) {
      if (at === ancestor) return true;
      at = this.#state.findInode(at)?.parent;
    }
    return false;
  }

  #skip({ revision }: Moment, why: string): false {
    this.skipped.add(`r${revision}: ${why}`);
    return false;
  }
}

const quote = (name: Name): string => JSON.stringify(name);
