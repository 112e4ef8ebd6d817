/**
 * The serving end of the control protocol: HTTP and JSON on a Unix socket.
 *
 * Rule: every request gets exactly one reply. A failure before the first byte is a JSON error; one in
 * the middle of a stream is the trailer ERROR_TRAILER, so that half of an export never looks whole.
 */

import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';

import { MAX_HEADER_BYTES } from './protocol.ts';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';

import { SessfsError } from '../shared/errors.ts';
import { isFields } from './json.ts';
import type { Fields } from './json.ts';
import { encodeWireError, httpStatusOf } from './wire-error.ts';

export const ERROR_TRAILER = 'x-sessfs-error';

/** A request's body larger than this is refused, in bytes: commands are small. */
const BODY_MAX_BYTES = 1024 * 1024;

/** More at a time are closed as they come: descriptors are needed for volumes, too. */
const MAX_CONNECTIONS = 1000;

/** How long a request may take to arrive, in milliseconds: commands are small, and both ends are here. */
const RECEIVE_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1000,
  // The socket is the host; without it node:http would answer by itself, and with nothing.
  requireHostHeader: false,
} as const;

/** How long whoever sent no request may take to read that, in milliseconds. */
const LINGER_MS = 1000;

/** The longest path that sockaddr_un can hold, in bytes, without its final NUL. */
const SOCKET_PATH_MAX_BYTES = 107;

export interface ControlRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON body; an empty object if there was none. */
  readonly body: Fields;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export type ControlReply =
  | { readonly json: unknown; readonly status?: number }
  | { readonly text: string; readonly contentType: string }
  | { readonly stream: Readable; readonly info?: unknown };

export interface Route {
  /** Method and path; a component ":x" is a parameter, a final "*" takes the rest. */
  readonly on: string;
  readonly handle?: (request: ControlRequest) => Promise<ControlReply>;
  /** Instead of handle: takes the request as it came, to pass it on. */
  readonly forward?: (target: ForwardTarget) => Promise<void>;
}

export interface ForwardTarget {
  readonly params: Readonly<Record<string, string>>;
  /** What the "*" stood for, with the query. */
  readonly rest: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface ControlServerOptions {
  readonly socketPath: string;
  readonly routes: readonly Route[];
  readonly onError: (error: unknown, on: string) => void;
  /** A socket that listens there already, by its descriptor. */
  readonly listeningFd?: number | undefined;
}

export class ControlServer {
  readonly #server: Server;
  readonly #options: ControlServerOptions;

  private constructor(options: ControlServerOptions) {
    this.#options = options;
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    const limits = { maxHeaderSize: MAX_HEADER_BYTES, ...RECEIVE_LIMITS };
    this.#server = createServer(limits, answer);
    this.#server.on('checkExpectation', answer);
    this.#server.keepAliveTimeout = 1000;
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('clientError', refuseMalformed);
  }

  /** Listens; a socket file left behind by a process that is gone is replaced. The caller holds the lock. */
  static async listen(options: ControlServerOptions): Promise<ControlServer> {
    const { socketPath, listeningFd } = options;
    if (Buffer.byteLength(socketPath) > SOCKET_PATH_MAX_BYTES) {
      throw new SessfsError(
        'USAGE',
        `Cannot listen on "${socketPath}": ${Buffer.byteLength(socketPath)} bytes, at most ${SOCKET_PATH_MAX_BYTES} are possible`,
        { hint: 'Choose a shorter store directory with --root' },
      );
    }
    if (listeningFd === undefined) rmSync(socketPath, { force: true });
    const control = new ControlServer(options);
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject);
      control.#server.listen(listeningFd === undefined ? socketPath : { fd: listeningFd }, () => {
        control.#server.off('error', reject);
        resolve();
      });
    });
    if (listeningFd === undefined) chmodSync(socketPath, 0o600);
    return control;
  }

  /** Stops listening; requests under way may finish until the deadline. */
  async close(deadlineMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), deadlineMs);
    await closed;
    clearTimeout(timer);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const on = `${request.method} ${request.url}`;
    try {
      await this.#dispatch(request, response);
    } catch (error) {
      this.#options.onError(error, on);
      sendError(response, error);
    }
  }

  async #dispatch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = parseUrl(request.url ?? '/');
    for (const route of this.#options.routes) {
      const match = matchRoute(route.on, request.method ?? 'GET', url.pathname);
      if (match === undefined) continue;
      if (route.forward !== undefined) {
        await route.forward({ ...match, rest: match.rest + url.search, request, response });
        return;
      }
      const abort = new AbortController();
      response.once('close', () => abort.abort());
      const body = await readBody(request);
      const reply = await route.handle?.({
        params: match.params,
        query: url.searchParams,
        body,
        signal: abort.signal,
      });
      if (reply !== undefined) await sendReply(response, reply);
      return;
    }
    throw new SessfsError('USAGE', `Cannot ${request.method} "${url.pathname}": no such request`, {
      hint: 'The command and the daemon may be of different versions',
    });
  }
}

