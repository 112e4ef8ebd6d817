/**
 * One connection to the kernel, and the loop that serves it.
 *
 * Rule: while requests flow they are read one after the other without leaving JavaScript; when none
 * comes the loop spins for a moment, because waking an idle core costs more than most answers; after
 * that the thread sleeps in the event loop. An idle connection costs nothing.
 */

import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { Errno, errnoName } from '../shared/errno.ts';
import { NOTIFY_RESEND } from './abi.ts';
import { KernelDevice } from './device.ts';
import { Dispatcher } from './dispatcher.ts';
import type { ConnectionInfo, FileSystem } from './file-system.ts';
import { pollDescriptor } from './libc.ts';
import type { DescriptorPoll } from './libc.ts';
import type { Logger } from './logger.ts';
import type { OperationStats } from './message-stats.ts';
import type { InitOptions } from './negotiate.ts';
import { KernelNotifier } from './notifier.ts';
import type { Pulse } from './pulse.ts';
import { SpinBudget } from './spin-budget.ts';

/**
 * How long to ask again and again for the next request, in milliseconds.
 *
 * Measured on two virtual CPUs, a write of 4 KiB by a client on the other CPU: without spinning 60 µs,
 * with 0.02 to 0.3 ms 16 to 20 µs. Following the client to its CPU instead (8 µs if both are bound to
 * one) did not last: the scheduler moves a client that we wake to the idle CPU.
 */
const DEFAULT_SPIN_MS = 0.05;
/** How long requests may keep the event loop from its turn, in milliseconds. */
const MAX_TURN_MS = 1;
/** Reading the clock costs 50 ns: while requests flow it is read once in so many. */
const MESSAGES_PER_CLOCK = 32;
/** No request for so long is idle, in milliseconds. */
const DEFAULT_IDLE_MS = 20;
/** How long stop() waits for notifications to reach the kernel, in milliseconds. */
const NOTIFY_GRACE_MS = 1000;

export interface ConnectionOptions {
  /** /dev/fuse, mounted, opened O_NONBLOCK. It stays open when the connection ends. */
  readonly fd: number;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  /** For a descriptor that another process has served before: what it agreed with the kernel. */
  readonly resume?: ConnectionInfo | undefined;
  /**
   * Another process may have taken requests of this connection and left them unanswered, INIT among them
   * if there is nothing to resume. With `resume` it goes without saying.
   */
  readonly takeover?: boolean;
  /** Numbers of requests that killed who carried them out: sent again, they are answered EIO. */
  readonly poison?: readonly number[];
  /** Told which request is being carried out. */
  readonly pulse?: Pulse;
  readonly init?: InitOptions;
  readonly spinMs?: number;
  readonly idleMs?: number;
}

export class Connection {
  /** Called when no request has come for a while. */
  onIdle: (() => void) | undefined;
  /** What was agreed at INIT; the next process needs it to resume. */
  info: ConnectionInfo | undefined;

