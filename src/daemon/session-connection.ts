/**
 * The supervisor's side of one connection to the kernel: the two descriptors that outlive volume servers,
 * what can be seen of the server through them, and who waits for one.
 */

import { closeSync } from 'node:fs';

import { isReadable, pollDescriptor } from '../fuse/libc.ts';
import type { DescriptorPoll } from '../fuse/libc.ts';
import { forgetRequests, makeVitals, readVitals } from './vitals.ts';
import type { VitalSigns } from './vitals.ts';
import type { Predecessor } from './volume-server-options.ts';

export class Connection {
  readonly descriptors: { readonly fuse: number; readonly vitals: number };
  #poll: DescriptorPoll | undefined;
  #hadServer: boolean;
  #answered = -1;
  #current: number | undefined;
  #changedAtMs = performance.now();
  #usedAtMs = performance.now();
  #stuckSinceMs = performance.now();

  private constructor(descriptors: { fuse: number; vitals: number }, hadServer: boolean) {
    this.descriptors = descriptors;
    this.#hadServer = hadServer;
  }

  /** @param mount Returns /dev/fuse, mounted; called when all else is there. */
  static async open(mount: () => Promise<number>): Promise<Connection> {
    const vitals = makeVitals();
    try {
      return new Connection({ fuse: await mount(), vitals }, false);
    } catch (error) {
      closeSync(vitals);
      throw error;
    }
  }

  /** One that another supervisor has served. */
  static adopt(fuse: number, vitals: number): Connection {
    return new Connection({ fuse, vitals }, true);
  }

  get signs(): VitalSigns {
    return readVitals(this.descriptors.vitals);
  }

  /** How long no request was answered, as far as observe() saw, in milliseconds. */
  get quietMs(): number {
    return performance.now() - this.#changedAtMs;
  }

  /** When a request was last answered, as far as observe() saw: a server that starts is no use of it. */
  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  /** How long requests have waited and none was answered, as far as observe() saw, in milliseconds. */
  get stuckMs(): number {
    return performance.now() - this.#stuckSinceMs;
  }

  /** Looks whether anything was answered since the last time. */
  observe(): void {
    const { answered, current } = this.signs;
    const now = performance.now();
    const hasChanged = answered !== this.#answered || current !== this.#current;
    if (hasChanged) this.#changedAtMs = now;
    if (answered !== this.#answered) this.#usedAtMs = now;
    // Either it is in the middle of one, or it does not read the next.
    const isBlocked = current !== undefined || isReadable(this.descriptors.fuse);
    if (hasChanged || !isBlocked) this.#stuckSinceMs = now;
    this.#answered = answered;
    this.#current = current;
  }

  /** What the next server has to know of those before it; undefined for the first. */
  takePredecessor(givenUp: readonly number[]): Predecessor | undefined {
    this.#changedAtMs = performance.now();
    this.#stuckSinceMs = performance.now();
    if (!this.#hadServer) {
      this.#hadServer = true;
      return undefined;
    }
    const { connection, since } = this.signs;
    forgetRequests(this.descriptors.vitals);
    return { connection, since, givenUp };
  }

  /** Calls back once, when a request waits and no server reads it, or when the mount has gone. */
  watch(onKnock: () => void): void {
    this.unwatch();
    this.#poll = pollDescriptor(this.descriptors.fuse, () => {
      this.unwatch();
      onKnock();
    });
  }

  unwatch(): void {
    this.#poll?.close();
    this.#poll = undefined;
  }

  close(): void {
    this.unwatch();
    closeSync(this.descriptors.fuse);
    closeSync(this.descriptors.vitals);
  }
}
