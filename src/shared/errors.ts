/**
 * The errors that are meant for somebody: FsError for a system call, SessfsError for a person.
 *
 * A miss is a value and never one of these; a bug is an assertion.
 */

import { errnoName } from './errno.ts';
import type { Errno } from './errno.ts';

/**
 * A system call's failure, turned into a reply in one place (src/fuse).
 *
 * It has no stack: failures are answers, programs ask for them by the thousand (ENOTEMPTY, EOPNOTSUPP),
 * and writing a stack down costs more than all the rest.
 */
export class FsError extends Error {
  override readonly name = 'FsError';
  readonly errno: Errno;

  constructor(errno: Errno, detail?: string) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(detail === undefined ? errnoName(errno) : `${errnoName(errno)}: ${detail}`);
    Error.stackTraceLimit = limit;
    this.errno = errno;
  }
}

/** Exit codes of the command, one for each code: a public interface, documented in README.md. */
export const EXIT_CODES = {
  FAILED: 1,
  USAGE: 2,
  PARTLY_DONE: 3,
  DAEMON_UNREACHABLE: 10,
  DAEMON_RUNNING: 11,
  SESSION_UNKNOWN: 12,
  SESSION_EXISTS: 13,
  SESSION_STATE: 14,
  NOT_IN_SESSION: 15,
  PATH_UNKNOWN: 16,
  VERSION_UNKNOWN: 17,
  TIME_OUT_OF_RANGE: 18,
  MOUNT_FAILED: 19,
  MOUNT_POINT: 20,
  HOST_LACKS: 21,
  LOG_CORRUPT: 22,
  INDEX_CORRUPT: 23,
  STORE_FOREIGN: 24,
  STORE_LOCKED: 25,
  CONFIG_INVALID: 26,
  CONFLICT: 27,
  NO_SPACE: 28,
  CONTENT_REMOVED: 29,
  READ_ONLY: 30,
  DAMAGE_FOUND: 31,
  DAMAGE_REPAIRED: 32,
  SWEEP_REFUSED: 33,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

/** A person's problem: what happened, and the way out. */
export class SessfsError extends Error {
  override readonly name = 'SessfsError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  /**
   * @param message Sentence case, no full stop: the action, a colon, the value seen and the value wanted.
   * @param options.hint What to do about it.
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
