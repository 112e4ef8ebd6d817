/**
 * sessfs guard: between two checkpoints, a command that behaves as if it ran by itself.
 */

import { spawn } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually, SESSFS, startDaemon } from '../harness/daemon.ts';
import type { RunResult, TestDaemon } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 15_000;

let daemon: TestDaemon;
let mount: string;

beforeAll(async () => {
  daemon = await startDaemon();
  ({ mount } = await daemon.createSession({ name: 'work' }));
});

afterAll(() => daemon.stop());

function guard(...args: string[]): Promise<RunResult> {
  return daemon.cli(['guard', ...args], { cwd: mount });
}

async function listCheckpoints(): Promise<string[]> {
  const { stdout } = await daemon.cli(['checkpoint', '--list', 'work', '--json']);
  const list: { name: string }[] = JSON.parse(stdout);
  return list.map(({ name }) => name);
}

function inMount(script: string): Promise<string> {
  return shell(script, { cwd: mount, timeoutMs: SHORT_MS });
}

describe('guard', () => {
  test('runs the command where the caller is, with its streams, and passes its exit code on', async () => {
    const result = await daemon.cli(['guard', '--', 'sh', '-c', 'pwd; cat; exit 7'], {
      cwd: mount,
      stdin: 'input',
    });
    expect(result.stdout).toBe(`${mount}\ninput`);
    expect(result.code).toBe(7);
  });

  test('says in one line that nothing changed, and leaves no checkpoint', async () => {
    const result = await guard('--', 'true');
    expect(result.stderr).toBe('sessfs: nothing changed in work\n');
    expect(await listCheckpoints()).toEqual([]);
  });

  test('says what changed, and its undo line undoes all of it', async () => {
    await inMount('rm -rf *; mkdir d; echo 1 > d/a; echo 2 > d/b');
    const before = await inMount('find . | sort; cat d/*');
    const result = await guard('--', 'sh', '-c', 'rm d/a; echo 3 > d/b; echo new > c');
    expect(result.code).toBe(0);
    expect(result.stderr).toMatch(/^sessfs: 1 added, 1 removed, 1 changed in work, r\d+ to r\d+$/m);
    expect(result.stderr).toMatch(/^ {2}removed +d\/a/m);
    const undo = /to undo it: sessfs (rollback .*)$/m.exec(result.stderr)?.[1]?.split(' ') ?? [];
    expect(undo[3]).toMatch(/^guard-\d{8}T\d{6}-before$/);
    expect((await daemon.cli(undo)).code).toBe(0);
    expect(await inMount('find . | sort; cat d/*')).toBe(before);
  });

  test('names its checkpoints as it is told, also if nothing changed', async () => {
    await guard('--name', 'tidy', 'work', '--', 'true');
    expect(await listCheckpoints()).toEqual(expect.arrayContaining(['tidy-before', 'tidy-after']));
    const again = await guard('--name', 'tidy', '--', 'touch', 'never-run');
    expect(again.code).toBe(27);
    expect(await inMount('ls')).not.toContain('never-run');
  });

  test('with --json tells on standard error what changed, as JSON', async () => {
    const result = await guard('--json', '--', 'sh', '-c', 'echo --json; echo x > json');
    expect(result.stdout).toBe('--json\n');
    expect(JSON.parse(result.stderr)).toMatchObject({
      exitCode: 0,
      differences: [{ change: 'added', text: 'json' }],
      undo: expect.stringContaining('--exact'),
    });
  });

  test.each([
    ['that does not exist', ['no-such-command'], 127, /Cannot run "no-such-command": there is no/],
    ['that is a directory', ['/'], 126, /Cannot run "\/": it is not executable/],
  ])(
    'of a command %s exits as a shell does, and leaves nothing',
    async (_what, words, code, said) => {
      const before = await listCheckpoints();
      const result = await guard('--', ...words);
      expect(result.code).toBe(code);
      expect(result.stderr).toMatch(said);
      expect(await listCheckpoints()).toEqual(before);
    },
  );

  test.each([
    ['no command', [], 2, /no command behind a "--"/],
    ['a command without "--"', ['make', 'all'], 2, /sessfs guard -- make all/],
    ['a name that means a time', ['--name', '2026-11', '--', 'true'], 2, /2026-11/],
    ['an unknown session', ['nobody', '--', 'true'], 12, /Cannot find session "nobody"/],
  ])('of %s runs nothing', async (_what, args, code, said) => {
    const result = await guard(...args);
    expect(result.stderr).toMatch(said);
    expect(result.code).toBe(code);
  });

  test('ended by a signal exits with 128 and its number', async () => {
    const result = await guard('--', 'sh', '-c', 'kill -9 $$');
    expect(result.code).toBe(137);
  });

  test.each([
    ['SIGTERM', 'TERM'],
    ['SIGINT', 'INT'],
    ['SIGHUP', 'HUP'],
  ] as const)('passes %s on, and still says what changed', async (signal, name) => {
    const script = `trap 'echo got > ${name}; exit 3' ${name}; echo up; while :; do sleep 0.05; done`;
    const child = spawn(process.execPath, [SESSFS, 'guard', '--', 'sh', '-c', script], {
      cwd: mount,
      env: { ...process.env, SESSFS_ROOT: daemon.root },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: SHORT_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
    const closed = new Promise<number | null>((done) => child.once('close', done));
    await eventually(() => expect(stdout).toBe('up\n'), { timeoutMs: SHORT_MS });
    child.kill(signal);
    expect(await closed).toBe(3);
    expect(stderr).toContain(name);
    expect(stderr).toContain('to undo it');
  });

  test('lets the keyboard interrupt the command once', async () => {
    const script =
      'trap "echo once; n=1" INT; echo up; while [ -z "$n" ]; do sleep 0.05; done; sleep 0.3';
    const command = [process.execPath, SESSFS, 'guard', '--', 'sh', '-c', `'${script}'`].join(' ');
    // A terminal of its own, in which the guard is in the foreground.
    const child = spawn('/usr/bin/script', ['-qefc', command, '/dev/null'], {
      cwd: mount,
      env: { ...process.env, SESSFS_ROOT: daemon.root, SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: SHORT_MS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    const closed = new Promise<number | null>((done) => child.once('close', done));
    await eventually(() => expect(output).toContain('up\r\n'), { timeoutMs: SHORT_MS });
    child.stdin.write('\u0003');
    await closed;
    expect(output.match(/once/g)).toHaveLength(1);
    expect(output).toContain('sessfs: nothing changed in work');
  });
});
