/**
 * Background work beside a mount that is served: it takes a tenth of the time while somebody works there,
 * and all of it while nobody does.
 */

/** The share of time that background work gets while requests come. */
export const BUSY_DUTY = 0.1;
/** So long the thread is not given back, in milliseconds: nobody waits longer for an answer. */
const SLICE_MS = 2;
/** How often to look whether somebody works there, in milliseconds. */
const LOOK_MS = 100;

export interface PacerOptions {
  /** How many requests have been answered so far. */
  readonly countRequests: () => number;
  /** Of those who work elsewhere for the same cause (the packer's thread). */
  readonly onDuty?: (duty: number) => void;
  readonly signal?: AbortSignal;
}

export class Pacer {
  readonly #options: PacerOptions;
  #workedSinceMs = performance.now();
  #requests: number;
  #lookedAtMs = performance.now();
  #isBusy = false;

  constructor(options: PacerOptions) {
    this.#options = options;
    this.#requests = options.countRequests();
    this.#look();
  }

  /** To be awaited every few hundred steps. @throws If the work is to stop. */
  readonly pause = async (): Promise<void> => {
    this.#options.signal?.throwIfAborted();
    const nowMs = performance.now();
    const workedMs = nowMs - this.#workedSinceMs;
    if (nowMs - this.#lookedAtMs >= LOOK_MS) this.#look();
    if (workedMs < SLICE_MS) return;
    if (this.#isBusy) await sleep(workedMs * (1 / BUSY_DUTY - 1));
    else await new Promise((resolve) => setImmediate(resolve));
    this.#workedSinceMs = performance.now();
  };

  /** Keeps the duty of work elsewhere right until it is stopped. */
  watch(): { stop: () => void } {
    const timer = setInterval(() => this.#look(), LOOK_MS);
    timer.unref();
    return { stop: () => clearInterval(timer) };
  }

  #look(): void {
    const requests = this.#options.countRequests();
    const isBusy = requests !== this.#requests;
    this.#requests = requests;
    this.#lookedAtMs = performance.now();
    if (isBusy !== this.#isBusy) this.#options.onDuty?.(isBusy ? BUSY_DUTY : 1);
    this.#isBusy = isBusy;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
