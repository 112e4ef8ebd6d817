/**
 * A daemon and a session of the benchmark's own, started through the command as anybody would.
 */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runProgram } from './shell.js';

const COMMAND = fileURLToPath(new URL('../../bin/sessfs', import.meta.url));
const START_TIMEOUT_MS = 30_000;

/**
 * @param {string} root Where the daemon keeps its store.
 * @returns {Promise<{ mount: string, id: string, command: (...args: string[]) => Promise<any>, readMessages: () => Promise<Record<string, { count: number, totalNs: number }> | undefined>, show: () => Promise<any>, stop: () => Promise<void> }>}
 */
export async function startSession(root) {
  const daemon = spawn(process.execPath, [COMMAND, 'daemon', '--root', root], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SESSFS_LOG_LEVEL: 'warn' },
  });
  const command = async (...args) => {
    const { stdout } = await runProgram(process.execPath, [COMMAND, ...args, '--json'], {
      cwd: '/',
      env: { SESSFS_ROOT: root },
    });
    return JSON.parse(stdout);
  };
  const stop = async () => {
    if (daemon.exitCode !== null) return;
    const gone = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await gone;
  };
  try {
    const session = await createWhenUp(command);
    const show = () => command('show', session.id);
    const readMessages = async () => (await show()).volume?.connection;
    return {
      mount: session.mountPoint,
      id: session.id,
      command,
      readMessages,
      show,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The daemon's socket is there a moment after its start; until then every command fails. */
async function createWhenUp(command) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await command('create', 'bench', '--allow-other');
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
