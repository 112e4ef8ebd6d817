/**
 * One daemon for each store: an flock on its lock file, in which the holder's pid is written.
 *
 * The kernel drops the lock with the process, so a daemon that was killed leaves nothing to clean up.
 */

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

import { libc } from '../fuse/libc.ts';
import { SessfsError } from '../shared/errors.ts';
import type { StoreLayout } from './store-layout.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

export class StoreLock {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws {SessfsError} DAEMON_RUNNING If another process holds the store: the message has its pid. */
  static acquire(layout: StoreLayout): StoreLock {
    const fd = openSync(layout.lockFile, 'a+', 0o600);
    if (!tryLock(fd)) {
      closeSync(fd);
      const pid = findLockHolder(layout);
      throw new SessfsError(
        'DAEMON_RUNNING',
        `Cannot open store "${layout.root}": held by the daemon with pid ${pid ?? 'unknown'}`,
        { hint: `Use that one ("sessfs status --root ${layout.root}"), or stop it first` },
      );
    }
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`);
    return new StoreLock(fd);
  }

  /** The lock of the program that this process was before: an open file keeps it across execve(2). */
  static adopt(fd: number): StoreLock {
    return new StoreLock(fd);
  }

  get fd(): number | undefined {
    return this.#fd;
  }

  release(): void {
    if (this.#fd === undefined) return;
    ftruncateSync(this.#fd, 0);
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function tryLock(fd: number): boolean {
  return libc().flock(fd, LOCK_EX | LOCK_NB) === 0;
}

function findLockHolder(layout: StoreLayout): number | undefined {
  const pid = Number.parseInt(readFileSync(layout.lockFile, 'utf8'), 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}
