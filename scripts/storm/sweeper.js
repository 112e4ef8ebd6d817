/**
 * Sweeps every session all the time, with all that can be packed: under the clients, and under the killer.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What a command says when the server that it asked was killed; and when the last sweep goes on still. */
const EXPECTED =
  /volume server|was killed|socket hang up|ECONNRESET|ECONNREFUSED|a sweep is under way|EPIPE/;
const PAUSE_MS = 200;
/** What a store may take beyond what is live and promised: a tenth, and a segment. */
const SLACK_SHARE = 1.1;
const SEGMENT_BYTES = 64 << 20;

export class StormSweeper {
  /** Sweeps that came to their end. */
  sweeps = 0;
  /** Sweeps whose server died. */
  interrupted = 0;
  #host;
  #sessions;
  #onProblem;

  /** @param {{ host: import('./host.js').Host, sessions: { id: string, name: string }[], onProblem: (what: string, problem: string) => void }} options */
  constructor({ host, sessions, onProblem }) {
    this.#host = host;
    this.#sessions = sessions;
    this.#onProblem = onProblem;
  }

  /** @param {number} endsAt */
  async run(endsAt) {
    // What expires is swept every other time.
    const expiring = this.#sessions.find(({ name }) => name === 'expiring');
    for (let turn = 0; Date.now() < endsAt; turn += 1) {
      const session = this.#sessions[turn % this.#sessions.length];
      await this.#sweep(session);
      if (expiring !== undefined && expiring !== session) await this.#sweep(expiring);
      await delay(PAUSE_MS);
    }
  }

  async #sweep({ id, name }) {
    try {
      const { refusal } = await this.#host.command('sweep', id, '--apply', '--all');
      this.sweeps += 1;
      if (refusal !== undefined) this.#onProblem(`${name}: sweep`, refusal);
    } catch (error) {
      if (EXPECTED.test(`${error.stderr}`)) this.interrupted += 1;
      else this.#onProblem(`${name}: sweep`, `${error.stderr ?? ''} ${String(error)}`);
    }
  }

  /** What all sweeps have removed and packed so far, also those that were interrupted. */
  async count() {
    let versions = 0;
    let packedSegments = 0;
    for (const { id } of this.#sessions) {
      const { entries } = await this.#host.command('audit', id, '-n', '100000');
      versions += entries.reduce((sum, entry) => sum + entry.versions, 0);
      const log = join(this.#host.root, 'volumes', id, 'log');
      packedSegments += readdirSync(log).filter((name) => name.endsWith('.map')).length;
    }
    const { sweeps, interrupted } = this;
    return { sweeps, interrupted, versions, packedSegments };
  }

  /** After everything was swept: what the store takes is what is live and promised, and little more. */
  async checkSpace({ id, name }) {
    await this.#host.command('sweep', id, '--apply', '--all');
    const usage = await this.#host.command('usage', id);
    const most = SLACK_SHARE * (usage.liveBytes + usage.historyBytes) + SEGMENT_BYTES;
    if (usage.storedBytes > most) {
      this.#onProblem(
        `${name}: space`,
        `it takes ${usage.storedBytes} bytes, want ${most}: ${JSON.stringify(usage)}`,
      );
    }
    return usage;
  }
}
