/**
 * The asking end of the control protocol. Every wait has a deadline, and every failure is a SessfsError.
 */

import { request as httpRequest } from 'node:http';

import { MAX_HEADER_BYTES } from './protocol.ts';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

import { SessfsError } from '../shared/errors.ts';
import { decodeTrusted } from './json.ts';
import { ERROR_TRAILER } from './http-server.ts';
import { findWireError } from './wire-error.ts';

/** How long a reply may take to begin, in milliseconds: a mount of a large volume replays its log. */
export const DEFAULT_REPLY_TIMEOUT_MS = 120_000;

export interface CallOptions {
  readonly socketPath: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs?: number | undefined;
  /** Aborted: the work at the other end is not wanted any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface StreamReply<T> {
  readonly info: T;
  /** Fails with the SessfsError of the other end if that could not finish. */
  readonly stream: Readable;
}

/** Sends a request and returns the JSON of its reply; all of it within the deadline. */
export async function callJson<T>(options: CallOptions): Promise<T> {
  const { reply, text } = await callWhole(options);
  return parseReply<T>(reply, text);
}

/** Sends a request and returns its reply as text; all of it within the deadline. */
export async function callText(options: CallOptions): Promise<string> {
  const { reply, text } = await callWhole(options);
  if (reply.statusCode !== 200) parseReply(reply, text);
  return text;
}

/** A reply that begins and does not end is as late as one that does not begin. */
async function callWhole(options: CallOptions): Promise<{ reply: IncomingMessage; text: string }> {
  const endsAt = performance.now() + (options.timeoutMs ?? DEFAULT_REPLY_TIMEOUT_MS);
  const reply = await send(options);
  const timer = setTimeout(
    () => reply.destroy(timeoutError(options)),
    Math.max(0, endsAt - performance.now()),
  );
  try {
    return { reply, text: await readText(reply) };
  } finally {
    clearTimeout(timer);
  }
}

/** Sends a request and returns its reply as it comes. */
export async function callStream<T>(options: CallOptions): Promise<StreamReply<T>> {
  const reply = await send(options);
  if (reply.statusCode !== 200) {
    parseReply(reply, await readText(reply));
  }
  const info = reply.headers['x-sessfs-info'];
  return {
    info: decodeTrusted<T>(decodeURIComponent(typeof info === 'string' ? info : 'null')),
    stream: Readable.from(readWhole(reply), { objectMode: false }),
  };
}

/** The path of a request with its query; parameters that are undefined are left out. */
export function pathWithQuery(
  path: string,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}

async function* readWhole(reply: IncomingMessage): AsyncGenerator<Buffer> {
  yield* bytesOf(reply);
  const trailer = reply.trailers[ERROR_TRAILER];
  if (trailer === undefined) return;
  throw (
    findWireError(JSON.parse(decodeURIComponent(trailer))) ??
    new SessfsError('FAILED', 'Cannot read the reply: the other end failed')
  );
}

async function* bytesOf(reply: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const part of reply) yield part;
}

async function readText(reply: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of bytesOf(reply)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function send(options: CallOptions): Promise<IncomingMessage> {
  const { socketPath, method, path } = options;
  const timeoutMs = options.timeoutMs ?? DEFAULT_REPLY_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const request = httpRequest(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        socketPath,
        method,
        path,
        agent: false,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        headers: body === undefined ? {} : headersOf(body),
      },
      (reply) => {
        clearTimeout(timer);
        resolve(reply);
      },
    );
    const timer = setTimeout(() => request.destroy(timeoutError(options)), timeoutMs);
    request.once('error', (error) => {
      clearTimeout(timer);
      reject(error instanceof SessfsError ? error : brokenError(options, error));
    });
    request.end(body);
  });
}

/** With its length: of a DELETE, node:http would send a body without saying so. */
function headersOf(body: string): Record<string, string | number> {
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
}

function timeoutError({ method, path, timeoutMs }: CallOptions): SessfsError {
  return new SessfsError(
    'DAEMON_UNREACHABLE',
    `Cannot ${method} ${path}: no reply in ${timeoutMs ?? DEFAULT_REPLY_TIMEOUT_MS} ms`,
    { hint: 'Look at the log of the daemon; "sessfs status" tells whether it answers' },
  );
}

/** The connection failed, perhaps only after the request was understood. */
function brokenError({ socketPath, method, path }: CallOptions, error: Error): SessfsError {
  const code = 'code' in error ? error.code : undefined;
  if (method === 'GET' || (code !== 'ECONNRESET' && code !== 'EPIPE')) {
    return unreachableError(socketPath, error);
  }
  return new SessfsError('FAILED', `No reply to ${method} ${path}: ${error.message}`, {
    hint: 'It may have been carried out all the same: look before you repeat it (sessfs log, list, status)',
    cause: error,
  });
}

function unreachableError(socketPath: string, error: Error): SessfsError {
  const code = 'code' in error ? String(error.code) : '';
  const reason =
    code === 'ENOENT'
      ? 'there is no such socket'
      : code === 'ECONNREFUSED'
        ? 'nobody listens'
        : code === 'EACCES'
          ? 'permission denied'
          : error.message;
  return new SessfsError(
    'DAEMON_UNREACHABLE',
    `Cannot reach the daemon at "${socketPath}": ${reason}`,
    {
      hint:
        code === 'EACCES'
          ? 'The store belongs to another user: run the command as that user, or choose another store with --root'
          : 'Start it with "sessfs daemon", or name its store with --root or SESSFS_ROOT',
      cause: error,
    },
  );
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as decodeTrusted
function parseReply<T>(reply: IncomingMessage, text: string): T {
  let value: T;
  try {
    value = decodeTrusted<T>(text);
  } catch (error) {
    throw new SessfsError(
      'FAILED',
      `Cannot read the reply: it is not JSON (status ${reply.statusCode})`,
      {
        cause: error,
      },
    );
  }
  const failure = findWireError(value);
  if (failure !== undefined && reply.statusCode !== 200) throw failure;
  return value;
}
