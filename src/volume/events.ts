/**
 * Events: every change of a volume as data, and how each is laid out in a record's payload.
 *
 * An event says everything that apply needs: inode numbers, times of others, places of bytes. It is
 * checked before it is made; applying it cannot fail. Layouts: src/log/FORMAT.md, «Payloads».
 */

import type { ActorId, Ino, Name, PromiseId } from '../shared/brands.ts';
import { NO_PROMISE } from '../shared/brands.ts';
import { ByteReader } from '../shared/bytes.ts';
import type { ByteWriter } from '../shared/bytes.ts';
import { unreachable } from '../shared/assert.ts';
import type { Time } from '../shared/time.ts';
import type { CutCause } from './cut-cause.ts';
import { CUT_CAUSES } from './cut-cause.ts';
import type { Extent } from '../index/extents.ts';
import {
  encodeRestore,
  encodeSetattr,
  readActor,
  readAllocate,
  readMake,
  readRestore,
  readSetattr,
} from './event-parts.ts';
import { encodePromiseEvent, readPromiseEvent } from './promise-events.ts';
import type { PromiseEvent } from './promise-events.ts';

/** Makes an inode and, unless parent is 0 (O_TMPFILE), its name. */
export interface MakeEvent {
  readonly kind: 'make';
  readonly parent: Ino | 0;
  readonly name: Name;
  readonly ino: Ino;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly target: string | undefined;
}

export interface LinkEvent {
  readonly kind: 'link';
  readonly ino: Ino;
  readonly parent: Ino;
  readonly name: Name;
}

/** Takes a name away: unlink and rmdir. */
export interface UnlinkEvent {
  readonly kind: 'unlink';
  readonly parent: Ino;
  readonly name: Name;
}

export interface RenameEvent {
  readonly kind: 'rename';
  readonly parent: Ino;
  readonly name: Name;
  readonly newParent: Ino;
  readonly newName: Name;
  readonly exchange: boolean;
}

/**
 * Content that is in the record itself.
 *
 * The record may hold more than was written: small neighbours that are folded into one extent
 * (`start` to `offset`), with the bytes that they had.
 */
export interface WriteEvent {
  readonly kind: 'write';
  readonly ino: Ino;
  /** Where the record's data begins in the file. */
  readonly start: number;
  /** Where the write itself begins. */
  readonly offset: number;
  readonly killSuidGid: boolean;
}

export interface SetattrEvent {
  readonly kind: 'setattr';
  readonly ino: Ino;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly size: number | undefined;
  readonly atime: Time | undefined;
  readonly mtime: Time | undefined;
}

export interface XattrEvent {
  readonly kind: 'xattr';
  readonly ino: Ino;
  readonly name: string;
  /** undefined removes it. */
  readonly value: Buffer | undefined;
}

/** fallocate: makes a hole of a range, or only makes the file larger. */
export interface AllocateEvent {
  readonly kind: 'allocate';
  readonly ino: Ino;
  readonly offset: number;
  readonly length: number;
  /** The range reads as zeros afterwards. */
  readonly zero: boolean;
  readonly keepSize: boolean;
  readonly killSuidGid: boolean;
}

/** copy_file_range: the target's range shares the source's extents. */
export interface CloneEvent {
  readonly kind: 'clone';
  readonly source: Ino;
  readonly sourceOffset: number;
  readonly ino: Ino;
  readonly offset: number;
  readonly length: number;
  readonly killSuidGid: boolean;
}

/** Makes a version of what the file is now. */
export interface CutEvent {
  readonly kind: 'cut';
  readonly ino: Ino;
  readonly cause: CutCause;
  /** What the file is promised. */
  readonly promise: PromiseId;
}

/** The content has changed to what the last version already is: nothing to cut. */
export interface UnchangedEvent {
  readonly kind: 'unchanged';
  readonly ino: Ino;
}

