/**
 * Packs segments of an open log, off the thread that serves the kernel.
 *
 * Rule: one job at a time; when a job is done the log reads what it has made. A job that fails, is
 * aborted or killed leaves the log as it was, and files that the next one removes.
 */

import { Worker } from 'node:worker_threads';

import type { Log } from '../log/log.ts';
import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type {
  CollectResult,
  FromWorker,
  Job,
  JobFailure,
  PackResult,
  PackWorkerData,
  ToWorker,
} from './jobs.ts';

export type { CollectResult, PackResult } from './jobs.ts';

export interface PackerOptions {
  /** The log's directory. */
  readonly dir: string;
  /** 32 hex digits. */
  readonly volumeId: string;
  readonly log: Pick<Log, 'sync' | 'adoptPacked' | 'refreshPacked'>;
  /** See setDuty. */
  readonly duty?: number;
}

interface Waiter {
  readonly resolve: (result: PackResult | CollectResult) => void;
  readonly reject: (error: Error) => void;
}

export class Packer {
  readonly #options: PackerOptions;
  #duty: number;
  #worker: Worker | undefined;
  /** Of the job that is under way. */
  #waiter: Waiter | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: PackerOptions) {
    this.#options = options;
    this.#duty = options.duty ?? 1;
  }

  /**
   * Packs a sealed segment, or packs it anew after more of it was given up.
   *
   * @param alive Pairs of start and end (not included) of what is still referred to, as offsets in the
   *   segment: ascending, and apart. What is not data is kept anyway.
   * @throws {SessfsError} LOG_CORRUPT If the segment is damaged: it is left as it is.
   */
  pack(id: SegmentId, alive: ArrayLike<number>, signal?: AbortSignal): Promise<PackResult> {
    return this.#enqueue(async () => {
      // What is packed counts as synced, and all that is before it.
      await this.#options.log.sync();
      const job: Job = { kind: 'pack', id, alive: Float64Array.from(alive) };
      const result = (await this.#run(job, signal)) as PackResult;
      await this.#options.log.adoptPacked(id);
      return result;
    });
  }

  /**
   * Gives back the room of content in packs that no map refers to.
   *
   * @param threshold A pack is written anew if a smaller share of it than this is referred to, 0 to 1.
   */
  collect(threshold: number, signal?: AbortSignal): Promise<CollectResult> {
    return this.#enqueue(async () => {
      const result = (await this.#run({ kind: 'collect', threshold }, signal)) as CollectResult;
      // The log measured its packs while the old ones were still there.
      await this.#options.log.refreshPacked([], []);
      return result;
    });
  }

  /** @param duty The share of time that is worked, 0 (not at all) to 1. */
  setDuty(duty: number): void {
    this.#duty = duty;
    this.#post({ kind: 'duty', duty });
  }

  /** Ends what is under way; it is as if it had not begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
    this.#fail(abortError());
    await this.#queue.catch(() => undefined);
  }

  #enqueue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run, run);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #run(job: Job, signal: AbortSignal | undefined): Promise<PackResult | CollectResult> {
    if (this.#isClosed) throw abortError();
    signal?.throwIfAborted();
    const onAbort = (): void => this.#post({ kind: 'abort' });
    signal?.addEventListener('abort', onAbort);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiter = { resolve, reject };
        this.#worker ??= this.#startWorker();
        this.#worker.ref();
        this.#worker.postMessage(job);
      });
    } finally {
      this.#waiter = undefined;
      // Without a job it must not keep a process from ending.
      this.#worker?.unref();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #startWorker(): Worker {
    const { dir, volumeId } = this.#options;
    const workerData: PackWorkerData = { dir, volumeId, duty: this.#duty };
    const worker = new Worker(new URL('pack-worker.js', import.meta.url), { workerData });
    worker.on('message', (message: FromWorker) => this.#onMessage(message));
    const onEnd = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#fail(error);
    };
    worker.on('error', onEnd);
    worker.on('exit', () => onEnd(new Error('The pack worker ended before its answer')));
    return worker;
  }

  #onMessage(message: FromWorker): void {
    if (message.kind === 'done') this.#waiter?.resolve(message.result);
    else if (message.kind === 'failed') this.#fail(toError(message.failure));
    else {
      this.#options.log.refreshPacked(message.ids, message.oldPacks).then(
        () => this.#post({ kind: 'refreshed' }),
        (error: unknown) => {
          this.#fail(error instanceof Error ? error : new Error(String(error)));
          // It would wait for ever: the old packs are still being read.
          void this.#worker?.terminate();
        },
      );
    }
  }

  #fail(error: Error): void {
    this.#waiter?.reject(error);
  }
}

function toError({ code, message, isAborted }: JobFailure): Error {
  if (isAborted) return abortError();
  return code === undefined ? new Error(message) : new SessfsError(code, message);
}

const abortError = (): Error => new DOMException('Packing was aborted', 'AbortError');
