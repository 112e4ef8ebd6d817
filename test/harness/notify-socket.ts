/**
 * The receiving end of sd_notify(3), as a service manager has it: datagrams, and the descriptors that
 * come with them.
 */

import { closeSync } from 'node:fs';

import koffi from 'koffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const EAGAIN = 11;
const TEXT_BYTES = 8192;

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, void *address, uint32_t length)');
const recvmsg = libc.func('int64_t recvmsg(int fd, void *message, int flags)');

export interface Notification {
  readonly lines: readonly string[];
  /** The descriptor that came with it: the receiver's to close. */
  readonly fd: number | undefined;
}

export class NotifySocket {
  readonly #fd: number;

  /** @param name A path, or an abstract name that begins with "@". */
  constructor(name: string) {
    this.#fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const address = Buffer.alloc(2 + Buffer.byteLength(name) + (name.startsWith('@') ? 0 : 1));
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(name, 2);
    if (name.startsWith('@')) address[2] = 0;
    if (bind(this.#fd, address, address.length) !== 0) {
      throw new Error(`Cannot bind ${name}: errno ${koffi.errno()}`);
    }
  }

  /** @returns undefined if none has come. */
  receive(): Notification | undefined {
    // struct msghdr, struct iovec, 64 bytes for control messages, the text.
    const message = Buffer.allocUnsafeSlow(56 + 16 + 64 + TEXT_BYTES).fill(0);
    const base = koffi.address(message);
    message.writeBigUInt64LE(base + 56n, 16);
    message.writeBigUInt64LE(1n, 24);
    message.writeBigUInt64LE(base + 72n, 32);
    message.writeBigUInt64LE(64n, 40);
    message.writeBigUInt64LE(base + 136n, 56);
    message.writeBigUInt64LE(BigInt(TEXT_BYTES), 64);
    const length = Number(recvmsg(this.#fd, message, MSG_CMSG_CLOEXEC));
    if (length < 0) {
      if (koffi.errno() === EAGAIN) return undefined;
      throw new Error(`Cannot receive: errno ${koffi.errno()}`);
    }
    const hasFd = message.readBigUInt64LE(40) >= 20n;
    return {
      lines: message.toString('utf8', 136, 136 + length).split('\n'),
      fd: hasFd ? message.readInt32LE(72 + 16) : undefined,
    };
  }

  /** Everything that has come so far. */
  receiveAll(): Notification[] {
    const all: Notification[] = [];
    for (let next = this.receive(); next !== undefined; next = this.receive()) all.push(next);
    return all;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
