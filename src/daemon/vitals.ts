/**
 * What outlives a volume server that is killed: a page of memory that it shares with the supervisor.
 *
 * In it: what was agreed with the kernel, which request is being answered right now (so that one which
 * kills its server can be told from bad luck), how many were answered, and who has what open.
 * Rule: a write costs a store or two; a server may be killed between any two of them.
 */

import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';

import type { ConnectionInfo } from '../fuse/file-system.ts';
import { lastErrno, libc } from '../fuse/libc.ts';
import type { Pulse } from '../fuse/pulse.ts';
import type { Revision } from '../shared/brands.ts';
import { errnoName } from '../shared/errno.ts';
import { SessfsError } from '../shared/errors.ts';
import { SharedWriters } from '../volume/shared-writers.ts';
import type { WriterTable } from '../volume/writers.ts';

/** Half of it for writers, half for readers. */
const PAGE_BYTES = 128 * 1024;
const MFD_CLOEXEC = 1;
const TWO_32 = 2 ** 32;
/** Bit 63 of a request's number only says that it is sent again. */
const RESENT_BIT = 0x8000_0000;

/** Where fields are, in units of 4 bytes; fields of 8 bytes hold a double. */
const Word = {
  CONNECTED: 0,
  MINOR: 1,
  MAX_WRITE: 2,
  MAX_READ: 3,
  SINCE: 4,
  CURRENT: 6,
  ANSWERED: 8,
  DRAINED: 10,
  DEFERRED: 16,
  WRITERS: 128,
  READERS: 64 * 256,
};
/** Requests that wait for something are noted as far as there is room. */
const MAX_DEFERRED = 32;

/** What the supervisor reads. */
export interface VitalSigns {
  /** Undefined before INIT is over. */
  readonly connection: ConnectionInfo | undefined;
  /** The volume's revision when the connection began. */
  readonly since: Revision;
  /** The number of the request that is being answered; undefined between two. */
  readonly current: number | undefined;
  /** Numbers of requests that wait for something. */
  readonly deferred: readonly number[];
  /** Requests answered since the connection began. */
  readonly answered: number;
  /** The last server ended with everything answered that it had read. */
  readonly isDrained: boolean;
}

/** @returns The descriptor of a page for one connection. */
export function makeVitals(): number {
  const fd = libc().memfdCreate('sessfs-vitals', MFD_CLOEXEC);
  if (fd < 0) {
    throw new SessfsError('FAILED', `Cannot make shared memory: ${errnoName(lastErrno())}`);
  }
  try {
    ftruncateSync(fd, PAGE_BYTES);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** Reads what a server, alive or dead, has written. */
export function readVitals(fd: number): VitalSigns {
  const bytes = Buffer.alloc(Word.WRITERS * 4);
  readSync(fd, bytes, 0, bytes.length, 0);
  const word = (at: number): number => bytes.readUInt32LE(at * 4);
  const unique = (at: number): number => word(at) + (word(at + 1) & ~RESENT_BIT) * TWO_32;
  const deferred: number[] = [];
  for (let slot = 0; slot < MAX_DEFERRED; slot += 1) {
    const waiting = unique(Word.DEFERRED + slot * 2);
    if (waiting !== 0) deferred.push(waiting);
  }
  const current = unique(Word.CURRENT);
  return {
    connection:
      word(Word.CONNECTED) === 0
        ? undefined
        : {
            minor: word(Word.MINOR),
            maxWriteBytes: word(Word.MAX_WRITE),
            maxReadBytes: word(Word.MAX_READ),
          },
    since: bytes.readDoubleLE(Word.SINCE * 4) as Revision,
    current: current === 0 ? undefined : current,
    deferred,
    answered: bytes.readDoubleLE(Word.ANSWERED * 4),
    isDrained: word(Word.DRAINED) !== 0,
  };
}

/**
 * Before the next server starts: what the last one was at is sent again.
 *
 * Otherwise one that dies before it has looked at the page would seem to have died of the same request.
 */
export function forgetRequests(fd: number): void {
  const unit = Buffer.alloc(8);
  writeSync(fd, unit, 0, unit.length, Word.CURRENT * 4);
  const deferred = Buffer.alloc(MAX_DEFERRED * 8);
  writeSync(fd, deferred, 0, deferred.length, Word.DEFERRED * 4);
}

/** The volume server's side. */
export class Vitals implements Pulse {
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly writers: WriterTable;
  readonly readers: WriterTable;

  /** @param fd Of makeVitals; of an earlier program it may be shorter. */
  constructor(fd: number) {
    if (fstatSync(fd).size < PAGE_BYTES) ftruncateSync(fd, PAGE_BYTES);
    const memory = libc().mapShared(fd, PAGE_BYTES);
    if (memory === undefined) {
      throw new SessfsError('FAILED', `Cannot map shared memory: ${errnoName(lastErrno())}`);
    }
    this.#words = new Uint32Array(memory);
    this.#words[Word.DRAINED] = 0;
    this.#doubles = new Float64Array(memory);
    this.writers = new SharedWriters(this.#words.subarray(Word.WRITERS, Word.READERS));
    this.readers = new SharedWriters(this.#words.subarray(Word.READERS));
  }

  /** Before INIT is answered: from then on a successor resumes. */
  connected(info: ConnectionInfo, since: Revision): void {
    const words = this.#words;
    words[Word.MINOR] = info.minor;
    words[Word.MAX_WRITE] = info.maxWriteBytes;
    words[Word.MAX_READ] = info.maxReadBytes;
    this.#doubles[Word.SINCE / 2] = since;
    words[Word.CONNECTED] = 1;
  }

  /** Everything that was read is answered, and nothing more is read. */
  drained(): void {
    this.#words[Word.DRAINED] = 1;
  }

  begin(uniqueLow: number, uniqueHigh: number): void {
    this.#words[Word.CURRENT] = uniqueLow;
    this.#words[Word.CURRENT + 1] = uniqueHigh;
  }

  end(isDone: boolean): void {
    this.#words[Word.CURRENT] = 0;
    this.#words[Word.CURRENT + 1] = 0;
    if (isDone) this.#countAnswer();
  }

  #countAnswer(): void {
    const answered = Word.ANSWERED / 2;
    this.#doubles[answered] = (this.#doubles[answered] ?? 0) + 1;
  }

  deferred(uniqueLow: number, uniqueHigh: number): void {
    this.#replaceDeferred(0, 0, uniqueLow, uniqueHigh);
  }

  settled(uniqueLow: number, uniqueHigh: number): void {
    this.#replaceDeferred(uniqueLow, uniqueHigh, 0, 0);
    this.#countAnswer();
  }

  #replaceDeferred(low: number, high: number, newLow: number, newHigh: number): void {
    const words = this.#words;
    const end = Word.DEFERRED + MAX_DEFERRED * 2;
    for (let at = Word.DEFERRED; at < end; at += 2) {
      if (words[at] !== low || words[at + 1] !== high) continue;
      words[at] = newLow;
      words[at + 1] = newHigh;
      return;
    }
  }
}
