/**
 * The values of the index: what each key space holds, encoded and decoded side by side.
 */

import type { ActorId, Ino, LogPos, Name, PromiseId, Revision } from '../shared/brands.ts';
import { ByteReader, ByteWriter } from '../shared/bytes.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { decodeExtents, encodeExtents, regionOf } from './extents.ts';
import type { Extent } from './extents.ts';
import { RunSet } from './run-set.ts';

/** One inode; changed only by apply (src/volume). Inodes are never forgotten: nlink 0 is a removed one. */
export class InodeRecord {
  readonly ino: Ino;
  mode = 0;
  nlink = 0;
  uid = 0;
  gid = 0;
  rdev = 0;
  /** Of a directory: how many names it has. */
  size = 0;
  atime: Time;
  mtime: Time;
  ctime: Time;
  readonly btime: Time;
  /** The revision that made it. */
  readonly born: Revision;
  /** The revision from which these attributes hold. */
  since: Revision;
  /** The newest revision that changed the content; of a directory, its names. */
  contentRevision: Revision;
  /** The newest version; 0 before the first. INVARIANT: cutRevision ≥ contentRevision means nothing to cut. */
  cutRevision = 0 as Revision;
  /** Size of the newest version. */
  cutSize = 0;
  /** The newest version: other than cutRevision if what was written since was the same. */
  versionRevision = 0 as Revision;
  /** Of a directory: where it is; of a file: where it was made or last moved to. */
  parent: Ino;
  name: Name;
  target: string | undefined = undefined;
  xattrs: ReadonlyMap<string, Buffer> | undefined = undefined;
  /** The tier that somebody chose for it, or for a directory that it was made in: see TIER_NUMBERS; 0 is none. */
  tier = 0;
  /** Retention has removed the content of this state. */
  isGone = false;
  /** A rollback gave it the content that it has: what it had before is not thinned. */
  isRestored = false;
  /** It was written anew, and is what the newest version holds: that is not superseded by it. */
  isUnchanged = false;
  /** How it was made is not known any more: retention has removed its first state. */
  isFirstForgotten = false;
  /** When somebody last asked to keep it for longer, if ever. */
  renewed: Time | undefined = undefined;
  /** Bytes that have extents. */
  allocated = 0;
  /** Where the last extent ends. */
  extentEnd = 0;
  /** Regions that have a key of their own. */
  leaves = new RunSet();
  /** Region 0, while it is small; undefined once it has a key of its own. */
  inline: readonly Extent[] | undefined = [];

  constructor(ino: Ino, born: Revision, time: Time, place: { parent: Ino; name: Name }) {
    this.ino = ino;
    this.born = born;
    this.since = born;
    this.contentRevision = born;
    this.atime = time;
    this.mtime = time;
    this.ctime = time;
    this.btime = time;
    this.parent = place.parent;
    this.name = place.name;
  }

  /** In units of 512 bytes. */
  get blocks(): number {
    return Math.ceil(this.allocated / 512);
  }
}

const Flag = {
  MTIME: 1,
  CTIME: 2,
  ATIME: 4,
  TARGET: 8,
  XATTRS: 16,
  LEAVES: 32,
  INLINE: 64,
  TIER: 128,
  GONE: 256,
  RENEWED: 512,
  FIRST_FORGOTTEN: 1024,
  RESTORED: 2048,
  UNCHANGED: 4096,
  VERSION: 8192,
};

const scratch = new ByteWriter(1 << 16);

