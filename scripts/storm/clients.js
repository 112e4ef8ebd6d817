/**
 * Client processes with deadlines: one that is not over in time tells where it hangs, and is killed.
 */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const CLIENT = fileURLToPath(new URL('client.js', import.meta.url));

/**
 * @typedef {{ operations: number, failures: { at: string, what: string, problem: string }[], latenciesMs: number[], slowest: { ms: number, at: string }, hangs?: true }} Result
 * @param {string} phase @param {object} plan @param {number} timeoutMs
 * @returns {Promise<Result>} Never rejects.
 */
export function runClient(phase, plan, timeoutMs) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLIENT, phase, JSON.stringify(plan)], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      // With what it starts it is a group, to be ended as one.
      detached: true,
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
    const timer = setTimeout(() => {
      const where = describeGroup(child.pid ?? 0);
      killGroup(child.pid ?? 0);
      resolve({ ...failed('hangs', `${where} ${errors.slice(-1000)}`), hangs: true });
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve(failed('cannot be started', error.message));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(output));
      } catch {
        resolve(failed('ended early', `${signal ?? code}: ${errors.slice(-1000)}`));
      }
    });
  });
}

function failed(what, problem) {
  const failure = { at: new Date().toISOString(), what, problem };
  return { operations: 0, failures: [failure], latenciesMs: [], slowest: { ms: 0, at: '' } };
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** Every thread of a process group: what it is, and where in the kernel it waits. */
function describeGroup(group) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')[2] === String(group))
    .flatMap((pid) =>
      list(`/proc/${pid}/task`).map((tid) => {
        const base = `/proc/${pid}/task/${tid}`;
        return `${read(`${base}/comm`)} ${pid}/${tid} in ${read(`${base}/wchan`)} ${read(`${base}/syscall`)}`;
      }),
    )
    .join('; ');
}

function list(dir) {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
