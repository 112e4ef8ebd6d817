/**
 * What every operation works with, and how an answer is encoded now or later.
 *
 * Rule: an operation returns the number of bytes of the reply's body, a negative errno, NO_REPLY or
 * DEFERRED; it never writes to the device.
 */

import type { Entry, FileSystem } from './file-system.ts';
import type { Frame } from './frame.ts';
import type { InitOptions } from './negotiate.ts';
import type { DirReply, Reply } from './reply.ts';

/** What an operation works with: the one request buffer, the one reply buffer, and how to wait. */
export interface Exchange {
  readonly fileSystem: FileSystem;
  readonly frame: Frame;
  readonly reply: Reply;
  readonly options: InitOptions;
  /** A buffer for a directory: its entries may arrive while other requests are answered. */
  takeDirReply(sizeBytes: number): DirReply;
  /** Sends a directory's buffer when `done` has settled, and takes the buffer back. */
  sendDirReply(reply: DirReply, done: Promise<void> | void): typeof DEFERRED;
  /** Sends the answer when the promise has settled. */
  defer<T>(promise: Promise<T>, encode: (reply: Reply, value: T) => number): typeof DEFERRED;
}

/** The message gets no reply at all (FORGET). */
export const NO_REPLY = 0x7ffffffe;
/** The reply is sent later. */
export const DEFERRED = 0x7fffffff;

export interface Operation {
  /** Of the whole message: a shorter one is answered EINVAL before its fields are read. */
  readonly minBytes: number;
  readonly run: (x: Exchange) => number;
}

/** Encodes now, or when the promise has settled. */
export function answer<T>(
  x: Exchange,
  value: T | Promise<T>,
  encode: (reply: Reply, value: T) => number,
): number {
  return value instanceof Promise ? x.defer(value, encode) : encode(x.reply, value);
}

type Encoder<K extends 'attr' | 'statx' | 'statfs' | 'open' | 'created'> = (
  reply: Reply,
  value: Parameters<Reply[K]>[0],
) => number;

export const encodeEntry = (reply: Reply, entry: Entry): number => reply.entry(entry);
export const encodeNothing = (): number => 0;
export const encodeSize = (reply: Reply, value: number): number => reply.size(value);
export const encodeOffset = (reply: Reply, value: number): number => reply.offset(value);
export const encodeBytes = (reply: Reply, bytes: Uint8Array): number => reply.copy(bytes);
export const encodeText = (reply: Reply, text: string): number => reply.latin1(text);
export const encodeAttr: Encoder<'attr'> = (reply, value) => reply.attr(value);
export const encodeStatx: Encoder<'statx'> = (reply, value) => reply.statx(value);
export const encodeStatfs: Encoder<'statfs'> = (reply, value) => reply.statfs(value);
export const encodeOpen: Encoder<'open'> = (reply, value) => reply.open(value);
export const encodeCreated: Encoder<'created'> = (reply, value) => reply.created(value);
