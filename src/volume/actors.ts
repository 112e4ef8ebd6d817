/**
 * Who makes changes: a number for each process, told once in the log and not with every change.
 *
 * The short name comes from /proc at once, while the process waits for us. Its command line and
 * environment are read later and off this thread: the kernel takes the process's mmap lock for them, and
 * a process that faults on a page of this very mount holds it until we answer.
 */

import fs from 'node:fs';
import { readFile } from 'node:fs/promises';

import { SYSTEM_ACTOR } from '../shared/brands.ts';
import type { ActorId } from '../shared/brands.ts';
import type { ActorRecord } from '../index/records.ts';
import type { ActorEvent } from './events.ts';
import type { ActorSource, Caller } from './store.ts';

/** How long a pid is taken to be the same process without asking again. */
const TRUST_MS = 1000;
export const MAX_PROCESSES = 4096;
/** Of a command line or a label: either may be as long as an environment. */
const MAX_TEXT_CHARS = 4096;

interface Process {
  readonly actor: ActorId;
  readonly uid: number;
  readonly gid: number;
  /** Start time and short name: another program, or another process, has another. */
  readonly identity: string;
  trustedUntilMs: number;
  /** Its command line and label are yet to be read. */
  undescribed: ActorEvent | undefined;
}

export interface ActorsHost {
  takeActorId(): ActorId;
  record(event: ActorEvent): void;
  report(message: string, error: unknown): void;
}

export class Actors {
  readonly #host: ActorsHost;
  readonly #processes = new Map<number, Process>();
  readonly #scratch = Buffer.alloc(1024);
  readonly #pending = new Set<Promise<void>>();

  constructor(host: ActorsHost) {
    this.#host = host;
  }

  /** The actor of a request. */
  resolve(caller: Caller): ActorId {
    if (caller.actor !== undefined) return caller.actor;
    if (caller.pid === 0) return SYSTEM_ACTOR;
    const known = this.#processes.get(caller.pid);
    const nowMs = performance.now();
    if (known !== undefined && known.uid === caller.uid && known.gid === caller.gid) {
      if (nowMs < known.trustedUntilMs) return known.actor;
      if (this.#identify(caller.pid) === known.identity) {
        known.trustedUntilMs = nowMs + TRUST_MS;
        if (known.undescribed !== undefined) this.#describeLater(known.undescribed);
        known.undescribed = undefined;
        return known.actor;
      }
    }
    return this.#introduce(caller, nowMs);
  }

  /** An actor that is not a process on this host, or is known already. */
  intern(source: ActorSource): ActorId {
    const id = this.#host.takeActorId();
    const { uid, gid, pid } = source;
    const command = (source.command ?? '').slice(0, MAX_TEXT_CHARS);
    const label = source.label?.slice(0, MAX_TEXT_CHARS);
    this.#host.record({ kind: 'actor', id, uid, gid, pid, command, label, identity: undefined });
    return id;
  }

  /**
   * The processes that a predecessor met are the same actors here: a change of server is no change of
   * who works.
   *
   * @param recent Newest first.
   */
  recall(recent: Iterable<readonly [ActorId, ActorRecord]>): void {
    for (const [actor, { uid, gid, pid, command, label, identity }] of recent) {
      if (identity === undefined || pid === 0 || this.#processes.has(pid)) continue;
      // It died before it had read more than the short name.
      const isUnread = label === undefined && command === shortNameIn(identity);
      const event: ActorEvent = {
        kind: 'actor',
        id: actor,
        uid,
        gid,
        pid,
        command,
        label,
        identity,
      };
      const undescribed = isUnread ? event : undefined;
      this.#processes.set(pid, { actor, uid, gid, identity, trustedUntilMs: 0, undescribed });
    }
  }

  /** Resolves when everything that was being looked up is recorded. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #introduce(caller: Caller, nowMs: number): ActorId {
    if (this.#processes.size >= MAX_PROCESSES) this.#processes.clear();
    const { uid, gid, pid } = caller;
    const identity = this.#identify(pid);
    const actor = this.#host.takeActorId();
    const command = shortNameIn(identity);
    const event: ActorEvent = {
      kind: 'actor',
      id: actor,
      uid,
      gid,
      pid,
      command,
      label: undefined,
      identity,
    };
    this.#host.record(event);
    const trustedUntilMs = nowMs + TRUST_MS;
    this.#processes.set(pid, { actor, uid, gid, identity, trustedUntilMs, undescribed: undefined });
    this.#describeLater(event);
    return actor;
  }

  #describeLater(event: ActorEvent): void {
    const lookup = this.#describe(event)
      .catch((error: unknown) => this.#host.report('Cannot record who made a change', error))
      .finally(() => this.#pending.delete(lookup));
    this.#pending.add(lookup);
  }

  /** "(name) 12345", or "" for a process that is not there (any more). */
  #identify(pid: number): string {
    try {
      const fd = fs.openSync(`/proc/${pid}/stat`, 'r');
      try {
        const length = fs.readSync(fd, this.#scratch, 0, this.#scratch.length, 0);
        const text = this.#scratch.toString('latin1', 0, length);
        const nameEnd = text.lastIndexOf(')');
        const startTime = text.slice(nameEnd + 2).split(' ', 20)[19] ?? '';
        return `${text.slice(text.indexOf('('), nameEnd + 1)} ${startTime}`;
      } finally {
        fs.closeSync(fd);
      }
    } catch {
      // Gone, or in another pid namespace: a number is all that can be known of it.
      return '';
    }
  }

  async #describe(event: ActorEvent): Promise<void> {
    const [commandLine, environment] = await Promise.all([
      readIfThere(`/proc/${event.pid}/cmdline`),
      readIfThere(`/proc/${event.pid}/environ`),
    ]);
    const command = commandLine.replace(/\0+$/, '').replaceAll('\0', ' ');
    const label = /(?:^|\0)SESSFS_ACTOR=([^\0]*)/.exec(environment)?.[1];
    if (command === '' && label === undefined) return;
    this.#host.record({
      ...event,
      command: command === '' ? event.command : command.slice(0, MAX_TEXT_CHARS),
      label: label?.slice(0, MAX_TEXT_CHARS),
    });
  }
}

const shortNameIn = (identity: string): string => /\((.*)\)/s.exec(identity)?.[1] ?? '';

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch {
    return '';
  }
}
