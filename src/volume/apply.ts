/**
 * Apply: the only code that changes the state of a volume, live and in replay.
 *
 * Events were checked before they were made: nothing here asks whether it may. What an event supersedes
 * goes to the history with the revision at which it ended; what lived for no revision leaves none.
 */

import type { ActorId, Ino, LogPos, Name, Revision } from '../shared/brands.ts';
import { ROOT_INO } from '../shared/brands.ts';
import { assert, unreachable } from '../shared/assert.ts';
import { isDirectory, S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_IXGRP } from '../shared/mode.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import {
  actorKey,
  dentryHistoryKey,
  dentryKey,
  hashName,
  inodeHistoryKey,
  tierHistoryKey,
  timeKey,
  versionKey,
} from '../index/keys.ts';
import {
  encodeActor,
  encodeDentry,
  encodeInodeHistory,
  encodePastDentry,
  encodeTimeRecord,
  encodeVersion,
  InodeRecord,
} from '../index/records.ts';
import { encodePastTier } from '../index/promised-records.ts';
import type { Dentry } from '../index/records.ts';
import { cloneRange, clearRange, placeData, restoreContent } from './content.ts';
import { CUT_CAUSES } from './cut-cause.ts';
import type {
  CutEvent,
  Event,
  MakeEvent,
  RenameEvent,
  RestoreEvent,
  SetattrEvent,
} from './events.ts';
import { applyPurge } from './purge.ts';
import type { State } from './state.ts';

/** Which record an event comes from, and by whom. */
export interface Moment {
  readonly revision: Revision;
  readonly time: Time;
  readonly actor: ActorId;
  /** Of the record itself. */
  readonly pos: LogPos;
}

/** Where a record's data is. */
export interface PlacedData {
  readonly pos: LogPos;
  readonly length: number;
  /** CRC-32 of each chunk of DATA_CHUNK_BYTES. */
  readonly chunkCrcs: ArrayLike<number>;
}

/** Applies one record: the event, then what every record does (revision, time). */
export function applyRecord(
  state: State,
  at: Moment,
  event: Event,
  data: PlacedData | undefined,
): void {
  beginRecord(state, at);
  applyEvent(state, at, event, data);
}

/** What every record does, before its event. */
export function beginRecord(state: State, at: Moment): void {
  state.begin(at.revision, at.time);
  if (at.time.sec !== state.timeIndexed) {
    state.timeIndexed = at.time.sec;
    state.index.put(timeKey(at.time), encodeTimeRecord({ revision: at.revision, pos: at.pos }));
  }
}

