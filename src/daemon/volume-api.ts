/**
 * What a volume server answers on its socket: the history as data, and the changes that commands make.
 *
 * Rule: the thread that answers here also serves the kernel: whatever could be long awaits between its
 * steps, and no step is longer than a read of CONTENT_CHUNK_BYTES.
 */

import { Readable } from 'node:stream';

import type { ControlReply, ControlRequest, Route } from '../control/http-server.ts';
import type {
  ExportInfo,
  NodeInfo,
  RollbackReply,
  VolumeInfo,
  VolumeMetrics,
} from '../control/protocol.ts';
import type { OperationStats } from '../fuse/message-stats.ts';
import type { History, RollbackResult } from '../history/store.ts';
import type { Name } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { fileKind, isDirectory, isRegular } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { SystemClock, timeToIso } from '../shared/time.ts';
import { compareTrees } from './compare-trees.ts';
import type { LogLevel } from './log-level.ts';
import { isLogLevel } from './log-level.ts';
import type { ServedVolume } from './open-volume.ts';
import { readProcessMetrics } from './metrics-process.ts';
import { promiseRoutes } from './promise-routes.ts';
import { internActor, setPolicy, textField } from './request-fields.ts';
import { volumeIndexRoute } from './volume-index-stream.ts';
import { readLog } from './volume-log.ts';
import { locate, parsePath, pathText } from './volume-paths.ts';
import { volumeQuotaRoutes } from './volume-quota.ts';
import type { Located, PathSource } from './volume-paths.ts';

/** Content is read and sent in pieces of this size: a few hundred µs of one thread. */
const CONTENT_CHUNK_BYTES = 256 * 1024;
/** A log that does not say how much it wants gets so many versions. */
const DEFAULT_LOG_LIMIT = 10_000;

export interface VolumeApiOptions {
  readonly served: ServedVolume;
  readonly connectionStats: () => Readonly<Record<string, OperationStats>> | undefined;
  readonly setLogLevel: (level: LogLevel) => void;
  /** @param options.cut Files that are open and have changed get a version first. */
  readonly stop: (options: { cut: boolean }) => void;
}

const clock = new SystemClock();
const startedAtMs = performance.now();

export function volumeRoutes(options: VolumeApiOptions): Route[] {
  const { served } = options;
  const { history, volume } = served;
  return [
    { on: 'GET /v1/info', handle: async () => ({ json: readInfo(options) }) },
    { on: 'GET /v1/metrics', handle: async () => ({ json: await readMetrics(options) }) },
    {
      on: 'GET /v1/log',
      handle: async ({ query }) => {
        const path = parsePath(query.get('path') ?? '');
        return { json: await readLog(history, path, parseLimit(query.get('limit'))) };
      },
    },
    {
      on: 'GET /v1/node',
      handle: async (request) => ({ json: await describe(history, await find(served, request)) }),
    },
    { on: 'GET /v1/content', handle: (request) => sendContent(served, request) },
    { on: 'GET /v1/compare', handle: (request) => sendComparison(served, request) },
    volumeIndexRoute(volume),
    ...volumeQuotaRoutes(volume),
    { on: 'GET /v1/export', handle: (request) => sendExport(served, request) },
    ...promiseRoutes(served),
    { on: 'POST /v1/rollback', handle: (request) => rollback(served, request) },
    { on: 'POST /v1/undelete', handle: (request) => undelete(served, request) },
    {
      on: 'POST /v1/sync',
      handle: async () => {
        await volume.sync();
        return { json: {} };
      },
    },
    {
      on: 'POST /v1/configure',
      handle: async ({ body }) => {
        if (isLogLevel(body['logLevel'])) options.setLogLevel(body['logLevel']);
        if (body['retention'] !== undefined) setPolicy(served, body['retention']);
        return { json: {} };
      },
    },
    {
      on: 'POST /v1/stop',
      handle: async ({ body }) => {
        options.stop({ cut: body['cut'] === true });
        return { json: {} };
      },
    },
  ];
}

function parseLimit(text: string | null): number {
  const limit = Number(text ?? DEFAULT_LOG_LIMIT);
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new SessfsError('USAGE', `Cannot use limit "${text}": want a number above 0`);
}

function readInfo({ served, connectionStats }: VolumeApiOptions): VolumeInfo {
  const status = served.volume.status();
  const { earliest, earliestTime } = served.history.status();
  return {
    pid: process.pid,
    rssBytes: process.memoryUsage.rss(),
    uptimeMs: Math.round(performance.now() - startedAtMs),
    revision: status.revision,
    time: timeToIso(status.time),
    durableRevision: status.durableRevision,
    durableTime: timeToIso(status.durableTime),
    earliest,
    earliestTime: timeToIso(earliestTime),
    readOnly: status.readOnly,
    inodes: status.inodes,
    liveBytes: status.liveBytes,
    historyBytes: status.historyBytes,
    versions: status.versions,
    horizon: status.horizon,
    logBytes: status.logBytes,
    connection: connectionStats(),
  };
}

