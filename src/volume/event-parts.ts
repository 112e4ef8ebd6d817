/**
 * The payloads of those events that have many fields: encoded and decoded side by side.
 */

import type { ActorId, Ino, Name } from '../shared/brands.ts';
import type { ByteReader, ByteWriter } from '../shared/bytes.ts';
import { decodePlacedExtents, encodePlacedExtents } from '../index/extents.ts';
import type { ActorEvent, AllocateEvent, MakeEvent, RestoreEvent, SetattrEvent } from './events.ts';

const Has = { MODE: 1, UID: 2, GID: 4, SIZE: 8, ATIME: 16, MTIME: 32 };

export function readMake(reader: ByteReader): MakeEvent {
  return {
    kind: 'make',
    parent: reader.u48() as Ino,
    ino: reader.u48() as Ino,
    mode: reader.u32(),
    uid: reader.u32(),
    gid: reader.u32(),
    rdev: reader.u32(),
    name: reader.string() as Name,
    target: reader.u8() === 1 ? reader.string() : undefined,
  };
}

export function encodeSetattr(writer: ByteWriter, event: SetattrEvent): void {
  writer
    .u48(event.ino)
    .u8(
      (event.mode === undefined ? 0 : Has.MODE) |
        (event.uid === undefined ? 0 : Has.UID) |
        (event.gid === undefined ? 0 : Has.GID) |
        (event.size === undefined ? 0 : Has.SIZE) |
        (event.atime === undefined ? 0 : Has.ATIME) |
        (event.mtime === undefined ? 0 : Has.MTIME),
    );
  if (event.mode !== undefined) writer.u32(event.mode);
  if (event.uid !== undefined) writer.u32(event.uid);
  if (event.gid !== undefined) writer.u32(event.gid);
  if (event.size !== undefined) writer.i53(event.size);
  if (event.atime !== undefined) writer.time(event.atime);
  if (event.mtime !== undefined) writer.time(event.mtime);
}

export function readSetattr(reader: ByteReader): SetattrEvent {
  const ino = reader.u48() as Ino;
  const has = reader.u8();
  return {
    kind: 'setattr',
    ino,
    mode: has & Has.MODE ? reader.u32() : undefined,
    uid: has & Has.UID ? reader.u32() : undefined,
    gid: has & Has.GID ? reader.u32() : undefined,
    size: has & Has.SIZE ? reader.i53() : undefined,
    atime: has & Has.ATIME ? reader.time() : undefined,
    mtime: has & Has.MTIME ? reader.time() : undefined,
  };
}

export function readAllocate(reader: ByteReader): AllocateEvent {
  const ino = reader.u48() as Ino;
  const offset = reader.u48();
  const length = reader.u48();
  const flags = reader.u8();
  return {
    kind: 'allocate',
    ino,
    offset,
    length,
    zero: (flags & 1) !== 0,
    keepSize: (flags & 2) !== 0,
    killSuidGid: (flags & 4) !== 0,
  };
}

export function readActor(reader: ByteReader): ActorEvent {
  const id = reader.u32() as ActorId;
  const uid = reader.u32();
  const gid = reader.u32();
  const pid = reader.u32();
  const command = reader.string();
  const hasLabel = reader.u8() === 1;
  const label = hasLabel ? reader.string() : void reader.string();
  // Records of the first format end here.
  const hasIdentity = reader.remaining > 0 && reader.u8() === 1;
  const identity = hasIdentity ? reader.string() : undefined;
  return { kind: 'actor', id, uid, gid, pid, command, label, identity };
}

export function encodeRestore(writer: ByteWriter, event: RestoreEvent): void {
  writer.u48(event.ino).u32(event.mode).u32(event.uid).u32(event.gid).i53(event.size);
  writer
    .time(event.atime)
    .time(event.mtime)
    .u16(event.xattrs?.size ?? 0);
  for (const [name, value] of event.xattrs ?? []) writer.string(name).blob(value);
  writer.u8(event.extents === undefined ? 0 : 1);
  encodePlacedExtents(writer, event.extents ?? []);
}

export function readRestore(reader: ByteReader): RestoreEvent {
  const ino = reader.u48() as Ino;
  const mode = reader.u32();
  const uid = reader.u32();
  const gid = reader.u32();
  const size = reader.i53();
  const atime = reader.time();
  const mtime = reader.time();
  const xattrs = new Map<string, Buffer>();
  for (let count = reader.u16(); count > 0; count--) xattrs.set(reader.string(), reader.blob());
  const hasContent = reader.u8() === 1;
  const extents = decodePlacedExtents(reader);
  return {
    kind: 'restore',
    ino,
    mode,
    uid,
    gid,
    size,
    atime,
    mtime,
    xattrs: xattrs.size === 0 ? undefined : xattrs,
    extents: hasContent ? extents : undefined,
  };
}
