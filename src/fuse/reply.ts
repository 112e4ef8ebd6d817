/**
 * One answer to the kernel: a buffer, and how each structure is laid out in it.
 *
 * Rule: every field of a structure is written each time, so that nothing of an earlier answer shows.
 * Encoders write behind the header and return the number of bytes of the body.
 */

import {
  ATTR_BYTES,
  ATTR_OUT_BYTES,
  DIRENT_BYTES,
  ENTRY_OUT_BYTES,
  FOPEN_CACHE_DIR,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_NONSEEKABLE,
  OPEN_OUT_BYTES,
  OUT_HEADER_BYTES,
  STATFS_OUT_BYTES,
  STATX_MASK,
  STATX_OUT_BYTES,
} from './abi.ts';
import type { Attr, AttrReply, DirSink, Entry, OpenReply, StatfsReply } from './file-system.ts';
import { addressOf } from './libc.ts';

const TWO_32 = 4294967296;
const PAGE_BYTES = 4096;

/** st_blksize: stdio programs write in units of it, and each write is a message. */
export const BLOCK_SIZE_BYTES = 128 * 1024;

/** "For ever" as a time to live, in seconds: the kernel adds it to its own clock. */
const MAX_TTL_SEC = 0x7fffffff;

export class Reply {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly address: number;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor(capacityBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
    this.view = new DataView(this.bytes.buffer);
    this.address = addressOf(this.bytes);
  }

  /** @param errno 0 for success, else positive. */
  header(bodyBytes: number, errno: number, uniqueLow: number, uniqueHigh: number): number {
    const view = this.view;
    view.setUint32(0, OUT_HEADER_BYTES + bodyBytes, true);
    view.setInt32(4, -errno, true);
    view.setUint32(8, uniqueLow, true);
    view.setUint32(12, uniqueHigh, true);
    return OUT_HEADER_BYTES + bodyBytes;
  }

  u64(offset: number, value: number): void {
    this.view.setUint32(offset, value % TWO_32, true);
    this.view.setUint32(offset + 4, value / TWO_32, true);
  }

  /** Signed: seconds before 1970 are negative. */
  i64(offset: number, value: number): void {
    const high = Math.floor(value / TWO_32);
    this.view.setUint32(offset, value - high * TWO_32, true);
    this.view.setInt32(offset + 4, high, true);
  }

  /** Where READ's bytes go, right behind the header: no copy. */
  body(sizeBytes: number): Uint8Array {
    if (sizeBytes % PAGE_BYTES !== 0) {
      return this.bytes.subarray(OUT_HEADER_BYTES, OUT_HEADER_BYTES + sizeBytes);
    }
    const known = this.#views[sizeBytes / PAGE_BYTES];
    if (known !== undefined) return known;
    const made = this.bytes.subarray(OUT_HEADER_BYTES, OUT_HEADER_BYTES + sizeBytes);
    this.#views[sizeBytes / PAGE_BYTES] = made;
    return made;
  }

  get capacityBytes(): number {
    return this.bytes.length - OUT_HEADER_BYTES;
  }

  entry(entry: Entry): number {
    return this.entryAt(OUT_HEADER_BYTES, entry);
  }

  entryAt(offset: number, entry: Entry): number {
    this.u64(offset, entry.nodeid);
    // Inode numbers are never reused, so the generation stays 0.
    this.u64(offset + 8, 0);
    this.#ttl(offset + 16, offset + 32, entry.entryTtlMs);
    this.#ttl(offset + 24, offset + 36, entry.attrTtlMs);
    this.attrAt(offset + 40, entry.attr);
    return ENTRY_OUT_BYTES;
  }

  /** A name that is not there: nodeid 0, which the kernel may remember for so long. */
  negativeEntry(ttlMs: number): number {
    this.bytes.fill(0, OUT_HEADER_BYTES, OUT_HEADER_BYTES + ENTRY_OUT_BYTES);
    this.#ttl(OUT_HEADER_BYTES + 16, OUT_HEADER_BYTES + 32, ttlMs);
    return ENTRY_OUT_BYTES;
  }

