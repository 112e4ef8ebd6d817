/**
 * Whether the clock can be believed: nothing is removed by one that has just jumped.
 *
 * Rules:
 * - The wall clock is compared with one that nobody sets. What differs by more than MAX_DRIFT_MS is a jump.
 * - After a start it is compared with when somebody last looked at it. Being away for longer than
 *   MAX_ABSENCE_MS cannot be told from a jump.
 * - After a jump nothing is believed until the clock has gone steadily for STEADY_MS, or somebody says that
 *   it is right. A clock behind the last change of the volume is never believed.
 */

/** Hosts slew their clocks, and sleep. */
const MAX_DRIFT_MS = 5 * 60_000;
const MAX_ABSENCE_MS = 24 * 3_600_000;
const STEADY_MS = 24 * 3_600_000;

export interface ClockReading {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** Of a clock that only goes forward. */
  readonly steadyMs: number;
}

/** A jump that is not forgiven yet, for a guard that comes after this one. */
export interface ClockDoubt {
  readonly reason: string;
  /** By the wall clock after the jump. */
  readonly sinceMs: number;
}

export class ClockGuard {
  #last: ClockReading | undefined;
  #jumpedAt: ClockReading | undefined;
  #reason = '';

  /**
   * @param lastSeenMs When somebody last looked at the wall clock; undefined: never.
   * @param doubt What the guard before this one doubted then: a new start is no reason to believe.
   */
  constructor(lastSeenMs: number | undefined, now: ClockReading, doubt?: ClockDoubt) {
    this.#last = now;
    if (lastSeenMs === undefined) return;
    if (doubt !== undefined) {
      const sinceMs = Math.max(0, now.wallMs - doubt.sinceMs);
      this.#jumpedAt = { wallMs: doubt.sinceMs, steadyMs: now.steadyMs - sinceMs };
      this.#reason = doubt.reason;
    }
    const awayMs = now.wallMs - lastSeenMs;
    if (awayMs > MAX_ABSENCE_MS)
      this.#jump(now, `the clock is ${days(awayMs)} ahead of when it was last looked at`);
    else if (awayMs < -MAX_DRIFT_MS)
      this.#jump(now, `the clock is ${days(-awayMs)} behind when it was last looked at`);
  }

  /**
   * Looks at the clock.
   *
   * @param lastChangeMs When the volume last changed, by its own time.
   * @returns Why nothing may be removed now; undefined if the clock can be believed.
   */
  check(now: ClockReading, lastChangeMs: number): string | undefined {
    this.observe(now);
    if (now.wallMs < lastChangeMs - MAX_DRIFT_MS) {
      return `the clock is ${days(lastChangeMs - now.wallMs)} behind the last change of the session`;
    }
    const jumped = this.#jumpedAt;
    if (jumped === undefined) return undefined;
    const steadyMs = now.steadyMs - jumped.steadyMs;
    if (steadyMs >= STEADY_MS) {
      this.believe();
      return undefined;
    }
    const leftMs = STEADY_MS - steadyMs;
    return `${this.#reason}; it is believed in ${Math.ceil(leftMs / 3_600_000)} h if it goes on steadily`;
  }

  /** undefined: it can be believed, or would be if it were asked. */
  get doubt(): ClockDoubt | undefined {
    const { wallMs } = this.#jumpedAt ?? {};
    return wallMs === undefined ? undefined : { reason: this.#reason, sinceMs: wallMs };
  }

  /** To be called often enough that a jump is not missed. */
  observe(now: ClockReading): void {
    const last = this.#last;
    this.#last = now;
    if (last === undefined) return;
    const driftMs = now.wallMs - last.wallMs - (now.steadyMs - last.steadyMs);
    if (Math.abs(driftMs) <= MAX_DRIFT_MS) return;
    this.#jump(
      now,
      `the clock jumped by ${days(Math.abs(driftMs))} ${driftMs > 0 ? 'forward' : 'back'}`,
    );
  }

  /** Somebody says that it is right. */
  believe(): void {
    this.#jumpedAt = undefined;
  }

  #jump(now: ClockReading, reason: string): void {
    this.#jumpedAt = now;
    this.#reason = reason;
  }
}

function days(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours < 1) return `${Math.round(ms / 60_000)} minutes`;
  return hours < 48 ? `${Math.round(hours)} hours` : `${Math.round(hours / 24)} days`;
}
