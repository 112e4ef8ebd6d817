/**
 * A daemon of the storm's own, on a store in a temporary directory, and the way to tell its servers.
 *
 * Rules: nothing here touches a mount; on every way out the servers are gone, the mounts are detached
 * and the store is removed.
 */

import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SESSFS = fileURLToPath(new URL('../../bin/sessfs', import.meta.url));
/** So soon that it happens in a storm. */
const HIBERNATE_AFTER_SECONDS = 1;
/** One session keeps what was superseded for seconds only: see workloads/expiring.js. */
const SHORT_LADDER = { all: '15s', hourly: '15s', daily: '15s' };
const CONFIG = {
  hibernateAfterSeconds: HIBERNATE_AFTER_SECONDS,
  retention: {
    sessions: { expiring: { tiers: { standard: SHORT_LADDER }, grace: '1s', maxRemovedShare: 1 } },
  },
};
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 64 << 20;

const runFile = promisify(execFile);

export class Host {
  root = mkdtempSync(join(tmpdir(), 'sessfs-storm-'));
  /** On the same disk, for what only the storm knows. */
  plain = mkdtempSync(join(tmpdir(), 'sessfs-storm-plain-'));
  /** What the daemon and its volume servers logged, a line each. @type {string[]} */
  log = [];
  #daemon;
  #exited = Promise.resolve();
  #onExit = () => this.cleanUp();

  constructor() {
    process.once('exit', this.#onExit);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
      process.once(signal, () => process.exit(1));
  }

  async start() {
    writeFileSync(join(this.root, 'config.json'), JSON.stringify(CONFIG));
    const args = [SESSFS, 'daemon', '--root', this.root, '--json', '--stop-with-stdin'];
    const daemon = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' });
    this.#daemon = daemon;
    this.#exited = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.stdin.on('error', () => undefined);
    let rest = '';
    daemon.stderr.setEncoding('utf8').on('data', (text) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      this.log.push(...lines);
    });
    let output = '';
    daemon.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!output.includes('"ready"')) {
      if (daemon.exitCode !== null || Date.now() > deadline) {
        throw new Error(`The daemon did not start: ${this.log.slice(-5).join('\n')}`);
      }
      await delay(20);
    }
  }

  /** How the daemon ended though nobody asked it to; undefined if it runs. */
  get end() {
    const { exitCode, signalCode } = this.#daemon;
    return exitCode === null && signalCode === null ? undefined : (signalCode ?? String(exitCode));
  }

  /** Stops it in good order. @returns {Promise<number | null>} Its exit code. */
  async stop() {
    this.#daemon.kill('SIGTERM');
    const late = setTimeout(() => this.#daemon.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(late);
    return this.#daemon.exitCode;
  }

  /** Runs a command against the daemon. @param {string[]} args */
  async command(...args) {
    const { stdout } = await runFile(process.execPath, [SESSFS, ...args, '--json'], {
      cwd: '/',
      env: { ...process.env, SESSFS_ROOT: this.root },
      timeout: COMMAND_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return JSON.parse(stdout);
  }

  /**
   * The volume servers that run, by session: from /proc, because asking the daemon would disturb it.
   *
   * @returns {Map<string, number>}
   */
  servers() {
    const daemonPid = this.#daemon.pid;
    let children;
    try {
      children = readFileSync(`/proc/${daemonPid}/task/${daemonPid}/children`, 'latin1');
    } catch {
      return new Map();
    }
    return findServers(children.trim().split(/\s+/).map(Number));
  }

  /** Whatever happened: nothing of this storm is left afterwards. */
  cleanUp() {
    process.removeListener('exit', this.#onExit);
    kill(this.#daemon?.pid);
    for (const pid of ownedServers(this.root)) kill(pid);
    const mounts = readFileSync('/proc/self/mounts', 'latin1').split('\n');
    for (const line of mounts) {
      const mountPoint = line.split(' ')[1] ?? '';
      if (mountPoint.startsWith(`${this.root}/`)) {
        spawnSync('umount', ['-l', mountPoint], { timeout: 5000 });
      }
    }
    for (const dir of [this.root, this.plain]) rmSync(dir, { recursive: true, force: true });
  }
}

/** @param {number[]} pids */
function findServers(pids) {
  const servers = new Map();
  for (const pid of pids) {
    const line = commandLineOf(pid);
    const session = /"sessionId":"([^"]+)"/.exec(line)?.[1];
    if (session !== undefined && line.includes('volume-server.js')) servers.set(session, pid);
  }
  return servers;
}

function ownedServers(root) {
  const pids = readdirSync('/proc').map(Number);
  return pids.filter((pid) => {
    if (!(pid > 1) || pid === process.pid) return false;
    const line = commandLineOf(pid);
    return line.includes('volume-server.js') && line.includes(`"${root}/`);
  });
}

function commandLineOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    // It has just ended.
    return '';
  }
}

/** @param {number | undefined} pid */
export function kill(pid) {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
