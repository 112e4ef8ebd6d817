/**
 * The command where its installation is not whole, and the script behind npm start.
 */

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { run, startDaemon } from '../harness/daemon.ts';
import type { RunResult } from '../harness/run.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const SHORT_MS = 30_000;

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sessfs-installed-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Installs the command beside everything that it needs, with one module that cannot be loaded. */
function installWithBroken(broken: string): (...args: string[]) => Promise<RunResult> {
  for (const part of ['bin', 'dist', 'package.json']) {
    cpSync(join(PROJECT, part), join(dir, part), { recursive: true });
  }
  mkdirSync(join(dir, 'node_modules'));
  for (const name of readdirSync(join(PROJECT, 'node_modules'))) {
    if (name !== broken)
      symlinkSync(join(PROJECT, 'node_modules', name), join(dir, 'node_modules', name));
  }
  // Not just left out: a directory above may have it too.
  mkdirSync(join(dir, 'node_modules', broken));
  writeFileSync(
    join(dir, 'node_modules', broken, 'index.js'),
    'throw new Error("Not made for this system");',
  );
  return (...args) =>
    run(process.execPath, [join(dir, 'bin/sessfs'), ...args], { timeoutMs: SHORT_MS });
}

describe('without a koffi that can be loaded', () => {
  test('doctor says that it is missing, and how to get it', async () => {
    const sessfs = installWithBroken('koffi');
    const { code, stdout, stderr } = await sessfs('doctor', '--json');
    expect(stderr).toBe('');
    expect(code).toBe(1);
    const { checks }: { checks: { name: string }[] } = JSON.parse(stdout);
    expect(checks.find(({ name }) => name === 'koffi')).toMatchObject({
      state: 'missing',
      remedy: expect.stringContaining('npm install'),
    });
  });

  test('the daemon does not start, and says what the host lacks', async () => {
    const sessfs = installWithBroken('koffi');
    const { code, stderr } = await sessfs('daemon', '--root', join(dir, 'store'));
    expect(stderr).toContain('Cannot load koffi: Not made for this system');
    expect(code).toBe(21);
  });
});

describe('npm start', () => {
  test('exits with the code of what kept its session from being mounted', async () => {
    const root = join(dir, 'store');
    mkdirSync(root);
    const daemon = await startDaemon({ root });
    try {
      const { id } = await daemon.createSession({ name: 'first' });
      await daemon.client.end(id);
      await daemon.halt();
      const { code, stderr } = await run(process.execPath, [join(PROJECT, 'scripts/start.js')], {
        env: { SESSFS_ROOT: root },
        timeoutMs: SHORT_MS,
      });
      expect(stderr).toContain('it has ended');
      expect(code).toBe(14);
    } finally {
      await daemon.stop();
    }
  });
});