  readonly #fd: number;
  readonly #fileSystem: FileSystem;
  readonly #logger: Logger;
  readonly #device: KernelDevice;
  readonly #dispatcher: Dispatcher;
  readonly #notifier: KernelNotifier;
  readonly #spin: SpinBudget;
  readonly #idleMs: number;
  readonly #takeover: boolean;
  #poll: DescriptorPoll | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #ended: Promise<void> | undefined;
  #resolveEnded: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#fd = options.fd;
    this.#fileSystem = options.fileSystem;
    this.#logger = options.logger;
    // On the only CPU spinning would keep the client from sending what it waits for.
    const spinMs = availableParallelism() > 1 ? DEFAULT_SPIN_MS : 0;
    this.#spin = new SpinBudget(options.spinMs ?? spinMs);
    this.#idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
    this.info = options.resume;
    this.#takeover = options.takeover === true || options.resume !== undefined;
    this.#device = new KernelDevice(options.fd);
    this.#notifier = new KernelNotifier(options);
    this.#dispatcher = new Dispatcher({
      device: this.#device,
      fileSystem: options.fileSystem,
      logger: options.logger,
      init: options.init ?? {},
      pulse: options.pulse,
      poison: options.poison,
      onInit: (info) => this.#connected(info),
    });
  }

  /** Serves until the file system is unmounted, the connection aborted, or stop() called. */
  run(): Promise<void> {
    this.#ended ??= this.#start();
    return this.#ended;
  }

  /** Reads no further request, sends what is pending, and leaves the descriptor open for a successor. */
  async stop(): Promise<void> {
    // Still serving: the kernel may want an answer from us before it takes a notification.
    await Promise.race([
      this.#notifier.drained(),
      delay(NOTIFY_GRACE_MS, undefined, { ref: false }),
    ]);
    this.#poll?.close();
    this.#poll = undefined;
    clearTimeout(this.#idleTimer);
    const { pending } = this.#dispatcher;
    if (pending > 0) {
      await new Promise<void>((resolve) => (this.#dispatcher.onDrained = resolve));
    }
    this.#notifier.close();
    this.#resolveEnded?.();
  }

  /** Messages by the name of their operation. */
  stats(): Record<string, OperationStats> {
    return this.#dispatcher.stats.byName();
  }

  #start(): Promise<void> {
    if (this.info !== undefined) {
      this.#fileSystem.connected?.(this.info, this.#notifier);
    }
    if (this.#takeover) this.#askToResend();
    this.#idleTimer = setTimeout(() => this.onIdle?.(), this.#idleMs).unref();
    const ended = new Promise<void>((resolve) => (this.#resolveEnded = resolve));
    // Whoever got an answer that it waited for, fsync(2) say, mostly goes on at once.
    this.#dispatcher.onDrained = () => this.#serve();
    // Level-triggered: as long as requests wait, the event loop comes back here after its turn.
    this.#poll = pollDescriptor(this.#fd, () => this.#serve());
    return ended;
  }

  #connected(info: ConnectionInfo): void {
    this.info = info;
    this.#fileSystem.connected?.(info, this.#notifier);
  }

  /** Has the kernel send again what a predecessor took and did not answer. */
  #askToResend(): void {
    const { reply } = this.#dispatcher;
    this.#dispatcher.takeOver(this.info);
    const length = reply.header(0, 0, 0, 0);
    reply.view.setInt32(4, NOTIFY_RESEND, true);
    const failure = this.#device.write(reply, length);
    if (failure !== 0) {
      const errno = errnoName(-failure);
      this.#logger.warn({ errno }, 'The kernel does not resend what was under way');
    }
  }

  /** Answers what there is, and what comes while spinning. */
  #serve(): void {
    const device = this.#device;
    const dispatcher = this.#dispatcher;
    const spin = this.#spin;
    const { frame } = dispatcher;
    const turnEndsAt = performance.now() + MAX_TURN_MS;
    let untilClock = MESSAGES_PER_CLOCK;
    let spinEndsAt = 0;
    let isCut = false;
    while (!isCut && this.#poll !== undefined) {
      const length = device.read(frame);
      if (length > 0) {
        dispatcher.handle(length);
        if (spinEndsAt !== 0) {
          spin.won();
          spinEndsAt = 0;
        }
        untilClock -= 1;
        if (untilClock > 0) continue;
        untilClock = MESSAGES_PER_CLOCK;
        isCut = performance.now() > turnEndsAt;
      } else if (length === -Errno.EAGAIN) {
        if (dispatcher.isTakingOver) dispatcher.allResentRead();
        // A promise settles in the event loop only.
        if (dispatcher.pending > 0) break;
        const now = performance.now();
        if (spinEndsAt === 0) {
          isCut = now > turnEndsAt;
          const spinMs = spin.begin();
          if (spinMs === 0) break;
          spinEndsAt = now + spinMs;
        } else if (now > spinEndsAt) {
          spin.lost();
          break;
        }
      } else if (!this.#isTransient(-length)) {
        this.#end(-length);
        return;
      }
    }
    if (dispatcher.hasEnded) this.#end(Errno.ENODEV);
    else this.#idleTimer?.refresh();
    // Back after one turn of the event loop, without sleeping: the client is in the middle of something.
    if (isCut) setImmediate(() => this.#serve());
  }

  /** ENOENT is a request that was aborted before it could be read. */
  #isTransient(errno: number): boolean {
    return errno === Errno.ENOENT || errno === Errno.EINTR;
  }

  #end(errno: number): void {
    if (this.#poll === undefined) return;
    if (errno !== Errno.ENODEV) {
      this.#logger.error({ errno: errnoName(errno) }, 'The FUSE device failed');
    }
    this.#poll.close();
    this.#poll = undefined;
    clearTimeout(this.#idleTimer);
    this.#notifier.close();
    this.#fileSystem.disconnected?.();
    this.#resolveEnded?.();
  }
}
