/**
 * The index of one volume in LevelDB: a reading of its log, never the truth.
 *
 * Changes gather in one open batch and go out together with «applied up to revision N» (IndexMeta): the
 * index on disk is always the exact state after some revision. What is not yet out is replayed from the
 * log; a batch lost in a crash costs time, not data. Live reads are synchronous; scans are not, and see
 * only what is out: whoever scans flushes first.
 */

import { rm } from 'node:fs/promises';

import { Level } from 'level';
import { SessfsError } from '../shared/errors.ts';
import { batchKey, metaKey, prefixEnd, Space } from './keys.ts';
import { decodeMeta, encodeMeta, INDEX_FORMAT } from './records.ts';
import type { IndexMeta } from './records.ts';
import { sealValue, unsealValue } from './sealed-value.ts';

const DAMAGE_HINT = 'Make the index anew from the log: sessfs fsck SESSION --rebuild-index';

type Database = Level<Buffer, Buffer>;

/** 4 MiB of blocks: the hot ones are in our own caches as objects. */
const BLOCK_CACHE_BYTES = 4 << 20;
/** 8 MiB: fewer, larger tables, so that writing a burst compacts less. */
const WRITE_BUFFER_BYTES = 8 << 20;

/** Tables of 2 MiB: the index of some million files; they are mapped, and hold no descriptor each. */
const MAX_OPEN_TABLES = 256;

const BATCH_MARK = Buffer.from([1]);

/** strerror(3) of what is wrong with the host, and not with the index. */
const HOST_PROBLEM =
  /No space|Disk quota|Too many open|Permission denied|Read-only|Input\/output|Cannot allocate/;

export interface ScanOptions {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse?: boolean;
  /** The most entries to give. */
  readonly limit?: number;
  /** For a checker: passes over a value that is damaged, instead of failing. */
  readonly onDamaged?: (key: Buffer) => void;
  /** What to see, instead of what is on disk at this moment. */
  readonly snapshot?: IndexSnapshot;
}

/** What was on disk at a moment, for several scans that belong together; to be closed. */
export type IndexSnapshot = ReturnType<Database['snapshot']>;

export class Index {
  readonly #dir: string;
  readonly #db: Database;
  #batch: ReturnType<Database['batch']>;
  #pending = 0;
  #writing: Promise<void> | undefined;
  /** INVARIANT: once a write has failed, none succeeds. */
  #failure: Error | undefined;
  /** Of the last batch that was handed over: see FORMAT.md, «Batches». */
  #batchNumber: number;

  private constructor(dir: string, db: Database, batchNumber: number) {
    this.#dir = dir;
    this.#db = db;
    this.#batch = db.batch();
    this.#batchNumber = batchNumber;
  }

