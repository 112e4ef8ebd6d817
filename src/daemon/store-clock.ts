/**
 * Whether the host's clock can be believed, across restarts of the daemon: what a guard remembers is kept in
 * a small file of the store.
 *
 * Rule: a file that is lost, damaged or cannot be written never fails the daemon. Without it a jump that
 * happened while no daemon ran goes unseen.
 */

import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

import type { Logger } from 'pino';

import { fieldsOf } from '../control/json.ts';
import { ClockGuard } from '../retention/clock-guard.ts';
import type { ClockDoubt, ClockReading } from '../retention/clock-guard.ts';
import { writeFileAtomic } from './atomic-file.ts';

/** How often the clock is looked at, and that written down, in milliseconds. */
const LOOK_MS = 60_000;

export interface StoreClockOptions {
  readonly path: string;
  readonly logger: Logger;
  readonly read?: () => ClockReading;
}

export class StoreClock {
  readonly #options: StoreClockOptions;
  readonly #read: () => ClockReading;
  readonly #guard: ClockGuard;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(options: StoreClockOptions) {
    this.#options = options;
    this.#read = options.read ?? readClocks;
    const { lastSeenMs, doubt } = readFile(options);
    this.#guard = new ClockGuard(lastSeenMs, this.#read(), doubt);
    this.#warn(undefined);
  }

  /**
   * @param lastChangeMs When the volume last changed, by its own time.
   * @returns Why nothing of it may be removed now; undefined if the clock can be believed.
   */
  check(lastChangeMs: number): string | undefined {
    return this.#guard.check(this.#read(), lastChangeMs);
  }

  start(): void {
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#look();
    await this.#writing;
  }

  #look(): void {
    const before = this.#guard.doubt;
    const now = this.#read();
    // Not only to look: a doubt that is over is over from now on.
    this.#guard.check(now, -Infinity);
    this.#warn(before);
    const { doubt } = this.#guard;
    const text = JSON.stringify({
      lastSeen: new Date(now.wallMs).toISOString(),
      ...(doubt === undefined
        ? {}
        : { doubt: { reason: doubt.reason, since: new Date(doubt.sinceMs).toISOString() } }),
    });
    // One at a time: they share a temporary file.
    this.#writing = this.#writing.then(() => this.#write(`${text}\n`));
  }

  async #write(text: string): Promise<void> {
    try {
      await writeFileAtomic(this.#options.path, text);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#options.logger.warn({ err: error }, 'Cannot write down the time');
      this.#hasFailed = true;
    }
  }

  #warn(before: ClockDoubt | undefined): void {
    const { doubt } = this.#guard;
    if (doubt === undefined || doubt.sinceMs === before?.sinceMs) return;
    const { reason } = doubt;
    this.#options.logger.warn({ reason }, 'The clock cannot be believed: nothing is removed by it');
  }
}

/** Time that nobody sets, and that goes on while the host sleeps: as the wall clock does. */
function readClocks(): ClockReading {
  return { wallMs: Date.now(), steadyMs: uptime() * 1000 };
}

function readFile({ path, logger }: StoreClockOptions): {
  lastSeenMs: number | undefined;
  doubt?: ClockDoubt;
} {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // The first start of this store, mostly.
    return { lastSeenMs: undefined };
  }
  try {
    const fields = fieldsOf(JSON.parse(text));
    const lastSeenMs = parseTime(fields['lastSeen']);
    if (fields['doubt'] === undefined) return { lastSeenMs };
    const { reason, since } = fieldsOf(fields['doubt']);
    return { lastSeenMs, doubt: { reason: String(reason), sinceMs: parseTime(since) } };
  } catch (error) {
    logger.warn({ err: error, path }, 'Cannot tell when the clock was last looked at');
    return { lastSeenMs: undefined };
  }
}

/** @throws {RangeError} */
function parseTime(value: unknown): number {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN;
  if (Number.isNaN(ms)) throw new RangeError(`Cannot read time ${JSON.stringify(value)}`);
  return ms;
}
