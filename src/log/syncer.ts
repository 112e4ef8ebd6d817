/**
 * Puts a log on disk: one fdatasync for all who ask at the same time.
 *
 * Rule: durable never says more than what fdatasync has returned for. After a failure it says no more:
 * nobody can tell which of the pages that the kernel held are lost.
 */

import type { Revision } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Time } from '../shared/time.ts';
import { diskError } from './disk.ts';
import type { Disk } from './disk.ts';
import type { SyncedFile } from './synced-mark.ts';

/** How far a log goes. */
export interface LogEnd {
  readonly revision: Revision;
  readonly time: Time;
  /** Of the segment that grows. */
  readonly fd: number;
}

export interface SyncerOptions {
  readonly disk: Disk;
  readonly dir: string;
  readonly syncedFile: SyncedFile;
  readonly durable: { readonly revision: Revision; readonly time: Time };
  /** Where the log ends now; throws if it cannot be synced any more. */
  readonly getEnd: () => LogEnd;
  readonly onFailure: (reason: string) => void;
}

export class Syncer {
  durableRevision: Revision;
  durableTime: Time;

  readonly #options: SyncerOptions;
  /** Of segments sealed since the last sync: open until the next. */
  #sealed: number[] = [];
  #isDirectorySynced = true;
  /** When the first append came that no sync has begun to cover, and that the one under way covers; 0 is none. */
  #unsyncedSinceMs = 0;
  #syncingSinceMs = 0;
  /** Under way, and the one that those who come meanwhile wait for. */
  #current: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: SyncerOptions) {
    this.#options = options;
    this.durableRevision = options.durable.revision;
    this.durableTime = options.durable.time;
  }

  /** Takes over the descriptor of a segment that was sealed; the one after it is new. */
  addSealed(fd: number): void {
    this.#sealed.push(fd);
    this.#isDirectorySynced = false;
  }

  addNew(): void {
    this.#isDirectorySynced = false;
  }

  /** Something was appended. */
  appended(): void {
    if (this.#unsyncedSinceMs === 0) this.#unsyncedSinceMs = performance.now();
  }

  /** How long the oldest append waits to be on disk, in milliseconds; 0 if all are. */
  get lagMs(): number {
    const since = this.#syncingSinceMs === 0 ? this.#unsyncedSinceMs : this.#syncingSinceMs;
    return since === 0 ? 0 : performance.now() - since;
  }

  sync(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#current !== undefined) {
      this.#next = this.#current.then(this.#start, this.#start);
      return this.#next;
    }
    return this.#start();
  }

  /** Lets go of what was not synced. */
  close(): void {
    for (const fd of this.#sealed) this.#options.disk.close(fd);
    this.#sealed = [];
  }

  readonly #start = (): Promise<void> => {
    this.#next = undefined;
    const sync = this.#run().finally(() => {
      if (this.#current === sync) this.#current = undefined;
    });
    this.#current = sync;
    return sync;
  };

  async #run(): Promise<void> {
    const { disk, dir, syncedFile, getEnd, onFailure } = this.#options;
    const { revision, time, fd } = getEnd();
    const isDirectorySynced = this.#isDirectorySynced;
    if (revision === this.durableRevision && isDirectorySynced) return;
    const sealed = this.#sealed;
    this.#sealed = [];
    this.#isDirectorySynced = true;
    this.#syncingSinceMs = this.#unsyncedSinceMs;
    this.#unsyncedSinceMs = 0;
    try {
      await settle([...sealed, fd].map((each) => disk.syncData(each)));
      if (!isDirectorySynced) await syncDirectory(disk, dir);
    } catch (error) {
      const failure = diskError(error, 'sync the log');
      syncedFile.writeFailed(this.durableRevision);
      onFailure(failure.message);
      throw new FsError(Errno.EIO, failure.message);
    } finally {
      for (const each of sealed) disk.close(each);
    }
    this.#syncingSinceMs = 0;
    this.durableRevision = revision;
    this.durableTime = time;
    syncedFile.write(revision);
  }
}

/** Waits for all, also after one has failed: their descriptors are closed next. */
async function settle(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

export async function syncDirectory(disk: Disk, dir: string): Promise<void> {
  const fd = disk.open(dir, 'r');
  try {
    await disk.syncData(fd);
  } finally {
    disk.close(fd);
  }
}
