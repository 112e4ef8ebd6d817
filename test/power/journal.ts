/**
 * What the recording disk writes down: every change and every sync, in order, with its time.
 *
 * Two files: one entry a line, and the bytes of all writes one behind the other. Times are those of the
 * monotonic clock of the host, in nanoseconds, so that other processes can compare theirs.
 */

import fs from 'node:fs';
import { join } from 'node:path';

interface At {
  /** 1, 2, 3, … */
  readonly seq: number;
  readonly t: number;
}

export type Change =
  | { readonly k: 'write'; readonly ino: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly k: 'truncate'; readonly ino: number; readonly size: number }
  | {
      readonly k: 'make';
      readonly dir: number;
      readonly name: string;
      readonly ino: number;
      readonly mode: number;
    }
  | { readonly k: 'link'; readonly dir: number; readonly name: string; readonly ino: number }
  | { readonly k: 'remove'; readonly dir: number; readonly name: string }
  | {
      readonly k: 'move';
      readonly dir: number;
      readonly name: string;
      readonly newDir: number;
      readonly newName: string;
    }
  /** Everything that was done to the inode up to `covers` is on the medium; asked for at `began`. */
  | { readonly k: 'sync'; readonly ino: number; readonly covers: number; readonly began: number }
  /** The sync failed: what was not on the medium by then is clean in the cache, and may never get there. */
  | { readonly k: 'lost'; readonly ino: number; readonly covers: number };

export type Entry = At & Change;

const ENTRIES = 'entries.jsonl';
const BYTES = 'bytes';

export const nowNs = (): number => Number(process.hrtime.bigint());

export class JournalWriter {
  seq = 0;
  readonly #entries: number;
  readonly #bytes: number;
  #position = 0;

  constructor(dir: string) {
    fs.mkdirSync(dir, { recursive: true });
    this.#entries = fs.openSync(join(dir, ENTRIES), 'w');
    this.#bytes = fs.openSync(join(dir, BYTES), 'w');
  }

  add(change: Change): void {
    this.seq += 1;
    let told: object = change;
    if (change.k === 'write') {
      const { bytes, ...rest } = change;
      fs.writeSync(this.#bytes, bytes);
      told = { ...rest, at: this.#position, length: bytes.length };
      this.#position += bytes.length;
    }
    fs.writeSync(this.#entries, `${JSON.stringify({ seq: this.seq, t: nowNs(), ...told })}\n`);
  }
}

/** All entries so far, in order. */
export function readJournal(dir: string): Entry[] {
  const bytes = fs.readFileSync(join(dir, BYTES));
  const lines = fs.readFileSync(join(dir, ENTRIES), 'utf8').split('\n');
  // Behind the last newline there is nothing, or an entry that is being written.
  lines.pop();
  return lines.map((line) => {
    const told = JSON.parse(line) as Entry & { at?: number; length?: number };
    if (told.k !== 'write') return told;
    const { at = 0, length = 0, ...entry } = told;
    return { ...entry, bytes: bytes.subarray(at, at + length) };
  });
}
