/**
 * The system calls of one client process as typed functions.
 *
 * Rule: one function makes one call, adds nothing to it and hides nothing of it; what a call refuses
 * is a SyscallError. A path is text (UTF-8) or bytes.
 */

import type { Argument } from './client.ts';
import { Client, SyscallError } from './client.ts';
import * as c from './constants.ts';

export type Path = string | Uint8Array;

/** Nanoseconds since the epoch. */
export type TimeNs = bigint;

export interface Stat {
  readonly ino: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blocks: number;
  readonly atimeNs: TimeNs;
  readonly mtimeNs: TimeNs;
  readonly ctimeNs: TimeNs;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

export interface Dirent {
  readonly name: string;
  readonly ino: bigint;
  readonly type: number;
  /** Where lseek(2) must go to read on behind this entry. */
  readonly next: bigint;
}

/** The bytes of a C string. */
function cstring(path: Path): { in: Uint8Array } {
  return { in: Buffer.concat([Buffer.from(path), Buffer.of(0)]) };
}

export class Syscalls {
  readonly #client = new Client();
  readonly #open = new Set<number>();

  get isUsable(): boolean {
    return this.#client.isUsable;
  }

  get pid(): number {
    return this.#client.pid;
  }

  /** Gives up root for good: this process is that user from now on. */
  async become(user: { uid: number; gid: number; groups?: readonly number[] }): Promise<void> {
    const groups = Uint32Array.from(user.groups ?? []);
    await this.#client.call('setgroups', groups.length, { in: bytesOf(groups) });
    await this.#client.call('setresgid', user.gid, user.gid, user.gid);
    await this.#client.call('setresuid', user.uid, user.uid, user.uid);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map((fd) => this.close(fd)));
  }

  stop(): Promise<void> {
    return this.#client.stop();
  }

  async open(path: Path, flags: number = c.O_RDONLY, mode = 0o644): Promise<number> {
    const { value } = await this.#client.call('open', cstring(path), flags, mode);
    this.#open.add(value);
    return value;
  }

  async close(fd: number): Promise<void> {
    this.#open.delete(fd);
    await this.#client.call('close', fd);
  }

  async read(fd: number, length: number): Promise<Buffer> {
    const { value, out } = await this.#client.call('read', fd, { out: length }, length);
    return first(out).subarray(0, value);
  }

  async pread(fd: number, length: number, offset: number): Promise<Buffer> {
    const { value, out } = await this.#client.call('pread', fd, { out: length }, length, offset);
    return first(out).subarray(0, value);
  }