export interface RouteMatch {
  readonly params: Record<string, string>;
  readonly rest: string;
}

/** @returns undefined if the route is for another request. */
export function matchRoute(on: string, method: string, pathname: string): RouteMatch | undefined {
  const [wantMethod, pattern = ''] = on.split(' ', 2);
  if (wantMethod !== '*' && wantMethod !== method) return undefined;
  const want = pattern.split('/');
  const have = pathname.split('/');
  const params: Record<string, string> = {};
  for (const [index, component] of want.entries()) {
    if (component === '*') return { params, rest: `/${have.slice(index).join('/')}` };
    const value = have[index];
    if (value === undefined) return undefined;
    if (component.startsWith(':')) params[component.slice(1)] = decodeComponent(value);
    else if (component !== value) return undefined;
  }
  return want.length === have.length ? { params, rest: '' } : undefined;
}

/** @throws {SessfsError} USAGE */
function parseUrl(target: string): URL {
  try {
    return new URL(target, 'http://control');
  } catch (cause) {
    throw new SessfsError('USAGE', `Cannot read the request: "${target.slice(0, 200)}" is no URL`, {
      cause,
    });
  }
}

/** @throws {SessfsError} USAGE */
function decodeComponent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new SessfsError('USAGE', `Cannot read the request: "${text.slice(0, 200)}" is no UTF-8`, {
      cause,
    });
  }
}

/** What is no HTTP, too large in its head, or too late: there is no response to answer by. */
function refuseMalformed(error: Error, socket: Duplex): void {
  // It is answered already, and goes on.
  if (socket.writableEnded) return;
  if (!socket.writable || ('code' in error && error.code === 'ECONNRESET')) {
    socket.destroy();
    return;
  }
  const message = `Cannot read the request: ${error.message}`;
  const body = JSON.stringify({ error: { code: 'USAGE', message } });
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`HTTP/1.1 400 Bad Request\r\nconnection: close\r\n${head}\r\n\r\n${body}`);
  // What it still sends is taken for a moment: a socket closed before that would lose the reply.
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** Answers with an error: as JSON, or as a trailer when the reply is under way. */
export function sendError(response: ServerResponse, error: unknown): void {
  const wire = encodeWireError(error);
  if (response.headersSent) {
    if (!response.writableEnded && !response.destroyed) {
      response.addTrailers({
        [ERROR_TRAILER]: encodeURIComponent(JSON.stringify({ error: wire })),
      });
      response.end();
    }
    return;
  }
  response.writeHead(httpStatusOf(wire), { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: wire }));
}

async function sendReply(response: ServerResponse, reply: ControlReply): Promise<void> {
  if ('text' in reply) {
    response.writeHead(200, { 'content-type': reply.contentType });
    response.end(reply.text);
    return;
  }
  if ('json' in reply) {
    response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(reply.json));
    return;
  }
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    trailer: ERROR_TRAILER,
    ...(reply.info === undefined
      ? {}
      : { 'x-sessfs-info': encodeURIComponent(JSON.stringify(reply.info)) }),
  });
  // Not pipeline(): on failure it would destroy the reply that still has to carry the trailer.
  try {
    for await (const part of reply.stream) {
      if (response.destroyed) return;
      if (!response.write(part)) await drained(response);
    }
  } finally {
    reply.stream.destroy();
  }
  response.end();
}

/** Resolves when the client has read on, or has gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/** The body of a request as it came; refused when it is too large to be a command. */
export async function readBodyBytes(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  const source: AsyncIterable<Buffer> = request;
  for await (const bytes of source) {
    length += bytes.length;
    if (length > BODY_MAX_BYTES) {
      throw new SessfsError('USAGE', `Cannot read the request: more than ${BODY_MAX_BYTES} bytes`);
    }
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

async function readBody(request: IncomingMessage): Promise<Fields> {
  const bytes = await readBodyBytes(request);
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new SessfsError('USAGE', 'Cannot read the request: its body is not JSON', {
      cause: error,
    });
  }
  if (!isFields(value)) {
    throw new SessfsError('USAGE', 'Cannot read the request: its body is not a JSON object');
  }
  return value;
}