/** One event of a record that has begun. */
export function applyEvent(
  state: State,
  at: Moment,
  event: Event,
  data: PlacedData | undefined,
): void {
  switch (event.kind) {
    case 'genesis': {
      const root = new InodeRecord(ROOT_INO, at.revision, at.time, {
        parent: ROOT_INO,
        name: '' as Name,
      });
      root.mode = S_IFDIR | event.mode;
      root.nlink = 2;
      root.uid = event.uid;
      root.gid = event.gid;
      state.inodes += 1;
      state.addInode(root);
      state.addDirectory(ROOT_INO);
      return;
    }
    case 'make':
      applyMake(state, at, event);
      return;
    case 'link': {
      const inode = getInode(state, event.ino);
      touch(state, inode, at);
      if (inode.nlink === 0) revive(state, at, inode);
      inode.nlink += 1;
      inode.ctime = at.time;
      inode.parent = event.parent;
      inode.name = event.name;
      addName(state, at, event.parent, event.name, inode);
      return;
    }
    case 'unlink':
      removeName(state, at, event.parent, event.name);
      return;
    case 'rename':
      applyRename(state, at, event);
      return;
    case 'write': {
      assert(data !== undefined, 'a write record has data');
      const inode = getInode(state, event.ino);
      touchContent(state, inode, at, !event.killSuidGid);
      if (event.killSuidGid) killSuidGid(inode);
      placeData(state, inode, event.start, data, at);
      const end = event.start + data.length;
      if (end > inode.size) inode.size = end;
      return;
    }
    case 'setattr':
      applySetattr(state, at, event);
      return;
    case 'xattr': {
      const inode = getInode(state, event.ino);
      touch(state, inode, at);
      const xattrs = new Map(inode.xattrs);
      if (event.value === undefined) xattrs.delete(event.name);
      else xattrs.set(event.name, event.value);
      inode.xattrs = xattrs.size === 0 ? undefined : xattrs;
      inode.ctime = at.time;
      return;
    }
    case 'allocate': {
      const inode = getInode(state, event.ino);
      touchContent(state, inode, at);
      if (event.killSuidGid) killSuidGid(inode);
      const end = event.offset + event.length;
      if (event.zero) clearRange(state, inode, event.offset, end, at);
      if (!event.keepSize && end > inode.size) inode.size = end;
      return;
    }
    case 'clone': {
      const inode = getInode(state, event.ino);
      touchContent(state, inode, at);
      if (event.killSuidGid) killSuidGid(inode);
      cloneRange(state, getInode(state, event.source), event.sourceOffset, inode, event, at);
      const end = event.offset + event.length;
      if (end > inode.size) inode.size = end;
      return;
    }
    case 'cut':
      applyCut(state, at, event);
      return;
    case 'unchanged': {
      const inode = getInode(state, event.ino);
      inode.cutRevision = at.revision;
      inode.isUnchanged = true;
      state.markDirty(inode);
      state.dirtyFiles.delete(event.ino);
      return;
    }
    case 'actor':
      state.index.put(actorKey(event.id), encodeActor(event));
      state.actors.set(event.id, event);
      if (event.id >= state.nextActor) state.nextActor = event.id + 1;
      return;
    case 'restore':
      applyRestore(state, at, event);
      return;
    case 'tier': {
      const inode = getInode(state, event.ino);
      touch(state, inode, at);
      inode.ctime = at.time;
      setTier(state, inode, at, event.tier);
      return;
    }
    case 'renew': {
      const inode = getInode(state, event.ino);
      inode.renewed = at.time;
      state.markDirty(inode);
      return;
    }
    case 'define':
      state.promises.applyDefine(state.index, event);
      return;
    case 'policy':
      state.promises.applyPolicy(state.index, at, event);
      return;
    case 'checkpoint':
      state.promises.applyCheckpoint(state.index, at, event);
      return;
    case 'hold':
      state.promises.applyHold(state.index, at, event);
      return;
    case 'purge':
      applyPurge(state, at, event);
      return;
    case 'batch':
      for (const part of event.events) applyEvent(state, at, part, data);
      return;
    default:
      unreachable(event);
  }
}

/** A file without a name (O_TMPFILE), or one that was removed, gets one. */
function revive(state: State, at: Moment, inode: InodeRecord): void {
  state.liveBytes += inode.allocated;
  state.historyBytes -= inode.allocated;
  state.inodes += 1;
  if (isDirectory(inode.mode)) {
    inode.nlink = 1;
    // It may come back elsewhere than where it went.
    state.treeGeneration += 1;
    return;
  }
  if (inode.contentRevision > inode.cutRevision && inode.contentRevision > inode.born) {
    state.dirtyFiles.set(inode.ino, { actor: at.actor, since: at.time, base: undefined });
  }
}

function applyMake(state: State, at: Moment, event: MakeEvent): void {
  const inode = new InodeRecord(event.ino, at.revision, at.time, {
    parent: event.parent as Ino,
    name: event.name,
  });
  inode.mode = event.mode;
  inode.uid = event.uid;
  inode.gid = event.gid;
  inode.rdev = event.rdev;
  inode.target = event.target;
  // What is below the root has the session's tier, which is no choice of its own.
  const { parent } = event;
  if (parent !== 0 && parent !== ROOT_INO) inode.tier = getInode(state, parent).tier;
  if (event.target !== undefined) inode.size = event.target.length;
  if (event.ino >= state.nextIno) state.nextIno = event.ino + 1;
  if (event.parent !== 0) state.inodes += 1;
  state.addInode(inode);
  if (isDirectory(event.mode)) {
    inode.nlink = 2;
    state.addDirectory(event.ino);
  } else {
    inode.nlink = event.parent === 0 ? 0 : 1;
  }
  if (event.parent !== 0) addName(state, at, event.parent, event.name, inode);
}

/** The name must be free. The inode's own link count is the caller's. */
function addName(state: State, at: Moment, parent: Ino, name: Name, inode: InodeRecord): void {
  const dentry: Dentry = { ino: inode.ino, type: inode.mode & S_IFMT, since: at.revision };
  state.setDentry(parent, name, dentry);
  state.index.put(dentryKey(parent, hashName(name), name), encodeDentry(dentry));
  const directory = getInode(state, parent);
  touchDirectory(state, directory, dentry.type, at);
  directory.size += 1;
  if (dentry.type === S_IFDIR) directory.nlink += 1;
}

