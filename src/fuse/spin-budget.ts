/**
 * Decides whether asking again and again for the next request is worth the time.
 *
 * Rule: spinning pays while the next request mostly comes within the limit, as from a tool that works
 * through files. Where it mostly does not, as from a compiler that thinks in between, the CPU is the
 * client's: then it is only tried now and then, to learn when that changes.
 */

const MAX_CREDIT = 8;
/** Without credit, one wait in so many is still a spin. */
const TRY_EVERY = 8;

export class SpinBudget {
  readonly #limitMs: number;
  #credit = MAX_CREDIT;
  #untilTry = TRY_EVERY;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** @returns How long to spin before sleeping now, in milliseconds; 0 is not at all. */
  begin(): number {
    if (this.#credit > 0) return this.#limitMs;
    this.#untilTry -= 1;
    if (this.#untilTry > 0) return 0;
    this.#untilTry = TRY_EVERY;
    return this.#limitMs;
  }

  /** A request came while spinning. */
  won(): void {
    // Two for one: half of the waits being short is enough to go on.
    this.#credit = Math.min(this.#credit + 2, MAX_CREDIT);
  }

  /** None came until the limit. */
  lost(): void {
    if (this.#credit > 0) this.#credit -= 1;
  }
}
