/**
 * The few calls of libc that Node lacks, through koffi.
 *
 * Rule: nothing here decides anything; a failure is a negative number, and lastErrno() tells why.
 * koffi is loaded with the first call and not with this module: doctor has to say that it is missing.
 * Buffers of the hot path are passed by address (a number), which spares koffi their conversion:
 * 0.12 µs a call. Their owner keeps them alive; backing stores outside V8's heap never move.
 */

import { createRequire } from 'node:module';

import { Errno, errnoName } from '../shared/errno.ts';
import { SessfsError } from '../shared/errors.ts';

type Koffi = typeof import('koffi');

interface Libc {
  read(fd: number, address: number, length: number): number;
  write(fd: number, address: number, length: number): number;
  open(path: string, flags: number): number;
  mount(source: string, target: string, type: string, flags: number, data: string): number;
  /** On a thread of libuv's pool; `done` gets 0, or a negative errno. */
  umount2OnPool(target: string, flags: number, done: (result: number) => void): void;
  socketpair(domain: number, type: number, protocol: number, fds: Uint8Array): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  /** fcntl(2) with F_SETFL. */
  setStatusFlags(fd: number, flags: number): number;
  /** fcntl(2) with F_SETFD: FD_CLOEXEC or 0. */
  setDescriptorFlags(fd: number, flags: number): number;
  memfdCreate(name: string, flags: number): number;
  /** Maps the start of a file, shared, to read and write; undefined if that fails. */
  mapShared(fd: number, length: number): ArrayBuffer | undefined;
  /** Replaces this process by another program; returns only if that fails. */
  execve(path: string, argv: Uint8Array, env: Uint8Array): number;
  /** @param status Four bytes. */
  waitpid(pid: number, status: Uint8Array, options: number): number;
  flock(fd: number, operation: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  /** Closed on exec, as the original mostly is. */
  dup(fd: number): number;
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): number;
  /** prctl(2) with PR_SET_PDEATHSIG. */
  setParentDeathSignal(signal: number): number;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const PR_SET_PDEATHSIG = 1;
const POLLIN = 1;
const F_DUPFD_CLOEXEC = 1030;
const F_SETFD = 2;
const F_SETFL = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffffffffffffffffn;

let loaded: Libc | undefined;
let loadedKoffi: Koffi | undefined;

/** Loads libc on first use: commands that never mount do not pay for it. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/** @throws {SessfsError} HOST_LACKS If it is not installed, or not made for this system. */
function koffi(): Koffi {
  loadedKoffi ??= requireKoffi();
  return loadedKoffi;
}

function requireKoffi(): Koffi {
  try {
    const found: Koffi = createRequire(import.meta.url)('koffi');
    return found;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new SessfsError('HOST_LACKS', `Cannot load koffi: ${reason}`, {
      hint: 'Run npm install, on a system with glibc; "sessfs doctor" tells what else is missing',
      cause: error,
    });
  }
}

function load(): Libc {
  const library = koffi().load(process.platform === 'linux' ? 'libc.so.6' : null);
  const fcntl = library.func('fcntl', 'int', ['int', 'int', 'int']);
  const umount2 = library.func('umount2', 'int', ['str', 'int']);
  const prctl = library.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);
  const mmap = library.func('mmap', 'void *', [
    'uintptr_t',
    'size_t',
    'int',
    'int',
    'int',
    'int64',
  ]);
  return {
    read: library.func('read', 'int64', ['int', 'uintptr_t', 'size_t']),
    write: library.func('write', 'int64', ['int', 'uintptr_t', 'size_t']),
    open: library.func('open', 'int', ['str', 'int']),
    mount: library.func('mount', 'int', ['str', 'str', 'str', 'ulong', 'str']),
    umount2OnPool: (target, flags, done) => umount2.async(target, flags, fromPool(done)),
    socketpair: library.func('socketpair', 'int', ['int', 'int', 'int', 'void *']),
    recvmsg: library.func('recvmsg', 'int64', ['int', 'void *', 'int']),
    sendmsg: library.func('sendmsg', 'int64', ['int', 'void *', 'int']),
    socket: library.func('socket', 'int', ['int', 'int', 'int']),
    setsockopt: library.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32']),
    setStatusFlags: (fd, flags) => fcntl(fd, F_SETFL, flags),
    setDescriptorFlags: (fd, flags) => fcntl(fd, F_SETFD, flags),
    flock: library.func('flock', 'int', ['int', 'int']),
    bind: library.func('bind', 'int', ['int', 'void *', 'uint32']),
    dup: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0),
    poll: library.func('poll', 'int', ['void *', 'ulong', 'int']),
    setParentDeathSignal: (signal) => prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0),
    memfdCreate: library.func('memfd_create', 'int', ['str', 'uint']),
    mapShared: (fd, length) => {
      const address: unknown = mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
      if (koffi().address(address) === MAP_FAILED) return undefined;
      return koffi().view(address, length);
    },
    execve: library.func('execve', 'int', ['str', 'void *', 'void *']),
    waitpid: library.func('waitpid', 'int', ['int', 'void *', 'int']),
  };
}

export interface DescriptorPoll {
  close(): void;
}

/** Calls back for as long as there is something to read, or the other end is gone. */
export function pollDescriptor(fd: number, onReadable: () => void): DescriptorPoll {
  return koffi().node.poll(fd, { readable: true, disconnect: true }, onReadable);
}

/** Whether a read would find something right now. */
export function isReadable(fd: number): boolean {
  // struct pollfd.
  const wanted = Buffer.alloc(8);
  wanted.writeInt32LE(fd, 0);
  wanted.writeInt16LE(POLLIN, 4);
  return libc().poll(wanted, 1, 0) > 0 && (wanted.readInt16LE(6) & POLLIN) !== 0;
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
  return koffi().errno();
}

/** Where a buffer's bytes are. The caller keeps the buffer alive for as long as the number is used. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi().address(bytes));
}

/** Two connected stream sockets, closed on exec. */
export function makeSocketPair(): [number, number] {
  const fds = Buffer.alloc(8);
  if (libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) !== 0) {
    throw new SessfsError('FAILED', `Cannot make a socket pair: ${errnoName(lastErrno())}`);
  }
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}