/** Takes the name away and gives what it stood for one link less. */
function removeName(state: State, at: Moment, parent: Ino, name: Name): void {
  const dentry = detachName(state, at, parent, name);
  const inode = getInode(state, dentry.ino);
  touch(state, inode, at);
  inode.nlink = isDirectory(inode.mode) ? 0 : inode.nlink - 1;
  inode.ctime = at.time;
  if (inode.nlink > 0) return;
  state.inodes -= 1;
  state.liveBytes -= inode.allocated;
  state.historyBytes += inode.allocated;
  if (isDirectory(inode.mode)) state.treeGeneration += 1;
  state.dirtyFiles.delete(inode.ino);
}

/** Takes the name away; what it stood for stays as it is. */
function detachName(state: State, at: Moment, parent: Ino, name: Name): Dentry {
  const dentry = state.findDentry(parent, name);
  assert(dentry !== undefined, `a name to remove exists: ${name}`);
  state.deleteDentry(parent, name);
  state.index.delete(dentryKey(parent, hashName(name), name));
  if (dentry.since !== at.revision) {
    const key = dentryHistoryKey(parent, name, at.revision);
    state.index.put(key, encodePastDentry(dentry, at.actor));
  }
  const directory = getInode(state, parent);
  touchDirectory(state, directory, dentry.type, at);
  directory.size -= 1;
  if (dentry.type === S_IFDIR) directory.nlink -= 1;
  return dentry;
}

function applyRename(state: State, at: Moment, event: RenameEvent): void {
  if (event.exchange) {
    const target = detachName(state, at, event.newParent, event.newName);
    const source = detachName(state, at, event.parent, event.name);
    moveTo(state, at, source, event.newParent, event.newName);
    moveTo(state, at, target, event.parent, event.name);
    return;
  }
  const replaced = state.findDentry(event.newParent, event.newName);
  if (replaced !== undefined) removeName(state, at, event.newParent, event.newName);
  const source = detachName(state, at, event.parent, event.name);
  if (replaced !== undefined) inheritTier(state, at, source.ino, replaced.ino);
  moveTo(state, at, source, event.newParent, event.newName);
}

/** A file that is saved by replacing it stays what it was promised. */
function inheritTier(state: State, at: Moment, ino: Ino, replaced: Ino): void {
  const inode = getInode(state, ino);
  const { tier } = getInode(state, replaced);
  if (tier > inode.tier) setTier(state, inode, at, tier);
}

function setTier(state: State, inode: InodeRecord, at: Moment, tier: number): void {
  state.index.put(tierHistoryKey(inode.ino, at.revision), encodePastTier(inode.tier));
  inode.tier = tier;
  state.markDirty(inode);
}

function moveTo(state: State, at: Moment, dentry: Dentry, parent: Ino, name: Name): void {
  const inode = getInode(state, dentry.ino);
  touch(state, inode, at);
  inode.ctime = at.time;
  inode.parent = parent;
  inode.name = name;
  if (isDirectory(inode.mode)) state.treeGeneration += 1;
  addName(state, at, parent, name, inode);
}

