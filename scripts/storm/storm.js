/**
 * The kill storm: clients at work on mounts whose servers are killed all the time; then what they did
 * is compared with what is there, and again after the daemon was started anew.
 *
 * Rule: nothing may go wrong. There is no kind of failure that is expected, retried or left out.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkSessions, checkVolumes, findLoggedErrors } from './checks.js';
import { runClient } from './clients.js';
import { Host } from './host.js';
import { Killer } from './killer.js';
import { deriveSeed, makeRandom } from './random.js';
import { StormSweeper } from './sweeper.js';
import { PROMISED_MS } from './workloads/expiring.js';

/** After the storm each client ends the round that it has begun; then it counts as hung. */
const GRACE_MS = 120_000;
const PHASE_TIMEOUT_MS = 180_000;
/** Clients that check at the same time. */
const CHECKS_AT_ONCE = 2;

/** The grace of its configuration, and some more. */
const GRACE_OF_SWEEPS_MS = 3000;

/** Of one client and phase: the first says most. */
const MAX_FAILURES_TOLD = 5;

/** Each in a session of its own. */
export const WORKLOADS = [
  'names',
  'append',
  'random-writes',
  'versions',
  'history',
  'git',
  'npm',
  'sqlite',
  'tar',
  'syncing',
  'locks',
  'listings',
  'mortals',
  'sleepers',
  'expiring',
];
/** These once more, in one session together. */
const MIXED = ['names', 'append', 'random-writes', 'versions', 'syncing', 'pulse'];

/**
 * @typedef {{ name: string, workloads: string[], id: string, mount: string }} Session
 * @typedef {{ workload: string, processes: number, session: Session, dir: string, plain: string, seed: number }} Job
 * @typedef {{ seconds: number, seed: number, modes: string[], workloads?: string[], logFile?: string, log?: (text: string) => void }} StormOptions
 */

/** @param {StormOptions} options */
export async function runStorm(options) {
  const host = new Host();
  try {
    return await new Storm(options, host).run();
  } finally {
    host.cleanUp();
  }
}

class Storm {
  #options;
  #host;
  #failures = [];
  #facts = { kills: {}, upgrades: 0, upgradesStopped: 0, servers: 0 };
  #operations = {};
  #latenciesMs = [];
  #slowest = { ms: 0, at: '', where: '' };

  /** @param {StormOptions} options */
  constructor(options, host) {
    this.#options = options;
    this.#host = host;
  }

