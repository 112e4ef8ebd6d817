/**
 * The daemon as commands and tests see it: one method per request.
 *
 * Replies are trusted to have the shape of protocol.ts: both ends are of one package, and the socket
 * belongs to one user.
 */

import type { Readable } from 'node:stream';

import { callJson, callStream, pathWithQuery } from './http-client.ts';
import type {
  CompareReply,
  CreateRequest,
  DaemonStatus,
  ExportInfo,
  LogReply,
  NodeInfo,
  RollbackReply,
  RollbackRequest,
  SessionInfo,
  UndeleteRequest,
  VolumeInfo,
} from './protocol.ts';

/** How long a deletion or an unmount may take, in milliseconds: it waits for a drain and a sync. */
const SLOW_TIMEOUT_MS = 300_000;

/** A path at a version: `at` is a version or a time as a person writes it, undefined is now. */
export interface PathAt {
  readonly path: string;
  readonly at?: string | undefined;
}

export class ControlClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  async status(timeoutMs?: number): Promise<DaemonStatus> {
    return (await this.#get('/v1/status', timeoutMs)) as DaemonStatus;
  }

  async listSessions(): Promise<SessionInfo[]> {
    return (await this.#get('/v1/sessions')) as SessionInfo[];
  }

  /** @param session An id or a name. */
  async getSession(session: string): Promise<SessionInfo> {
    return (await this.#get(sessionPath(session))) as SessionInfo;
  }

  async createSession(request: CreateRequest): Promise<SessionInfo> {
    return (await this.#post('/v1/sessions', request)) as SessionInfo;
  }

  async mount(session: string, mountPoint?: string): Promise<SessionInfo> {
    return (await this.#post(`${sessionPath(session)}/mount`, { mountPoint })) as SessionInfo;
  }

  /** `warning` is set when it was busy and could only be detached. */
  async unmount(session: string): Promise<SessionInfo & { warning?: string }> {
    return (await this.#post(`${sessionPath(session)}/unmount`, {})) as SessionInfo;
  }

  async end(session: string): Promise<SessionInfo & { warning?: string }> {
    return (await this.#post(`${sessionPath(session)}/end`, {})) as SessionInfo;
  }

  async deleteSession(session: string): Promise<SessionInfo> {
    return (await callJson({
      socketPath: this.socketPath,
      method: 'DELETE',
      path: sessionPath(session),
      timeoutMs: SLOW_TIMEOUT_MS,
    })) as SessionInfo;
  }

  async volumeInfo(session: string): Promise<VolumeInfo> {
    return (await this.#get(`${volumePath(session)}/info`)) as VolumeInfo;
  }

  async log(session: string, path: string, limit?: number): Promise<LogReply> {
    const url = pathWithQuery(`${volumePath(session)}/log`, { path, limit });
    return (await this.#get(url)) as LogReply;
  }

  async node(session: string, where: PathAt): Promise<NodeInfo> {
    const url = pathWithQuery(`${volumePath(session)}/node`, { ...where });
    return (await this.#get(url)) as NodeInfo;
  }

  async content(session: string, where: PathAt): Promise<{ node: NodeInfo; stream: Readable }> {
    const url = pathWithQuery(`${volumePath(session)}/content`, { ...where });
    const { info, stream } = await this.#stream(url);
    return { node: info as NodeInfo, stream };
  }

  async compare(session: string, from: PathAt, to: PathAt): Promise<CompareReply> {
    const url = pathWithQuery(`${volumePath(session)}/compare`, {
      path: from.path,
      at: from.at,
      otherPath: to.path,
      otherAt: to.at,
    });
    return (await this.#get(url, SLOW_TIMEOUT_MS)) as CompareReply;
  }

  async rollback(session: string, request: RollbackRequest): Promise<RollbackReply> {
    return (await this.#post(`${volumePath(session)}/rollback`, request)) as RollbackReply;
  }

  async undelete(session: string, request: UndeleteRequest): Promise<RollbackReply> {
    return (await this.#post(`${volumePath(session)}/undelete`, request)) as RollbackReply;
  }

  async sync(session: string): Promise<void> {
    await this.#post(`${volumePath(session)}/sync`, {});
  }

  /** A tar archive, not compressed. */
  async export(session: string, where: PathAt): Promise<{ info: ExportInfo; stream: Readable }> {
    const url = pathWithQuery(`${volumePath(session)}/export`, { ...where });
    const { info, stream } = await this.#stream(url);
    return { info: info as ExportInfo, stream };
  }

  #get(path: string, timeoutMs?: number): Promise<unknown> {
    return callJson({ socketPath: this.socketPath, method: 'GET', path, timeoutMs });
  }

  #post(path: string, body: unknown): Promise<unknown> {
    return callJson({
      socketPath: this.socketPath,
      method: 'POST',
      path,
      body,
      timeoutMs: SLOW_TIMEOUT_MS,
    });
  }

  #stream(path: string): Promise<{ info: unknown; stream: Readable }> {
    return callStream({ socketPath: this.socketPath, method: 'GET', path });
  }
}

function sessionPath(session: string): string {
  return `/v1/sessions/${encodeURIComponent(session)}`;
}

function volumePath(session: string): string {
  return `${sessionPath(session)}/volume`;
}
