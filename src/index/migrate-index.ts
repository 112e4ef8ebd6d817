/**
 * Brings an index of an earlier format to the one of today, for a volume whose index cannot be made anew.
 *
 * Format 4 lacks nothing that it would have to have: what was released is not remembered in it. Format 3 had
 * no promises, tiers and purges, and two flags of a state were not in it that only the log tells. That a
 * rollback gave a file its content is lost; that it was written again as it was is known of the last time,
 * by a newest version that is not there.
 *
 * Rule: it is written beside the one that is there, and takes its place when it is whole and on disk.
 * Whatever stops it before leaves the one that is there.
 */

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { Level } from 'level';

import { NO_REVISION } from '../shared/brands.ts';
import type { ActorId, Ino, LogPos, Revision } from '../shared/brands.ts';
import { ByteReader } from '../shared/bytes.ts';
import { SessfsError } from '../shared/errors.ts';
import { EPOCH } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { Index } from './index.ts';
import { inodeKey, metaKey, prefixEnd, regionOfHistoryKey, Space, versionKey } from './keys.ts';
import {
  decodeInode,
  decodeMeta,
  decodeRegion,
  decodeVersion,
  encodeInode,
  encodeInodeHistory,
  INDEX_FORMAT,
} from './records.ts';
import type { IndexMeta, InodeRecord } from './records.ts';
import { unsealValue } from './sealed-value.ts';
import { swapIndex } from './swap-index.ts';

/** Inode flags of 8 bits, versions without their promise, a state record without what purges need. */
const FORMAT_3 = 3;
const FORMAT_4 = 4;

/** As many changes as LevelDB takes in a few milliseconds. */
const BATCH_ENTRIES = 4000;

type Database = Level<Buffer, Buffer>;

/**
 * @returns False if there is no index of this volume in such a format: nothing has happened then.
 * @throws {SessfsError} INDEX_CORRUPT If it is damaged; FAILED If the new one cannot be written.
 */
export async function migrateIndex(volumeDir: string, volumeId: string): Promise<boolean> {
  const dir = join(volumeDir, 'index');
  if (!existsSync(dir)) return false;
  const source: Database = new Level(dir, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: false,
  });
  try {
    await source.open();
  } catch {
    // Whoever opens it in earnest says why.
    return false;
  }
  const made = join(volumeDir, 'index.new');
  try {
    const { format, meta } = findMeta(source);
    if (format === INDEX_FORMAT || meta?.volumeId !== volumeId) return false;
    await assertWhole(source, dir);
    // What an earlier try left behind.
    await rm(made, { recursive: true, force: true });
    await new Migration(source, dir, format).write(made, meta);
  } catch (cause) {
    await rm(made, { recursive: true, force: true });
    if (cause instanceof SessfsError) throw cause;
    if (isCorruption(cause)) throw corruptError(dir, reasonOf(cause), cause);
    throw new SessfsError('FAILED', `Cannot migrate index "${dir}": ${reasonOf(cause)}`, { cause });
  } finally {
    await source.close();
  }
  const old = swapIndex(volumeDir, made);
  if (old !== undefined) await rm(old, { recursive: true });
  return true;
}

/** What was last found to be the same as the newest version. */
interface LastCut {
  readonly ino: Ino;
  readonly revision: Revision;
  /** The version at that time; `revision` itself if that is one. */
  readonly version: Revision;
}

class Migration {
  readonly #source: Database;
  readonly #dir: string;
  readonly #format: number;
  #historyBytes = 0;
  /** Of the inode that was asked for last: the states of one stand together. */
  #lastCut: LastCut = { ino: 0 as Ino, revision: NO_REVISION, version: NO_REVISION };

  constructor(source: Database, dir: string, format: number) {
    this.#source = source;
    this.#format = format;
    this.#dir = dir;
  }

