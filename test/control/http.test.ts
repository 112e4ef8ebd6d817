/**
 * Requests and replies over a Unix socket: errors keep their code, and half a stream never looks whole.
 */

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { callJson, callStream, pathWithQuery } from '../../src/control/http-client.ts';
import { ControlServer, matchRoute } from '../../src/control/http-server.ts';
import type { Route } from '../../src/control/http-server.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError, SessfsError } from '../../src/shared/errors.ts';

let dir: string;
let socketPath: string;
let server: ControlServer | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sessfs-http-'));
  socketPath = join(dir, 's');
});

afterEach(async () => {
  await server?.close(0);
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function serve(...routes: Route[]): Promise<void> {
  server = await ControlServer.listen({ socketPath, routes, onError: () => undefined });
}

function get(path: string, timeoutMs?: number): Promise<unknown> {
  return callJson({ socketPath, method: 'GET', path, timeoutMs });
}

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.from('half');
  throw new SessfsError('CONTENT_REMOVED', 'Gone');
}

describe('a request', () => {
  test('brings its parameters, its query and its body', async () => {
    await serve({
      on: 'POST /v1/things/:id',
      handle: async ({ params, query, body }) => ({ json: { params, at: query.get('at'), body } }),
    });
    const reply = await callJson({
      socketPath,
      method: 'POST',
      path: pathWithQuery('/v1/things/a%2Fb', { at: 'yesterday 17:00', none: undefined }),
      body: { bytes: '\u00ff' },
    });
    expect(reply).toEqual({
      params: { id: 'a/b' },
      at: 'yesterday 17:00',
      body: { bytes: '\u00ff' },
    });
  });

  test.each(['POST', 'PUT', 'DELETE'] as const)('brings its body also as %s', async (method) => {
    await serve({ on: `${method} /v1/x`, handle: async ({ body }) => ({ json: body }) });
    const body = { actor: 'ä' };
    expect(await callJson({ socketPath, method, path: '/v1/x', body })).toEqual(body);
  });

  test('that is aborted ends the work at the other end', async () => {
    let onEnded: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (onEnded = resolve));
    let onBegun: (() => void) | undefined;
    const begun = new Promise<void>((resolve) => (onBegun = resolve));
    await serve({
      on: 'GET /v1/x',
      handle: async ({ signal }) => {
        signal.addEventListener('abort', () => onEnded?.());
        onBegun?.();
        await ended;
        return { json: {} };
      },
    });
    const abort = new AbortController();
    const { signal } = abort;
    const asked = callJson({ socketPath, method: 'GET', path: '/v1/x', signal }).catch(
      (error: unknown) => error,
    );
    await begun;
    abort.abort();
    expect(await asked).toBeInstanceOf(SessfsError);
    await ended;
  });

  test('that fails arrives as the same error', async () => {
    const error = new SessfsError('SESSION_UNKNOWN', 'Cannot find it', { hint: 'Look elsewhere' });
    await serve({ on: 'GET /v1/x', handle: () => Promise.reject(error) });
    await expect(get('/v1/x')).rejects.toMatchObject({
      code: 'SESSION_UNKNOWN',
      message: 'Cannot find it',
      hint: 'Look elsewhere',
    });
  });

  test.each([
    [Errno.ENODATA, 'CONTENT_REMOVED'],
    [Errno.ENOSPC, 'NO_SPACE'],
    [Errno.EROFS, 'READ_ONLY'],
    [Errno.EIO, 'LOG_CORRUPT'],
  ])('that fails with errno %i has a code for people', async (errno, code) => {
    await serve({ on: 'GET /v1/x', handle: () => Promise.reject(new FsError(errno)) });
    await expect(get('/v1/x')).rejects.toMatchObject({ code });
  });

  test('that nobody knows is an error and not a silence', async () => {
    await serve();
    await expect(get('/v1/unknown')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('whose body is not a JSON object is refused', async () => {
    await serve({ on: 'POST /v1/x', handle: async () => ({ json: {} }) });
    const status = await new Promise((resolve) => {
      request({ socketPath, method: 'POST', path: '/v1/x' }, (reply) => {
        resolve(reply.resume().statusCode);
      }).end('[1');
    });
    expect(status).toBe(400);
  });

  test('that is never answered ends at its deadline', async () => {
    await serve({ on: 'GET /v1/x', handle: () => new Promise(() => undefined) });
    await expect(get('/v1/x', 50)).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' });
  });

  test('to nobody says that nobody listens', async () => {
    await expect(get('/v1/x')).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' });
  });
});

describe('a stream', () => {
  test('arrives whole, with what is known of it before', async () => {
    const parts = Array.from({ length: 64 }, (_, index) => Buffer.alloc(64 * 1024, index));
    await serve({
      on: 'GET /v1/x',
      handle: async () => ({ info: { text: 'é' }, stream: Readable.from(parts) }),
    });
    const { info, stream } = await callStream<unknown>({
      socketPath,
      method: 'GET',
      path: '/v1/x',
    });
    expect(info).toEqual({ text: 'é' });
    const received = Buffer.concat((await stream.toArray()) as Buffer[]);
    expect(received.equals(Buffer.concat(parts))).toBe(true);
  });

  test('that breaks off ends in the error that broke it', async () => {
    await serve({ on: 'GET /v1/x', handle: async () => ({ stream: Readable.from(broken()) }) });
    const { stream } = await callStream({ socketPath, method: 'GET', path: '/v1/x' });
    await expect(stream.toArray()).rejects.toMatchObject({ code: 'CONTENT_REMOVED' });
  });

  test('that fails before its first byte is an error and no stream', async () => {
    await serve({ on: 'GET /v1/x', handle: () => Promise.reject(new Error('no')) });
    await expect(callStream({ socketPath, method: 'GET', path: '/v1/x' })).rejects.toThrow('no');
  });
});

describe('the socket', () => {
  test('is its owner’s alone', async () => {
    await serve();
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  });

  test('replaces a file that was left behind', async () => {
    writeFileSync(socketPath, '');
    await serve({ on: 'GET /v1/x', handle: async () => ({ json: 1 }) });
    expect(await get('/v1/x')).toBe(1);
  });

  test('with a path that is too long is refused with a sentence', async () => {
    socketPath = join(dir, 's'.repeat(120));
    await expect(serve()).rejects.toMatchObject({ code: 'USAGE' });
  });
});

/** Everything that comes back until the other end closes. */
function send(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let reply = '';
    socket.setEncoding('utf8').on('data', (text: string) => (reply += text));
    socket.once('error', reject);
    socket.once('close', () => resolve(reply));
    socket.write(bytes);
  });
}

describe('What is no request', () => {
  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a head that is too large', `GET / HTTP/1.1\r\nx: ${'x'.repeat(1 << 21)}\r\n\r\n`],
    ['no URL', 'GET //[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
    ['no UTF-8', 'GET /v1/%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
  ])('is answered with an error as JSON: %s', async (_what, bytes) => {
    await serve({ on: 'GET /v1/:x', handle: async () => ({ json: 1 }) });
    const reply = await send(bytes);
    expect(reply).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(reply.slice(reply.indexOf('{'), reply.lastIndexOf('}') + 1))).toMatchObject({
      error: { code: 'USAGE' },
    });
  });
});

describe('matchRoute', () => {
  test('takes the rest behind a star', () => {
    expect(matchRoute('* /v1/s/:id/volume/*', 'GET', '/v1/s/x/volume/a/b')).toEqual({
      params: { id: 'x' },
      rest: '/a/b',
    });
  });

  test.each([
    ['GET /v1/a', 'POST', '/v1/a'],
    ['GET /v1/a', 'GET', '/v1/a/b'],
    ['GET /v1/a/:b', 'GET', '/v1/a'],
  ])('tells %s from %s %s', (on, method, path) => {
    expect(matchRoute(on, method, path)).toBeUndefined();
  });
});
