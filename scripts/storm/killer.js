/**
 * Kills volume servers, each at a random moment of its life.
 *
 * A server takes some 100 ms of a CPU to start: were all of them killed all the time, nothing else
 * would ever run. So in the worse modes few killers go from session to session.
 */

import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { kill } from './host.js';

const POLL_MS = 2;
/** How long a killer stays with a session before it goes to the next, in milliseconds. */
const STAY_MS = 2500;

/**
 * How each mode kills: how many killers there are (one a session if that is not said), how long a
 * server lives, in milliseconds from when its process is there or from when it opens its volume, and
 * what part of the servers may live for longer, so that the work goes on.
 * `upgradeEachMs` is the time between two upgrades under way.
 *
 * @typedef {{ killers?: number, from: 'process' | 'opening', lifeMs: [number, number], spared: number, upgradeEachMs?: [number, number] }} Mode
 * @type {Record<string, Mode>}
 */
export const MODES = {
  /** Not at all: what fails then is wrong without a storm. */
  none: { killers: 0, from: 'process', lifeMs: [0, 0], spared: 0 },
  calm: { from: 'opening', lifeMs: [1000, 3000], spared: 0 },
  storm: { killers: 2, from: 'opening', lifeMs: [20, 100], spared: 0.1 },
  /** While the log is replayed, while the kernel sends again, while what it sent again is answered. */
  targeted: { killers: 2, from: 'opening', lifeMs: [0, 30], spared: 0.25 },
  /** Also before a line of ours has run. */
  newborn: { killers: 1, from: 'process', lifeMs: [0, 150], spared: 0.25 },
  /** Long enough that sweeps come to their end, or nearly. */
  sweeping: { from: 'opening', lifeMs: [3000, 15_000], spared: 0 },
  /** While the daemon and all servers are replaced, again and again. */
  upgrade: { from: 'opening', lifeMs: [200, 4000], spared: 0, upgradeEachMs: [800, 3000] },
};

/** How long one that is spared lives, in milliseconds. */
const SPARED_MS = [150, 700];

export class Killer {
  /** By mode. @type {Record<string, number>} */
  kills = {};
  upgrades = 0;
  /** Upgrades that left servers as they were. */
  upgradesStopped = 0;
  /** Servers that were ever seen. */
  seen = new Set();
  #host;
  #onProblem;
  #random;
  #sessions;

  /** @param {{ host: import('./host.js').Host, random: ReturnType<typeof import('./random.js').makeRandom>, sessions: string[], onProblem: (what: string, problem: string) => void }} options */
  constructor({ host, random, sessions, onProblem }) {
    this.#onProblem = onProblem;
    this.#host = host;
    this.#random = random;
    this.#sessions = sessions;
  }

  /** Kills in one mode until then. @param {string} name @param {number} endsAt */
  async run(name, endsAt) {
    const mode = MODES[name];
    if (mode?.killers === 0) await delay(endsAt - Date.now());
    if (mode === undefined) throw new Error(`There is no mode "${name}"`);
    const count = mode.killers ?? this.#sessions.length;
    const isRoving = mode.killers !== undefined;
    this.kills[name] ??= 0;
    await Promise.all([
      ...Array.from({ length: count }, (_, index) =>
        this.#hunt({ name, mode, index, isRoving, endsAt }),
      ),
      this.#upgrade(mode, endsAt),
    ]);
  }

  async #upgrade({ upgradeEachMs }, endsAt) {
    if (upgradeEachMs === undefined) return;
    while (Date.now() < endsAt) {
      await delay(this.#random.whole(...upgradeEachMs));
      // It becomes the program on disk, which is the same one here, with all its servers.
      try {
        await this.#host.command('upgrade');
        this.upgrades += 1;
      } catch (error) {
        // It stops at a server that does not come up, and cannot know that this one was killed.
        if (String(error.stderr).includes('was killed by SIGKILL')) this.upgradesStopped += 1;
        else this.#onProblem('upgrade', `${error.stderr ?? ''} ${String(error)}`);
      }
    }
  }

  async #hunt({ name, mode, index, isRoving, endsAt }) {
    const count = this.#sessions.length;
    for (let turn = index; Date.now() < endsAt; turn += mode.killers ?? 0) {
      const session = this.#sessions[turn % count] ?? '';
      const stayEndsAt = isRoving ? Math.min(endsAt, Date.now() + STAY_MS) : endsAt;
      let last = 0;
      while (Date.now() < stayEndsAt) {
        const pid = await this.#nextServer(session, last, stayEndsAt);
        if (pid === undefined) break;
        last = pid;
        await this.#let(pid, mode, stayEndsAt);
        if (kill(pid)) this.kills[name] += 1;
      }
    }
  }

  /** One that is not the last one, which may still be about to end. */
  async #nextServer(session, last, endsAt) {
    while (Date.now() < endsAt) {
      const pid = this.#host.servers().get(session);
      if (pid !== undefined && pid !== last) {
        this.seen.add(pid);
        return pid;
      }
      await delay(POLL_MS);
    }
    return undefined;
  }

  async #let(pid, { from, lifeMs, spared }, endsAt) {
    const isSpared = this.#random.chance(spared);
    if (from === 'opening' || isSpared) {
      while (Date.now() < endsAt && !hasOpened(pid)) await delay(POLL_MS);
    }
    const [least, most] = isSpared ? SPARED_MS : lifeMs;
    await delay(this.#random.whole(least, most));
  }
}

/** It has the log of its volume open, or is gone. */
function hasOpened(pid) {
  const dir = `/proc/${pid}/fd`;
  try {
    return readdirSync(dir).some((fd) => /\/log\/[^/]+$/.test(readlink(`${dir}/${fd}`)));
  } catch {
    return true;
  }
}

function readlink(path) {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