  async write(made: string, meta: IndexMeta): Promise<void> {
    const { index } = await Index.open(made, meta.volumeId);
    try {
      const iterator = this.#source.iterator({ highWaterMarkBytes: 1 << 18 });
      try {
        for (;;) {
          const entries = await iterator.nextv(1000);
          if (entries.length === 0) break;
          for (const [key, sealed] of entries) {
            if (key[0] === Space.META || key[0] === Space.BATCH) continue;
            index.put(key, await this.#convert(key, sealed));
          }
          if (index.pending >= BATCH_ENTRIES) await index.write(meta, Promise.resolve());
        }
      } finally {
        await iterator.close();
      }
      const historyBytes = this.#format === FORMAT_3 ? this.#historyBytes : meta.historyBytes;
      await index.write({ ...meta, historyBytes }, Promise.resolve());
    } finally {
      await index.close();
    }
  }

  async #convert(key: Buffer, sealed: Buffer): Promise<Buffer> {
    const value = unsealValue(key, sealed);
    if (value === undefined) throw damage(this.#dir, key, 'its checksum fails');
    if (this.#format !== FORMAT_3) return value;
    try {
      switch (key[0]) {
        case Space.INODE:
          return await this.#convertInode(key, value);
        case Space.INODE_HISTORY:
          return await this.#convertState(key, value);
        case Space.VERSION:
          return convertVersion(value);
        case Space.REGION_HISTORY:
          for (const { length } of decodeRegion(value, regionOfHistoryKey(key))) {
            this.#historyBytes += length;
          }
          return value;
        default:
          return value;
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw damage(this.#dir, key, error.message);
    }
  }

  async #convertInode(key: Buffer, value: Buffer): Promise<Buffer> {
    const inode = decodeInode3(inoOf(key), value, true);
    if (inode.nlink === 0) this.#historyBytes += inode.allocated;
    const lastCut = await this.#findLastCut(inode);
    inode.versionRevision = lastCut.version;
    inode.isUnchanged = isSame(inode, lastCut);
    return encodeInode(inode);
  }

  async #convertState(key: Buffer, value: Buffer): Promise<Buffer> {
    const ino = inoOf(key);
    const state = decodeInode3(ino, value, false);
    const to = key.readUIntBE(1 + 6, 6);
    const lastCut = this.#lastCut.ino === ino ? this.#lastCut : await this.#findLastCutOf(ino);
    if (to > lastCut.revision && isSame(state, lastCut)) {
      state.isUnchanged = true;
      state.versionRevision = lastCut.version;
    }
    return encodeInodeHistory(state);
  }

  async #findLastCutOf(ino: Ino): Promise<LastCut> {
    const key = Buffer.from(inodeKey(ino));
    const sealed = this.#source.getSync(key);
    const value = sealed === undefined ? undefined : unsealValue(key, sealed);
    if (value === undefined) throw damage(this.#dir, key, 'it is missing, or its checksum fails');
    return this.#findLastCut(decodeInode3(ino, value, true));
  }

  /** The newest version is the one of the last cut, unless that found that there was nothing to cut. */
  async #findLastCut({ ino, cutRevision: revision }: InodeRecord): Promise<LastCut> {
    let version = revision;
    if (
      revision > 0 &&
      this.#source.getSync(Buffer.from(versionKey(ino, revision))) === undefined
    ) {
      const gte = Buffer.from(versionKey(ino, 0));
      const lt = prefixEnd(gte.subarray(0, 1 + 6));
      const [newest] = await this.#source.keys({ gte, lt, reverse: true, limit: 1 }).all();
      version = (newest?.readUIntBE(1 + 6, 6) ?? 0) as Revision;
    }
    this.#lastCut = { ino, revision, version };
    return this.#lastCut;
  }
}

/** Of a state that ended after the last cut: its content is older, and that found it to be the same. */
const isSame = ({ contentRevision }: InodeRecord, { revision, version }: LastCut): boolean =>
  version !== revision && contentRevision <= revision;

const inoOf = (key: Buffer): Ino => key.readUIntBE(1, 6) as Ino;

/** Its flags are the lower half of those of today, and nothing else of it is other. */
function decodeInode3(ino: Ino, value: Buffer, isLive: boolean): InodeRecord {
  const flags = value.readUInt8(0);
  if (flags >= 128) throw new RangeError(`Inode of format 3 with flags ${flags}`);
  return decodeInode(ino, Buffer.concat([Buffer.from([flags, 0]), value.subarray(1)]), isLive);
}

/** With no promise. */
function convertVersion(value: Buffer): Buffer {
  const converted = Buffer.concat([value, Buffer.alloc(4)]);
  decodeVersion(converted);
  return converted;
}

/** @returns No meta if there is none, or of another format, or it is damaged. */
function findMeta(source: Database): { format: number; meta: IndexMeta | undefined } {
  const key = Buffer.from(metaKey('state'));
  const sealed = source.getSync(key);
  const value = sealed === undefined ? undefined : unsealValue(key, sealed);
  const format = value === undefined || value.length < 2 ? 0 : value.readUInt16LE(0);
  if (value === undefined || (format !== FORMAT_3 && format !== FORMAT_4)) {
    return { format, meta: undefined };
  }
  if (format === FORMAT_3) return { format, meta: decodeMeta3(value) };
  const ofToday = Buffer.from(value);
  ofToday.writeUInt16LE(INDEX_FORMAT);
  return { format, meta: decodeMeta(ofToday) };
}

function decodeMeta3(value: Buffer): IndexMeta {
  const reader = new ByteReader(value.subarray(2));
  const volumeId = reader.string();
  const applied = reader.u48() as Revision;
  const next = reader.i53() as LogPos;
  const answered = reader.i53() as LogPos;
  const appliedTime = reader.time();
  const nextIno = reader.i53();
  const nextActor = reader.i53();
  const inodes = reader.i53();
  const liveBytes = reader.i53();
  const versions = reader.i53();
  const uncut: { ino: Ino; actor: ActorId; since: Time }[] = [];
  for (let count = reader.u32(); count > 0; count--) {
    const ino = reader.u48() as Ino;
    const actor = reader.u32() as ActorId;
    uncut.push({ ino, actor, since: reader.time() });
  }
  return {
    volumeId,
    applied,
    next,
    answered,
    appliedTime,
    nextIno,
    nextActor,
    inodes,
    liveBytes,
    historyBytes: 0,
    versions,
    horizon: NO_REVISION,
    horizonTime: EPOCH,
    purgeDigest: '',
    uncut,
  };
}

/** As Index.open sees to it: what lacks a batch is no state of the log, and would not show it any more. */
async function assertWhole(source: Database, dir: string): Promise<void> {
  const gte = Buffer.from([Space.BATCH]);
  const marks = await source.keys({ gte, lt: prefixEnd(gte), limit: 2 }).all();
  if (marks.length < 2) return;
  throw corruptError(dir, 'a batch is missing that others follow');
}

const damage = (dir: string, key: Buffer, problem: string): SessfsError =>
  corruptError(dir, `the value of key ${key.toString('hex')}: ${problem}`);

const corruptError = (dir: string, problem: string, cause?: unknown): SessfsError =>
  new SessfsError('INDEX_CORRUPT', `Cannot migrate index "${dir}": ${problem}`, {
    hint: 'Check it with sessfs fsck SESSION',
    cause,
  });

/** LevelDB cannot decode a block. */
const isCorruption = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'LEVEL_CORRUPTION';

const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause);
