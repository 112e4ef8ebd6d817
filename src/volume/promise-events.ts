/**
 * The events of promises: what is to be kept for how long, and what was removed because no promise kept it.
 *
 * A purge says all that it removes, key by key: it was decided by a clock and a policy, and replay asks
 * neither. Layouts: FORMAT.md.
 */

import type { Ino, Name, PromiseId, Revision } from '../shared/brands.ts';
import type { ByteReader, ByteWriter } from '../shared/bytes.ts';
import { unreachable } from '../shared/assert.ts';
import type { Time } from '../shared/time.ts';

/** Chooses the tier of an inode; 0 is none of its own. */
export interface TierEvent {
  readonly kind: 'tier';
  readonly ino: Ino;
  readonly tier: number;
}

/** The clock of what the inode was promised begins anew; the root stands for the whole session. */
export interface RenewEvent {
  readonly kind: 'renew';
  readonly ino: Ino;
}

/** Gives a promise the number under which versions refer to it. */
export interface DefineEvent {
  readonly kind: 'define';
  readonly id: PromiseId;
  readonly text: string;
}

/** What holds from now on for files that nobody chose a tier for. */
export interface PolicyEvent {
  readonly kind: 'policy';
  readonly sessionTier: number;
  readonly text: string;
}

/** Names a revision, which is then kept; undefined takes the name away. */
export interface CheckpointEvent {
  readonly kind: 'checkpoint';
  readonly name: string;
  readonly at: Revision | undefined;
}

/** What a hold keeps: the whole session, a path (ino 0 is none) at all its revisions or at one. */
export interface HoldTarget {
  /** 0: the session. */
  readonly ino: Ino | 0;
  /** 0: every revision from then on and all that there are. */
  readonly revision: Revision | 0;
  /** As it was given, for people. */
  readonly path: string;
}

/** Keeps something for a reason until it is released; target undefined releases it. */
export interface HoldEvent {
  readonly kind: 'hold';
  readonly name: string;
  readonly reason: string;
  readonly target: HoldTarget | undefined;
}

/** One version that is removed, with what the audit tells of it. */
export interface PurgedVersion {
  readonly revision: Revision;
  readonly size: number;
}

/** What is removed of one inode. */
export interface PurgedInode {
  readonly ino: Ino;
  /** For people: where it is or last was. */
  readonly path: string;
  /** Why nothing keeps it any more. */
  readonly reason: string;
  readonly versions: readonly PurgedVersion[];
  /** Content revisions whose content goes: with them the hashes that are known. */
  readonly content: readonly Revision[];
  /** INVARIANT: an extent that goes with a content stays if it was there at one of these. */
  readonly kept: readonly Revision[];
  /** States of the past: forgotten, or only marked as without content. */
  readonly states: readonly { readonly to: Revision; readonly isForgotten: boolean }[];
  /** The oldest state is among those that are forgotten: how the inode was made is not known any more. */
  readonly losesFirst: boolean;
  /** Extents of the past that may go. */
  readonly regions: readonly {
    readonly region: number;
    readonly to: Revision;
    readonly sequence: number;
  }[];
  /** Of a removed inode: `content`, what it held at last goes too; `all`, nothing stays of it. */
  readonly last: 'stays' | 'content' | 'all';
  /** Of its earlier tiers, if nothing stays of it. */
  readonly tiers: readonly Revision[];
}

export interface PurgedName {
  readonly parent: Ino;
  readonly name: Name;
  readonly to: Revision;
}

/** Removes what nothing keeps any more. */
export interface PurgeEvent {
  readonly kind: 'purge';
  /** Names and attributes of moments before it may be gone from now on. */
  readonly horizon: Revision;
  readonly horizonTime: Time;
  /** Somebody confirmed what the sweeper would have refused. */
  readonly isConfirmed: boolean;
  readonly inodes: readonly PurgedInode[];
  readonly names: readonly PurgedName[];
}

export type PromiseEvent =
  | TierEvent
  | RenewEvent
  | DefineEvent
  | PolicyEvent
  | CheckpointEvent
  | HoldEvent
  | PurgeEvent;

const LAST_STATES = ['stays', 'content', 'all'] as const;

export function encodePromiseEvent(writer: ByteWriter, event: PromiseEvent): void {
  switch (event.kind) {
    case 'tier':
      writer.u48(event.ino).u8(event.tier);
      return;
    case 'renew':
      writer.u48(event.ino);
      return;
    case 'define':
      writer.u32(event.id).blob(Buffer.from(event.text));
      return;
    case 'policy':
      writer.u8(event.sessionTier).blob(Buffer.from(event.text));
      return;
    case 'checkpoint':
      writer.string(event.name).u48(event.at ?? 0);
      return;
    case 'hold':
      encodeHold(writer, event);
      return;
    case 'purge':
      encodePurge(writer, event);
      return;
    default:
      unreachable(event);
  }
}

