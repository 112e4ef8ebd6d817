/**
 * When which session is swept, and whether it is worth starting a server for it.
 *
 * Pure: times and chance come in. Rules:
 * - After a start of the daemon each session is swept once, anywhere in its first interval. Then at every
 *   interval, more or less: a store of many sessions works all the time a little, and never all at once.
 * - A session without a server is woken only if the sweep has something to do there.
 */

/** An interval is longer or shorter by up to this share. */
const JITTER = 0.2;

export interface ScheduledSession {
  readonly id: string;
  readonly everyMs: number;
}

interface Entry {
  atMs: number;
  everyMs: number;
}

/** Times are of a clock that nobody sets. */
export class SweepSchedule {
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();

  /** @param random From 0 to less than 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Takes in which sessions there are now; an interval that has changed counts from now. */
  update(sessions: readonly ScheduledSession[], nowMs: number): void {
    const known = new Set(sessions.map(({ id }) => id));
    for (const id of this.#entries.keys()) if (!known.has(id)) this.#entries.delete(id);
    for (const { id, everyMs } of sessions) {
      const entry = this.#entries.get(id);
      if (entry?.everyMs === everyMs) continue;
      const first = nowMs + this.#random() * everyMs;
      this.#entries.set(id, { everyMs, atMs: Math.min(entry?.atMs ?? Infinity, first) });
    }
  }

  /** The session whose time came first; undefined if it has come for none. */
  findNext(nowMs: number): string | undefined {
    let next: string | undefined;
    let first = Infinity;
    for (const [id, { atMs }] of this.#entries) {
      if (atMs > nowMs || atMs >= first) continue;
      next = id;
      first = atMs;
    }
    return next;
  }

  /** Its turn is over: it has been swept, or there was nothing to do. */
  done(id: string, nowMs: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const share = 1 + JITTER * (2 * this.#random() - 1);
    entry.atMs = nowMs + entry.everyMs * share;
  }
}

/** What is known of a session's last sweep. */
export interface LastSweep {
  /** When it began, by a clock that nobody sets. */
  readonly atMs: number;
  /** What held then. */
  readonly policy: string;
  readonly ended: string | undefined;
  /** It was stopped, or removed something: more may go now, and bytes be given back. */
  readonly hasMore: boolean;
  /** By the wall clock; Infinity if nothing ever is. */
  readonly nextDueMs: number;
}

export interface SleepingSession {
  readonly policy: string;
  readonly ended: string | undefined;
  /** When somebody last used its mount, by a clock that nobody sets; undefined: nobody has. */
  readonly usedAtMs: number | undefined;
  readonly packAfterMs: number;
}

/** Whether a server is to be started, for a session that has none, only to sweep. */
export function isWorthWaking(
  last: LastSweep | undefined,
  session: SleepingSession,
  now: { readonly steadyMs: number; readonly wallMs: number },
): boolean {
  if (last === undefined || last.hasMore || last.nextDueMs <= now.wallMs) return true;
  if (last.policy !== session.policy || last.ended !== session.ended) return true;
  if (session.usedAtMs === undefined) return false;
  // What was written last has become cold since: it is packed once, and then left alone.
  const coldAtMs = session.usedAtMs + session.packAfterMs;
  return coldAtMs > last.atMs && coldAtMs <= now.steadyMs;
}
