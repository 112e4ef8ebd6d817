/**
 * How many messages of each kind came, and how long they took.
 *
 * Rule: counts are exact; times are of one message in about SAMPLE_EVERY, because reading the clock twice
 * costs a tenth of what a small message does. What waits for the disk anyway is always timed.
 */

import { Opcode, opcodeName, OPCODE_LIMIT } from './abi.ts';

const SAMPLE_EVERY = 16;
/** What lies between two samples varies by this much: work that repeats every 16 messages is sampled too. */
const SAMPLE_SPREAD = 15;

const ALWAYS_TIMED: readonly number[] = [Opcode.FSYNC, Opcode.FSYNCDIR, Opcode.SYNCFS];

/** Upper bounds of the buckets, in seconds; one more takes what is above them. */
export const LATENCY_BOUNDS: readonly number[] = [
  0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1,
];
const BOUNDS_MS = LATENCY_BOUNDS.map((seconds) => seconds * 1000);
const BUCKETS = LATENCY_BOUNDS.length + 1;

export interface OperationStats {
  readonly count: number;
  /** From the end of read(2) to the end of write(2), extrapolated. */
  readonly totalNs: number;
  /** How many were timed, and how long those took together, in seconds. */
  readonly timed: number;
  readonly timedSeconds: number;
  /** Of those that were timed, how many fell into each bucket; the last one has no upper bound. */
  readonly buckets: readonly number[];
}

export class MessageStats {
  readonly #counts = new Float64Array(OPCODE_LIMIT);
  readonly #timed = new Float64Array(OPCODE_LIMIT);
  readonly #timedMs = new Float64Array(OPCODE_LIMIT);
  readonly #buckets = new Float64Array(OPCODE_LIMIT * BUCKETS);
  readonly #isAlwaysTimed = new Uint8Array(OPCODE_LIMIT);
  #untilSample = 1;
  #random = 1;

  constructor() {
    for (const opcode of ALWAYS_TIMED) this.#isAlwaysTimed[opcode] = 1;
  }

  /** @returns When the message began, or 0 if this one is not timed. */
  begin(opcode: number): number {
    const row = opcode < OPCODE_LIMIT ? opcode : 0;
    this.#counts[row] = (this.#counts[row] ?? 0) + 1;
    this.#untilSample -= 1;
    if (this.#untilSample > 0) return this.#isAlwaysTimed[row] === 1 ? performance.now() : 0;
    this.#untilSample = this.#nextGap();
    return performance.now();
  }

  /** When its reply has been sent. */
  end(opcode: number, beganAt: number): void {
    if (beganAt === 0) return;
    const row = opcode < OPCODE_LIMIT ? opcode : 0;
    const tookMs = performance.now() - beganAt;
    this.#timed[row] = (this.#timed[row] ?? 0) + 1;
    this.#timedMs[row] = (this.#timedMs[row] ?? 0) + tookMs;
    const cell = row * BUCKETS + bucketOf(tookMs);
    this.#buckets[cell] = (this.#buckets[cell] ?? 0) + 1;
  }

  byName(): Record<string, OperationStats> {
    const result: Record<string, OperationStats> = {};
    for (const [opcode, count] of this.#counts.entries()) {
      if (count === 0) continue;
      const timed = this.#timed[opcode] ?? 0;
      const timedMs = this.#timedMs[opcode] ?? 0;
      result[opcodeName(opcode)] = {
        count,
        totalNs: timed === 0 ? 0 : Math.round((timedMs / timed) * 1e6 * count),
        timed,
        timedSeconds: timedMs / 1000,
        buckets: [...this.#buckets.subarray(opcode * BUCKETS, (opcode + 1) * BUCKETS)],
      };
    }
    return result;
  }

  /** 9 to 23, 16 on average. */
  #nextGap(): number {
    // The generator of Numerical Recipes: its upper bits are random enough for this.
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return SAMPLE_EVERY - (SAMPLE_SPREAD >> 1) + ((this.#random >>> 16) % SAMPLE_SPREAD);
  }
}

function bucketOf(tookMs: number): number {
  let bucket = 0;
  while (bucket < BOUNDS_MS.length && tookMs > (BOUNDS_MS[bucket] ?? 0)) bucket += 1;
  return bucket;
}
