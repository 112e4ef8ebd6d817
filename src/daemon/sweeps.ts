/**
 * Sweeps of all sessions, one at a time: by themselves at their times, and when somebody asks.
 *
 * Rule: the volume server does the work, and gives way to whoever is served; what only the daemon knows,
 * the policy of now and whether the clock can be believed, goes with each request.
 */

import type { Logger } from 'pino';

import { callJson } from '../control/http-client.ts';
import type { ControlReply, Route } from '../control/http-server.ts';
import type { Fields } from '../control/json.ts';
import type { SweepReply, SweepStatus } from '../control/promise-protocol.ts';
import type { ServerState, SessionRecord, VolumeInfo } from '../control/protocol.ts';
import { policyFor } from '../policy/retention-policy.ts';
import type { RetentionPolicy } from '../policy/retention-policy.ts';
import { SessfsError } from '../shared/errors.ts';
import type { SessionCommands } from './session-commands.ts';
import type { Sessions } from './sessions.ts';
import type { StoreClock } from './store-clock.ts';
import { isWorthWaking, SweepSchedule } from './sweep-schedule.ts';
import type { LastSweep } from './sweep-schedule.ts';
import { policyTextFor } from './volume-server-options.ts';

/** How often to look whose time has come, in milliseconds. */
const TICK_MS = 1_000;
/** What a sweep has not done by then is left to the next one, in milliseconds. */
const SWEEP_LIMIT_MS = 600_000;
/** For one that somebody asked for and waits for, in milliseconds. */
const ASKED_LIMIT_MS = 86_400_000;

/** A server that is about to change, or a volume that somebody else has: another time. */
const LEFT_ALONE: ReadonlySet<ServerState> = new Set<ServerState>([
  'starting',
  'recovering',
  'maintenance',
  'stopping',
  'down',
]);

export interface SweepsOptions {
  readonly sessions: Sessions;
  readonly commands: SessionCommands;
  readonly clock: StoreClock;
  readonly random?: () => number;
}

/** `apply`, `confirm`, `force`, `actor` as in SweepWireRequest: checked by the volume server. */
type Order = Fields;

export class Sweeps {
  readonly #options: SweepsOptions;
  readonly #schedule: SweepSchedule;
  readonly #last = new Map<string, LastSweep>();
  readonly #usedAtMs = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopping = new AbortController();

  constructor(options: SweepsOptions) {
    this.#options = options;
    this.#schedule = new SweepSchedule(options.random ?? Math.random);
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** What is under way ends, and is done by a later one. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#running;
  }

  /** What somebody asks for; also tells of it where the others are told of. */
  route(): Route {
    return {
      on: 'POST /v1/sessions/:id/volume/sweep',
      handle: async ({ params, body, signal }): Promise<ControlReply> => {
        const record = this.#sessions.getRecord(params['id'] ?? '');
        const limit = { signal, timeoutMs: ASKED_LIMIT_MS };
        const began = { atMs: performance.now(), ...this.#situationOf(record) };
        const reply = await this.#sweep(record, body, limit);
        if (body['apply'] === true) this.#note(record, began, reply);
        return { json: reply };
      },
    };
  }

  get #sessions(): Sessions {
    return this.#options.sessions;
  }

