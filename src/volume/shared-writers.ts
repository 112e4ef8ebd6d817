/**
 * A table of writers in memory that outlives the process: fixed slots, open addressing, and a journal of
 * one entry.
 *
 * Rule: a process may be killed between any two stores. What is to be stored is noted first, then marked
 * as noted, then stored; whoever takes the memory over stores it again. So a count is never half changed,
 * and the request that changed it is known.
 *
 * Layout, in words of 32 bits: the journal (is valid, slot, inode low and high, count, unique low and
 * high), who found no slot, then slots of inode low and high, count, unused. Inode 0 is a free slot. A slot
 * is looked for in MAX_PROBES places: a table that is crowded forgets whose an open file is, and not that
 * there is one.
 *
 * Who found no slot: 0 is nobody, n above 1 is n − 1 open files. Earlier programs wrote 1 for «at least one,
 * ever»: how many of them are still open nobody knows, so that stays until the next connection. They take
 * any number but 0 for that, and pass over a journal with the slot NO_SLOT.
 */

import type { Ino } from '../shared/brands.ts';
import type { WriterTable } from './writers.ts';

const TWO_32 = 2 ** 32;
const MAX_PROBES = 64;

const Word = { VALID: 0, SLOT: 1, INO: 2, COUNT: 4, UNIQUE: 5, SLOTLESS: 7, SLOTS: 8 };
/** In the journal: what changes is how many have none. */
const NO_SLOT = 0xffff_ffff;
/** Of Word.SLOTLESS. */
const Slotless = { NONE: 0, UNKNOWN: 1, ONE: 2 };
const SLOT_WORDS = 4;
const COUNT_AT = 2;

export class SharedWriters implements WriterTable {
  readonly #words: Uint32Array;
  readonly #slots: number;
  /** Slots in use: mostly few, and a miss then costs nothing. */
  #used = 0;

  /** @param words As another left them, or all 0. */
  constructor(words: Uint32Array) {
    this.#words = words;
    this.#slots = Math.floor((words.length - Word.SLOTS) / SLOT_WORDS);
    if (this.#get(Word.VALID) === 1) this.#storeNoted();
    for (let slot = 0; slot < this.#slots; slot += 1) {
      if (this.#getPair(at(slot)) !== 0) this.#used += 1;
    }
  }

  get(ino: Ino): number {
    const slot = this.#find(ino);
    if (slot !== undefined) return this.#get(at(slot) + COUNT_AT);
    return this.#get(Word.SLOTLESS) === Slotless.NONE ? 0 : 1;
  }

  add(ino: Ino, unique: number): void {
    if (this.#isCounted(unique)) return;
    const held = this.#find(ino);
    const slot = held ?? this.#probe(ino, 0);
    if (slot === undefined) {
      this.#addSlotless(unique);
      return;
    }
    const count = held === undefined ? 0 : this.#get(at(held) + COUNT_AT);
    if (held === undefined) this.#used += 1;
    this.#change(slot, ino, count + 1, unique);
  }

  remove(ino: Ino, unique: number): number {
    const slot = this.#find(ino);
    if (slot === undefined) {
      if (!this.#isCounted(unique)) this.#removeSlotless(unique);
      return 0;
    }
    const count = this.#get(at(slot) + COUNT_AT);
    if (this.#isCounted(unique)) return count;
    if (count === 1) this.#used -= 1;
    this.#change(slot, ino, count - 1, unique);
    return count - 1;
  }

  clear(): void {
    this.#words[Word.VALID] = 0;
    this.#words.fill(0);
    this.#used = 0;
  }

  #addSlotless(unique: number): void {
    const before = this.#get(Word.SLOTLESS);
    if (before === Slotless.UNKNOWN) return;
    this.#change(NO_SLOT, 0, before === Slotless.NONE ? Slotless.ONE : before + 1, unique);
  }

  /**
   * INVARIANT: of each inode no more is counted in its slot than is open, and what is not is counted here.
   * So a close that finds no slot is of one that is counted here.
   */
  #removeSlotless(unique: number): void {
    const before = this.#get(Word.SLOTLESS);
    if (before < Slotless.ONE) return;
    this.#change(NO_SLOT, 0, before === Slotless.ONE ? Slotless.NONE : before - 1, unique);
  }

  #change(slot: number, ino: Ino | 0, count: number, unique: number): void {
    const words = this.#words;
    // What was noted before is stored. From here to the end nothing is noted, and nothing has changed.
    words[Word.VALID] = 0;
    words[Word.SLOT] = slot;
    this.#setPair(Word.INO, count === 0 ? 0 : ino);
    words[Word.COUNT] = count;
    this.#setPair(Word.UNIQUE, unique);
    words[Word.VALID] = 1;
    this.#storeNoted();
  }

  #storeNoted(): void {
    const slot = this.#get(Word.SLOT);
    if (slot === NO_SLOT) {
      this.#words[Word.SLOTLESS] = this.#get(Word.COUNT);
      return;
    }
    const start = at(slot);
    this.#setPair(start, this.#getPair(Word.INO));
    this.#words[start + COUNT_AT] = this.#get(Word.COUNT);
  }

  #isCounted(unique: number): boolean {
    if (unique === 0 || this.#get(Word.VALID) === 0) return false;
    return this.#getPair(Word.UNIQUE) === unique;
  }

  #find(ino: Ino): number | undefined {
    return this.#used === 0 ? undefined : this.#probe(ino, ino);
  }

  /** The slot that holds `wanted`, of those where `ino` may be. */
  #probe(ino: Ino, wanted: number): number | undefined {
    for (let step = 0; step < Math.min(MAX_PROBES, this.#slots); step += 1) {
      const slot = (ino + step) % this.#slots;
      if (this.#getPair(at(slot)) === wanted) return slot;
    }
    return undefined;
  }

  #get(word: number): number {
    return this.#words[word] ?? 0;
  }

  #getPair(word: number): number {
    return this.#get(word) + this.#get(word + 1) * TWO_32;
  }

  #setPair(word: number, value: number): void {
    this.#words[word] = value % TWO_32;
    this.#words[word + 1] = Math.floor(value / TWO_32);
  }
}

const at = (slot: number): number => Word.SLOTS + slot * SLOT_WORDS;
