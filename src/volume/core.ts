/**
 * What the parts of a volume share: the state to read, and the one way to change it.
 */

import type { Clock } from '../shared/time.ts';
import type { ContentReader } from './content-reader.ts';
import type { Event } from './events.ts';
import type { Promiser } from './promiser.ts';
import type { State } from './state.ts';
import type { Caller } from './store.ts';

export interface Core {
  readonly state: State;
  readonly content: ContentReader;
  readonly clock: Clock;
  readonly promiser: Promiser;
  /**
   * Makes a change that was checked: appends it to the log, then applies it.
   *
   * @param data What a write event holds.
   * @throws {FsError} ENOSPC, EDQUOT, EIO, EROFS If the log cannot take it: then nothing changed.
   */
  commit(event: Event, caller: Caller, data?: Uint8Array): void;
  /** Tells the operator of something that went wrong where nobody waits for an answer. */
  report(message: string, error: unknown): void;
}
