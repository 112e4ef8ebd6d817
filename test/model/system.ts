/**
 * The volume under test: opened in this process, its commits watched, its directory copied for crashes.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { VolumeHistory } from '../../src/history/volume-history.ts';
import { Space } from '../../src/index/keys.ts';
import { decodeMeta } from '../../src/index/records.ts';
import { NO_REVISION } from '../../src/shared/brands.ts';
import type { ActorId, Ino, Name } from '../../src/shared/brands.ts';
import type { Clock, Time } from '../../src/shared/time.ts';
import { timeFromMs } from '../../src/shared/time.ts';
import { readFile } from '../../src/volume/files.ts';
import { Volume } from '../../src/volume/volume.ts';
import type { Committed } from './steps.ts';

export const VOLUME_ID = '5e55f5000000000000000000000000aa';

/** Small, so that a sequence fills several. */
const SEGMENT_BYTES = 1 << 20;

/** Stands still unless it is told to go on. */
export class TestClock implements Clock {
  ms = Date.UTC(2026, 10, 22, 10, 15, 0, 500);

  now(): Time {
    return timeFromMs(this.ms);
  }
}

export class System {
  readonly dir: string;
  readonly volume: Volume;
  readonly history: VolumeHistory;
  readonly #committed: Committed[] = [];

  private constructor(dir: string, volume: Volume) {
    this.dir = dir;
    this.volume = volume;
    this.history = new VolumeHistory(volume);
    const commit = volume.commit.bind(volume);
    volume.commit = (event, caller, data) => {
      commit(event, caller, data);
      const { revision } = volume.state;
      const actor = caller.actor ?? -1;
      this.#committed.push({ revision, time: volume.log.lastTime, actor, event });
    };
  }

  static async open(
    dir: string,
    clock: Clock,
    options: { readonly isResumed?: boolean; readonly isNew?: boolean } = {},
  ): Promise<System> {
    fs.mkdirSync(dir, { recursive: true });
    const volume = await Volume.open({
      dir,
      volumeId: VOLUME_ID,
      clock,
      segmentBytes: SEGMENT_BYTES,
      ...(options.isResumed === true ? { resumed: { since: NO_REVISION } } : {}),
      ...(options.isNew === true ? { create: { uid: 0, gid: 0, mode: 0o755 } } : {}),
    });
    volume.report = (message, error) => {
      throw new Error(message, { cause: error });
    };
    return new System(dir, volume);
  }

  /** What was committed since the last call. */
  takeCommitted(): Committed[] {
    return this.#committed.splice(0);
  }

  intern(label: string): ActorId {
    return this.volume.internActor({ uid: 0, gid: 0, pid: 1, command: label, label });
  }

  readLive(ino: Ino, size: number): Buffer {
    const bytes = Buffer.alloc(size);
    const count = readFile(this.volume, ino, 0, bytes);
    return bytes.subarray(0, count);
  }

  async listLive(dir: Ino): Promise<Map<Name, Ino>> {
    const names = await this.volume.listings.listAll(dir);
    return new Map(names.map(({ name, ino }) => [name, ino]));
  }

  /** Everything that the index says, as hex: but for hashes, which come from content. */
  async dumpIndex(): Promise<Map<string, string>> {
    await this.volume.flushed();
    const dump = new Map<string, string>();
    const range = { gte: Buffer.from([0]), lt: Buffer.from([0xff]) };
    for await (const [key, value] of this.volume.index.scan(range)) {
      // The first comes from content, the second says how often the index was written.
      if (key[0] === Space.HASH || key[0] === Space.BATCH) continue;
      dump.set(
        key.toString('hex'),
        key[0] === Space.META ? describeMeta(value) : value.toString('hex'),
      );
    }
    return dump;
  }

  copyIndexTo(dir: string): void {
    fs.cpSync(join(this.dir, 'index'), dir, { recursive: true });
  }

  copyTo(dir: string, options: { readonly withIndex: boolean }): void {
    fs.mkdirSync(dir, { recursive: true });
    fs.cpSync(join(this.dir, 'log'), join(dir, 'log'), { recursive: true });
    if (options.withIndex) this.copyIndexTo(join(dir, 'index'));
  }
}

/**
 * The order of the uncut files is not told apart: it is that of their last changes in memory. Nor is who
 * was answered, which only the server that runs can know.
 */
function describeMeta(value: Uint8Array): string {
  const meta = decodeMeta(value);
  const uncut = meta?.uncut.toSorted((a, b) => a.ino - b.ino);
  return JSON.stringify({ ...meta, uncut, answered: undefined });
}