  async write(fd: number, data: Path): Promise<number> {
    const bytes = Buffer.from(data);
    return (await this.#client.call('write', fd, { in: bytes }, bytes.length)).value;
  }

  async pwrite(fd: number, data: Path, offset: number): Promise<number> {
    const bytes = Buffer.from(data);
    return (await this.#client.call('pwrite', fd, { in: bytes }, bytes.length, offset)).value;
  }

  async lseek(fd: number, offset: number | bigint, whence: number): Promise<number> {
    return (await this.#client.call('lseek', fd, offset, whence)).value;
  }

  /** All of a file, opened and closed for it. */
  async readFile(path: Path): Promise<Buffer> {
    const fd = await this.open(path);
    const parts: Buffer[] = [];
    for (;;) {
      const part = await this.read(fd, 1 << 20);
      if (part.length === 0) break;
      parts.push(part);
    }
    await this.close(fd);
    return Buffer.concat(parts);
  }

  /** Like `printf data > path`. */
  async writeFile(path: Path, data: Path, mode = 0o644): Promise<void> {
    const fd = await this.open(path, c.O_WRONLY | c.O_CREAT | c.O_TRUNC, mode);
    if (data.length > 0) await this.write(fd, data);
    await this.close(fd);
  }

  truncate(path: Path, size: number): Promise<void> {
    return this.#void('truncate', cstring(path), size);
  }

  ftruncate(fd: number, size: number): Promise<void> {
    return this.#void('ftruncate', fd, size);
  }

  fsync(fd: number): Promise<void> {
    return this.#void('fsync', fd);
  }

  fdatasync(fd: number): Promise<void> {
    return this.#void('fdatasync', fd);
  }

  syncfs(fd: number): Promise<void> {
    return this.#void('syncfs', fd);
  }

  mkdir(path: Path, mode = 0o755): Promise<void> {
    return this.#void('mkdir', cstring(path), mode);
  }

  rmdir(path: Path): Promise<void> {
    return this.#void('rmdir', cstring(path));
  }

  unlink(path: Path): Promise<void> {
    return this.#void('unlink', cstring(path));
  }

  rename(from: Path, to: Path, flags = 0): Promise<void> {
    return this.#void('renameat2', c.AT_FDCWD, cstring(from), c.AT_FDCWD, cstring(to), flags);
  }

  link(from: Path, to: Path): Promise<void> {
    return this.#void('linkat', c.AT_FDCWD, cstring(from), c.AT_FDCWD, cstring(to), 0);
  }

  /** Gives an open file (of O_TMPFILE) its first name. */
  linkDescriptor(fd: number, to: Path): Promise<void> {
    const from = cstring(`/proc/self/fd/${fd}`);
    return this.#void('linkat', c.AT_FDCWD, from, c.AT_FDCWD, cstring(to), c.AT_SYMLINK_FOLLOW);
  }

  symlink(target: Path, path: Path): Promise<void> {
    return this.#void('symlink', cstring(target), cstring(path));
  }

  async readlink(path: Path): Promise<string> {
    const { value, out } = await this.#client.call('readlink', cstring(path), { out: 8192 }, 8192);
    return first(out).toString('utf8', 0, value);
  }

  mknod(path: Path, mode: number, rdev = 0): Promise<void> {
    return this.#void('mknod', cstring(path), mode, rdev);
  }

  chmod(path: Path, mode: number): Promise<void> {
    return this.#void('chmod', cstring(path), mode);
  }

  fchmod(fd: number, mode: number): Promise<void> {
    return this.#void('fchmod', fd, mode);
  }

  /** -1 leaves an id as it is. */
  chown(path: Path, uid: number, gid: number): Promise<void> {
    return this.#void('chown', cstring(path), uid >>> 0, gid >>> 0);
  }

  lchown(path: Path, uid: number, gid: number): Promise<void> {
    return this.#void('lchown', cstring(path), uid >>> 0, gid >>> 0);
  }

  access(path: Path, mode: number): Promise<void> {
    return this.#void('access', cstring(path), mode);
  }

  async umask(mask: number): Promise<number> {
    return (await this.#client.call('umask', mask)).value;
  }

  utimens(path: Path, times: { atimeNs: TimeNs; mtimeNs: TimeNs }): Promise<void> {
    return this.utimensRaw(path, [
      times.atimeNs / 1_000_000_000n,
      times.atimeNs % 1_000_000_000n,
      times.mtimeNs / 1_000_000_000n,
      times.mtimeNs % 1_000_000_000n,
    ]);
  }

  /** The two timespecs as they are, for UTIME_NOW and UTIME_OMIT. */
  utimensRaw(path: Path, spec: readonly bigint[]): Promise<void> {
    const bytes = bytesOf(BigInt64Array.from(spec));
    return this.#void('utimensat', c.AT_FDCWD, cstring(path), { in: bytes }, 0);
  }

  /** @param path What a symlink itself is, not what it points to. */
  lstat(path: Path): Promise<Stat> {
    return this.#statx(c.AT_FDCWD, path, c.AT_SYMLINK_NOFOLLOW);
  }

  stat(path: Path): Promise<Stat> {
    return this.#statx(c.AT_FDCWD, path, 0);
  }

  fstat(fd: number): Promise<Stat> {
    return this.#statx(fd, '', c.AT_EMPTY_PATH);
  }

  async statfs(
    path: Path,
  ): Promise<{ [field in 'bsize' | 'blocks' | 'bfree' | 'bavail']: number }> {
    const { out } = await this.#client.call('statfs', cstring(path), { out: 256 });
    const at = (offset: number): number => Number(first(out).readBigUInt64LE(offset));
    return { bsize: at(8), blocks: at(16), bfree: at(24), bavail: at(32) };
  }

  setxattr(path: Path, name: string, value: Path, flags = 0): Promise<void> {
    const bytes = Buffer.from(value);
    // koffi passes no address for an empty buffer on some versions; one byte more is not read.
    const given = Buffer.concat([bytes, Buffer.of(0)]);
    const length = bytes.length;
    return this.#void('setxattr', cstring(path), cstring(name), { in: given }, length, flags);
  }

  /** @param room How many bytes the caller has for the value; 0 asks for its size. */
  async getxattr(path: Path, name: string, room = 65536): Promise<{ size: number; value: Buffer }> {
    const out = { out: Math.max(room, 1) };
    const result = await this.#client.call('getxattr', cstring(path), cstring(name), out, room);
    const value = first(result.out).subarray(0, Math.min(room, result.value));
    return { size: result.value, value };
  }

  async listxattr(path: Path, room = 65536): Promise<string[]> {
    const out = { out: Math.max(room, 1) };
    const result = await this.#client.call('listxattr', cstring(path), out, room);
    const text = first(result.out).toString('utf8', 0, result.value);
    return text.split('\0').filter((name) => name !== '');
  }

  removexattr(path: Path, name: string): Promise<void> {
    return this.#void('removexattr', cstring(path), cstring(name));
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Promise<void> {
    return this.#void('fallocate', fd, mode, offset, length);
  }

  /** @param from.offset Where to read: the descriptor's own position does not move. */
  async copyFileRange(
    from: { fd: number; offset: number },
    to: { fd: number; offset: number },
    length: number,
  ): Promise<number> {
    const args = [
      from.fd,
      { in: loff(from.offset) },
      to.fd,
      { in: loff(to.offset) },
      length,
      0,
    ] as const;
    return (await this.#client.call('copy_file_range', ...args)).value;
  }

  /** @returns The address, for peek and poke. */
  async mmap(fd: number, length: number, prot: number, flags: number): Promise<number> {
    return (await this.#client.call('mmap', 0, length, prot, flags, fd, 0)).value;
  }

  munmap(address: number, length: number): Promise<void> {
    return this.#void('munmap', address, length);
  }

  msync(address: number, length: number): Promise<void> {
    return this.#void('msync', address, length, c.MS_SYNC);
  }

  /** Writes to the memory of the client process. */
  poke(address: number, data: Path): Promise<void> {
    const bytes = Buffer.from(data);
    return this.#void('poke', address, { in: bytes }, bytes.length);
  }

  async peek(address: number, length: number): Promise<Buffer> {
    return first((await this.#client.call('peek', { out: length }, address, length)).out);
  }

  flock(fd: number, operation: number): Promise<void> {
    return this.#void('flock', fd, operation);
  }

  /** F_SETLK on a range: EAGAIN if another process has it. */
  setLock(fd: number, type: number, start: number, length: number): Promise<void> {
    const lock = Buffer.alloc(32);
    lock.writeInt16LE(type, 0);
    lock.writeInt16LE(c.SEEK_SET, 2);
    lock.writeBigInt64LE(BigInt(start), 8);
    lock.writeBigInt64LE(BigInt(length), 16);
    return this.#void('fcntl', fd, c.F_SETLK, { inOut: lock });
  }

  /** One getdents64(2): an empty list is the end. */
  async getdents(fd: number, room = 32768): Promise<Dirent[]> {
    const { value, out } = await this.#client.call('getdents64', fd, { out: room }, room);
    const bytes = first(out);
    const entries: Dirent[] = [];
    for (let at = 0; at < value; at += bytes.readUInt16LE(at + 16)) {
      const name = bytes.toString('latin1', at + 19, bytes.indexOf(0, at + 19));
      const [ino, next] = [bytes.readBigUInt64LE(at), bytes.readBigInt64LE(at + 8)];
      entries.push({ name, ino, next, type: bytes.readUInt8(at + 18) });
    }
    return entries;
  }

  /** The names in a directory, without "." and "..", as they come; one char per byte. */
  async readdir(path: Path): Promise<string[]> {
    const fd = await this.open(path, c.O_RDONLY | c.O_DIRECTORY);
    const names: string[] = [];
    for (;;) {
      const entries = await this.getdents(fd);
      if (entries.length === 0) break;
      for (const { name } of entries) if (name !== '.' && name !== '..') names.push(name);
    }
    await this.close(fd);
    return names;
  }

  async #statx(dirfd: number, path: Path, flags: number): Promise<Stat> {
    const { out } = await this.#client.call('statx', dirfd, cstring(path), flags, 0xfff, {
      out: 256,
    });
    return decodeStatx(first(out));
  }

  async #void(fn: string, ...args: Argument[]): Promise<void> {
    await this.#client.call(fn, ...args);
  }
}

/** The symbol of the errno that a call failed with; "ok" if it succeeded. */
export async function errnoOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof SyscallError) return error.code;
    throw error;
  }
}

/** struct statx of <linux/stat.h>. */
function decodeStatx(bytes: Buffer): Stat {
  const timeAt = (offset: number): TimeNs =>
    bytes.readBigInt64LE(offset) * 1_000_000_000n + BigInt(bytes.readUInt32LE(offset + 8));
  return {
    nlink: bytes.readUInt32LE(16),
    uid: bytes.readUInt32LE(20),
    gid: bytes.readUInt32LE(24),
    mode: bytes.readUInt16LE(28),
    ino: bytes.readBigUInt64LE(32),
    size: Number(bytes.readBigUInt64LE(40)),
    blocks: Number(bytes.readBigUInt64LE(48)),
    atimeNs: timeAt(64),
    ctimeNs: timeAt(96),
    mtimeNs: timeAt(112),
    rdevMajor: bytes.readUInt32LE(128),
    rdevMinor: bytes.readUInt32LE(132),
  };
}

/** A loff_t in memory, for calls that take its address. */
function loff(offset: number): Uint8Array {
  return bytesOf(BigInt64Array.of(BigInt(offset)));
}

function bytesOf(array: Uint32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer);
}

function first(buffers: readonly Buffer[]): Buffer {
  const [buffer] = buffers;
  if (buffer === undefined) throw new Error('The call gave no bytes');
  return buffer;
}
