/**
 * What is promised in one volume that is served: pledges, sweeps, and whatever else looks at all of it.
 *
 * Rules:
 * - What takes long is loaded when it is asked for: a server that is woken by a request starts the sooner.
 * - It gives way to whoever is served, and ends before the volume is closed: see stop().
 */

import { join } from 'node:path';

import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { timeToMs } from '../shared/time.ts';
import type { VolumeHistory } from '../history/volume-history.ts';
import type { CollectResult, Packer, PackResult } from '../pack/packer.ts';
import type { Volume } from '../volume/volume.ts';
import type { SegmentPacker } from './cleaner.ts';
import { Pledges } from './pledges.ts';
import type { Sweeper, SweepReport, SweepRequest } from './sweeper.ts';

export interface RetentionOptions {
  readonly volume: Volume;
  readonly volumeId: string;
  readonly history: VolumeHistory;
  /** undefined: the session is active. */
  readonly sessionEndedMs: number | undefined;
  /** How many requests of the mount have been answered so far. */
  readonly countRequests: () => number;
}

/** What long work is given. */
export interface Turn {
  /** To be awaited every few hundred steps. Rejects when the work is to end. */
  readonly pause: () => Promise<void>;
  readonly signal: AbortSignal;
}

export type SweepOrder = Omit<SweepRequest, 'nowMs' | 'sessionEndedMs' | 'pause' | 'signal'>;

export class Retention {
  readonly volume: Volume;
  readonly history: VolumeHistory;
  readonly pledges: Pledges;
  readonly sessionEndedMs: number | undefined;
  readonly #countRequests: () => number;
  readonly #packer: LazyPacker;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #sweeper: Promise<Sweeper> | undefined;
  #isSweeping = false;

  constructor(options: RetentionOptions) {
    this.volume = options.volume;
    this.history = options.history;
    this.pledges = new Pledges(options.volume);
    this.sessionEndedMs = options.sessionEndedMs;
    this.#countRequests = options.countRequests;
    this.#packer = new LazyPacker(options.volume, options.volumeId);
  }

  get nowMs(): number {
    return timeToMs(this.volume.clock.now());
  }

  /** @throws {SessfsError} CONFLICT If a sweep is under way; SESSION_STATE If the volume is to be closed. */
  sweep(order: SweepOrder, signal: AbortSignal): Promise<SweepReport> {
    return this.run(signal, async (turn) => {
      this.#sweeper ??= this.#loadSweeper();
      const sweeper = await this.#sweeper;
      const { nowMs, sessionEndedMs } = this;
      // One that is refused because of another must not take its packer away.
      const isFirst = !this.#isSweeping;
      this.#isSweeping = true;
      try {
        return await sweeper.run({ ...order, ...turn, nowMs, sessionEndedMs });
      } finally {
        if (isFirst) {
          this.#isSweeping = false;
          // Its thread, and the tables that it has read, are not needed until the next one.
          await this.#packer.close();
        }
      }
    });
  }

  /**
   * Runs work that goes through all of the volume, at a tenth of the time while somebody works there.
   *
   * @param signal Of whoever asked for it.
   * @throws {SessfsError} SESSION_STATE If the volume is to be closed.
   */
  async run<T>(signal: AbortSignal, work: (turn: Turn) => Promise<T>): Promise<T> {
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    const running = this.#pace(either, work);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error;
      throw new SessfsError('SESSION_STATE', 'Cannot go on: the server of the session stops', {
        hint: 'Try again: a sweep goes on with what is left',
        cause: error,
      });
    } finally {
      this.#running.delete(running);
    }
  }

  /** Ends what is under way: the volume may be closed when this resolves. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#packer.close(), Promise.allSettled(this.#running)]);
  }

  async #pace<T>(signal: AbortSignal, work: (turn: Turn) => Promise<T>): Promise<T> {
    const { Pacer } = await import('./pacer.ts');
    const pacer = new Pacer({
      countRequests: this.#countRequests,
      onDuty: (duty) => this.#packer.setDuty(duty),
      signal,
    });
    // At once if it is over already.
    await pacer.pause();
    const watch = pacer.watch();
    try {
      return await work({ pause: pacer.pause, signal });
    } finally {
      watch.stop();
    }
  }

  async #loadSweeper(): Promise<Sweeper> {
    const [sweeper, cleaner] = await Promise.all([import('./sweeper.ts'), import('./cleaner.ts')]);
    const { volume, history } = this;
    return new sweeper.Sweeper(volume, history, new cleaner.Cleaner(volume, this.#packer));
  }
}

/** A packer that is there when something is to be packed. */
class LazyPacker implements SegmentPacker {
  readonly #volume: Volume;
  readonly #volumeId: string;
  #packer: Promise<Packer> | undefined;
  #duty = 1;

  constructor(volume: Volume, volumeId: string) {
    this.#volume = volume;
    this.#volumeId = volumeId;
  }

  async pack(id: SegmentId, alive: ArrayLike<number>, signal?: AbortSignal): Promise<PackResult> {
    return (await this.#load()).pack(id, alive, signal);
  }

  async collect(threshold: number, signal?: AbortSignal): Promise<CollectResult> {
    return (await this.#load()).collect(threshold, signal);
  }

  setDuty(duty: number): void {
    this.#duty = duty;
    void this.#packer?.then(
      (packer) => packer.setDuty(duty),
      () => undefined,
    );
  }

  async close(): Promise<void> {
    // One that could not be loaded has nothing to close.
    const packer = await this.#packer?.catch(() => undefined);
    this.#packer = undefined;
    await packer?.close();
  }

  #load(): Promise<Packer> {
    this.#packer ??= import('../pack/packer.ts').then(({ Packer: Loaded }) => {
      const { dir, log } = this.#volume;
      const options = { dir: join(dir, 'log'), volumeId: this.#volumeId, log };
      return new Loaded({ ...options, duty: this.#duty });
    });
    return this.#packer;
  }
}
