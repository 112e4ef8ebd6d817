/**
 * How many messages of each kind came, and how long they took.
 *
 * Rule: counts are exact, times are of one message in SAMPLE_EVERY, because reading the clock twice
 * costs a tenth of what a small message does.
 */

import { opcodeName, OPCODE_LIMIT } from './abi.ts';

const SAMPLE_EVERY = 16;

export interface OperationStats {
  readonly count: number;
  /** From the end of read(2) to the end of write(2), extrapolated; deferred answers without their wait. */
  readonly totalNs: number;
}

export class MessageStats {
  readonly #counts = new Float64Array(OPCODE_LIMIT);
  readonly #sampled = new Float64Array(OPCODE_LIMIT);
  readonly #sampledMs = new Float64Array(OPCODE_LIMIT);
  #untilSample = 1;

  /** @returns When the message began, or 0 if this one is not timed. */
  begin(opcode: number): number {
    const row = opcode < OPCODE_LIMIT ? opcode : 0;
    this.#counts[row] = (this.#counts[row] ?? 0) + 1;
    this.#untilSample -= 1;
    if (this.#untilSample > 0) return 0;
    this.#untilSample = SAMPLE_EVERY;
    return performance.now();
  }

  end(opcode: number, beganAt: number): void {
    if (beganAt === 0) return;
    const row = opcode < OPCODE_LIMIT ? opcode : 0;
    this.#sampled[row] = (this.#sampled[row] ?? 0) + 1;
    this.#sampledMs[row] = (this.#sampledMs[row] ?? 0) + performance.now() - beganAt;
  }

  byName(): Record<string, OperationStats> {
    const result: Record<string, OperationStats> = {};
    for (const [opcode, count] of this.#counts.entries()) {
      if (count === 0) continue;
      const sampled = this.#sampled[opcode] ?? 0;
      const meanMs = sampled === 0 ? 0 : (this.#sampledMs[opcode] ?? 0) / sampled;
      result[opcodeName(opcode)] = { count, totalNs: Math.round(meanMs * 1e6 * count) };
    }
    return result;
  }
}