  get #logger(): Logger {
    return this.#sessions.logger;
  }

  #tick(): void {
    const records = this.#sessions.registry.list();
    const nowMs = performance.now();
    for (const id of this.#last.keys()) {
      if (this.#sessions.registry.find(id) === undefined) this.#last.delete(id);
    }
    for (const { id } of records) {
      const usedAtMs = this.#sessions.servers.get(id)?.usedAtMs;
      if (usedAtMs !== undefined) this.#usedAtMs.set(id, usedAtMs);
    }
    this.#schedule.update(
      records.map((record) => ({ id: record.id, everyMs: this.#policyOf(record).sweepEveryMs })),
      nowMs,
    );
    if (this.#running !== undefined || this.#sessions.isStopping) return;
    const id = this.#schedule.findNext(nowMs);
    const record = id === undefined ? undefined : this.#sessions.registry.find(id);
    if (record === undefined) return;
    this.#running = this.#take(record).finally(() => {
      this.#schedule.done(record.id, performance.now());
      this.#running = undefined;
    });
  }

  async #take(record: SessionRecord): Promise<void> {
    const server = this.#sessions.server(record.id);
    if (LEFT_ALONE.has(server.info.state)) return;
    const isSleeping = !server.isRunning;
    if (isSleeping && !this.#isWorthWaking(record)) return;
    const began = { atMs: performance.now(), ...this.#situationOf(record) };
    const limit = AbortSignal.timeout(SWEEP_LIMIT_MS);
    const signal = AbortSignal.any([limit, this.#stopping.signal]);
    try {
      // The signal ends it long before that.
      const until = { signal, timeoutMs: ASKED_LIMIT_MS };
      const reply = await this.#sweep(record, { apply: true }, until);
      this.#note(record, began, reply);
    } catch (error) {
      this.#last.set(record.id, { ...began, hasMore: true, nextDueMs: Infinity });
      if (limit.aborted) {
        this.#logger.info({ session: record.id }, 'The sweep took too long: the next one goes on');
      } else if (!this.#stopping.signal.aborted && !isConflict(error)) {
        this.#noteProblem(record.id, error);
      }
    }
    if (isSleeping)
      await this.#sessions.inTurn(record.id, () => server.stopDetached({ ifUnused: true }));
  }

  #isWorthWaking(record: SessionRecord): boolean {
    const session = {
      ...this.#situationOf(record),
      usedAtMs: this.#usedAtMs.get(record.id),
      packAfterMs: this.#policyOf(record).packAfterMs,
    };
    const now = { steadyMs: performance.now(), wallMs: Date.now() };
    return isWorthWaking(this.#last.get(record.id), session, now);
  }

  async #sweep(
    record: SessionRecord,
    order: Order,
    limit: { signal: AbortSignal; timeoutMs: number },
  ): Promise<SweepReply> {
    const { commands, clock } = this.#options;
    // Nothing of a file is changed: a session that has ended is swept, too.
    const { socketPath, release } = await commands.borrowVolume(record.id, { mayChange: false });
    try {
      const info = await callJson<VolumeInfo>({
        socketPath,
        method: 'GET',
        path: '/v1/info',
        signal: limit.signal,
      });
      const clockProblem = clock.check(Date.parse(info.time));
      return await callJson<SweepReply>({
        socketPath,
        method: 'POST',
        path: '/v1/sweep',
        body: { ...order, clockProblem, retention: policyTextFor(this.#sessions.config, record) },
        ...limit,
      });
    } catch (error) {
      throw isUnreachable(error) && !limit.signal.aborted ? serverGone(error) : error;
    } finally {
      release();
    }
  }

  #note(
    { id }: SessionRecord,
    began: Pick<LastSweep, 'atMs' | 'policy' | 'ended'>,
    reply: SweepReply,
  ): void {
    const { refusal, applied, nextDue } = reply;
    const [versions, liveFiles, bytes] = applied
      ? [reply.versions, reply.liveFiles, reply.bytes]
      : [0, 0, 0];
    const before = this.#sessions.sweeps.get(id);
    this.#last.set(id, {
      ...began,
      hasMore: refusal !== undefined || reply.inodes > 0 || liveFiles > 0,
      nextDueMs: nextDue === null ? Infinity : Date.parse(nextDue),
    });
    this.#sessions.sweeps.set(id, {
      last: new Date().toISOString(),
      versions,
      liveFiles,
      bytes,
      removedVersions: (before?.removedVersions ?? 0) + versions,
      nextDue,
      refusal,
      problem: undefined,
    });
    if (refusal !== undefined && refusal !== before?.refusal) {
      this.#logger.warn(
        { session: id, refusal },
        'Nothing was removed: somebody has to look at it',
      );
    }
    if (versions + liveFiles > 0) {
      this.#logger.info({ session: id, versions, liveFiles, bytes }, 'Removed what nothing keeps');
    }
  }

  #noteProblem(id: string, error: unknown): void {
    this.#logger.error({ session: id, err: error }, 'Cannot sweep the session');
    const problem = error instanceof Error ? error.message : String(error);
    this.#sessions.sweeps.set(id, { ...(this.#sessions.sweeps.get(id) ?? NEVER_SWEPT), problem });
  }

  #policyOf({ id, name }: SessionRecord): RetentionPolicy {
    return policyFor(this.#sessions.config.retention, { id, name: name ?? id });
  }

  #situationOf(record: SessionRecord): { policy: string; ended: string | undefined } {
    return { policy: policyTextFor(this.#sessions.config, record), ended: record.ended };
  }
}

const NEVER_SWEPT: SweepStatus = {
  last: undefined,
  versions: 0,
  liveFiles: 0,
  bytes: 0,
  removedVersions: 0,
  nextDue: null,
  refusal: undefined,
  problem: undefined,
};

function isUnreachable(error: unknown): error is SessfsError {
  return error instanceof SessfsError && error.code === 'DAEMON_UNREACHABLE';
}

/** To the asking end of the protocol each other end is the daemon. */
function serverGone(cause: SessfsError): SessfsError {
  return new SessfsError('FAILED', 'Cannot sweep: the volume server has just ended', {
    hint: 'Try again: another one takes its place, and the sweep goes on with what is left',
    cause,
  });
}

/** Somebody else has it swept right now. */
function isConflict(error: unknown): boolean {
  return error instanceof SessfsError && error.code === 'CONFLICT';
}
