/**
 * The lock that LevelDB takes on an index: who holds it has the volume alone.
 *
 * A daemon that was killed leaves volume servers that go on serving; nothing else tells of them.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { SessfsError } from '../shared/errors.ts';

const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
/** struct flock of 64-bit Linux: type u16, whence u16, start i64 at 8, length i64 at 16, pid i32 at 24. */
const FLOCK_BYTES = 32;
const FLOCK_PID_OFFSET = 24;

export class IndexLock {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * @returns undefined if there is no index to lock.
   * @throws {SessfsError} STORE_LOCKED If another process has the index open.
   */
  static async take(dir: string): Promise<IndexLock | undefined> {
    if (!fs.existsSync(dir)) return undefined;
    // Only now: a host on which it cannot be loaded has other commands that say so.
    const { default: koffi } = await import('koffi');
    const fcntl = koffi.load('libc.so.6').func('int fcntl(int fd, int command, ...)');
    // As LevelDB opens it: it makes the file where it is missing.
    const fd = fs.openSync(join(dir, 'LOCK'), 'a+', 0o600);
    const lock = Buffer.alloc(FLOCK_BYTES);
    lock.writeUInt16LE(F_WRLCK);
    if (fcntl(fd, F_SETLK, 'void *', lock) === 0) return new IndexLock(fd);
    fcntl(fd, F_GETLK, 'void *', lock);
    fs.closeSync(fd);
    const pid = lock.readInt32LE(FLOCK_PID_OFFSET);
    throw new SessfsError('STORE_LOCKED', `Cannot open index "${dir}": process ${pid} has it`, {
      hint: 'A volume server that its daemon has left behind? Starting the daemon ends it',
    });
  }

  release(): void {
    fs.closeSync(this.#fd);
  }
}
