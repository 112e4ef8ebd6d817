/**
 * What one client did, and everything that went wrong: no error of an operation is expected in a storm.
 */

import { spawnSync } from 'node:child_process';

/** After so many failures the rest says nothing new. */
const MAX_FAILURES = 20;
const TOOL_TIMEOUT_MS = 240_000;
const TOOL_OUTPUT_BYTES = 256 << 20;

export class Tally {
  operations = 0;
  /** @type {{ at: string, what: string, problem: string }[]} */
  failures = [];
  /** Of the one small operation, in milliseconds. @type {number[]} */
  latenciesMs = [];
  /** The longest of them, and when it ended. */
  slowest = { ms: 0, at: '' };

  get isHopeless() {
    return this.failures.length >= MAX_FAILURES;
  }

  fail(what, problem) {
    if (!this.isHopeless) this.failures.push({ at: new Date().toISOString(), what, problem });
  }

  /**
   * Runs one operation. An error is a failure, and undefined is returned.
   *
   * @template T @param {string} what @param {() => T} operation @returns {T | undefined}
   */
  attempt(what, operation) {
    this.operations += 1;
    try {
      return operation();
    } catch (error) {
      this.fail(what, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  /** @param {number} ms */
  noteLatency(ms) {
    this.latenciesMs.push(ms);
    if (ms > this.slowest.ms) this.slowest = { ms: Math.round(ms), at: new Date().toISOString() };
  }

  /** @param {string} what @param {unknown} seen @param {unknown} wanted */
  expect(what, seen, wanted) {
    if (seen === wanted) return true;
    this.fail(what, `got ${shorten(seen)}, want ${shorten(wanted)}`);
    return false;
  }

  /**
   * Runs a shell script to its end; anything but exit code 0 is a failure, and so is its deadline.
   *
   * @param {string} what @param {string} script
   * @param {{ cwd: string, env?: Record<string, string>, stdin?: string, mayComplain?: boolean }} options
   * @returns {string | undefined} What it printed.
   */
  shell(what, script, { cwd, env = {}, stdin = '' }) {
    this.operations += 1;
    const done = spawnSync('/bin/sh', ['-euc', script], {
      cwd,
      env: { ...process.env, LC_ALL: 'C', ...env },
      input: stdin,
      encoding: 'utf8',
      timeout: TOOL_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: TOOL_OUTPUT_BYTES,
    });
    if (done.status === 0) return done.stdout;
    const how = done.error?.message ?? `exited with ${done.signal ?? done.status}`;
    this.fail(what, `${how}: ${done.stderr.slice(-1500)} ${done.stdout.slice(-300)}`);
    return undefined;
  }
}

function shorten(value) {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 600 ? `${text.slice(0, 300)} … ${text.slice(-300)}` : text;
}