function applySetattr(state: State, at: Moment, event: SetattrEvent): void {
  const inode = getInode(state, event.ino);
  const resized = event.size !== undefined && event.size !== inode.size;
  if (resized) touchContent(state, inode, at);
  else touch(state, inode, at);
  if (event.mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (event.mode & ~S_IFMT);
  if (event.uid !== undefined) inode.uid = event.uid;
  if (event.gid !== undefined) inode.gid = event.gid;
  if (event.uid !== undefined || event.gid !== undefined) dropCapabilities(inode);
  if (event.size !== undefined) {
    if (event.size < inode.size) clearRange(state, inode, event.size, Infinity, at);
    inode.size = event.size;
    inode.mtime = at.time;
  }
  if (event.atime !== undefined) inode.atime = event.atime;
  if (event.mtime !== undefined) inode.mtime = event.mtime;
  inode.ctime = at.time;
}

function applyCut(state: State, at: Moment, event: CutEvent): void {
  const inode = getInode(state, event.ino);
  const value = encodeVersion({
    time: at.time,
    size: inode.size,
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    mtime: inode.mtime,
    actor: at.actor,
    cause: CUT_CAUSES.indexOf(event.cause),
    promise: event.promise,
  });
  state.index.put(versionKey(event.ino, at.revision), value);
  inode.cutRevision = at.revision;
  inode.versionRevision = at.revision;
  inode.cutSize = inode.size;
  state.versions += 1;
  state.markDirty(inode);
  state.dirtyFiles.delete(event.ino);
}

function applyRestore(state: State, at: Moment, event: RestoreEvent): void {
  const inode = getInode(state, event.ino);
  if (event.extents === undefined) {
    touch(state, inode, at);
  } else {
    touchContent(state, inode, at);
    inode.isRestored = true;
    restoreContent(state, inode, event.extents, at);
    inode.size = event.size;
  }
  inode.mode = (inode.mode & S_IFMT) | (event.mode & ~S_IFMT);
  inode.uid = event.uid;
  inode.gid = event.gid;
  inode.atime = event.atime;
  inode.mtime = event.mtime;
  inode.ctime = at.time;
  inode.xattrs = event.xattrs;
}

/** Before the attributes of an inode change: what they were goes to the history. */
function touch(state: State, inode: InodeRecord, at: Moment): void {
  if (inode.since !== at.revision) {
    const key = inodeHistoryKey(inode.ino, at.revision);
    state.index.put(key, encodeInodeHistory(inode));
    inode.since = at.revision;
  }
  state.markDirty(inode);
}

/**
 * Before content changes.
 *
 * The first write to a file that was just made leaves no history: what it was before, an empty file as
 * it was made, follows from the record of what it became (findNode in src/history relies on this).
 */
function touchContent(state: State, inode: InodeRecord, at: Moment, isWrite = false): void {
  const isFresh = isWrite && inode.since === inode.born && inode.size === 0;
  // A rollback makes files with the times and xattrs that they once had: those are not to be guessed.
  const isPlain = inode.xattrs === undefined && compareTime(inode.mtime, inode.btime) === 0;
  if (isFresh && isPlain) {
    inode.since = at.revision;
    state.markDirty(inode);
  } else {
    touch(state, inode, at);
  }
  const dirty = state.dirtyFiles.get(inode.ino);
  if (dirty !== undefined) {
    dirty.actor = at.actor;
  } else if (inode.nlink > 0) {
    state.dirtyFiles.set(inode.ino, { actor: at.actor, since: at.time, base: new Map() });
  }
  dropCapabilities(inode);
  // Whoever brings a removed file back gives it content that is kept.
  inode.isGone = false;
  inode.isRestored = false;
  inode.isUnchanged = false;
  inode.contentRevision = at.revision;
  inode.mtime = at.time;
  inode.ctime = at.time;
}

/** File capabilities go with every change of content or owner: HANDLE_KILLPRIV_V2 leaves that to us. */
function dropCapabilities(inode: InodeRecord): void {
  if (inode.xattrs?.has('security.capability') !== true) return;
  const xattrs = new Map(inode.xattrs);
  xattrs.delete('security.capability');
  inode.xattrs = xattrs.size === 0 ? undefined : xattrs;
}

/**
 * Before a directory's names change.
 *
 * Its times and size in a moment are exact to the second: changes within the same second share one state,
 * or unpacking an archive would leave a state of the directory for every file in it. Its link count is
 * exact: subdirectories are few.
 */
function touchDirectory(state: State, directory: InodeRecord, type: number, at: Moment): void {
  const isSameSecond = directory.mtime.sec === at.time.sec;
  if (isSameSecond && type !== S_IFDIR) state.markDirty(directory);
  else touch(state, directory, at);
  directory.contentRevision = at.revision;
  directory.mtime = at.time;
  directory.ctime = at.time;
}

function killSuidGid(inode: InodeRecord): void {
  inode.mode = modeWithoutSuidGid(inode.mode);
}

/** As the kernel does: sgid without group execution is mandatory locking, and stays. */
export function modeWithoutSuidGid(mode: number): number {
  const withoutSuid = mode & ~S_ISUID;
  return (mode & S_IXGRP) === 0 ? withoutSuid : withoutSuid & ~S_ISGID;
}

function getInode(state: State, ino: Ino): InodeRecord {
  const inode = state.findInode(ino);
  assert(inode !== undefined, `inode ${ino} exists`);
  return inode;
}
