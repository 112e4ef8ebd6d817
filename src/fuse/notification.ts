/**
 * The messages by which the kernel is told what changed behind its back.
 *
 * Source: Linux 6.18 fs/fuse/dev.c fuse_notify(): fuse_out_header with unique 0, the code in place of the
 * error; each is one write(2).
 */

import type { Name, NodeId } from '../shared/brands.ts';
import { NOTIFY_INVAL_ENTRY, NOTIFY_INVAL_INODE, OUT_HEADER_BYTES } from './abi.ts';

const TWO_32 = 4294967296;

/** Attributes, and pages from offset on: length 0 is to the end, offset -1 attributes only. */
export function encodeInvalidateInode(nodeid: NodeId, offset: number, length: number): Buffer {
  const message = begin(NOTIFY_INVAL_INODE, OUT_HEADER_BYTES + 24);
  setU64(message, OUT_HEADER_BYTES, nodeid);
  setU64(message, OUT_HEADER_BYTES + 8, offset);
  setU64(message, OUT_HEADER_BYTES + 16, length);
  return message;
}

export function encodeInvalidateEntry(parent: NodeId, name: Name): Buffer {
  // The name ends in a NUL that namelen does not count.
  const message = begin(NOTIFY_INVAL_ENTRY, OUT_HEADER_BYTES + 16 + name.length + 1);
  setU64(message, OUT_HEADER_BYTES, parent);
  message.writeUInt32LE(name.length, OUT_HEADER_BYTES + 8);
  message.write(name, OUT_HEADER_BYTES + 16, 'latin1');
  return message;
}

function begin(code: number, length: number): Buffer {
  const message = Buffer.alloc(length);
  message.writeUInt32LE(length, 0);
  message.writeInt32LE(code, 4);
  return message;
}

/** Two's complement for negative numbers. */
function setU64(message: Buffer, offset: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  message.writeUInt32LE(value - high * TWO_32, offset);
  message.writeInt32LE(high, offset + 4);
}
