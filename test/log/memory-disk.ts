/**
 * A disk in memory for the log: fails when told to, and can lose power.
 *
 * Rule: what was written is visible at once; what was not synced since may or may not be there after
 * a power cut, write by write, whatever the order.
 */

import type { Disk } from '../../src/log/disk.ts';

interface Write {
  readonly position: number;
  readonly bytes: Buffer;
}

interface MemoryFile {
  /** As every process sees it. */
  bytes: Buffer;
  /** As it is on the medium. */
  durable: Buffer;
  /** Since the last sync. */
  pending: Write[];
}

export function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall });
}

export class MemoryDisk implements Disk {
  readonly files = new Map<string, MemoryFile>();
  readonly #open = new Map<number, MemoryFile | undefined>();
  readonly #directories = new Set<string>();
  #nextFd = 3;
  syncs = 0;
  directorySyncs = 0;
  /** Called before each call of the disk; may throw in its place. */
  onCall: (call: string, path?: string) => void = () => {};
  /** The most bytes that a write takes; then the next one fails with this error. */
  room = Infinity;
  roomError = 'ENOSPC';
  /** Held until released, if set. */
  syncGate: Promise<void> | undefined;

  get openCount(): number {
    return this.#open.size;
  }

  makeDirectory(path: string): void {
    this.onCall('makeDirectory', path);
    this.#directories.add(path);
  }

  list(path: string): string[] {
    this.onCall('list', path);
    if (!this.#directories.has(path)) throw systemError('ENOENT', 'scandir');
    return [...this.files.keys()]
      .filter((name) => name.startsWith(`${path}/`))
      .map((name) => name.slice(path.length + 1));
  }

  open(path: string, flags: 'r' | 'r+' | 'wx+'): number {
    this.onCall('open', path);
    let file = this.files.get(path);
    const isDirectory = flags === 'r' && this.#directories.has(path);
    if (file === undefined && !isDirectory) {
      if (flags !== 'wx+') throw systemError('ENOENT', 'open');
      file = { bytes: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] };
      this.files.set(path, file);
    } else if (flags === 'wx+') {
      throw systemError('EEXIST', 'open');
    }
    const fd = this.#nextFd++;
    this.#open.set(fd, file);
    return fd;
  }

  close(fd: number): void {
    if (!this.#open.delete(fd)) throw systemError('EBADF', 'close');
  }

  size(fd: number): number {
    return this.#get(fd).bytes.length;
  }

  write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    this.onCall('write');
    const count = Math.min(length, this.room);
    if (count === 0 && length > 0) throw systemError(this.roomError, 'write');
    this.room -= count;
    const bytes = Buffer.from(buffer.subarray(offset, offset + count));
    const file = this.#get(fd);
    file.bytes = place(file.bytes, { position, bytes });
    file.pending.push({ position, bytes });
    return count;
  }

  writePair(fd: number, first: Uint8Array, second: Uint8Array, position: number): number {
    const both = Buffer.concat([first, second]);
    return this.write(fd, both, 0, both.length, position);
  }

  read(fd: number, into: Uint8Array, offset: number, length: number, position: number): number {
    this.onCall('read');
    const from = this.#get(fd).bytes.subarray(position, position + length);
    into.set(from, offset);
    return from.length;
  }

  async readAsync(fd: number, into: Uint8Array, length: number, position: number): Promise<number> {
    // Not at once: whoever closes the descriptor meanwhile has a bug.
    await Promise.resolve();
    return this.read(fd, into, 0, length, position);
  }

  truncate(fd: number, size: number): void {
    this.onCall('truncate');
    const file = this.#get(fd);
    file.bytes = Buffer.from(file.bytes.subarray(0, size));
    file.pending.push({ position: size, bytes: Buffer.alloc(0) });
  }

  remove(path: string): void {
    this.onCall('remove', path);
    if (!this.files.delete(path)) throw systemError('ENOENT', 'unlink');
  }

  async removeAsync(path: string): Promise<void> {
    await Promise.resolve();
    this.remove(path);
  }

  rename(from: string, to: string): void {
    this.onCall('rename', to);
    const file = this.files.get(from);
    if (file === undefined) throw systemError('ENOENT', 'rename');
    this.files.delete(from);
    this.files.set(to, file);
  }

  async syncData(fd: number): Promise<void> {
    this.onCall('syncData');
    const file = this.#open.get(fd);
    const pending = file?.pending.length ?? 0;
    this.syncs += 1;
    if (file === undefined) this.directorySyncs += 1;
    await this.syncGate;
    if (file === undefined) return;
    // What is written, and no more: a page that counts as clean stays where it is.
    for (const write of file.pending.slice(0, pending)) file.durable = place(file.durable, write);
    file.pending = file.pending.slice(pending);
  }

  /** Every process dies; of what was not synced, each write is there if `survives` says so. */
  losePower(survives: (path: string, index: number) => boolean): void {
    this.#open.clear();
    for (const [path, file] of this.files) {
      let bytes = file.durable;
      for (const [index, write] of file.pending.entries()) {
        if (survives(path, index)) bytes = place(bytes, write);
      }
      file.bytes = bytes;
      file.durable = bytes;
      file.pending = [];
    }
  }

  /** Every process dies; what was written is there. */
  kill(): void {
    this.#open.clear();
  }

  /** The same files, for a test that opens one state many times. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const path of this.#directories) copy.#directories.add(path);
    for (const [path, file] of this.files) {
      copy.files.set(path, { bytes: file.bytes, durable: file.durable, pending: [] });
    }
    return copy;
  }

  bytesOf(path: string): Buffer {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`no file ${path}`);
    return file.bytes;
  }

  setBytes(path: string, bytes: Buffer): void {
    this.#directories.add(path.slice(0, path.lastIndexOf('/')));
    this.files.set(path, { bytes, durable: bytes, pending: [] });
  }

  flipBit(path: string, offset: number, bit = 0): void {
    const bytes = Buffer.from(this.bytesOf(path));
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
    this.setBytes(path, bytes);
  }

  #get(fd: number): MemoryFile {
    const file = this.#open.get(fd);
    if (file === undefined) throw systemError('EBADF', 'fd');
    return file;
  }
}

function place(bytes: Buffer, { position, bytes: added }: Write): Buffer {
  const end = position + added.length;
  // An empty write stands for a truncation.
  if (added.length === 0) return Buffer.from(bytes.subarray(0, position));
  const result = Buffer.alloc(Math.max(bytes.length, end));
  bytes.copy(result);
  added.copy(result, position);
  return result;
}
