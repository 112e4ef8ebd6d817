/**
 * What to conclude from the deaths of one connection's volume servers: how long to wait before the next
 * one starts, and which request must not be tried again.
 *
 * Rule: a server that answered anything has made progress, and its successor starts at once. A request is
 * given up only when servers die while they answer that very one, again and again.
 */

import type { VitalSigns } from './vitals.ts';

/** A request on which so many servers in a row crashed by themselves is given up. */
const CRASHES_TO_GIVE_UP = 3;
/** Likewise for SIGKILL: somebody else's, mostly, but also how the kernel ends what takes all memory. */
const KILLS_TO_GIVE_UP = 8;
/** Likewise for a request that waited while nothing at all was answered, a minute or so with the waits. */
const KILLS_TO_GIVE_UP_WAITING = 20;
/** The first wait after deaths without progress; it doubles, up to the last one; in milliseconds. */
const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 5_000;
/** Requests that were given up and are kept: their callers have long got their answer. */
const MAX_GIVEN_UP = 64;

export interface Death {
  /** What the server left in shared memory; undefined if it never served. */
  readonly signs: VitalSigns | undefined;
  /** It was killed by SIGKILL, and did not crash by itself. */
  readonly wasKilled: boolean;
}

export class Deaths {
  #answered = 0;
  #inARow = 0;
  #suspects = new Map<number, number>();
  #givenUp: number[] = [];

  /** Servers that died one after the other without having answered anything. */
  get inARow(): number {
    return this.#inARow;
  }

  /** How long to wait before the next start, in milliseconds. */
  get delayMs(): number {
    if (this.#inARow <= 1) return 0;
    return Math.min(FIRST_DELAY_MS * 2 ** (this.#inARow - 2), LAST_DELAY_MS);
  }

  /** Requests to be answered with an error. */
  get givenUp(): readonly number[] {
    return this.#givenUp;
  }

  /** @returns The requests that are given up because of this death. */
  add({ signs, wasKilled }: Death): readonly number[] {
    const answered = signs?.answered ?? this.#answered;
    this.#inARow = answered > this.#answered ? 0 : this.#inARow + 1;
    this.#answered = answered;
    if (signs === undefined) return [];
    const suspects = this.#findSuspects(signs, wasKilled);
    if (suspects.length === 0) return [];
    const counts = new Map<number, number>();
    for (const unique of suspects) counts.set(unique, (this.#suspects.get(unique) ?? 0) + 1);
    const limitOf = (unique: number): number => {
      if (!wasKilled) return CRASHES_TO_GIVE_UP;
      return unique === signs.current ? KILLS_TO_GIVE_UP : KILLS_TO_GIVE_UP_WAITING;
    };
    const guilty = [...counts]
      .filter(([unique, count]) => count >= limitOf(unique))
      .map(([unique]) => unique);
    for (const unique of guilty) counts.delete(unique);
    this.#suspects = counts;
    this.#givenUp = [...this.#givenUp, ...guilty].slice(-MAX_GIVEN_UP);
    return guilty;
  }

  /** The request that was carried out; if none was, those that waited, which a crash may come from. */
  #findSuspects({ current, deferred }: VitalSigns, wasKilled: boolean): readonly number[] {
    if (current !== undefined) return [current];
    const isStuck = this.#inARow > 0;
    return !wasKilled || isStuck ? deferred : [];
  }
}
