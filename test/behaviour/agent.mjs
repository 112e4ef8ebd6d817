/**
 * The client process of the behaviour suite: makes the system calls that its parent asks for.
 *
 * Rule: it knows no test and no file system; it is a process of its own so that a call which never
 * returns stops this process and not the one that judges. Plain JavaScript: Node runs it as it is.
 *
 * Protocol, one JSON value a line. In: { id, fn, args }, an argument being a number, { n: digits }
 * (a large one), { b: base64 } (bytes in; with back: true, in and out) or { o: length } (bytes out).
 * Out: { id, r: result, e: errno, o: [base64, …] }; a result too large for a number is its digits.
 */

import { createInterface } from 'node:readline';
import koffi from 'koffi';

/** As in the man pages; variadic calls are declared with the arguments that are used. */
const PROTOTYPES = {
  open: ['int', 'in', 'int', 'uint32_t'],
  close: ['int', 'int'],
  read: ['int64_t', 'int', 'out', 'size_t'],
  write: ['int64_t', 'int', 'in', 'size_t'],
  pread: ['int64_t', 'int', 'out', 'size_t', 'int64_t'],
  pwrite: ['int64_t', 'int', 'in', 'size_t', 'int64_t'],
  lseek: ['int64_t', 'int', 'int64_t', 'int'],
  truncate: ['int', 'in', 'int64_t'],
  ftruncate: ['int', 'int', 'int64_t'],
  fsync: ['int', 'int'],
  fdatasync: ['int', 'int'],
  syncfs: ['int', 'int'],
  mkdir: ['int', 'in', 'uint32_t'],
  rmdir: ['int', 'in'],
  unlink: ['int', 'in'],
  renameat2: ['int', 'int', 'in', 'int', 'in', 'uint32_t'],
  linkat: ['int', 'int', 'in', 'int', 'in', 'int'],
  symlink: ['int', 'in', 'in'],
  readlink: ['int64_t', 'in', 'out', 'size_t'],
  mknod: ['int', 'in', 'uint32_t', 'uint64_t'],
  chmod: ['int', 'in', 'uint32_t'],
  fchmod: ['int', 'int', 'uint32_t'],
  chown: ['int', 'in', 'uint32_t', 'uint32_t'],
  lchown: ['int', 'in', 'uint32_t', 'uint32_t'],
  access: ['int', 'in', 'int'],
  utimensat: ['int', 'int', 'in', 'in', 'int'],
  statx: ['int', 'int', 'in', 'int', 'uint32_t', 'out'],
  statfs: ['int', 'in', 'out'],
  setxattr: ['int', 'in', 'in', 'in', 'size_t', 'int'],
  getxattr: ['int64_t', 'in', 'in', 'out', 'size_t'],
  listxattr: ['int64_t', 'in', 'out', 'size_t'],
  removexattr: ['int', 'in', 'in'],
  fallocate: ['int', 'int', 'int', 'int64_t', 'int64_t'],
  copy_file_range: ['int64_t', 'int', 'in', 'int', 'in', 'size_t', 'uint32_t'],
  mmap: ['int64_t', 'int64_t', 'size_t', 'int', 'int', 'int', 'int64_t'],
  munmap: ['int', 'int64_t', 'size_t'],
  msync: ['int', 'int64_t', 'size_t', 'int'],
  flock: ['int', 'int', 'int'],
  fcntl: ['int', 'int', 'int', 'inout'],
  getdents64: ['int64_t', 'int', 'out', 'size_t'],
  umask: ['uint32_t', 'uint32_t'],
  setgroups: ['int', 'size_t', 'in'],
  setresgid: ['int', 'uint32_t', 'uint32_t', 'uint32_t'],
  setresuid: ['int', 'uint32_t', 'uint32_t', 'uint32_t'],
  poke: ['int64_t', 'int64_t', 'in', 'size_t'],
  peek: ['int64_t', 'out', 'int64_t', 'size_t'],
};

const TYPES = { in: 'const uint8_t *', out: '_Out_ uint8_t *', inout: '_Inout_ uint8_t *' };
const SYMBOLS = { poke: 'memcpy', peek: 'memcpy' };

const libc = koffi.load(null);
const functions = new Map();

function find(fn) {
  let found = functions.get(fn);
  if (found === undefined) {
    const [result, ...parameters] = PROTOTYPES[fn];
    const types = parameters.map((type) => TYPES[type] ?? type);
    found = libc.func(SYMBOLS[fn] ?? fn, result, types);
    functions.set(fn, found);
  }
  return found;
}

function answer({ id, fn, args }) {
  const outs = [];
  const values = args.map((arg) => {
    if (typeof arg === 'number') return arg;
    if (arg.n !== undefined) return BigInt(arg.n);
    const bytes = arg.b === undefined ? Buffer.alloc(arg.o) : Buffer.from(arg.b, 'base64');
    if (arg.b === undefined || arg.back) outs.push(bytes);
    return bytes;
  });
  const result = find(fn)(...values);
  // Read at once: the next call into libc, by whomever, may change it.
  const errno = koffi.errno();
  const o = outs.map((bytes) => bytes.toString('base64'));
  const r = typeof result === 'bigint' ? String(result) : result;
  process.stdout.write(`${JSON.stringify({ id, r, e: result === -1 ? errno : 0, o })}\n`);
}

createInterface({ input: process.stdin }).on('line', (line) => answer(JSON.parse(line)));
