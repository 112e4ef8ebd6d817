/**
 * Every command on a real mount: what it prints, what it changes, what it exits with.
 */

import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually, run, SESSFS, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 15_000;

let daemon: TestDaemon;
let mount: string;

beforeAll(async () => {
  daemon = await startDaemon();
  ({ mount } = await daemon.createSession({ name: 'work' }));
});

afterAll(() => daemon.stop());

async function sessfs(...args: string[]): Promise<string> {
  const result = await daemon.cli(args);
  expect(result.stderr).toBe('');
  expect(result.code).toBe(0);
  return result.stdout;
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the test knows what it asked for
async function json<T>(...args: string[]): Promise<T> {
  const value: T = JSON.parse(await sessfs(...args, '--json'));
  return value;
}

function inMount(script: string): Promise<string> {
  return shell(script, { cwd: mount, timeoutMs: SHORT_MS });
}

async function currentMoment(): Promise<string> {
  const { volume } = await json<{ volume: { revision: number } }>('show', 'work');
  return `@r${volume.revision}`;
}

describe('sessions', () => {
  test('create makes a session that list, show and status know', async () => {
    const created = await json<{ id: string; name: string }>('create', 'fresh');
    expect(created.name).toBe('fresh');
    expect(await sessfs('list')).toContain(created.id);
    expect(await sessfs('show', 'fresh')).toMatch(/state\s+active/);
    expect(await sessfs('status')).toContain(`pid ${daemon.pid}`);
  });

  test('create mounts at a directory of the caller’s choice', async () => {
    const dir = join(daemon.root, '..', `chosen-${process.pid}`);
    const created = await json<{ id: string; mountPoint: string }>('create', '--mount', dir);
    expect(created.mountPoint).toBe(join(dir));
    await shell(`echo x > ${dir}/f`, { timeoutMs: SHORT_MS });
    expect(await sessfs('cat', `${dir}/f`)).toBe('x\n');
    await sessfs('delete', created.id, '--yes');
    await shell(`rmdir ${dir}`);
  });

  test('unmount takes the mount away and mount brings the same files back', async () => {
    const { id, mountPoint } = await json<{ id: string; mountPoint: string }>('create');
    await shell('echo kept > f', { cwd: mountPoint });
    await sessfs('unmount', id);
    expect(existsSync(join(mountPoint, 'f'))).toBe(false);
    expect(await sessfs('cat', `${id}:f`)).toBe('kept\n');
    await sessfs('mount', id);
    expect(await shell('cat f', { cwd: mountPoint, timeoutMs: SHORT_MS })).toBe('kept\n');
  });

  test('unmount of a mount in use detaches it, and says so by warning and exit code', async () => {
    const { id, mountPoint } = await json<{ id: string; mountPoint: string }>('create');
    const sitting = run('sh', ['-c', 'cd "$0" && exec sleep 5', mountPoint], {
      timeoutMs: SHORT_MS,
    });
    await eventually(() => shell(`ls -l /proc/[0-9]*/cwd 2>&1 | grep -F ${mountPoint}`), {
      timeoutMs: SHORT_MS,
    });
    const result = await daemon.cli(['unmount', id]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain('detached while in use');
    await sitting;
  });

  test('end unmounts for good and keeps the history readable', async () => {
    const { id, mountPoint } = await json<{ id: string; mountPoint: string }>('create');
    await shell('echo kept > f', { cwd: mountPoint });
    await sessfs('end', id);
    expect(await sessfs('cat', `${id}:f`)).toBe('kept\n');
    const refused = await daemon.cli(['mount', id]);
    expect(refused.code).toBe(14);
    const rollback = await daemon.cli(['rollback', `${id}:f`, '--to', 'r1']);
    expect(rollback.code).toBe(14);
  });

  test('delete asks first, and refuses where nobody can answer', async () => {
    const { id, mountPoint } = await json<{ id: string; mountPoint: string }>('create');
    const refused = await daemon.cli(['delete', id]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--yes');
    await sessfs('delete', id, '--yes');
    expect(existsSync(mountPoint)).toBe(false);
    expect(existsSync(join(daemon.root, 'volumes', id))).toBe(false);
  });
});

describe('history', () => {
  test('log lists the versions of a file, newest first, with who made them', async () => {
    await inMount('echo one > log.txt; echo two > log.txt');
    const lines = (await sessfs('log', join(mount, 'log.txt'))).trim().split('\n');
    expect(lines).toHaveLength(3);
    const reply = await json<{ versions: { revision: number; actor: { uid: number } }[] }>(
      'log',
      'work:log.txt',
    );
    expect(reply.versions.map((version) => version.actor.uid)).toEqual([
      process.getuid?.(),
      process.getuid?.(),
    ]);
    expect(lines[1]).toContain(`r${reply.versions[1]?.revision}`);
  });

  test('log says that a file was removed, and when', async () => {
    await inMount('echo x > gone.txt; rm gone.txt');
    expect(await sessfs('log', 'work:gone.txt')).toMatch(/^Removed at .* by rm/);
  });

  test('log of a directory lists every file that ever was in it', async () => {
    await inMount('mkdir -p tree/sub; echo x > tree/a; echo y > tree/sub/b; rm -r tree/sub');
    const printed = await sessfs('log', 'work:tree');
    expect(printed).toContain('tree/a');
    expect(printed).toContain('tree/sub/b');
  });

  test.each([
    ['~1', 'one\n'],
    ['latest', 'two\n'],
    ['previous', 'one\n'],
    ['@now', 'two\n'],
  ])('cat prints a file at %s', async (at, wanted) => {
    await inMount('echo one > cat.txt; echo two > cat.txt');
    expect(await sessfs('cat', `${mount}/cat.txt@${at}`)).toBe(wanted);
  });

  test('cat follows a path through a symlink into the mount', async () => {
    await inMount('echo linked > target.txt');
    const link = join(daemon.root, '..', `link-${process.pid}`);
    symlinkSync(mount, link);
    try {
      expect(await sessfs('cat', `${link}/target.txt`)).toBe('linked\n');
    } finally {
      await shell(`rm ${link}`);
    }
  });

  test('cat reads a name that is not UTF-8', async () => {
    const result = await run(
      '/bin/sh',
      [
        '-ec',
        'n=$(printf "caf\\351"); printf bytes > "$n"; exec "$0" "$1" cat "$n" --root "$2"',
        process.execPath,
        join(import.meta.dirname, '../../bin/sessfs'),
        daemon.root,
      ],
      { cwd: mount, timeoutMs: SHORT_MS },
    );
    expect(result.stdout).toBe('bytes');
  });

  test('diff shows lines for text', async () => {
    await inMount('printf "a\\nb\\n" > diff.txt; printf "a\\nc\\n" > diff.txt');
    expect(await sessfs('diff', `${mount}/diff.txt`)).toContain('-b\n+c\n');
    expect(await sessfs('diff', 'work:diff.txt@~1', '@latest')).toContain('-b\n+c\n');
  });

  test('diff shows a sentence for what is binary', async () => {
    await inMount('printf "a\\0b" > bin; printf "a\\0c" > bin');
    expect(await sessfs('diff', 'work:bin')).toContain('are binary and differ');
  });

  test('diff summarises directories', async () => {
    await inMount('mkdir d; echo 1 > d/same; echo 1 > d/changed; echo 1 > d/removed');
    const before = await currentMoment();
    await inMount('echo 22 > d/changed; rm d/removed; echo 3 > d/added');
    const lines = (await sessfs('diff', `work:d@${before}`)).split('\n').map((l) => l.trim());
    expect(lines.slice(0, 3)).toEqual([
      'added    added    2 B',
      'changed  changed  2 B to 3 B',
      'removed  removed  2 B',
    ]);
    expect(lines[3]).toMatch(/^1 added, 1 removed, 1 changed, r\d+ to r\d+$/);
  });

  test('diff of directories tells types and modes, and no rewrite with the same bytes', async () => {
    await inMount('mkdir k; echo 1 > k/same; echo 1 > k/mode; echo 1 > k/type; mkdir k/tree');
    const before = await currentMoment();
    await inMount(
      'chmod 600 k/mode; rm k/type; ln -s same k/type; rmdir k/tree; cd k; touch -r same t',
    );
    await inMount('cp -p k/same k/copy; mv k/copy k/same; rm k/t');
    const reply = await json<{ differences: { change: string; text: string }[] }>(
      'diff',
      `work:k@${before}`,
    );
    expect(reply.differences.map(({ change, text }) => `${change} ${text}`)).toEqual([
      'attributes mode',
      'removed tree',
      'type type',
    ]);
  });

  test('rollback brings a file back, and its own undo hint undoes it', async () => {
    await inMount('echo one > back.txt; echo two > back.txt');
    const printed = await sessfs('rollback', `${mount}/back.txt`, '--to', '~1');
    expect(await inMount('cat back.txt')).toBe('one\n');
    const undo = /sessfs (rollback .*)$/m.exec(printed)?.[1]?.split(' ') ?? [];
    await sessfs(...undo);
    expect(await inMount('cat back.txt')).toBe('two\n');
  });

  test('rollback --exact removes what came later, and lists that first', async () => {
    await inMount('mkdir e; echo 1 > e/old');
    const { volume } = await json<{ volume: { revision: number } }>('show', 'work');
    await inMount('echo 2 > e/old; echo 1 > e/new');
    const to = ['--to', `r${volume.revision}`, '--exact'];
    const preview = await sessfs('rollback', 'work:e', ...to, '--dry-run');
    expect(preview).toMatch(/^remove {3}e\/new/);
    expect(await inMount('cat e/old e/new')).toBe('2\n1\n');
    await sessfs('rollback', 'work:e', ...to);
    expect(await inMount('cat e/old; ls e')).toBe('1\nold\n');
  });

  test('undelete brings back a directory with what went with it', async () => {
    await inMount('mkdir -p u/v; echo 1 > u/a; echo 2 > u/v/b; rm -rf u');
    await sessfs('undelete', `${mount}/u`);
    expect(await inMount('cat u/a u/v/b')).toBe('1\n2\n');
  });
});

describe('failures', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['an unknown session', ['show', 'nobody'], 12, /Cannot find session "nobody"/],
    ['a name that is taken', ['create', 'work'], 13, /has that name/],
    ['a path on no mount', ['log', '/etc/passwd'], 15, /not on a mount of sessfs/],
    ['a path that never was', ['log', 'work:never'], 16, /nothing of that name is known/],
    ['a version that is not there', ['cat', 'work:f@r999999'], 17, /it has 1 versions/],
    ['a step too far back', ['cat', 'work:f@~7'], 17, /it has 1 versions/],
    ['a time before the session', ['cat', 'work:f@2001-01-01'], 18, /the session has r1/],
    ['a mount point that is not empty', ['create', '--mount', '/etc'], 20, /it is not empty/],
    ['an unknown driver', ['create', '--driver', 'nfs'], 2, /Allowed choices/],
    ['an unknown command', ['remember'], 2, /unknown command/],
    ['an owner in letters', ['create', '--owner', 'me'], 2, /want UID or UID:GID/],
    ['another archive', ['export', 'work', '-o', 'x.zip'], 2, /ends in .tar or .tar.gz/],
    ['undelete of what is there', ['undelete', 'work:f'], 27, /f/],
  ];

  test.each(cases)(
    '%s is a sentence, a hint and an exit code',
    async (_what, args, code, message) => {
      await inMount('echo x > f');
      const result = await daemon.cli(args);
      expect(result.stderr).toMatch(message);
      expect(result.code).toBe(code);
      expect(result.stdout).toBe('');
    },
  );

  test('a path inside .versions is refused with the way to say it', async () => {
    const result = await daemon.cli(['cat', `${mount}/.versions/f/latest`]);
    expect(result.code).toBe(16);
    expect(result.stderr).toContain('notes.md@r42');
  });

  test('with --json is JSON on standard error', async () => {
    const result = await daemon.cli(['show', 'nobody', '--json']);
    const { error }: { error: unknown } = JSON.parse(result.stderr);
    expect(error).toMatchObject({ code: 'SESSION_UNKNOWN', hint: expect.stringContaining('list') });
  });

  test('without a daemon says how to start one', async () => {
    const result = await daemon.cli(['list', '--root', '/nowhere']);
    expect(result.code).toBe(10);
    expect(result.stderr).toContain('sessfs daemon');
  });

  test('export without a daemon says so too, also of a word that could be a path', async () => {
    const result = await daemon.cli(['export', 'work', '-o', '-', '--root', '/nowhere']);
    expect(result.code).toBe(10);
    expect(result.stderr).toContain('sessfs daemon');
  });

  test('export of a path finds the daemon of its mount, whatever the store of the caller', async () => {
    await inMount('mkdir exported; echo x > exported/f');
    const { code, stdout } = await run(
      process.execPath,
      [SESSFS, 'export', 'exported', '-o', '-'],
      {
        cwd: mount,
        env: { SESSFS_ROOT: '/nowhere' },
        timeoutMs: SHORT_MS,
      },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('exported/f');
  });
});

describe('help', () => {
  test('of each command has an example', async () => {
    const { stdout } = await daemon.cli(['--help']);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) .*$/gm)].map((match) => match[1] ?? '');
    const commands = names.filter((name) => name !== 'help');
    expect(commands.length).toBeGreaterThan(15);
    const helps = await Promise.all(commands.map((name) => daemon.cli([name, '--help'])));
    for (const help of helps) {
      expect(help.code).toBe(0);
      expect(help.stdout).toMatch(/Example:\n {2}sessfs /);
      expect(help.stdout).toContain('--json');
    }
  });

  test('and the README name every exit code', async () => {
    const { EXIT_CODES } = await import('../../src/shared/errors.ts');
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
    for (const [code, number] of Object.entries(EXIT_CODES)) {
      expect(readme).toMatch(new RegExp(`^#+ ${code} \\(${number}\\)$`, 'm'));
    }
  });
});

describe('doctor', () => {
  test('tells what the host has and what the drivers can do', async () => {
    const report = await json<{ isFit: boolean; checks: { name: string; state: string }[] }>(
      'doctor',
    );
    expect(report.isFit).toBe(true);
    expect(report.checks.map((check) => check.name)).toContain('/dev/fuse');
    expect(await sessfs('doctor')).toContain('renameat2');
  });
});
