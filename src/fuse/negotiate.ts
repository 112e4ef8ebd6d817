/**
 * What is agreed with the kernel at INIT: a pure function of its offer and our options.
 *
 * Not asked for: FUSE_WRITEBACK_CACHE (write errors would come too late, and WRITE would not tell who
 * wrote), locks (the kernel's own work, and one volume has one kernel), POSIX ACLs, export support,
 * FUSE_ASYNC_DIO (Linux 6.18: nobody drops the pages that a buffered read brought in while a direct AIO
 * write was under way, and they stay stale for as long as they are cached).
 */

import { InitFlag, InitFlag2, PROTOCOL_MINOR } from './abi.ts';
import type { ConnectionInfo } from './file-system.ts';

/** One write or read of this size is one message: FUSE_MAX_PAGES pages of 4 KiB. */
export const MAX_WRITE_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;
/** Background requests (readahead, release) under way before the kernel holds others back. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;
/** Times are kept to the nanosecond. */
const TIME_GRANULARITY_NS = 1;

export interface InitOptions {
  /** OPEN is answered ENOSYS and never comes again; closes are then not seen. */
  readonly messagelessOpen?: boolean;
  /** OPENDIR likewise: directories have no handle, and the kernel caches their listings. */
  readonly messagelessOpendir?: boolean;
}

export interface InitOffer {
  readonly major: number;
  readonly minor: number;
  readonly maxReadaheadBytes: number;
  readonly flags: number;
  readonly flags2: number;
}

export interface InitAnswer {
  readonly minor: number;
  readonly maxReadaheadBytes: number;
  readonly flags: number;
  readonly flags2: number;
  readonly maxBackground: number;
  readonly congestionThreshold: number;
  readonly maxWriteBytes: number;
  readonly timeGranularityNs: number;
  readonly maxPages: number;
}

const WANTED_FLAGS =
  InitFlag.ASYNC_READ |
  InitFlag.BIG_WRITES |
  InitFlag.DO_READDIRPLUS |
  InitFlag.READDIRPLUS_AUTO |
  InitFlag.PARALLEL_DIROPS |
  InitFlag.MAX_PAGES |
  InitFlag.CACHE_SYMLINKS |
  InitFlag.EXPLICIT_INVAL_DATA |
  InitFlag.HANDLE_KILLPRIV_V2 |
  InitFlag.INIT_EXT;

const WANTED_FLAGS_2 = InitFlag2.NO_EXPORT_SUPPORT | InitFlag2.HAS_RESEND;

/** What to answer to INIT. */
export function negotiate(offer: InitOffer, options: InitOptions): InitAnswer {
  let wanted = WANTED_FLAGS;
  // With messageless opens O_TRUNC must come as a SETATTR of its own, since no OPEN carries it.
  if (options.messagelessOpen === true) wanted |= InitFlag.NO_OPEN_SUPPORT;
  else wanted |= InitFlag.ATOMIC_O_TRUNC;
  if (options.messagelessOpendir === true) wanted |= InitFlag.NO_OPENDIR_SUPPORT;
  const flags = offer.flags & wanted;
  const hasMaxPages = (flags & InitFlag.MAX_PAGES) !== 0;
  const maxPages = hasMaxPages ? MAX_WRITE_BYTES / PAGE_BYTES : 32;
  return {
    minor: Math.min(offer.minor, PROTOCOL_MINOR),
    maxReadaheadBytes: Math.max(offer.maxReadaheadBytes, MAX_WRITE_BYTES),
    flags,
    flags2: (flags & InitFlag.INIT_EXT) === 0 ? 0 : offer.flags2 & WANTED_FLAGS_2,
    maxBackground: MAX_BACKGROUND,
    congestionThreshold: CONGESTION_THRESHOLD,
    maxWriteBytes: maxPages * PAGE_BYTES,
    timeGranularityNs: TIME_GRANULARITY_NS,
    maxPages,
  };
}

export function connectionInfo(answer: InitAnswer): ConnectionInfo {
  return {
    maxWriteBytes: answer.maxWriteBytes,
    maxReadBytes: answer.maxPages * PAGE_BYTES,
    minor: answer.minor,
  };
}
