/**
 * What commands ask about promises: tiers, checkpoints, holds, sweeps, the audit, usage.
 *
 * Each is a request to the session's volume server; what it answers is in promise-protocol.ts.
 */

import { callJson, pathWithQuery } from './http-client.ts';
import type { CallOptions } from './http-client.ts';
import type {
  AuditReply,
  CheckpointInfo,
  CheckpointRequest,
  HoldInfo,
  HoldRequest,
  RenewReply,
  RenewRequest,
  SetTierReply,
  SetTierRequest,
  SweepReply,
  SweepWireRequest,
  TierListReply,
  TierReply,
  UsageReply,
  WhyReply,
} from './promise-protocol.ts';
import type { ActorInfo, PathAt } from './protocol.ts';
import { volumePath } from './request-paths.ts';

/** How long what walks a large tree may take, in milliseconds. */
const SLOW_TIMEOUT_MS = 300_000;
/** A sweep beside work goes a tenth of the time, and packs all of a log: in milliseconds. */
const SWEEP_TIMEOUT_MS = 86_400_000;

/** `session` is an id or a name everywhere; paths are bytes, one char per byte, from the session's root. */
export class PromiseClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** @param path "" is the session itself. */
  async tier(session: string, path: string): Promise<TierReply> {
    return this.#get(pathWithQuery(`${volumePath(session)}/tier`, { path }));
  }

  async setTier(session: string, request: SetTierRequest): Promise<SetTierReply> {
    return this.#send('PUT', `${volumePath(session)}/tier`, request);
  }

  async listTiers(session: string): Promise<TierListReply> {
    return this.#get(`${volumePath(session)}/tiers`);
  }

  async why(session: string, where: PathAt): Promise<WhyReply> {
    return this.#get(pathWithQuery(`${volumePath(session)}/why`, { ...where }));
  }

  async renew(session: string, request: RenewRequest): Promise<RenewReply> {
    return this.#send('POST', `${volumePath(session)}/renew`, request);
  }

  /** By name. */
  async checkpoints(session: string): Promise<CheckpointInfo[]> {
    return this.#get(`${volumePath(session)}/checkpoints`);
  }

  async addCheckpoint(session: string, request: CheckpointRequest): Promise<CheckpointInfo> {
    return this.#send('POST', `${volumePath(session)}/checkpoints`, request);
  }

  async removeCheckpoint(session: string, name: string, actor: ActorInfo): Promise<void> {
    const path = pathWithQuery(`${volumePath(session)}/checkpoints`, { name });
    await this.#send('DELETE', path, { actor });
  }

  /** By name. */
  async holds(session: string): Promise<HoldInfo[]> {
    return this.#get(`${volumePath(session)}/holds`);
  }

  async addHold(session: string, request: HoldRequest): Promise<HoldInfo> {
    return this.#send('POST', `${volumePath(session)}/holds`, request);
  }

  async releaseHold(session: string, name: string, actor: ActorInfo): Promise<void> {
    const path = pathWithQuery(`${volumePath(session)}/holds`, { name });
    await this.#send('DELETE', path, { actor });
  }

  async sweep(session: string, request: SweepWireRequest): Promise<SweepReply> {
    return this.#send('POST', `${volumePath(session)}/sweep`, request, SWEEP_TIMEOUT_MS);
  }

  /** Newest last. @param options.verify Also goes through the whole chain of digests. */
  async audit(
    session: string,
    options: { readonly limit?: number | undefined; readonly verify?: boolean } = {},
  ): Promise<AuditReply> {
    const { limit, verify } = options;
    const query = { limit, verify: verify === true ? 1 : undefined };
    return this.#get(pathWithQuery(`${volumePath(session)}/audit`, query));
  }

  /** What is used; with a question, also what the answer to it would give back. */
  async usage(
    session: string,
    options: { readonly path?: string | undefined; readonly shortenMs?: number | undefined } = {},
  ): Promise<UsageReply> {
    const { path, shortenMs } = options;
    const query = { path, shorten: shortenMs };
    return this.#get(pathWithQuery(`${volumePath(session)}/usage`, query));
  }

  #get<T>(path: string): Promise<T> {
    return this.#call({ method: 'GET', path, timeoutMs: SLOW_TIMEOUT_MS });
  }

  #send<T>(
    method: 'POST' | 'PUT' | 'DELETE',
    path: string,
    body: unknown,
    timeoutMs: number = SLOW_TIMEOUT_MS,
  ): Promise<T> {
    return this.#call({ method, path, body, timeoutMs });
  }

  #call<T>(options: Omit<CallOptions, 'socketPath'>): Promise<T> {
    return callJson({ socketPath: this.#socketPath, ...options });
  }
}
