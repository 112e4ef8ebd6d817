/**
 * Times and revisions: which revision was the last at a time, and when a revision was.
 *
 * The index has one entry for each second in which something happened; the log has the rest.
 */

import type { Revision } from '../shared/brands.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { Space, timeKey } from '../index/keys.ts';
import { decodeTimeRecord } from '../index/records.ts';
import type { TimeRecord } from '../index/records.ts';
import type { Volume } from '../volume/volume.ts';

export class Moments {
  readonly #volume: Volume;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** The last revision not after a time; undefined before the first. */
  async findRevision(time: Time): Promise<Revision | undefined> {
    const { state, log } = this.#volume;
    if (compareTime(time, state.time) >= 0) return state.revision;
    const latest = state.revision;
    const entry = await this.#findEntry(time);
    if (entry === undefined) return undefined;
    let found = entry.record.revision;
    for await (const record of log.scan(entry.record.pos)) {
      if (compareTime(record.time, time) > 0 || record.revision > latest) break;
      found = record.revision;
    }
    return found;
  }

  /** When a revision was made. */
  async getTime(revision: Revision): Promise<Time> {
    const { state, log } = this.#volume;
    if (revision >= state.revision) return state.time;
    let low = state.getGenesisTime().sec;
    let high = state.time.sec + 1;
    // The last second whose first revision is not after the one we look for.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const entry = await this.#findEntry({ sec: middle, nsec: 999_999_999 });
      if (entry !== undefined && entry.record.revision > revision) high = middle;
      else low = middle;
    }
    const entry = await this.#findEntry({ sec: low, nsec: 999_999_999 });
    let time = state.getGenesisTime();
    if (entry === undefined) return time;
    for await (const record of log.scan(entry.record.pos)) {
      if (record.revision > revision) break;
      time = record.time;
    }
    return time;
  }

  /** The last entry not after a time. */
  async #findEntry(time: Time): Promise<{ record: TimeRecord } | undefined> {
    await this.#volume.flushed();
    const gte = Buffer.from([Space.TIME]);
    const lt = Buffer.concat([timeKey(time), Buffer.from([0])]);
    const entry = await this.#volume.index.findFirst({ gte, lt, reverse: true });
    return entry === undefined ? undefined : { record: decodeTimeRecord(entry[1]) };
  }
}
