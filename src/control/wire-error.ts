/**
 * Errors on the control socket: what leaves one process as a SessfsError arrives in the other as the same one.
 */

import { Errno } from '../shared/errno.ts';
import { EXIT_CODES, FsError, SessfsError } from '../shared/errors.ts';
import type { ErrorCode } from '../shared/errors.ts';

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  USAGE: 400,
  SESSION_UNKNOWN: 404,
  PATH_UNKNOWN: 404,
  VERSION_UNKNOWN: 404,
  TIME_OUT_OF_RANGE: 404,
  SESSION_EXISTS: 409,
  SESSION_STATE: 409,
  CONFLICT: 409,
  CONTENT_REMOVED: 410,
};

export function httpStatusOf(error: WireError): number {
  return HTTP_STATUS[error.code] ?? 500;
}

/** The domain's errors as a person's; anything unexpected keeps its message and becomes FAILED. */
export function encodeWireError(error: unknown): WireError {
  if (error instanceof SessfsError) {
    const { code, message, hint } = error;
    return hint === undefined ? { code, message } : { code, message, hint };
  }
  if (error instanceof FsError) return encodeFsError(error);
  return { code: 'FAILED', message: error instanceof Error ? error.message : String(error) };
}

/** @returns undefined if the value is not an encoded error. */
export function findWireError(value: unknown): SessfsError | undefined {
  if (typeof value !== 'object' || value === null || !('error' in value)) return undefined;
  const body = value.error;
  if (typeof body !== 'object' || body === null) return undefined;
  if (!('code' in body) || !('message' in body)) return undefined;
  const code = String(body.code);
  const hint = 'hint' in body && typeof body.hint === 'string' ? body.hint : undefined;
  return new SessfsError(isErrorCode(code) ? code : 'FAILED', String(body.message), { hint });
}

function encodeFsError(error: FsError): WireError {
  switch (error.errno) {
    case Errno.ENODATA:
      return {
        code: 'CONTENT_REMOVED',
        message: `Cannot read the content: retention has removed it (${error.message})`,
      };
    case Errno.ENOSPC:
    case Errno.EDQUOT:
      return {
        code: 'NO_SPACE',
        message: `Cannot write: no space is left (${error.message})`,
        hint: 'Free space on the disk of the store',
      };
    case Errno.EROFS:
      return { code: 'READ_ONLY', message: `Cannot write: read-only (${error.message})` };
    case Errno.ENOENT:
      return { code: 'PATH_UNKNOWN', message: `Cannot find the path (${error.message})` };
    case Errno.EIO:
      return {
        code: 'LOG_CORRUPT',
        message: `Cannot read the content: ${error.message.replace(/^EIO: /, '')}`,
        hint: 'See what is damaged: sessfs fsck SESSION',
      };
    default:
      return { code: 'FAILED', message: error.message };
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(EXIT_CODES, code);
}
