/**
 * Running tools and waiting for things, each with a deadline: a tool that hangs on a mount is killed,
 * and the test fails instead of waiting with it.
 */

import { spawn } from 'node:child_process';

const DEFAULT_RUN_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

export interface RunOptions {
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly uid?: number;
  readonly gid?: number;
}

export interface RunResult {
  /** The exit code; -1 if a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

/**
 * Runs a program to its end.
 *
 * @throws {Error} If it could not be started, or was not done in time (it is killed then).
 */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_RUN_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      uid: options.uid,
      gid: options.gid,
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => stdout.push(part));
    child.stderr.on('data', (part: Buffer) => stderr.push(part));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      // Not at 'close': one that waits in the kernel for a mount does not die of a signal.
      reject(
        new Error(
          `Timed out after ${timeoutMs} ms: ${command} ${args.join(' ')}\n${Buffer.concat(stderr).toString()}`,
        ),
      );
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      const stdoutBytes = Buffer.concat(stdout);
      resolve({
        code: code ?? -1,
        stdout: stdoutBytes.toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
        stdoutBytes,
      });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin);
  });
}

/** Runs a shell script and returns what it printed; fails unless it exits 0. */
export async function shell(script: string, options: RunOptions = {}): Promise<string> {
  const result = await run('/bin/sh', ['-ec', script], options);
  if (result.code === 0) return result.stdout;
  throw new Error(`The script exited with ${result.code}: ${script}\n${result.stderr}`);
}

/**
 * Tries until it does not throw.
 *
 * @param options.giveUpOn An error after which no further try makes sense.
 * @throws What the last try threw, when the time is over.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  options: { timeoutMs: number; giveUpOn?: (error: unknown) => boolean },
): Promise<T> {
  const endsAt = performance.now() + options.timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > endsAt || options.giveUpOn?.(error) === true) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