  /**
   * @returns The index and what it knows; no meta is an empty index, to be filled from the log.
   * @throws {SessfsError} STORE_LOCKED If another process has it open; INDEX_CORRUPT If LevelDB cannot
   *   open it, it lacks a batch, or it is of another format;
   *   STORE_FOREIGN If it is another volume's.
   */
  static async open(
    dir: string,
    volumeId: string,
  ): Promise<{ index: Index; meta: IndexMeta | undefined }> {
    const db: Database = new Level(dir, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      cacheSize: BLOCK_CACHE_BYTES,
      writeBufferSize: WRITE_BUFFER_BYTES,
      maxOpenFiles: MAX_OPEN_TABLES,
    });
    try {
      await db.open();
    } catch (cause) {
      if (isLocked(cause)) {
        throw new SessfsError(
          'STORE_LOCKED',
          `Cannot open index "${dir}": another process has it`,
          {
            hint: 'Stop the volume server or daemon that uses this store',
            cause,
          },
        );
      }
      const reason = reasonOf(cause);
      if (HOST_PROBLEM.test(reason)) {
        throw new SessfsError('FAILED', `Cannot open index "${dir}": ${reason}`, { cause });
      }
      throw corruptError(dir, reason, cause);
    }
    try {
      const meta = readMeta(db, dir, volumeId);
      const number = await findBatchNumber(db, dir, meta);
      if (number === undefined) await beginBatches(db);
      return { index: new Index(dir, db, number ?? 0), meta };
    } catch (error) {
      await db.close();
      throw error;
    }
  }

  /** Removes the index in a directory; it is made anew from the log at the next open. */
  static remove(dir: string): Promise<void> {
    return rm(dir, { recursive: true, force: true });
  }

  /** How many changes wait to be written. */
  get pending(): number {
    return this.#pending;
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /**
   * What the database holds, without the pending changes.
   *
   * @throws {SessfsError} INDEX_CORRUPT If it is damaged.
   */
  get(key: Buffer): Buffer | undefined {
    let sealed: Buffer | undefined;
    try {
      sealed = this.#db.getSync(key);
    } catch (cause) {
      throw this.#damage(key, reasonOf(cause), cause);
    }
    return sealed === undefined ? undefined : this.#unseal(key, sealed);
  }

  /** Both are copied before this returns. */
  put(key: Buffer, value: Buffer): void {
    this.#batch.put(key, sealValue(key, value));
    this.#pending += 1;
  }

  delete(key: Buffer): void {
    this.#batch.del(key);
    this.#pending += 1;
  }

  /**
   * Writes out every pending change, with the state that they amount to.
   *
   * @param ready What must be on disk before: the log up to here, or a power cut could leave an index
   *   that knows more than the log.
   */
  write(meta: IndexMeta, ready: Promise<void>): Promise<void> {
    const key = metaKey('state');
    this.#batch.put(key, sealValue(key, encodeMeta(meta)));
    this.#batch.del(batchKey(this.#batchNumber));
    this.#batchNumber += 1;
    const mark = batchKey(this.#batchNumber);
    this.#batch.put(mark, sealValue(mark, BATCH_MARK));
    const batch = this.#batch;
    this.#batch = this.#db.batch();
    this.#pending = 0;
    // One at a time, in order.
    const before = this.#writing;
    const writing = Promise.all([before, ready]).then(() => {
      // After a batch that was lost, a later one would say that it is in.
      if (this.#failure !== undefined) throw this.#failure;
      return batch.write();
    });
    const end = (): void => {
      if (this.#writing === writing) this.#writing = undefined;
    };
    writing.then(end, (error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      end();
    });
    this.#writing = writing;
    return writing;
  }

  snapshot(): IndexSnapshot {
    return this.#db.snapshot();
  }

  /** What is on disk at this moment, in key order; later writes are not seen. */
  async *scan(options: ScanOptions): AsyncGenerator<[Buffer, Buffer]> {
    for await (const entries of this.scanBatches(options)) yield* entries;
  }

  /** The same, many at a time. */
  async *scanBatches(options: ScanOptions): AsyncGenerator<[Buffer, Buffer][]> {
    const iterator = this.#db.iterator({
      gte: Buffer.from(options.gte),
      lt: Buffer.from(options.lt),
      reverse: options.reverse ?? false,
      limit: options.limit ?? -1,
      highWaterMarkBytes: 1 << 16,
      ...(options.snapshot === undefined ? {} : { snapshot: options.snapshot }),
    });
    try {
      for (;;) {
        const entries = await iterator.nextv(1000);
        if (entries.length === 0) return;
        yield this.#unsealAll(entries, options.onDamaged);
      }
    } catch (error) {
      throw isCorruption(error) ? this.#damage(options.gte, reasonOf(error), error) : error;
    } finally {
      await iterator.close();
    }
  }

  /** All there is on disk at this moment: first the state that it is, then everything in key order. */
  async *dump(): AsyncGenerator<[Buffer, Buffer][]> {
    const iterator = this.#db.iterator({ highWaterMarkBytes: 1 << 18 });
    try {
      iterator.seek(metaKey('state'));
      const state = await iterator.next();
      if (state !== undefined) yield this.#unsealAll([state], undefined);
      iterator.seek(Buffer.from([0]));
      for (;;) {
        const entries = await iterator.nextv(1000);
        if (entries.length === 0) return;
        yield this.#unsealAll(entries, undefined);
      }
    } catch (error) {
      throw isCorruption(error) ? this.#damage(Buffer.alloc(0), reasonOf(error), error) : error;
    } finally {
      await iterator.close();
    }
  }

  scanPrefix(prefix: Uint8Array, limit?: number): AsyncGenerator<[Buffer, Buffer]> {
    const gte = Buffer.from(prefix);
    return this.scan({ gte, lt: prefixEnd(gte), ...(limit === undefined ? {} : { limit }) });
  }

  /** The first entry of a range, or undefined. */
  async findFirst(options: ScanOptions): Promise<[Buffer, Buffer] | undefined> {
    const iterator = this.#db.iterator({
      gte: Buffer.from(options.gte),
      lt: Buffer.from(options.lt),
      reverse: options.reverse ?? false,
      limit: 1,
    });
    try {
      const entry = await iterator.next();
      return entry && [entry[0], this.#unseal(entry[0], entry[1])];
    } catch (error) {
      throw isCorruption(error) ? this.#damage(options.gte, reasonOf(error), error) : error;
    } finally {
      await iterator.close();
    }
  }

  /** For what is computed from content and not from the log (hashes): written at once. */
  async remember(key: Buffer, value: Buffer): Promise<void> {
    await this.#db.put(Buffer.from(key), Buffer.from(sealValue(key, value)));
  }

  /** Bytes that a key range takes on disk, about. */
  approximateBytes(gte: Uint8Array, lt: Uint8Array): Promise<number> {
    const database = this.#db as unknown as {
      approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>;
    };
    return database.approximateSize(gte, lt);
  }

  /** Gives back what deleted entries take; off this thread. */
  async compact(): Promise<void> {
    const database = this.#db as unknown as {
      compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
    };
    await database.compactRange(Buffer.from([0]), Buffer.from([0xff]));
  }

  async close(): Promise<void> {
    // Whoever asked for a write has heard of its failure.
    await this.#writing?.catch(() => undefined);
    await this.#batch.close();
    await this.#db.close();
  }

  #unsealAll(
    entries: readonly [Buffer, Buffer][],
    onDamaged: ((key: Buffer) => void) | undefined,
  ): [Buffer, Buffer][] {
    const unsealed: [Buffer, Buffer][] = [];
    for (const [key, sealed] of entries) {
      const value = onDamaged === undefined ? this.#unseal(key, sealed) : unsealValue(key, sealed);
      if (value === undefined) onDamaged?.(key);
      else unsealed.push([key, value]);
    }
    return unsealed;
  }

  #unseal(key: Uint8Array, sealed: Buffer): Buffer {
    const value = unsealValue(key, sealed);
    if (value === undefined) throw this.#damage(key, 'its checksum fails');
    return value;
  }

  #damage(key: Uint8Array, problem: string, cause?: unknown): SessfsError {
    const name = Buffer.from(key).toString('hex');
    return new SessfsError(
      'INDEX_CORRUPT',
      `Cannot read index "${this.#dir}": the value of key ${name}: ${problem}`,
      { hint: DAMAGE_HINT, cause },
    );
  }
}

