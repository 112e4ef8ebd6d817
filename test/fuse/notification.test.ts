/**
 * The bytes of notifications, against fuse_notify_inval_inode_out and fuse_notify_inval_entry_out.
 */

import { expect, test } from 'vitest';

import { encodeInvalidateEntry, encodeInvalidateInode } from '../../src/fuse/notification.ts';
import type { Name, NodeId } from '../../src/shared/brands.ts';

test('encodeInvalidateInode writes the range, with negative numbers in two’s complement', () => {
  const message = encodeInvalidateInode((2 ** 52 + 3) as NodeId, -1, 0);
  expect(message.readUInt32LE(0)).toBe(40);
  expect(message.readInt32LE(4)).toBe(2);
  expect(message.readBigUInt64LE(8)).toBe(0n);
  expect(message.readBigUInt64LE(16)).toBe(2n ** 52n + 3n);
  expect(message.readBigInt64LE(24)).toBe(-1n);
  expect(message.readBigInt64LE(32)).toBe(0n);
});

test('encodeInvalidateEntry ends the name in a NUL that its length does not count', () => {
  const message = encodeInvalidateEntry(7 as NodeId, 'na\xffme' as Name);
  expect(message.readUInt32LE(0)).toBe(message.length);
  expect(message.readInt32LE(4)).toBe(3);
  expect(message.readBigUInt64LE(16)).toBe(7n);
  expect(message.readUInt32LE(24)).toBe(5);
  expect(message.subarray(32)).toEqual(Buffer.from('na\xffme\0', 'latin1'));
});
