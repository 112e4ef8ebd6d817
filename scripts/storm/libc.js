/**
 * The system calls that Node lacks and a storm needs: locks, holes, copies in the kernel, mappings.
 */

import { constants } from 'node:os';
import koffi from 'koffi';

const libc = koffi.load(null);
const functions = {
  flock: libc.func('int flock(int fd, int operation)'),
  fcntl: libc.func('int fcntl(int fd, int command, void *lock)'),
  fallocate: libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
  copyFileRange: libc.func(
    'int64_t copy_file_range(int from, _Inout_ int64_t *fromAt, int to, _Inout_ int64_t *toAt, size_t length, uint32_t flags)',
  ),
  mmap: libc.func(
    'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
  ),
  munmap: libc.func('int munmap(void *address, size_t length)'),
  msync: libc.func('int msync(void *address, size_t length, int flags)'),
};

export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;
const F_SETLK = 6;
const F_SETLKW = 7;
const F_WRLCK = 1;
const F_UNLCK = 2;
export const FALLOC_KEEP_SIZE = 1;
export const FALLOC_PUNCH_HOLE = 2;
export const FALLOC_ZERO_RANGE = 16;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MS_SYNC = 4;

const errnoNames = new Map(Object.entries(constants.errno).map(([name, code]) => [code, name]));

function failure(what) {
  const code = errnoNames.get(koffi.errno()) ?? String(koffi.errno());
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

/** @param {number | bigint} result */
function check(result, what) {
  if (Number(result) < 0) throw failure(what);
  return Number(result);
}

export const flock = (fd, operation) => check(functions.flock(fd, operation), 'flock');

/** A POSIX record lock on the first byte. @param {{ lock: boolean, wait: boolean }} how */
export function recordLock(fd, { lock, wait }) {
  const description = Buffer.alloc(32);
  description.writeInt16LE(lock ? F_WRLCK : F_UNLCK, 0);
  description.writeBigInt64LE(1n, 16);
  check(functions.fcntl(fd, wait ? F_SETLKW : F_SETLK, description), 'fcntl');
}

export const fallocate = (fd, mode, offset, length) =>
  check(functions.fallocate(fd, mode, offset, length), 'fallocate');

/** @returns {number} How many bytes were copied: as many as were asked for, or up to the end. */
export function copyRange(from, fromAt, to, toAt, length) {
  let done = 0;
  while (done < length) {
    const count = check(
      functions.copyFileRange(from, [fromAt + done], to, [toAt + done], length - done, 0),
      'copy_file_range',
    );
    if (count === 0) break;
    done += count;
  }
  return done;
}

/**
 * Maps the beginning of a file, shared, for as long as `use` runs.
 *
 * @param {number} fd @param {number} length @param {(bytes: Buffer) => void} use
 */
export function withMapping(fd, length, use) {
  const address = functions.mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  if (koffi.address(address) === 0xffffffffffffffffn) throw failure('mmap');
  try {
    use(Buffer.from(koffi.view(address, length)));
    check(functions.msync(address, length, MS_SYNC), 'msync');
  } finally {
    check(functions.munmap(address, length), 'munmap');
  }
}