async function readMetrics(options: VolumeApiOptions): Promise<VolumeMetrics> {
  const { syncLagMs, ...status } = options.served.volume.status();
  return {
    process: await readProcessMetrics(),
    revision: status.revision,
    durableRevision: status.durableRevision,
    syncLagSeconds: syncLagMs / 1000,
    readOnly: status.readOnly,
    inodes: status.inodes,
    liveBytes: status.liveBytes,
    historyBytes: status.historyBytes,
    versions: status.versions,
    horizon: status.horizon,
    logBytes: status.logBytes,
    cache: status.cache,
    operations: options.connectionStats(),
  };
}

function find(source: PathSource, { query }: ControlRequest): Promise<Located> {
  return locate(source, {
    path: parsePath(query.get('path') ?? ''),
    at: query.get('at') ?? undefined,
    now: clock.now(),
  });
}

async function describe(history: History, located: Located): Promise<NodeInfo> {
  const { node, revision, path } = located;
  return {
    text: pathText(path),
    revision,
    time: timeToIso(await history.getRevisionTime(revision)),
    kind: fileKind(node.mode),
    mode: (node.mode & 0o7777).toString(8).padStart(4, '0'),
    uid: node.uid,
    gid: node.gid,
    size: node.size,
    mtime: timeToIso(node.mtime),
    target: node.target === undefined ? undefined : nameToText(node.target),
  };
}

async function sendContent(source: PathSource, request: ControlRequest): Promise<ControlReply> {
  const { history } = source;
  const located = await find(source, request);
  const { node, revision, path } = located;
  const info = await describe(history, located);
  if (node.target !== undefined) {
    return { info, stream: Readable.from([Buffer.from(node.target, 'latin1')]) };
  }
  if (!isRegular(node.mode)) {
    throw new SessfsError(
      'USAGE',
      `Cannot read "${pathText(path)}": it is a ${fileKind(node.mode)}`,
      {
        hint: isDirectory(node.mode)
          ? 'See what it held with sessfs diff or export, or look into .versions'
          : 'Only files and symlinks have content',
      },
    );
  }
  // The first piece before the reply begins: content that is gone is an error, not an empty file.
  const first = await history.read(node.ino, revision, 0, CONTENT_CHUNK_BYTES);
  return { info, stream: Readable.from(readOn(history, located, first), { objectMode: false }) };
}

async function* readOn(
  history: History,
  { node, revision }: Located,
  first: Buffer,
): AsyncGenerator<Buffer> {
  let piece = first;
  let offset = 0;
  while (piece.length > 0) {
    yield piece;
    offset += piece.length;
    if (offset >= node.size) return;
    piece = await history.read(node.ino, revision, offset, CONTENT_CHUNK_BYTES);
  }
}

async function sendComparison(source: PathSource, request: ControlRequest): Promise<ControlReply> {
  const { query, signal } = request;
  const { history } = source;
  const now = clock.now();
  const path = parsePath(query.get('path') ?? '');
  const otherPath = query.get('otherPath');
  const from = await locate(source, { path, at: query.get('at') ?? undefined, now });
  const to = await locate(source, {
    path: otherPath === null ? path : parsePath(otherPath),
    at: query.get('otherAt') ?? undefined,
    now,
  });
  const compared = await compareTrees(history, { from, to, signal });
  return {
    json: { from: await describe(history, from), to: await describe(history, to), ...compared },
  };
}

async function sendExport(source: PathSource, request: ControlRequest): Promise<ControlReply> {
  const { history } = source;
  const located = await find(source, request);
  const { path, node, revision } = located;
  const info: ExportInfo = {
    revision,
    time: timeToIso(await history.getRevisionTime(revision)),
    text: pathText(path),
  };
  // Loaded by who needs it: a server that is woken starts the sooner.
  const { exportTar } = await import('../export/export-tar.ts');
  return { info, stream: exportTar(history, { path, node, revision, signal: request.signal }) };
}

async function rollback(served: ServedVolume, { body }: ControlRequest): Promise<ControlReply> {
  const { history, volume } = served;
  const path = parsePath(textField(body, 'path'));
  const at = textField(body, 'to');
  const { revision } = await locate(served, { path, at, now: clock.now(), orMoment: true });
  const result = await history.rollback({
    path,
    to: revision,
    exact: body['exact'] === true,
    partial: body['partial'] === true,
    dryRun: body['dryRun'] === true,
    actor: internActor(volume, body['actor']),
  });
  return { json: encodeResult(result, revision) };
}

async function undelete(
  { history, volume }: ServedVolume,
  { body }: ControlRequest,
): Promise<ControlReply> {
  const path: Name[] = parsePath(textField(body, 'path'));
  const result = await history.undelete({
    path,
    partial: body['partial'] === true,
    dryRun: body['dryRun'] === true,
    actor: internActor(volume, body['actor']),
  });
  return { json: encodeResult(result, undefined) };
}

function encodeResult(result: RollbackResult, to: number | undefined): RollbackReply {
  return {
    revision: result.revision,
    before: result.before,
    to,
    steps: result.steps.map((step) => ({ ...step, text: nameToText(step.path) })),
    leftOut: result.leftOut.map(nameToText),
  };
}
