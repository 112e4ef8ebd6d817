/**
 * One request of the kernel as it lies in the request buffer, and how its fields are read.
 *
 * Rule: nothing is copied but names, and nothing is read past the length that the kernel sent: a
 * dispatch row states its smallest length, names are checked here. A u64 becomes a number; one that
 * is 2^53 or more comes out inexact but never smaller than MAX_OFFSET, which callers reject.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { NAME_MAX_BYTES } from '../shared/names.ts';
import type { Name, NodeId } from '../shared/brands.ts';
import type { Time } from '../shared/time.ts';
import {
  IN_EXTLEN,
  IN_GID,
  IN_HEADER_BYTES,
  IN_NODEID,
  IN_OPCODE,
  IN_PID,
  IN_UID,
  IN_UNIQUE,
  UNIQUE_RESEND_HIGH,
} from './abi.ts';
import type { Request } from './file-system.ts';
import { addressOf } from './libc.ts';

const TWO_32 = 4294967296;
const SLASH = 0x2f;
const DOT = 0x2e;

/** Sizes and offsets from here on are refused with EFBIG: they are no exact numbers any more. */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER;

export class Frame implements Request {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly address: number;
  /** Of the whole message, the header included. */
  length = 0;
  opcode = 0;
  nodeid = 0 as NodeId;
  unique = 0;
  uniqueLow = 0;
  /** With the resend bit: a reply must echo it, or the kernel does not find its request. */
  uniqueHigh = 0;
  resent = false;
  uid = 0;
  gid = 0;
  pid = 0;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor(capacityBytes: number) {
    // Not from Buffer's pool: the address must stay.
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
    // Every page is touched: where one is missing, read(2) on the device must fault it in, and a SIGKILL
    // at that moment fails the copy, for which the client gets EIO (Linux 6.18 fuse_copy_fill()).
    this.bytes.fill(0);
    this.view = new DataView(this.bytes.buffer);
    this.address = addressOf(this.bytes);
  }

  /**
   * Reads the header of the message that now lies in the buffer.
   *
   * @param length How many bytes read(2) returned.
   * @returns False if that is no message: nobody can be answered.
   */
  decodeHeader(length: number): boolean {
    if (length < IN_HEADER_BYTES) {
      // Nothing of the message before it may be taken for its own.
      this.opcode = 0;
      this.unique = this.uniqueLow = this.uniqueHigh = 0;
      this.resent = false;
      return false;
    }
    const view = this.view;
    this.opcode = view.getUint32(IN_OPCODE, true);
    const low = view.getUint32(IN_UNIQUE, true);
    const high = view.getUint32(IN_UNIQUE + 4, true);
    this.uniqueLow = low;
    this.uniqueHigh = high;
    this.resent = high >= UNIQUE_RESEND_HIGH;
    this.unique = (high >= UNIQUE_RESEND_HIGH ? high - UNIQUE_RESEND_HIGH : high) * TWO_32 + low;
    this.nodeid = this.u64(IN_NODEID) as NodeId;
    this.uid = view.getUint32(IN_UID, true);
    this.gid = view.getUint32(IN_GID, true);
    this.pid = view.getUint32(IN_PID, true);
    // Extensions (security contexts, groups) come last and are not asked for.
    this.length = length - view.getUint16(IN_EXTLEN, true) * 8;
    return view.getUint32(0, true) === length;
  }

  u32(offset: number): number {
    return this.view.getUint32(offset, true);
  }

  u64(offset: number): number {
    return this.view.getUint32(offset, true) + this.view.getUint32(offset + 4, true) * TWO_32;
  }

  i64(offset: number): number {
    return this.view.getUint32(offset, true) + this.view.getInt32(offset + 4, true) * TWO_32;
  }

  /** @throws {FsError} EFBIG If it is no exact number. */
  fileOffset(offset: number): number {
    const value = this.u64(offset);
    if (value >= MAX_OFFSET) throw new FsError(Errno.EFBIG);
    return value;
  }

  nodeId(offset: number): NodeId {
    return this.u64(offset) as NodeId;
  }

  /**
   * Seconds beyond 2^53 become the furthest that is exact, as other file systems have a latest time.
   *
   * @throws {FsError} EINVAL If the nanoseconds are a second or more.
   */
  time(secOffset: number, nsecOffset: number): Time {
    const nsec = this.u32(nsecOffset);
    if (nsec >= 1e9) throw new FsError(Errno.EINVAL, `${nsec} nanoseconds`);
    const sec = this.i64(secOffset);
    return { sec: Math.min(MAX_OFFSET, Math.max(-MAX_OFFSET, sec)), nsec };
  }

  /** The string that starts here, without the NUL that must end it within the message. */
  string(offset: number): string {
    return this.bytes.toString('latin1', offset, this.#findEnd(offset));
  }

  /** Where the string that starts here ends: the offset of its NUL. */
  #findEnd(offset: number): number {
    const { bytes, length } = this;
    let end = offset;
    while (end < length && bytes[end] !== 0) end += 1;
    if (end >= length) throw new FsError(Errno.EINVAL, 'a string is not terminated');
    return end;
  }

  /**
   * The name that starts here.
   *
   * @throws {FsError} ENAMETOOLONG The kernel itself allows 1024 bytes.
   * @throws {FsError} EINVAL If it has no end, or is none: empty, ".", "..", or with a "/".
   */
  name(offset: number): Name {
    const { bytes, length } = this;
    let end = offset;
    for (; end < length; end += 1) {
      const byte = bytes[end];
      if (byte === 0) break;
      if (byte === SLASH) throw new FsError(Errno.EINVAL, 'a name with a "/"');
    }
    if (end >= length) throw new FsError(Errno.EINVAL, 'a name is not terminated');
    const nameLength = end - offset;
    if (nameLength > NAME_MAX_BYTES) throw new FsError(Errno.ENAMETOOLONG);
    const isDots = bytes[offset] === DOT && (nameLength === 1 || bytes[offset + 1] === DOT);
    if (nameLength === 0 || (nameLength <= 2 && isDots)) {
      throw new FsError(Errno.EINVAL, 'no name of an entry');
    }
    return this.bytes.toString('latin1', offset, end) as Name;
  }

  /** Bytes in place, valid until the next message; views at one offset are made once per size. */
  data(offset: number, sizeBytes: number): Uint8Array {
    if (offset + sizeBytes > this.length) throw new FsError(Errno.EINVAL, 'data is cut short');
    if (sizeBytes % PAGE_BYTES !== 0) return this.bytes.subarray(offset, offset + sizeBytes);
    const page = sizeBytes / PAGE_BYTES;
    const known = this.#views[page];
    if (known !== undefined && known.byteOffset === offset) return known;
    const made = this.bytes.subarray(offset, offset + sizeBytes);
    this.#views[page] = made;
    return made;
  }
}

/** Writes mostly come in whole pages: for these the view is kept. */
const PAGE_BYTES = 4096;