/** @param isLive With what only the live state has: extents have a history of their own. */
export function encodeInodeState(writer: ByteWriter, inode: InodeRecord, isLive: boolean): void {
  const flags =
    (compareTime(inode.mtime, inode.btime) === 0 ? 0 : Flag.MTIME) |
    (compareTime(inode.ctime, inode.mtime) === 0 ? 0 : Flag.CTIME) |
    (compareTime(inode.atime, inode.btime) === 0 ? 0 : Flag.ATIME) |
    (inode.target === undefined ? 0 : Flag.TARGET) |
    (inode.xattrs === undefined ? 0 : Flag.XATTRS) |
    (isLive && !inode.leaves.isEmpty ? Flag.LEAVES : 0) |
    (isLive && inode.inline !== undefined ? Flag.INLINE : 0) |
    (inode.tier === 0 ? 0 : Flag.TIER) |
    (inode.isGone ? Flag.GONE : 0) |
    (inode.isRestored ? Flag.RESTORED : 0) |
    (inode.isUnchanged ? Flag.UNCHANGED : 0) |
    (namesVersion(inode, isLive) ? Flag.VERSION : 0) |
    (isLive && inode.renewed !== undefined ? Flag.RENEWED : 0) |
    (isLive && inode.isFirstForgotten ? Flag.FIRST_FORGOTTEN : 0);
  writer.u16(flags).u32(inode.mode).u32(inode.nlink).u32(inode.uid).u32(inode.gid).u32(inode.rdev);
  writer.i53(inode.size).time(inode.btime).u48(inode.born).u48(inode.since);
  writer.u48(inode.contentRevision).i53(inode.allocated);
  if (flags & Flag.MTIME) writer.time(inode.mtime);
  if (flags & Flag.CTIME) writer.time(inode.ctime);
  if (flags & Flag.ATIME) writer.time(inode.atime);
  if (inode.target !== undefined) writer.string(inode.target);
  if (inode.xattrs !== undefined) {
    writer.u16(inode.xattrs.size);
    for (const [name, value] of inode.xattrs) writer.string(name).blob(value);
  }
  if (flags & Flag.TIER) writer.u8(inode.tier);
  if (flags & Flag.VERSION) writer.u48(inode.versionRevision);
  writer.u48(inode.parent).string(inode.name);
  if (!isLive) return;
  if (inode.renewed !== undefined) writer.time(inode.renewed);
  writer.u48(inode.cutRevision).i53(inode.cutSize).i53(inode.extentEnd);
  if (flags & Flag.LEAVES) inode.leaves.encode(writer);
  if (inode.inline !== undefined) encodeExtents(writer, inode.inline, 0);
}

const namesVersion = (inode: InodeRecord, isLive: boolean): boolean =>
  inode.isUnchanged || (isLive && inode.versionRevision !== inode.cutRevision);

/** @returns A view into a shared buffer, valid until the next call of an encoder here. */
export function encodeInode(inode: InodeRecord): Buffer {
  encodeInodeState(scratch.reset(), inode, true);
  return scratch.view();
}

/** The attributes that held until they were superseded. */
export function encodeInodeHistory(inode: InodeRecord): Buffer {
  encodeInodeState(scratch.reset(), inode, false);
  return scratch.view();
}

export function decodeInode(ino: Ino, value: Uint8Array, isLive = true): InodeRecord {
  const reader = new ByteReader(value);
  const flags = reader.u16();
  const mode = reader.u32();
  const nlink = reader.u32();
  const uid = reader.u32();
  const gid = reader.u32();
  const rdev = reader.u32();
  const size = reader.i53();
  const btime = reader.time();
  const inode = new InodeRecord(ino, reader.u48() as Revision, btime, {
    parent: 0 as Ino,
    name: '' as Name,
  });
  inode.mode = mode;
  inode.nlink = nlink;
  inode.uid = uid;
  inode.gid = gid;
  inode.rdev = rdev;
  inode.size = size;
  inode.since = reader.u48() as Revision;
  inode.contentRevision = reader.u48() as Revision;
  inode.allocated = reader.i53();
  if (flags & Flag.MTIME) inode.mtime = reader.time();
  inode.ctime = flags & Flag.CTIME ? reader.time() : inode.mtime;
  if (flags & Flag.ATIME) inode.atime = reader.time();
  if (flags & Flag.TARGET) inode.target = reader.string();
  if (flags & Flag.XATTRS) {
    const xattrs = new Map<string, Buffer>();
    for (let count = reader.u16(); count > 0; count--) xattrs.set(reader.string(), reader.blob());
    inode.xattrs = xattrs;
  }
  inode.isGone = (flags & Flag.GONE) !== 0;
  inode.isRestored = (flags & Flag.RESTORED) !== 0;
  inode.isUnchanged = (flags & Flag.UNCHANGED) !== 0;
  if (flags & Flag.TIER) inode.tier = reader.u8();
  if (flags & Flag.VERSION) inode.versionRevision = reader.u48() as Revision;
  inode.parent = reader.u48() as Ino;
  inode.name = reader.string() as Name;
  if (!isLive) return inode;
  if (flags & Flag.RENEWED) inode.renewed = reader.time();
  inode.isFirstForgotten = (flags & Flag.FIRST_FORGOTTEN) !== 0;
  inode.cutRevision = reader.u48() as Revision;
  if (!(flags & Flag.VERSION)) inode.versionRevision = inode.cutRevision;
  inode.cutSize = reader.i53();
  inode.extentEnd = reader.i53();
  if (flags & Flag.LEAVES) inode.leaves = RunSet.decode(reader);
  // Whoever goes through the regions up to the end would not come to one.
  if (inode.leaves.end > regionOf(inode.extentEnd - 1) + 1) {
    throw new RangeError(`Regions up to ${inode.leaves.end} of ${inode.extentEnd} bytes`);
  }
  inode.inline = flags & Flag.INLINE ? decodeExtents(reader, 0) : undefined;
  return inode;
}