  attr(reply: AttrReply): number {
    this.#ttl(OUT_HEADER_BYTES, OUT_HEADER_BYTES + 8, reply.attrTtlMs);
    this.view.setUint32(OUT_HEADER_BYTES + 12, 0, true);
    this.attrAt(OUT_HEADER_BYTES + 16, reply.attr);
    return ATTR_OUT_BYTES;
  }

  attrAt(offset: number, attr: Attr): number {
    const view = this.view;
    this.u64(offset, attr.ino);
    this.u64(offset + 8, attr.size);
    this.u64(offset + 16, attr.blocks);
    const { atime, mtime, ctime } = attr;
    this.i64(offset + 24, atime.sec);
    this.i64(offset + 32, mtime.sec);
    this.i64(offset + 40, ctime.sec);
    view.setUint32(offset + 48, atime.nsec, true);
    view.setUint32(offset + 52, mtime.nsec, true);
    view.setUint32(offset + 56, ctime.nsec, true);
    view.setUint32(offset + 60, attr.mode, true);
    view.setUint32(offset + 64, attr.nlink, true);
    view.setUint32(offset + 68, attr.uid, true);
    view.setUint32(offset + 72, attr.gid, true);
    view.setUint32(offset + 76, attr.rdev, true);
    view.setUint32(offset + 80, BLOCK_SIZE_BYTES, true);
    view.setUint32(offset + 84, 0, true);
    return ATTR_BYTES;
  }

  open(reply: OpenReply): number {
    return this.openAt(OUT_HEADER_BYTES, reply);
  }

  openAt(offset: number, reply: OpenReply): number {
    this.u64(offset, reply.fh);
    let flags = 0;
    if (reply.keepCache === true) flags |= FOPEN_KEEP_CACHE;
    if (reply.directIo === true) flags |= FOPEN_DIRECT_IO;
    if (reply.cacheDir === true) flags |= FOPEN_CACHE_DIR;
    if (reply.nonSeekable === true) flags |= FOPEN_NONSEEKABLE;
    this.view.setUint32(offset + 8, flags, true);
    this.view.setUint32(offset + 12, 0, true);
    return OPEN_OUT_BYTES;
  }

  created(reply: { entry: Entry; open: OpenReply }): number {
    this.entryAt(OUT_HEADER_BYTES, reply.entry);
    this.openAt(OUT_HEADER_BYTES + ENTRY_OUT_BYTES, reply.open);
    return ENTRY_OUT_BYTES + OPEN_OUT_BYTES;
  }

  /** One u32 and its padding: fuse_write_out, fuse_getxattr_out. */
  size(value: number): number {
    this.view.setUint32(OUT_HEADER_BYTES, value, true);
    this.view.setUint32(OUT_HEADER_BYTES + 4, 0, true);
    return 8;
  }

  /** One u64: fuse_lseek_out, fuse_copy_file_range_out. */
  offset(value: number): number {
    this.u64(OUT_HEADER_BYTES, value);
    return 8;
  }

  statfs(reply: StatfsReply): number {
    const at = OUT_HEADER_BYTES;
    this.u64(at, reply.blocks);
    this.u64(at + 8, reply.freeBlocks);
    this.u64(at + 16, reply.availableBlocks);
    this.u64(at + 24, reply.files);
    this.u64(at + 32, reply.freeFiles);
    this.view.setUint32(at + 40, reply.blockSize, true);
    this.view.setUint32(at + 44, reply.maxNameBytes, true);
    this.view.setUint32(at + 48, reply.fragmentSize, true);
    this.bytes.fill(0, at + 52, at + STATFS_OUT_BYTES);
    return STATFS_OUT_BYTES;
  }

