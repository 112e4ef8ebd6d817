/**
 * The few calls of libc that Node lacks, through koffi.
 *
 * Rule: nothing here decides anything; a failure is a negative number, and lastErrno() tells why.
 * Buffers of the hot path are passed by address (a number), which spares koffi their conversion:
 * 0.12 µs a call. Their owner keeps them alive; backing stores outside V8's heap never move.
 */

import koffi from 'koffi';

import { Errno } from '../shared/errno.ts';

interface Libc {
  read(fd: number, address: number, length: number): number;
  write(fd: number, address: number, length: number): number;
  open(path: string, flags: number): number;
  mount(source: string, target: string, type: string, flags: number, data: string): number;
  /** On a thread of libuv's pool; `done` gets 0, or a negative errno. */
  umount2OnPool(target: string, flags: number, done: (result: number) => void): void;
  socketpair(domain: number, type: number, protocol: number, fds: Uint8Array): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  /** fcntl(2) with F_SETFL. */
  setStatusFlags(fd: number, flags: number): number;
}

const F_SETFL = 4;

let loaded: Libc | undefined;

/** Loads libc on first use: commands that never mount do not pay for it. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  const library = koffi.load(process.platform === 'linux' ? 'libc.so.6' : null);
  const fcntl = library.func('fcntl', 'int', ['int', 'int', 'int']);
  const umount2 = library.func('umount2', 'int', ['str', 'int']);
  return {
    read: library.func('read', 'int64', ['int', 'uintptr_t', 'size_t']),
    write: library.func('write', 'int64', ['int', 'uintptr_t', 'size_t']),
    open: library.func('open', 'int', ['str', 'int']),
    mount: library.func('mount', 'int', ['str', 'str', 'str', 'ulong', 'str']),
    umount2OnPool: (target, flags, done) => umount2.async(target, flags, fromPool(done)),
    socketpair: library.func('socketpair', 'int', ['int', 'int', 'int', 'void *']),
    recvmsg: library.func('recvmsg', 'int64', ['int', 'void *', 'int']),
    setStatusFlags: (fd, flags) => fcntl(fd, F_SETFL, flags),
  };
}

/** koffi carries errno over from the pool's thread to the callback. */
function fromPool(done: (result: number) => void): (error: unknown, result: number) => void {
  return (error, result) => {
    if (error !== null && error !== undefined) done(-Errno.EIO);
    else done(result < 0 ? -lastErrno() : result);
  };
}

/** errno of the last call on this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Where a buffer's bytes are. The caller keeps the buffer alive for as long as the number is used. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi.address(bytes));
}
