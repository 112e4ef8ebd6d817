/**
 * The daemon as commands and tests see it: one method per request.
 *
 * Replies are trusted to have the shape of protocol.ts: both ends are of one package, and the socket
 * belongs to one user.
 */

import type { Readable } from 'node:stream';

import type { FsckReport } from '../fsck/report.ts';
import { callJson, callStream, callText, pathWithQuery } from './http-client.ts';
import type { StreamReply } from './http-client.ts';
import { PromiseClient } from './promise-client.ts';
import type { QuotaInfo, QuotaReply, SetQuotaRequest } from './promise-protocol.ts';
import type {
  CompareReply,
  CreateRequest,
  DaemonStatus,
  ExportInfo,
  HealthReply,
  LogReply,
  NodeInfo,
  PathAt,
  RollbackReply,
  RollbackRequest,
  SessionInfo,
  UndeleteRequest,
  UpgradeReply,
  VolumeInfo,
} from './protocol.ts';
import { parseQuotaRequest } from './quota-request.ts';
import { sessionPath, volumePath } from './request-paths.ts';

/** How long what waits for a drain, or walks a large tree, may take, in milliseconds. */
const SLOW_TIMEOUT_MS = 300_000;

/** All of a log is read, however long it is, in milliseconds. */
const FSCK_TIMEOUT_MS = 86_400_000;

export class ControlClient {
  readonly socketPath: string;
  /** Tiers, checkpoints, holds, sweeps, the audit, usage. */
  readonly promises: PromiseClient;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
    this.promises = new PromiseClient(socketPath);
  }

  async status(timeoutMs?: number): Promise<DaemonStatus> {
    return this.#get<DaemonStatus>('/v1/status', timeoutMs);
  }

  /** Returns before it is over: see UpgradeReply. */
  async upgrade(): Promise<UpgradeReply> {
    return this.#post<UpgradeReply>('/v1/upgrade', {});
  }

  /** Measurements, as Prometheus reads them. */
  async metrics(timeoutMs?: number): Promise<string> {
    return callText({ socketPath: this.socketPath, method: 'GET', path: '/metrics', timeoutMs });
  }

  /** The same as data. */
  async metricFamilies(timeoutMs?: number): Promise<unknown> {
    return this.#get<unknown>('/v1/metrics', timeoutMs);
  }

  async health(timeoutMs?: number): Promise<HealthReply> {
    return this.#get<HealthReply>('/health', timeoutMs);
  }

  async listSessions(): Promise<SessionInfo[]> {
    return this.#get<SessionInfo[]>('/v1/sessions');
  }

  /** @param session An id or a name. */
  async getSession(session: string): Promise<SessionInfo> {
    return this.#get<SessionInfo>(sessionPath(session));
  }

  async createSession(request: CreateRequest): Promise<SessionInfo> {
    return this.#post<SessionInfo>('/v1/sessions', request);
  }

  async mount(session: string, mountPoint?: string): Promise<SessionInfo> {
    return this.#post<SessionInfo>(`${sessionPath(session)}/mount`, { mountPoint });
  }

  /** `warning` is set when it was busy and could only be detached. */
  async unmount(session: string): Promise<SessionInfo & { warning?: string }> {
    return this.#post<SessionInfo>(`${sessionPath(session)}/unmount`, {});
  }

  async end(session: string): Promise<SessionInfo & { warning?: string }> {
    return this.#post<SessionInfo>(`${sessionPath(session)}/end`, {});
  }

  /** @throws {SessfsError} USAGE; CONFLICT If more is used already, unless forced. */
  async setQuota(session: string, request: SetQuotaRequest): Promise<QuotaInfo> {
    parseQuotaRequest(request);
    return callJson<QuotaInfo>({
      socketPath: this.socketPath,
      method: 'PUT',
      path: `${sessionPath(session)}/quota`,
      body: request,
    });
  }

  async quota(session: string): Promise<QuotaReply> {
    return this.#get<QuotaReply>(`${volumePath(session)}/quota`);
  }

  async deleteSession(session: string): Promise<SessionInfo> {
    return callJson<SessionInfo>({
      socketPath: this.socketPath,
      method: 'DELETE',
      path: sessionPath(session),
      timeoutMs: SLOW_TIMEOUT_MS,
    });
  }

  async volumeInfo(session: string): Promise<VolumeInfo> {
    return this.#get<VolumeInfo>(`${volumePath(session)}/info`);
  }

  async log(session: string, path: string, limit?: number): Promise<LogReply> {
    const url = pathWithQuery(`${volumePath(session)}/log`, { path, limit });
    return this.#get<LogReply>(url, SLOW_TIMEOUT_MS);
  }

  async node(session: string, where: PathAt): Promise<NodeInfo> {
    const url = pathWithQuery(`${volumePath(session)}/node`, { ...where });
    return this.#get<NodeInfo>(url);
  }

  async content(session: string, where: PathAt): Promise<{ node: NodeInfo; stream: Readable }> {
    const url = pathWithQuery(`${volumePath(session)}/content`, { ...where });
    const { info, stream } = await this.#stream<NodeInfo>(url);
    return { node: info, stream };
  }

  async compare(session: string, from: PathAt, to: PathAt): Promise<CompareReply> {
    const url = pathWithQuery(`${volumePath(session)}/compare`, {
      path: from.path,
      at: from.at,
      otherPath: to.path,
      otherAt: to.at,
    });
    return this.#get<CompareReply>(url, SLOW_TIMEOUT_MS);
  }

  async rollback(session: string, request: RollbackRequest): Promise<RollbackReply> {
    return this.#post<RollbackReply>(`${volumePath(session)}/rollback`, request);
  }

  async undelete(session: string, request: UndeleteRequest): Promise<RollbackReply> {
    return this.#post<RollbackReply>(`${volumePath(session)}/undelete`, request);
  }

  /** The entries of its index, as src/fsck/entry-stream.ts lays them out. */
  async index(session: string): Promise<Readable> {
    return (await this.#stream<undefined>(`${volumePath(session)}/index`)).stream;
  }

  /** Its volume is checked alone: who uses the mount waits meanwhile. */
  async fsck(
    session: string,
    options: { repair: boolean; rebuildIndex: boolean },
  ): Promise<FsckReport> {
    return callJson({
      socketPath: this.socketPath,
      method: 'POST',
      path: `${sessionPath(session)}/fsck`,
      body: options,
      timeoutMs: FSCK_TIMEOUT_MS,
    });
  }

  async sync(session: string): Promise<void> {
    await this.#post(`${volumePath(session)}/sync`, {});
  }

  /** A tar archive, not compressed. */
  async export(session: string, where: PathAt): Promise<{ info: ExportInfo; stream: Readable }> {
    const url = pathWithQuery(`${volumePath(session)}/export`, { ...where });
    return this.#stream<ExportInfo>(url);
  }

  #get<T>(path: string, timeoutMs?: number): Promise<T> {
    return callJson({ socketPath: this.socketPath, method: 'GET', path, timeoutMs });
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    return callJson({
      socketPath: this.socketPath,
      method: 'POST',
      path,
      body,
      timeoutMs: SLOW_TIMEOUT_MS,
    });
  }

  #stream<T>(path: string): Promise<StreamReply<T>> {
    return callStream({ socketPath: this.socketPath, method: 'GET', path });
  }
}