/** By code: LevelDB says so of a block that it cannot decode. */
function isCorruption(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'LEVEL_CORRUPTION';
}

function isLocked(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** @returns undefined for an empty index. */
function readMeta(db: Database, dir: string, volumeId: string): IndexMeta | undefined {
  const key = metaKey('state');
  const sealed = db.getSync(key);
  if (sealed === undefined) return undefined;
  const value = unsealValue(key, sealed);
  const meta = value === undefined ? undefined : decodeMeta(value);
  if (meta === undefined) {
    throw corruptError(dir, `it is damaged, or of another format than ${INDEX_FORMAT}`);
  }
  if (meta.volumeId !== volumeId) {
    throw new SessfsError(
      'STORE_FOREIGN',
      `Cannot use index "${dir}": it belongs to volume ${meta.volumeId}, not ${volumeId}`,
      { hint: DAMAGE_HINT },
    );
  }
  return meta;
}

/**
 * The number of the last batch; undefined if none was counted yet.
 *
 * @throws {SessfsError} INDEX_CORRUPT If one before it is missing: LevelDB goes on reading its journal
 *   behind a piece that a power cut took.
 */
async function findBatchNumber(
  db: Database,
  dir: string,
  meta: IndexMeta | undefined,
): Promise<number | undefined> {
  const gte = Buffer.from([Space.BATCH]);
  const marks = await db.keys({ gte, lt: prefixEnd(gte), limit: 2 }).all();
  if (marks.length > 1) throw corruptError(dir, 'a batch is missing that others follow');
  const number = marks[0]?.readUIntBE(1, 6);
  if (meta !== undefined) return number;
  const keys = await db.keys({ limit: 2 }).all();
  if (keys.length > marks.length || (number ?? 0) > 0) {
    throw corruptError(dir, 'it has no state record');
  }
  return number;
}

/** What the first batch takes away again: on disk before it, or its loss could not be seen. */
async function beginBatches(db: Database): Promise<void> {
  const mark = Buffer.from(batchKey(0));
  await db.put(mark, Buffer.from(sealValue(mark, BATCH_MARK)), { sync: true });
}

function corruptError(dir: string, reason: string, cause?: unknown): SessfsError {
  const message = `Cannot use index "${dir}": ${reason}`;
  return new SessfsError('INDEX_CORRUPT', message, { hint: DAMAGE_HINT, cause });
}
