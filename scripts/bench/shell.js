/**
 * Runs shell text in a directory, with a deadline, and says how long it took.
 *
 * Rule: the benchmark itself never touches a mount: what could hang is a child that can be given up.
 */

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';

/** Longer than any workload needs on a slow machine. */
const TIMEOUT_MS = 15 * 60_000;

/**
 * @param {string} text Run by sh -eu.
 * @param {{ cwd: string, env?: Record<string, string> }} options
 * @returns {Promise<{ ms: number, stdout: string }>}
 */
export function runShell(text, options) {
  return runProgram('sh', ['-euc', text], options);
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string> }} options
 * @returns {Promise<{ ms: number, stdout: string }>}
 */
export function runProgram(program, args, { cwd, env = {} }) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (part) => (stdout += part));
    child.stderr.on('data', (part) => (stderr += part));
    const timer = setTimeout(() => {
      // The group: what the shell started hangs as well.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      reject(new Error(`No end within ${TIMEOUT_MS} ms: ${args.at(-1)}`));
    }, TIMEOUT_MS);
    let ms = 0;
    child.on('exit', () => (ms = performance.now() - start));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve({ ms, stdout });
      else
        reject(new Error(`Ended with ${signal ?? code}: ${args.at(-1)}\n${stderr.slice(-2000)}`));
    });
  });
}

/** Writes out what earlier work left, so that nobody else's time has to. */
export async function settle() {
  await runProgram('sync', [], { cwd: '/' });
}

let ownDrops = 0;

export async function dropCaches() {
  ownDrops += 1;
  await settle();
  await runShell('echo 3 > /proc/sys/vm/drop_caches', { cwd: '/' });
}

/**
 * Watches for what spoils a measurement: other work on the machine, and others who drop its caches.
 *
 * @returns A function that says what was seen since, undefined if nothing was.
 */
export async function watchMachine() {
  const [load] = loadavg();
  const dropsBefore = (await countDrops()) - ownDrops;
  return async () => {
    const drops = (await countDrops()) - ownDrops - dropsBefore;
    const seen = [];
    if (load > 1) seen.push(`the load was ${load.toFixed(1)} at the start`);
    if (drops > 0) seen.push(`somebody else dropped the caches ${drops} times`);
    return seen.length === 0 ? undefined : `The machine was not quiet: ${seen.join(', ')}`;
  };
}

async function countDrops() {
  const text = await readFile('/proc/vmstat', 'utf8');
  return Number(/^drop_pagecache (\d+)/m.exec(text)?.[1] ?? 0);
}