/** @throws {RangeError} If the payload is too short. */
export function readPromiseEvent(kind: PromiseEvent['kind'], reader: ByteReader): PromiseEvent {
  switch (kind) {
    case 'tier':
      return { kind, ino: reader.u48() as Ino, tier: reader.u8() };
    case 'renew':
      return { kind, ino: reader.u48() as Ino };
    case 'define':
      return { kind, id: reader.u32() as PromiseId, text: reader.blob().toString() };
    case 'policy':
      return { kind, sessionTier: reader.u8(), text: reader.blob().toString() };
    case 'checkpoint': {
      const name = reader.string();
      const at = reader.u48() as Revision;
      return { kind, name, at: at === 0 ? undefined : at };
    }
    case 'hold':
      return readHold(reader);
    case 'purge':
      return readPurge(reader);
    default:
      return unreachable(kind);
  }
}

function encodeHold(writer: ByteWriter, { name, reason, target }: HoldEvent): void {
  writer.string(name).blob(Buffer.from(reason));
  writer.u8(target === undefined ? 0 : 1);
  if (target !== undefined) {
    writer.u48(target.ino).u48(target.revision).blob(Buffer.from(target.path));
  }
}

function readHold(reader: ByteReader): HoldEvent {
  const name = reader.string();
  const reason = reader.blob().toString();
  const isHeld = reader.u8() === 1;
  const target = isHeld
    ? {
        ino: reader.u48() as Ino,
        revision: reader.u48() as Revision,
        path: reader.blob().toString(),
      }
    : undefined;
  return { kind: 'hold', name, reason, target };
}

function encodePurge(writer: ByteWriter, event: PurgeEvent): void {
  writer
    .u48(event.horizon)
    .time(event.horizonTime)
    .u8(event.isConfirmed ? 1 : 0);
  writer.u32(event.inodes.length);
  for (const inode of event.inodes) {
    writer.u48(inode.ino).blob(Buffer.from(inode.path)).blob(Buffer.from(inode.reason));
    writer.u8(LAST_STATES.indexOf(inode.last)).u8(inode.losesFirst ? 1 : 0);
    writer.u32(inode.versions.length);
    for (const { revision, size } of inode.versions) writer.u48(revision).i53(size);
    encodeRevisions(writer, inode.content);
    encodeRevisions(writer, inode.kept);
    writer.u32(inode.states.length);
    for (const { to, isForgotten } of inode.states) writer.u48(to).u8(isForgotten ? 1 : 0);
    writer.u32(inode.regions.length);
    for (const { region, to, sequence } of inode.regions) {
      writer.u32(region).u48(to).u32(sequence);
    }
    encodeRevisions(writer, inode.tiers);
  }
  writer.u32(event.names.length);
  for (const { parent, name, to } of event.names) writer.u48(parent).string(name).u48(to);
}

function readPurge(reader: ByteReader): PurgeEvent {
  const horizon = reader.u48() as Revision;
  const horizonTime = reader.time();
  const isConfirmed = reader.u8() === 1;
  const inodes = readList(reader, () => ({
    ino: reader.u48() as Ino,
    path: reader.blob().toString(),
    reason: reader.blob().toString(),
    last: LAST_STATES[reader.u8()] ?? 'stays',
    losesFirst: reader.u8() === 1,
    versions: readList(reader, () => ({
      revision: reader.u48() as Revision,
      size: reader.i53(),
    })),
    content: readRevisions(reader),
    kept: readRevisions(reader),
    states: readList(reader, () => ({
      to: reader.u48() as Revision,
      isForgotten: reader.u8() === 1,
    })),
    regions: readList(reader, () => ({
      region: reader.u32(),
      to: reader.u48() as Revision,
      sequence: reader.u32(),
    })),
    tiers: readRevisions(reader),
  }));
  const names = readList(reader, () => ({
    parent: reader.u48() as Ino,
    name: reader.string() as Name,
    to: reader.u48() as Revision,
  }));
  return { kind: 'purge', horizon, horizonTime, isConfirmed, inodes, names };
}

function encodeRevisions(writer: ByteWriter, revisions: readonly Revision[]): void {
  writer.u32(revisions.length);
  for (const revision of revisions) writer.u48(revision);
}

const readRevisions = (reader: ByteReader): Revision[] =>
  readList(reader, () => reader.u48() as Revision);

function readList<T>(reader: ByteReader, read: () => T): T[] {
  const list: T[] = [];
  for (let count = reader.u32(); count > 0; count--) list.push(read());
  return list;
}
