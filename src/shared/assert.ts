/**
 * Assertions: for bugs only. What the kernel, the disk or a user can cause is an error, not an assertion.
 */

/** @throws {Error} If the condition does not hold: a bug in sessfs. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed: ${message}`);
}

/** Ends a switch over a union: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new Error(`Assertion failed: unhandled case ${JSON.stringify(value)}`);
}