  /** Never rejects: what stops the storm is the last of its failures. */
  async run() {
    try {
      await this.#run();
    } catch (error) {
      const end = this.#host.end;
      if (end !== undefined) this.#fail('daemon', `it has ended: ${end}`);
      this.#fail('storm', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    this.#failures.push(...findLoggedErrors(this.#host.log));
    const { seed, seconds, logFile } = this.#options;
    if (logFile !== undefined) writeFileSync(logFile, this.#host.log.join('\n'));
    return {
      seed,
      seconds,
      ...this.#facts,
      operations: this.#operations,
      pauses: { ...summarize(this.#latenciesMs), slowest: this.#slowest },
      failures: this.#failures,
    };
  }

  async #run() {
    await this.#host.start();
    const sessions = await this.#makeSessions();
    const jobs = await this.#plan(sessions);
    this.#log(`${sessions.length} sessions, ${jobs.length} workloads`);
    await this.#phase(jobs, 'prepare');
    await this.#storm(jobs, sessions);
    const counts = await this.#check(jobs, sessions, 'after the storm');
    Object.assign(this.#facts, counts);
    const expiring = sessions.find(({ name }) => name === 'expiring');
    if (expiring !== undefined) {
      // What the clients saved last is over by then.
      await delay(PROMISED_MS + GRACE_OF_SWEEPS_MS);
      this.#facts.space = await this.#makeSweeper([expiring]).checkSpace(expiring);
    }
    for (const { what, problem } of await checkVolumes(this.#host, sessions)) {
      this.#fail(what, problem);
    }
    this.#log('every volume went through fsck; the daemon is started anew');
    const exitCode = await this.#host.stop();
    if (exitCode !== 0) this.#fail('daemon', `it ended with ${exitCode}`);
    await this.#host.start();
    await this.#check(jobs, sessions, 'after a restart');
  }

  async #storm(jobs, sessions) {
    const { seconds, seed, modes } = this.#options;
    const killer = new Killer({
      host: this.#host,
      random: makeRandom(deriveSeed(seed, 'killer')),
      sessions: sessions.map(({ id }) => id),
      onProblem: (what, problem) => this.#fail(what, problem),
    });
    const beganAt = Date.now();
    const work = this.#work(jobs, beganAt + seconds * 1000);
    const sweeper = this.#makeSweeper(sessions);
    const sweeping = sweeper.run(beganAt + seconds * 1000);
    for (const [index, mode] of modes.entries()) {
      await killer.run(mode, beganAt + ((index + 1) * seconds * 1000) / modes.length);
      this.#log(`${mode}: ${killer.kills[mode]} kills until ${new Date().toISOString()}`);
    }
    await work;
    await sweeping;
    const { kills, upgrades, upgradesStopped, seen } = killer;
    const swept = await sweeper.count();
    this.#facts = { kills, upgrades, upgradesStopped, servers: seen.size, swept };
  }

  #makeSweeper(sessions) {
    const onProblem = (what, problem) => this.#fail(what, problem);
    return new StormSweeper({ host: this.#host, sessions, onProblem });
  }

  /** @returns {Promise<Session[]>} */
  async #makeSessions() {
    const chosen = this.#options.workloads ?? WORKLOADS;
    const plans = chosen.map((workload) => ({ name: workload, workloads: [workload] }));
    if (this.#options.workloads === undefined) plans.push({ name: 'mixed', workloads: MIXED });
    else plans.forEach((plan) => plan.workloads.push('pulse'));
    const sessions = [];
    for (const plan of plans) {
      const { id, mountPoint } = await this.#host.command('create', plan.name);
      sessions.push({ ...plan, id, mount: mountPoint });
    }
    return sessions;
  }

  /** @returns {Promise<Job[]>} */
  async #plan(sessions) {
    const jobs = [];
    for (const session of sessions) {
      for (const workload of session.workloads) {
        const { processes } = await import(`./workloads/${workload}.js`);
        const plain = join(this.#host.plain, `${session.name}-${workload}`);
        mkdirSync(plain);
        const seed = deriveSeed(this.#options.seed, session.name);
        const dir = join(session.mount, workload);
        jobs.push({ workload, processes, session, dir, plain, seed });
      }
    }
    return jobs;
  }

  async #work(jobs, endsAt) {
    const clients = jobs.flatMap((job) =>
      Array.from({ length: job.processes }, (_, worker) => ({ job, worker })),
    );
    const runs = clients.map(async ({ job, worker }) => {
      const timeoutMs = endsAt - Date.now() + GRACE_MS;
      const result = await runClient('work', { ...job, worker, endsAt }, timeoutMs);
      this.#note(job, 'work', result);
      if (result.hangs) await this.#tellServer(job);
    });
    await Promise.all(runs);
  }

  async #tellServer({ session }) {
    const status = await this.#host.command('status');
    const { server } = status.sessions.find(({ id }) => id === session.id) ?? {};
    const pid = this.#host.servers().get(session.id);
    this.#log(`${session.name} has process ${pid}, its status is ${JSON.stringify(server)}`);
  }

  /** One phase of every workload, a few at a time. */
  async #phase(jobs, phase, when = '') {
    const waiting = [...jobs];
    const next = async () => {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
        const plan = { ...job, worker: 0, endsAt: 0 };
        this.#note(job, `${phase} ${when}`, await runClient(phase, plan, PHASE_TIMEOUT_MS));
      }
    };
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, next));
  }

  async #check(jobs, sessions, when) {
    await this.#phase(jobs, 'verify', when);
    const { problems, ...seen } = await checkSessions(this.#host, sessions);
    for (const { what, problem } of problems) this.#fail(`${what} ${when}`, problem);
    this.#log(`checked ${when}: ${this.#failures.length} failures so far`);
    return seen;
  }

  #note({ session, workload }, phase, { operations, failures, latenciesMs, slowest }) {
    const where = `${session.name}/${workload}`;
    if (phase === 'work') {
      this.#operations[where] = (this.#operations[where] ?? 0) + operations;
      for (const latency of latenciesMs) this.#latenciesMs.push(latency);
      if (slowest.ms > this.#slowest.ms) this.#slowest = { ...slowest, where };
    }
    for (const { at, what, problem } of failures.slice(0, MAX_FAILURES_TOLD)) {
      this.#fail(`${where}, ${phase.trim()}: ${what}`, problem, at);
    }
    const more = failures.length - MAX_FAILURES_TOLD;
    if (more > 0) this.#fail(`${where}, ${phase.trim()}`, `${more} more`);
  }

  #fail(what, problem, at = new Date().toISOString()) {
    this.#failures.push({ at, what, problem });
    this.#log(`FAILED ${at} ${what}: ${problem}`);
  }

  #log(text) {
    this.#options.log?.(text);
  }
}

function summarize(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (part) => Math.round(10 * (sorted[Math.floor((sorted.length - 1) * part)] ?? 0)) / 10;
  return { count: sorted.length, medianMs: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
