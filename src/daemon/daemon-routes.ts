/**
 * The requests that the daemon answers itself, and how it passes on those that need a volume.
 */

import { request as httpRequest } from 'node:http';

import { ERROR_TRAILER, readBodyBytes } from '../control/http-server.ts';
import type { ControlRequest, ForwardTarget, Route } from '../control/http-server.ts';
import { isSwitch } from '../control/protocol.ts';
import type { CreateRequest, SessionOptions, UpgradeReply } from '../control/protocol.ts';
import { parseTier } from '../policy/tier.ts';
import { SessfsError } from '../shared/errors.ts';
import { fsckRoute } from './fsck-run.ts';
import { metricsRoutes } from './metrics.ts';
import { quotaRoute } from './quota-route.ts';
import { isDriver } from './registry.ts';
import type { SessionCommands } from './session-commands.ts';
import type { StoreLayout } from './store-layout.ts';
import type { Supervisor } from './supervisor.ts';
import type { Sweeps } from './sweeps.ts';

export interface DaemonParts {
  readonly supervisor: Supervisor;
  readonly commands: SessionCommands;
  readonly sweeps: Sweeps;
  readonly layout: StoreLayout;
  /** Checks that it can, then becomes the program on disk once the reply has left. */
  readonly upgrade: () => Promise<UpgradeReply>;
}

export function daemonRoutes(parts: DaemonParts): Route[] {
  const { supervisor, commands, sweeps, layout, upgrade } = parts;
  return [
    { on: 'GET /v1/status', handle: async () => ({ json: supervisor.status() }) },
    { on: 'POST /v1/upgrade', handle: async () => ({ json: await upgrade() }) },
    { on: 'GET /v1/sessions', handle: async () => ({ json: commands.list() }) },
    {
      on: 'POST /v1/sessions',
      handle: async ({ body }) => ({ json: await commands.create(parseCreate(body)) }),
    },
    {
      on: 'GET /v1/sessions/:id',
      handle: async (request) => ({ json: commands.get(session(request)) }),
    },
    {
      on: 'DELETE /v1/sessions/:id',
      handle: async (request) => ({ json: await commands.delete(session(request)) }),
    },
    {
      on: 'POST /v1/sessions/:id/mount',
      handle: async (request) => ({
        json: await commands.mount(session(request), optionalText(request.body, 'mountPoint')),
      }),
    },
    {
      on: 'POST /v1/sessions/:id/unmount',
      handle: async (request) => ({ json: await commands.unmount(session(request)) }),
    },
    {
      on: 'POST /v1/sessions/:id/end',
      handle: async (request) => ({ json: await commands.end(session(request)) }),
    },
    quotaRoute(commands),
    fsckRoute(commands, layout),
    ...metricsRoutes(supervisor),
    // Before the others are passed on: the daemon has something to add.
    sweeps.route(),
    { on: '* /v1/sessions/:id/volume/*', forward: (target) => forward(commands, target) },
  ];
}

function session(request: ControlRequest): string {
  return request.params['id'] ?? '';
}

/** Passes a request on to the volume server, and its reply back: body, stream and trailer. */
async function forward(commands: SessionCommands, target: ForwardTarget): Promise<void> {
  const { request, response, rest, params } = target;
  const [command] = rest.split('?', 1);
  const mayChange = command === '/rollback' || command === '/undelete';
  // Whole, and in one write: a server that has all of it may answer and close before a second one.
  const body = await readBodyBytes(request);
  const { socketPath, release } = await commands.borrowVolume(params['id'] ?? '', { mayChange });
  try {
    await new Promise<void>((resolve, reject) => {
      const onward = httpRequest(
        {
          socketPath,
          method: request.method,
          path: `/v1${rest}`,
          headers: request.headers,
          agent: false,
        },
        (reply) => {
          response.writeHead(reply.statusCode ?? 500, reply.headers);
          reply.on('data', (part: Buffer) => {
            if (response.write(part)) return;
            reply.pause();
            response.once('drain', () => reply.resume());
          });
          reply.once('end', () => {
            const trailer = reply.trailers[ERROR_TRAILER];
            if (trailer !== undefined) response.addTrailers({ [ERROR_TRAILER]: trailer });
            response.end();
            resolve();
          });
          reply.once('error', reject);
        },
      );
      onward.once('error', (error) => {
        reject(
          new SessfsError('FAILED', `Cannot reach the volume server: ${error.message}`, {
            hint: 'It may have just ended, and have done it all the same: look before you repeat what changes files',
            cause: error,
          }),
        );
      });
      // A client that goes away ends the work for it.
      response.once('close', () => {
        if (!response.writableFinished) onward.destroy();
        resolve();
      });
      onward.end(body);
    });
  } finally {
    release();
  }
}

function parseCreate(body: Readonly<Record<string, unknown>>): CreateRequest {
  const name = optionalText(body, 'name');
  const mountPoint = optionalText(body, 'mountPoint');
  const owner = parseOwner(body['owner']);
  const tier = optionalText(body, 'tier');
  return {
    ...(name === undefined ? {} : { name }),
    ...(mountPoint === undefined ? {} : { mountPoint }),
    ...(owner === undefined ? {} : { owner }),
    ...(tier === undefined ? {} : { tier: parseTier(tier) }),
    options: parseOptions(body['options']),
  };
}

function parseOwner(value: unknown): { uid: number; gid: number } | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && 'uid' in value && 'gid' in value) {
    const { uid, gid } = value;
    if (isId(uid) && isId(gid)) return { uid, gid };
  }
  throw new SessfsError('USAGE', 'Cannot create a session: owner is not { uid, gid }');
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 4_294_967_295;
}

function parseOptions(value: unknown): Partial<SessionOptions> {
  const options: { -readonly [K in keyof SessionOptions]?: SessionOptions[K] } = {};
  if (typeof value !== 'object' || value === null) return options;
  for (const [name, setting] of Object.entries(value)) {
    if (name === 'driver' && isDriver(setting)) options.driver = setting;
    else if (isSwitch(name) && typeof setting === 'boolean') options[name] = setting;
    else {
      throw new SessfsError(
        'USAGE',
        `Cannot create a session: option ${name} is ${JSON.stringify(setting)}`,
      );
    }
  }
  return options;
}

function optionalText(body: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw new SessfsError(
    'USAGE',
    `Cannot read the request: ${name} is ${JSON.stringify(value)}, want text`,
  );
}