  statx(reply: AttrReply): number {
    const view = this.view;
    const { attr } = reply;
    this.bytes.fill(0, OUT_HEADER_BYTES, OUT_HEADER_BYTES + STATX_OUT_BYTES);
    this.#ttl(OUT_HEADER_BYTES, OUT_HEADER_BYTES + 8, reply.attrTtlMs);
    const at = OUT_HEADER_BYTES + 32;
    view.setUint32(at, STATX_MASK, true);
    view.setUint32(at + 4, BLOCK_SIZE_BYTES, true);
    view.setUint32(at + 16, attr.nlink, true);
    view.setUint32(at + 20, attr.uid, true);
    view.setUint32(at + 24, attr.gid, true);
    view.setUint16(at + 28, attr.mode, true);
    this.u64(at + 32, attr.ino);
    this.u64(at + 40, attr.size);
    this.u64(at + 48, attr.blocks);
    const times = [attr.atime, attr.btime, attr.ctime, attr.mtime];
    for (const [index, time] of times.entries()) {
      this.i64(at + 64 + index * 16, time.sec);
      view.setUint32(at + 72 + index * 16, time.nsec, true);
    }
    // The kernel's 32 bits of a device: 12 of the major amid 20 of the minor (new_encode_dev).
    view.setUint32(at + 128, (attr.rdev >>> 8) & 0xfff, true);
    view.setUint32(at + 132, (attr.rdev & 0xff) | ((attr.rdev >>> 12) & 0xfff00), true);
    return STATX_OUT_BYTES;
  }

  /** Bytes of a string, one per char. */
  latin1(text: string): number {
    return this.bytes.write(text, OUT_HEADER_BYTES, 'latin1');
  }

  copy(bytes: Uint8Array): number {
    this.bytes.set(bytes, OUT_HEADER_BYTES);
    return bytes.length;
  }

  #ttl(secOffset: number, nsecOffset: number, ttlMs: number): void {
    const sec = Math.min(Math.floor(ttlMs / 1000), MAX_TTL_SEC);
    this.u64(secOffset, sec);
    const nsec = sec === MAX_TTL_SEC ? 0 : (ttlMs - sec * 1000) * 1e6;
    this.view.setUint32(nsecOffset, nsec, true);
  }
}

/** Lays directory entries out behind each other in a reply, up to the size that the kernel asked for. */
export class DirReply extends Reply implements DirSink {
  plus = false;
  /** Bytes of entries so far. */
  length = 0;
  #limit = 0;

  begin(options: { plus: boolean; sizeBytes: number }): this {
    this.plus = options.plus;
    this.length = 0;
    this.#limit = Math.min(options.sizeBytes, this.capacityBytes);
    return this;
  }

  add(name: string, ino: number, type: number, cookie: number, entry?: Entry): boolean {
    const entryBytes = this.plus ? ENTRY_OUT_BYTES : 0;
    const used = entryBytes + DIRENT_BYTES + name.length;
    const aligned = (used + 7) & ~7;
    if (this.length + aligned > this.#limit) return false;
    const start = OUT_HEADER_BYTES + this.length;
    if (this.plus) {
      if (entry === undefined) this.bytes.fill(0, start, start + ENTRY_OUT_BYTES);
      else this.entryAt(start, entry);
    }
    const dirent = start + entryBytes;
    this.u64(dirent, ino);
    this.u64(dirent + 8, cookie);
    this.view.setUint32(dirent + 16, name.length, true);
    this.view.setUint32(dirent + 20, type >>> 12, true);
    // Byte by byte: for lengths like these a call into Buffer costs more than it does.
    const { bytes } = this;
    let at = dirent + DIRENT_BYTES;
    for (let i = 0; i < name.length; i += 1, at += 1) bytes[at] = name.charCodeAt(i);
    for (; at < start + aligned; at += 1) bytes[at] = 0;
    this.length += aligned;
    return true;
  }
}