/** What a name stands for. */
export interface Dentry {
  readonly ino: Ino;
  /** The type bits of the mode. */
  readonly type: number;
  /** The revision from which the name stood for it. */
  readonly since: Revision;
}

export const encodeDentry = (dentry: Dentry): Buffer =>
  scratch.reset().u48(dentry.ino).u16(dentry.type).u48(dentry.since).view();

export function decodeDentry(value: Uint8Array): Dentry {
  const reader = new ByteReader(value);
  const ino = reader.u48() as Ino;
  const type = reader.u16();
  return { ino, type, since: reader.u48() as Revision };
}

/** A name that stood for something until somebody took it away. */
export interface PastDentry extends Dentry {
  readonly removedBy: ActorId;
}

export const encodePastDentry = (dentry: Dentry, removedBy: ActorId): Buffer =>
  scratch.reset().u48(dentry.ino).u16(dentry.type).u48(dentry.since).u32(removedBy).view();

export function decodePastDentry(value: Uint8Array): PastDentry {
  const reader = new ByteReader(value);
  const ino = reader.u48() as Ino;
  const type = reader.u16();
  const since = reader.u48() as Revision;
  return { ino, type, since, removedBy: reader.u32() as ActorId };
}

/** What is told of a version without reading the state at its revision. */
export interface VersionRecord {
  readonly time: Time;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly actor: ActorId;
  readonly cause: number;
  /** What its file was promised when it was cut. */
  readonly promise: PromiseId;
}

export function encodeVersion(version: VersionRecord): Buffer {
  scratch.reset().time(version.time).i53(version.size).u32(version.mode);
  scratch.u32(version.uid).u32(version.gid).time(version.mtime).u32(version.actor);
  return scratch.u8(version.cause).u32(version.promise).view();
}

export function decodeVersion(value: Uint8Array): VersionRecord {
  const reader = new ByteReader(value);
  return {
    time: reader.time(),
    size: reader.i53(),
    mode: reader.u32(),
    uid: reader.u32(),
    gid: reader.u32(),
    mtime: reader.time(),
    actor: reader.u32() as ActorId,
    cause: reader.u8(),
    promise: reader.u32() as PromiseId,
  };
}

export function encodeRegion(extents: readonly Extent[], region: number): Buffer {
  encodeExtents(scratch.reset(), extents, region);
  return scratch.view();
}

export const decodeRegion = (value: Uint8Array, region: number): Extent[] =>
  decodeExtents(new ByteReader(value), region);

/** A revision and its record's place, one for every second in which something happened. */
export interface TimeRecord {
  readonly revision: Revision;
  readonly pos: LogPos;
}

export const encodeTimeRecord = (record: TimeRecord): Buffer =>
  scratch.reset().u48(record.revision).i53(record.pos).view();

export function decodeTimeRecord(value: Uint8Array): TimeRecord {
  const reader = new ByteReader(value);
  return { revision: reader.u48() as Revision, pos: reader.i53() as LogPos };
}

