/**
 * Where a dispatcher notes which request it is at, for whoever looks when this process is dead.
 *
 * Rule: two stores into memory that outlives the process, no system call and no allocation: it is called
 * for every message. A `unique` comes in two halves of 32 bits, without the resend bit: resent or not,
 * a request has one number.
 */

export interface Pulse {
  /** Before a request is run. */
  begin(uniqueLow: number, uniqueHigh: number): void;
  /**
   * After it was answered, deferred, or needed no answer: from here on a death is not its fault.
   *
   * @param isDone It was not deferred.
   */
  end(isDone: boolean): void;
  /** A request that has begun will be answered later. */
  deferred(uniqueLow: number, uniqueHigh: number): void;
  /** The answer of a deferred request has been sent. */
  settled(uniqueLow: number, uniqueHigh: number): void;
}