export interface ActorEvent {
  readonly kind: 'actor';
  readonly id: ActorId;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly command: string;
  readonly label: string | undefined;
  /** Of a process that came through the mount: what tells it from others of its pid, see Actors. */
  readonly identity: string | undefined;
}

/** Gives an inode the content and attributes that it, or another, once had. Only within a batch. */
export interface RestoreEvent {
  readonly kind: 'restore';
  readonly ino: Ino;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly xattrs: ReadonlyMap<string, Buffer> | undefined;
  /** Undefined leaves the content as it is. */
  readonly extents: readonly Extent[] | undefined;
}

/** Several changes with one revision: all of them or none. */
export interface BatchEvent {
  readonly kind: 'batch';
  readonly events: readonly Event[];
}

/** The first event of every volume. */
export interface GenesisEvent {
  readonly kind: 'genesis';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type Event =
  | GenesisEvent
  | MakeEvent
  | LinkEvent
  | UnlinkEvent
  | RenameEvent
  | WriteEvent
  | SetattrEvent
  | XattrEvent
  | AllocateEvent
  | CloneEvent
  | CutEvent
  | UnchangedEvent
  | ActorEvent
  | RestoreEvent
  | PromiseEvent
  | BatchEvent;

/** The type byte of a record: never reused, never renumbered. */
export const EVENT_TYPES = {
  genesis: 1,
  make: 2,
  link: 3,
  unlink: 4,
  rename: 5,
  write: 6,
  setattr: 7,
  xattr: 8,
  allocate: 9,
  clone: 10,
  cut: 23,
  unchanged: 12,
  actor: 13,
  restore: 14,
  batch: 15,
  tier: 16,
  renew: 17,
  define: 18,
  policy: 19,
  checkpoint: 20,
  hold: 21,
  purge: 22,
} as const satisfies Record<Event['kind'], number>;

/** A cut as it was before there were promises. */
const CUT_WITHOUT_PROMISE = 11;

const KIND_BY_TYPE = new Map<number, Event['kind']>([
  ...Object.entries(EVENT_TYPES).map(([kind, type]) => [type, kind as Event['kind']] as const),
  [CUT_WITHOUT_PROMISE, 'cut'],
]);

/** Appends an event's payload to a writer. */
export function encodeEvent(writer: ByteWriter, event: Event): void {
  switch (event.kind) {
    case 'genesis':
      writer.u32(event.mode).u32(event.uid).u32(event.gid);
      return;
    case 'make':
      writer.u48(event.parent).u48(event.ino).u32(event.mode).u32(event.uid).u32(event.gid);
      writer
        .u32(event.rdev)
        .string(event.name)
        .u8(event.target === undefined ? 0 : 1);
      if (event.target !== undefined) writer.string(event.target);
      return;
    case 'link':
      writer.u48(event.ino).u48(event.parent).string(event.name);
      return;
    case 'unlink':
      writer.u48(event.parent).string(event.name);
      return;
    case 'rename':
      writer.u48(event.parent).string(event.name).u48(event.newParent).string(event.newName);
      writer.u8(event.exchange ? 1 : 0);
      return;
    case 'write':
      writer
        .u48(event.ino)
        .u48(event.start)
        .u48(event.offset)
        .u8(event.killSuidGid ? 1 : 0);
      return;
    case 'setattr':
      encodeSetattr(writer, event);
      return;
    case 'xattr':
      writer
        .u48(event.ino)
        .string(event.name)
        .u8(event.value === undefined ? 0 : 1);
      if (event.value !== undefined) writer.blob(event.value);
      return;
    case 'allocate':
      writer.u48(event.ino).u48(event.offset).u48(event.length);
      writer.u8((event.zero ? 1 : 0) | (event.keepSize ? 2 : 0) | (event.killSuidGid ? 4 : 0));
      return;
    case 'clone':
      writer.u48(event.source).u48(event.sourceOffset).u48(event.ino).u48(event.offset);
      writer.u48(event.length).u8(event.killSuidGid ? 1 : 0);
      return;
    case 'cut':
      writer.u48(event.ino).u8(CUT_CAUSES.indexOf(event.cause)).u32(event.promise);
      return;
    case 'unchanged':
      writer.u48(event.ino);
      return;
    case 'actor':
      writer.u32(event.id).u32(event.uid).u32(event.gid).u32(event.pid).string(event.command);
      writer.u8(event.label === undefined ? 0 : 1).string(event.label ?? '');
      writer.u8(event.identity === undefined ? 0 : 1).string(event.identity ?? '');
      return;
    case 'restore':
      encodeRestore(writer, event);
      return;
    case 'batch':
      writer.u32(event.events.length);
      for (const part of event.events) {
        writer.u8(EVENT_TYPES[part.kind]);
        encodeEvent(writer, part);
      }
      return;
    case 'tier':
    case 'renew':
    case 'define':
    case 'policy':
    case 'checkpoint':
    case 'hold':
    case 'purge':
      encodePromiseEvent(writer, event);
      return;
    default:
      unreachable(event);
  }
}

/**
 * Reads an event back.
 *
 * @throws {RangeError} If the type is unknown or the payload too short: a format error of the log.
 */
export function decodeEvent(type: number, payload: Uint8Array): Event {
  return readEvent(type, new ByteReader(payload));
}

function readEvent(type: number, reader: ByteReader): Event {
  const kind = KIND_BY_TYPE.get(type);
  switch (kind) {
    case 'genesis':
      return { kind, mode: reader.u32(), uid: reader.u32(), gid: reader.u32() };
    case 'make':
      return readMake(reader);
    case 'link':
      return {
        kind,
        ino: reader.u48() as Ino,
        parent: reader.u48() as Ino,
        name: reader.string() as Name,
      };
    case 'unlink':
      return { kind, parent: reader.u48() as Ino, name: reader.string() as Name };
    case 'rename':
      return {
        kind,
        parent: reader.u48() as Ino,
        name: reader.string() as Name,
        newParent: reader.u48() as Ino,
        newName: reader.string() as Name,
        exchange: reader.u8() === 1,
      };
    case 'write':
      return {
        kind,
        ino: reader.u48() as Ino,
        start: reader.u48(),
        offset: reader.u48(),
        killSuidGid: reader.u8() === 1,
      };
    case 'setattr':
      return readSetattr(reader);
    case 'xattr':
      return {
        kind,
        ino: reader.u48() as Ino,
        name: reader.string(),
        value: reader.u8() === 1 ? reader.blob() : undefined,
      };
    case 'allocate':
      return readAllocate(reader);
    case 'clone':
      return {
        kind,
        source: reader.u48() as Ino,
        sourceOffset: reader.u48(),
        ino: reader.u48() as Ino,
        offset: reader.u48(),
        length: reader.u48(),
        killSuidGid: reader.u8() === 1,
      };
    case 'cut':
      return {
        kind,
        ino: reader.u48() as Ino,
        cause: CUT_CAUSES[reader.u8()] ?? 'close',
        promise: type === CUT_WITHOUT_PROMISE ? NO_PROMISE : (reader.u32() as PromiseId),
      };
    case 'unchanged':
      return { kind, ino: reader.u48() as Ino };
    case 'actor':
      return readActor(reader);
    case 'restore':
      return readRestore(reader);
    case 'batch': {
      const events: Event[] = [];
      for (let count = reader.u32(); count > 0; count--) {
        const partType = reader.u8();
        // Nor would they ever end, one in the other.
        if (partType === EVENT_TYPES.batch) throw new RangeError('A batch in a batch');
        events.push(readEvent(partType, reader));
      }
      return { kind, events };
    }
    case 'tier':
    case 'renew':
    case 'define':
    case 'policy':
    case 'checkpoint':
    case 'hold':
    case 'purge':
      return readPromiseEvent(kind, reader);
    case undefined:
      throw new RangeError(`Unknown event type: ${type}`);
    default:
      return unreachable(kind);
  }
}
