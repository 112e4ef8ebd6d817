/**
 * The parent's end of one client process: sends a system call, waits for its result with a deadline.
 *
 * Rule: whatever the file system does, a call ends: with a result, an errno, or an error that says
 * which call did not return.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Generous: a loaded machine of two cores; a call that takes longer hangs. */
const CALL_TIMEOUT_MS = 30_000;
const AGENT = fileURLToPath(new URL('agent.mjs', import.meta.url));

const NAME_BY_ERRNO = new Map<number, string>(
  Object.entries(constants.errno).map(([name, value]) => [value, name]),
);
/** Two names share a number; this is the one that the man pages of file systems use. */
NAME_BY_ERRNO.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP');
NAME_BY_ERRNO.set(constants.errno.EAGAIN, 'EAGAIN');

/** A system call's failure, with the symbol of its errno as `code`. */
export class SyscallError extends Error {
  readonly code: string;

  constructor(fn: string, errno: number) {
    const code = NAME_BY_ERRNO.get(errno) ?? `errno ${errno}`;
    super(`${fn}: ${code}`);
    this.code = code;
  }
}

/** A number, bytes for the call to read, room for bytes that it gives, or bytes both ways. */
export type Argument =
  | number
  | bigint
  | { in: Uint8Array }
  | { out: number }
  | { inOut: Uint8Array };

export interface Result {
  readonly value: number;
  /** What the call put into its `out` and `inOut` arguments, in their order. */
  readonly out: Buffer[];
}

interface Reply {
  readonly id: number;
  readonly r: number | string;
  readonly e: number;
  readonly o: readonly string[];
}

function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && 'id' in value && 'o' in value;
}

interface Pending {
  readonly fn: string;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class Client {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: string | undefined;

  constructor() {
    this.#child = spawn(process.execPath, [AGENT], { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('Cannot start the client: no pipe');
    createInterface({ input: stdout }).on('line', (line) => this.#settle(line));
    this.#child.on('exit', (code, signal) => this.#failAll(`the client ended: ${signal ?? code}`));
  }

  /** False once it died or a call did not return. */
  get isUsable(): boolean {
    return this.#ended === undefined;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * @returns What the call returned; -1 never.
   * @throws {SyscallError} If it returned -1.
   */
  call(fn: string, ...args: Argument[]): Promise<Result> {
    if (this.#ended !== undefined) return Promise.reject(new Error(`${fn}: ${this.#ended}`));
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#failAll(`no return from ${fn} within ${CALL_TIMEOUT_MS} ms`);
        this.#child.kill('SIGKILL');
      }, CALL_TIMEOUT_MS);
      this.#pending.set(id, { fn, resolve, reject, timer });
      this.#child.stdin?.write(`${JSON.stringify({ id, fn, args: args.map(encodeArgument) })}\n`);
    });
  }

  /** Ends the process: all its descriptors and locks go with it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => {
      this.#child.once('exit', () => resolve());
      // One that is stuck in the kernel goes when its mount does; do not wait for it here.
      setTimeout(resolve, 5000).unref();
    });
    this.#child.kill('SIGKILL');
    await gone;
  }

  #settle(line: string): void {
    const reply: unknown = JSON.parse(line);
    if (!isReply(reply)) throw new Error(`The client said ${line}`);
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    clearTimeout(pending.timer);
    if (reply.r === -1) pending.reject(new SyscallError(pending.fn, reply.e));
    else
      pending.resolve({
        value: Number(reply.r),
        out: reply.o.map((text) => Buffer.from(text, 'base64')),
      });
  }

  #failAll(reason: string): void {
    this.#ended ??= reason;
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new Error(`${pending.fn}: ${reason}`));
    }
    this.#pending.clear();
  }
}

function encodeArgument(arg: Argument): unknown {
  if (typeof arg === 'number') return arg;
  if (typeof arg === 'bigint') return { n: String(arg) };
  if ('out' in arg) return { o: arg.out };
  const bytes = 'in' in arg ? arg.in : arg.inOut;
  return { b: Buffer.from(bytes).toString('base64'), ...('inOut' in arg ? { back: true } : {}) };
}
