/**
 * Messages that no kernel should send: wrong in their header, their fields, their names, or anywhere.
 */

import { Opcode } from '../../src/fuse/abi.ts';
import { text, u32, u64 } from '../fuse/frames.ts';
import type { Known, Message } from './kernel-messages.ts';
import { mutate } from './mutate.ts';
import type { Random } from './random.ts';

const HEADER_BYTES = 40;
const AT = { length: 0, opcode: 4, unique: 8, nodeid: 16, extlen: 36 };
const RESEND_BIT = 1n << 63n;

/** What read(2) on the device returns, as it should be. */
export function encodeMessage(message: Message, unique: bigint): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + message.body.length);
  bytes.writeUInt32LE(bytes.length, AT.length);
  bytes.writeUInt32LE(message.opcode, AT.opcode);
  bytes.writeBigUInt64LE(unique, AT.unique);
  bytes.writeBigUInt64LE(message.nodeid, AT.nodeid);
  message.body.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** Names that the kernel's own path walk never lets through. */
const BAD_NAMES = ['', '.', '..', '/', 'a/b', '../../etc', 'n'.repeat(256), 'n'.repeat(70_000)];

/** @returns The message, damaged; its unique stays its own but for the resend bit. */
export function damageMessage(
  random: Random,
  known: Known,
  message: Message,
  unique: bigint,
): Buffer {
  switch (random.below(10)) {
    case 0:
      return withUnique(mutateBody(random, message), unique);
    case 1: {
      const bytes = mutate(random, encodeMessage(message, unique));
      return bytes.length < 16 ? bytes : withUnique(bytes, unique);
    }
    case 2:
      return encodeMessage({ ...message, nodeid: badNodeid(random, known) }, unique);
    case 3:
      return encodeMessage({ ...message, opcode: badOpcode(random) }, unique);
    case 4:
      return encodeMessage(message, unique | RESEND_BIT);
    case 5: {
      const bytes = encodeMessage(message, unique);
      bytes.writeUInt32LE(random.u32(), AT.length);
      return bytes;
    }
    case 6: {
      const bytes = encodeMessage(message, unique);
      bytes.writeUInt16LE(random.u32() & 0xffff, AT.extlen);
      return bytes;
    }
    case 7: {
      const bytes = encodeMessage(message, unique);
      const cut = bytes.subarray(0, random.below(bytes.length + 1));
      // As the kernel would: the length of what is there.
      if (cut.length >= 4) cut.writeUInt32LE(cut.length, AT.length);
      return cut;
    }
    case 8:
      return encodeMessage(withBadNames(random, message), unique);
    default:
      return withNumber(random, encodeMessage(message, unique));
  }
}

/** A field of the operation's own structure, aligned as all of them are. */
function withNumber(random: Random, bytes: Buffer): Buffer {
  const fields = Math.floor((Math.min(bytes.length, HEADER_BYTES + 88) - HEADER_BYTES) / 8);
  if (fields < 1) return bytes;
  const at = HEADER_BYTES + 8 * random.below(fields);
  if (random.once(2)) bytes.writeBigUInt64LE(random.u64(), at);
  else bytes.writeUInt32LE(random.u32(), at + 4 * random.below(2));
  return bytes;
}

function mutateBody(random: Random, message: Message): Buffer {
  return encodeMessage({ ...message, body: mutate(random, message.body) }, 0n);
}

function withUnique(bytes: Buffer, unique: bigint): Buffer {
  bytes.writeBigUInt64LE(unique, AT.unique);
  return bytes;
}

function badNodeid(random: Random, known: Known): bigint {
  if (random.once(3)) return random.u64();
  const virtual = (1n << 52n) | (BigInt(random.between(0, 3)) << 50n);
  switch (random.below(4)) {
    case 0:
      return random.pick(known.nodeids) + (1n << BigInt(random.between(32, 63)));
    case 1:
      return virtual + (random.u64() & ((1n << 50n) - 1n));
    case 2:
      return virtual + random.pick(known.nodeids) * (1n << 26n) + BigInt(random.below(300));
    default:
      return (1n << 52n) + (3n << 50n) + random.pick(known.nodeids);
  }
}

function badOpcode(random: Random): number {
  if (random.once(4)) return random.u32();
  return random.once(8) ? Opcode.DESTROY : random.below(70);
}

function withBadNames(random: Random, message: Message): Message {
  const bad = text(random.pick(BAD_NAMES));
  const name = random.once(4) ? bad.subarray(0, -1) : bad;
  const parent = u64(random.pick([1n, message.nodeid]));
  const by = (...parts: Buffer[]): Message => ({ ...message, body: Buffer.concat(parts) });
  switch (random.below(7)) {
    case 0:
      return { ...by(name), opcode: random.pick([Opcode.LOOKUP, Opcode.UNLINK, Opcode.RMDIR]) };
    case 1:
      return { ...by(u32(0o755, 0), name), opcode: Opcode.MKDIR };
    case 2:
      return { ...by(u32(random.u32(), 0, 0, 0), name), opcode: Opcode.MKNOD };
    case 3:
      return { ...by(u32(2, 0o100644, 0, 0), name), opcode: Opcode.CREATE };
    case 4:
      return { ...by(parent, u32(0, 0), text('a'), name), opcode: Opcode.RENAME2 };
    case 5:
      return { ...by(text(`s${random.below(9)}`), name), opcode: Opcode.SYMLINK };
    default:
      return { ...by(u32(4, 0), name, Buffer.alloc(4)), opcode: Opcode.SETXATTR };
  }
}