export interface ActorRecord {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly command: string;
  readonly label: string | undefined;
  /** Short name and start time of a process; undefined if it is none, or was recorded before format 2. */
  readonly identity: string | undefined;
}

export function encodeActor(actor: ActorRecord): Buffer {
  scratch.reset().u32(actor.uid).u32(actor.gid).u32(actor.pid).string(actor.command);
  scratch.u8(actor.label === undefined ? 0 : 1);
  scratch.string(actor.label ?? '').u8(actor.identity === undefined ? 0 : 1);
  return scratch.string(actor.identity ?? '').view();
}

export function decodeActor(value: Uint8Array): ActorRecord {
  const reader = new ByteReader(value);
  const uid = reader.u32();
  const gid = reader.u32();
  const pid = reader.u32();
  const command = reader.string();
  const hasLabel = reader.u8() === 1;
  const label = hasLabel ? reader.string() : void reader.string();
  // Format 1 ends here.
  const hasIdentity = reader.remaining > 0 && reader.u8() === 1;
  return { uid, gid, pid, command, label, identity: hasIdentity ? reader.string() : undefined };
}

/** What the index knows of itself and of the volume as a whole; written with every batch. */
export interface IndexMeta {
  readonly volumeId: string;
  /** Everything up to this revision is in the index, nothing after it. */
  readonly applied: Revision;
  /** Where the log goes on after it. */
  readonly next: LogPos;
  /** Every request whose record stands before this place has been answered; not after `next`. */
  readonly answered: LogPos;
  readonly appliedTime: Time;
  readonly nextIno: number;
  readonly nextActor: number;
  readonly inodes: number;
  readonly liveBytes: number;
  /** In extents that only the past has. */
  readonly historyBytes: number;
  readonly versions: number;
  /** Names and attributes of moments before it may have been removed. */
  readonly horizon: Revision;
  readonly horizonTime: Time;
  /** SHA-256 as hex over everything that was ever purged; "" before the first time. */
  readonly purgeDigest: string;
  /** Files that have changed since their last version. */
  readonly uncut: readonly { ino: Ino; actor: ActorId; since: Time }[];
}

/** The format of the keys and values here; an index of a different one is made anew. */
export const INDEX_FORMAT = 5;

export function encodeMeta(meta: IndexMeta): Buffer {
  scratch.reset().u16(INDEX_FORMAT).string(meta.volumeId).u48(meta.applied).i53(meta.next);
  scratch.i53(meta.answered);
  scratch.time(meta.appliedTime).i53(meta.nextIno).i53(meta.nextActor).i53(meta.inodes);
  scratch.i53(meta.liveBytes).i53(meta.historyBytes).i53(meta.versions);
  scratch.u48(meta.horizon).time(meta.horizonTime).string(meta.purgeDigest).u32(meta.uncut.length);
  for (const file of meta.uncut) scratch.u48(file.ino).u32(file.actor).time(file.since);
  return scratch.view();
}

/** @returns undefined if the value is of another format. */
export function decodeMeta(value: Uint8Array): IndexMeta | undefined {
  const reader = new ByteReader(value);
  if (reader.u16() !== INDEX_FORMAT) return undefined;
  const volumeId = reader.string();
  const applied = reader.u48() as Revision;
  const next = reader.i53() as LogPos;
  const answered = reader.i53() as LogPos;
  const appliedTime = reader.time();
  const nextIno = reader.i53();
  const nextActor = reader.i53();
  const inodes = reader.i53();
  const liveBytes = reader.i53();
  const historyBytes = reader.i53();
  const versions = reader.i53();
  const horizon = reader.u48() as Revision;
  const horizonTime = reader.time();
  const purgeDigest = reader.string();
  const uncut: { ino: Ino; actor: ActorId; since: Time }[] = [];
  for (let count = reader.u32(); count > 0; count--) {
    const ino = reader.u48() as Ino;
    const actor = reader.u32() as ActorId;
    uncut.push({ ino, actor, since: reader.time() });
  }
  return {
    volumeId,
    applied,
    next,
    answered,
    appliedTime,
    nextIno,
    nextActor,
    inodes,
    liveBytes,
    historyBytes,
    versions,
    horizon,
    horizonTime,
    purgeDigest,
    uncut,
  };
}
