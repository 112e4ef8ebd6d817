/**
 * Tells the kernel what changed behind its back, from a thread of its own.
 *
 * Rule: never from the serving thread. The kernel may hold the lock that a notification needs until a
 * request is answered that only the serving thread can answer. Attributes alone need no lock (Linux 6.18
 * fs/fuse/inode.c fuse_reverse_inval_inode()): they go at once, before the answer to what changed them.
 * Not from libuv's pool either: there one
 * notification costs 40 to 90 µs against 3 here, and a blocked one would hold up the index's reads.
 */

import { Worker } from 'node:worker_threads';

import { Errno, errnoName } from '../shared/errno.ts';
import type { Name, NodeId } from '../shared/brands.ts';
import type { Notifier } from './file-system.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import type { Logger } from './logger.ts';
import { encodeInvalidateEntry, encodeInvalidateInode } from './notification.ts';
import type {
  NotificationBatch,
  NotificationResult,
  NotifierWorkerData,
} from './notifier-worker.ts';

/** How many go to the thread at once: enough to spare messages, few enough to bound their memory. */
const MAX_BATCH = 4096;
/** The thread ends when there was nothing to tell for so long, in milliseconds: it holds 4 MB. */
const THREAD_IDLE_MS = 10_000;

/** As in the thread: the kernel does not have it in its cache, or there is no kernel any more. */
const EXPECTED_FAILURES = new Set<number>([Errno.ENOENT, Errno.ENODEV, Errno.ENOTCONN]);

export class KernelNotifier implements Notifier {
  readonly #fd: number;
  readonly #logger: Logger;
  #batch: Buffer[] = [];
  #isFlushScheduled = false;
  #worker: Worker | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #queued = 0;
  #sent = 0;
  #waiting: { readonly after: number; readonly resolve: () => void }[] = [];

  constructor(options: { fd: number; logger: Logger }) {
    this.#fd = options.fd;
    this.#logger = options.logger;
  }

  invalidateInode(nodeid: NodeId, offset: number, length: number): void {
    const message = encodeInvalidateInode(nodeid, offset, length);
    if (offset < 0) this.#sendNow(message);
    else this.#push(message);
  }

  invalidateEntry(parent: NodeId, name: Name): void {
    this.#push(encodeInvalidateEntry(parent, name));
  }

  drained(): Promise<void> {
    if (this.#sent >= this.#queued) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ after: this.#queued, resolve }));
  }

  /** Ends the thread; what is queued is given up, since the connection is over. */
  close(): void {
    clearTimeout(this.#idleTimer);
    this.#batch = [];
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#onSent(this.#queued - this.#sent);
  }

  #sendNow(message: Buffer): void {
    if (libc().write(this.#fd, addressOf(message), message.length) >= 0) return;
    const errno = lastErrno();
    if (EXPECTED_FAILURES.has(errno)) return;
    this.#logger.warn({ errno: errnoName(errno) }, 'The kernel refused a notification');
  }

  #push(message: Buffer): void {
    this.#batch.push(message);
    this.#queued += 1;
    if (this.#batch.length >= MAX_BATCH) this.#flush();
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const count = this.#batch.length;
    const bytes = new Uint8Array(this.#batch.reduce((sum, message) => sum + message.length, 0));
    let offset = 0;
    for (const message of this.#batch) {
      bytes.set(message, offset);
      offset += message.length;
    }
    this.#batch = [];
    this.#worker ??= this.#startWorker();
    const batch: NotificationBatch = { bytes, count };
    this.#worker.postMessage(batch, [bytes.buffer]);
  }

  #startWorker(): Worker {
    const data: NotifierWorkerData = { fd: this.#fd };
    const url = new URL('./notifier-worker.js', import.meta.url);
    const worker = new Worker(url, { workerData: data });
    worker.unref();
    worker.on('message', (result: NotificationResult) => this.#onBatch(worker, result));
    worker.on('error', (error) => {
      this.#logger.error({ err: error }, 'The thread for notifications failed');
      if (this.#worker === worker) this.close();
    });
    return worker;
  }

  #onBatch(worker: Worker, { count, failures }: NotificationResult): void {
    if (this.#worker !== worker) return;
    for (const errno of failures) {
      this.#logger.warn({ errno: errnoName(errno) }, 'The kernel refused a notification');
    }
    this.#onSent(count);
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#endIdleWorker(), THREAD_IDLE_MS).unref();
  }

  #onSent(count: number): void {
    this.#sent += count;
    while (this.#waiting[0] !== undefined && this.#waiting[0].after <= this.#sent) {
      this.#waiting.shift()?.resolve();
    }
  }

  #endIdleWorker(): void {
    if (this.#sent < this.#queued) return;
    void this.#worker?.terminate();
    this.#worker = undefined;
  }
}
