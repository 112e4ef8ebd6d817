/**
 * How fast a worker works: it does some, and sleeps, so that it takes a set share of the time.
 */

/** Long enough that waking up costs little of it, short enough that nobody notices. */
const WORK_MS = 10;

export class AbortedError extends Error {
  override readonly name = 'AbortedError';
}

export class DutyCycle {
  #duty: number;
  #isAborted = false;
  #sinceMs = performance.now();
  #wake: (() => void) | undefined;

  /** @param duty The share of the time that is worked, 0 (not at all) to 1. */
  constructor(duty: number) {
    this.#duty = duty;
  }

  setDuty(duty: number): void {
    this.#duty = duty;
    this.#wake?.();
  }

  /** Has the next step throw. */
  abort(): void {
    this.#isAborted = true;
    this.#wake?.();
  }

  begin(): void {
    this.#isAborted = false;
    this.#sinceMs = performance.now();
  }

  /**
   * To be called often: sleeps as long as is owed, and lets messages in.
   *
   * @throws {AbortedError} After abort.
   */
  readonly step = async (): Promise<void> => {
    const workedMs = performance.now() - this.#sinceMs;
    if (workedMs >= WORK_MS) {
      await this.#sleep(workedMs);
      this.#sinceMs = performance.now();
    }
    if (this.#isAborted) throw new AbortedError('the job was aborted');
  };

  /** What is owed for the work is counted anew when the duty changes meanwhile. */
  async #sleep(workedMs: number): Promise<void> {
    const sinceMs = performance.now();
    // It may have been aborted while it worked: then nobody wakes it any more.
    while (!this.#isAborted) {
      const duty = Math.min(1, this.#duty);
      const owedMs = duty > 0 ? (workedMs * (1 - duty)) / duty : Infinity;
      const restMs = owedMs - (performance.now() - sinceMs);
      await this.#wait(Math.max(0, restMs));
      if (performance.now() - sinceMs >= owedMs) return;
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      // Without an end: until somebody wakes it.
      const timer = ms === Infinity ? undefined : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
