/**
 * Indexes that are only looked at: a copy of a volume's, one that comes over a stream, and one that is
 * made anew from the log as it is read.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { Index } from '../index/index.ts';
import { Space } from '../index/keys.ts';
import { decodeMeta } from '../index/records.ts';
import type { IndexMeta } from '../index/records.ts';
import type { LogRecord } from '../log/record.ts';
import { SessfsError } from '../shared/errors.ts';
import { needsWholeIndex, replayRecord } from '../volume/replay.ts';
import { State } from '../volume/state.ts';
import { LenientReplay } from './lenient-replay.ts';

export interface OpenedIndex {
  readonly index: Index;
  readonly meta: IndexMeta;
}

const FLUSH_CHANGES = 4000;

/** What a new process writes by itself in the directory of an index. */
const OWN_FILES = new Set(['LOCK', 'LOG', 'LOG.old']);

/** Copies an index that nobody has open. Its tables never change: they are linked, not copied. */
export function copyIndex(from: string, to: string): void {
  fs.mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of fs.readdirSync(from)) {
    if (OWN_FILES.has(name)) continue;
    const [source, target] = [join(from, name), join(to, name)];
    if (/\.(ldb|sst)$/.test(name)) linkOrCopy(source, target);
    else fs.copyFileSync(source, target);
  }
}

/** The same file under another name; where that cannot be, a copy. */
export function linkOrCopy(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch {
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL);
  }
}

/** An index as entries one after another (`encodeEntries`), its state first. */
export async function loadIndex(
  entries: AsyncIterable<[Buffer, Buffer][]>,
  dir: string,
  volumeId: string,
): Promise<OpenedIndex> {
  const { index } = await Index.open(dir, volumeId);
  let meta: IndexMeta | undefined;
  for await (const batch of entries) {
    for (const [key, value] of batch) {
      if (key[0] === Space.META) meta ??= decodeMeta(value);
      else if (key[0] !== Space.BATCH) index.put(key, value);
    }
    if (meta !== undefined && index.pending >= FLUSH_CHANGES) {
      await index.write(meta, Promise.resolve());
    }
  }
  if (meta === undefined) {
    await index.close();
    throw new SessfsError('FAILED', 'Cannot read the index: it came without its state');
  }
  await index.write(meta, Promise.resolve());
  return { index, meta };
}

/** An index that follows from the log, record by record. */
export class Replayed {
  readonly index: Index;
  readonly state: State;
  readonly lenient: LenientReplay | undefined;
  /** Why it does not go on, as a sentence. */
  stopped: string | undefined;
  /** All up to it has been applied, whole. */
  revision: number;

  private constructor(index: Index, state: State, isLenient: boolean) {
    this.index = index;
    this.state = state;
    this.revision = state.revision;
    this.lenient = isLenient ? new LenientReplay(state) : undefined;
  }

  /** Goes on from what an index in the directory holds, or begins anew. */
  static async open(dir: string, volumeId: string, isLenient: boolean): Promise<Replayed> {
    const { index, meta } = await Index.open(dir, volumeId);
    const state = new State(index, volumeId, meta);
    await state.promises.load(index);
    return new Replayed(index, state, isLenient);
  }

  /** @throws What replay throws: the record cannot be understood, or what it refers to is not there. */
  take(record: LogRecord): Promise<void> | undefined {
    if (this.stopped !== undefined || record.revision <= this.state.revision) return undefined;
    if (!needsWholeIndex(record)) return this.#apply(record);
    const kept = { ...record, payload: Buffer.from(record.payload) };
    return this.flush().then(() => this.#apply(kept));
  }

  #apply(record: LogRecord): Promise<void> | undefined {
    if (this.lenient === undefined) replayRecord(this.state, record);
    else this.lenient.replay(record);
    this.revision = record.revision;
    return this.state.pending < FLUSH_CHANGES ? undefined : this.flush();
  }

  /** @param answered See IndexMeta. */
  async flush(answered = this.state.next): Promise<void> {
    await this.state.flush(Promise.resolve(), answered);
    this.state.trim();
  }

  close(): Promise<void> {
    return this.index.close();
  }
}
