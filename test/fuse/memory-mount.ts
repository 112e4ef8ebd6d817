/**
 * Starts the memory file system on a real mount in a process of its own, and ends it on every way out.
 *
 * Rule: nothing here touches the mount; tests do so through tools that have a deadline.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { eventually, run } from '../harness/run.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const START_TIMEOUT_MS = 20_000;

/**
 * Compiles the server: workers and plain Node cannot run TypeScript.
 *
 * @param name Of the test file: several run at once.
 * @returns The path of the server's script.
 */
export async function buildMemoryServer(name: string): Promise<string> {
  const outDir = join(PROJECT, 'node_modules', '.cache', `sessfs-test-${name}`);
  rmSync(outDir, { recursive: true, force: true });
  const tsc = join(PROJECT, 'node_modules', '.bin', 'tsc');
  const result = await run(tsc, ['-p', join(PROJECT, 'test', 'fuse'), '--outDir', outDir]);
  if (result.code !== 0) throw new Error(`Cannot compile the server: ${result.stdout}`);
  return join(outDir, 'test', 'fuse', 'memory-server.js');
}

export interface MemoryMountOptions {
  readonly script: string;
  /** Merged into what the server is told to mount. */
  readonly mount?: Record<string, unknown>;
  /** Other arguments of the server. */
  readonly args?: Record<string, unknown>;
  /** A command to run the server by, with its arguments. */
  readonly prefix?: readonly string[];
  readonly mountPoint?: string;
  /** Passed as descriptor 3. */
  readonly fd?: number;
}

type Message = Record<string, unknown>;

export class MemoryMount {
  readonly mountPoint: string;
  readonly child: ChildProcess;
  readonly messages: Message[] = [];
  readonly #ownsMountPoint: boolean;

  private constructor(options: MemoryMountOptions) {
    this.#ownsMountPoint = options.mountPoint === undefined;
    this.mountPoint = options.mountPoint ?? mkdtempSync(join(tmpdir(), 'sessfs-fuse-'));
    const told = JSON.stringify({
      mount: { mountPoint: this.mountPoint, fsName: 'memory', allowOther: true, ...options.mount },
      ...options.args,
    });
    const command = [...(options.prefix ?? []), process.execPath, options.script, told];
    this.child = spawn(command[0] ?? process.execPath, command.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe', ...(options.fd === undefined ? [] : [options.fd])],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => this.messages.push(parse(line)));
    }
  }

  static async start(options: MemoryMountOptions): Promise<MemoryMount> {
    const mount = new MemoryMount(options);
    try {
      await mount.says('mounted', START_TIMEOUT_MS);
    } catch (error) {
      await mount.end();
      throw error;
    }
    return mount;
  }

  /** Sends one command and waits for the message that has this key. */
  async ask(command: string, key: string): Promise<Message> {
    const before = this.messages.length;
    this.child.stdin?.write(`${command}\n`);
    return this.says(key, 10_000, before);
  }

  /** The first message from `from` on that has this key. */
  says(key: string, timeoutMs: number, from = 0): Promise<Message> {
    return eventually(
      () => {
        const found = this.messages.slice(from).find((message) => key in message);
        if (found === undefined) {
          throw new Error(`The server did not say "${key}": ${JSON.stringify(this.messages)}`);
        }
        return found;
      },
      { timeoutMs, giveUpOn: () => this.child.exitCode !== null && from === this.messages.length },
    );
  }

  /** True once the process has ended, however. */
  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Unmounts and ends the server; frees whoever is still stuck in it. */
  async end(): Promise<void> {
    this.child.stdin?.end();
    await eventually(
      () => {
        if (!this.hasExited) throw new Error('The server did not end by itself');
      },
      { timeoutMs: 5000 },
    ).catch(() => this.child.kill('SIGKILL'));
    // Ends with code 32 where nothing is mounted any more, as it should be.
    await run('umount', ['-l', this.mountPoint], { timeoutMs: 10_000 });
    if (this.#ownsMountPoint) rmdirSync(this.mountPoint);
  }
}

function parse(line: string): Message {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : { line };
  } catch {
    return { line };
  }
}
