/**
 * Messages of the kernel, built byte by byte: what the codec is tested with.
 *
 * Rule: written from <linux/fuse.h> and not from src/fuse, so that a wrong offset there shows here.
 */

const HEADER_BYTES = 40;
const RESEND_BIT = 1n << 63n;
/** Above every pid that Linux gives: nobody comes and goes under it while a test runs. */
export const NOBODYS_PID = 2 ** 22 + 1;

export interface FrameOptions {
  readonly opcode: number;
  readonly unique?: number;
  readonly resent?: boolean;
  readonly nodeid?: number;
  readonly body?: Buffer;
  /** What the header claims; the truth by default. */
  readonly claimedBytes?: number;
}

/** One message as read(2) on the device returns it. */
export function frame(options: FrameOptions): Buffer {
  const body = options.body ?? Buffer.alloc(0);
  const message = Buffer.alloc(HEADER_BYTES + body.length);
  message.writeUInt32LE(options.claimedBytes ?? message.length, 0);
  message.writeUInt32LE(options.opcode, 4);
  const unique = BigInt(options.unique ?? 2) | (options.resent === true ? RESEND_BIT : 0n);
  message.writeBigUInt64LE(unique, 8);
  message.writeBigUInt64LE(BigInt(options.nodeid ?? 1), 16);
  message.writeUInt32LE(1000, 24);
  message.writeUInt32LE(1001, 28);
  message.writeUInt32LE(NOBODYS_PID, 32);
  body.copy(message, HEADER_BYTES);
  return message;
}

/** Fields of 32 bits. */
export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}

/** Fields of 64 bits; negative ones in two's complement. */
export function u64(...values: (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [index, value] of values.entries()) {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), index * 8);
  }
  return bytes;
}

/** A string of bytes with its NUL. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'latin1');
}

export interface Answered {
  readonly errno: number;
  readonly unique: bigint;
  readonly body: Buffer;
}

/** Takes a reply apart, and checks that its length is what it says. */
export function parseReply(message: Buffer): Answered {
  if (message.readUInt32LE(0) !== message.length) throw new Error('A reply lies about its length');
  return {
    errno: Math.abs(message.readInt32LE(4)),
    unique: message.readBigUInt64LE(8),
    body: message.subarray(16),
  };
}
