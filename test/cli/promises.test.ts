/**
 * The commands about promises on a real mount: tiers, why, renew, checkpoints, holds, usage, quota.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { startDaemon } from '../harness/daemon.ts';
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

async function sessfsHere(...args: string[]): Promise<string> {
  const result = await daemon.cli(args, { cwd: mount });
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

/** Until when its oldest version is kept. */
async function findEnd(what: string): Promise<string> {
  const { versions } = await json<{ versions: { keptUntil: string }[] }>('why', what);
  return versions[0]?.keptUntil ?? '';
}

async function findLiveEnd(what: string): Promise<string | null | undefined> {
  const reply = await json<{ live?: { keptUntil: string | null } }>('why', what);
  return reply.live?.keptUntil;
}

describe('tier', () => {
  test('of a file is the one of its session, until one is chosen, and again when that is taken back', async () => {
    await inMount('echo x > tiered');
    expect(await sessfs('tier', 'get', `${mount}/tiered`)).toMatch(/^tier +standard, the one of/m);
    expect(await sessfs('tier', 'set', 'work:tiered', 'permanent')).toBe(
      'The tier of "tiered" is permanent now\n',
    );
    expect(await json('tier', 'get', 'work:tiered')).toMatchObject({
      own: 'permanent',
      promise: { tier: 'permanent', ladder: { all: null } },
    });
    expect(await sessfs('tier', 'list', 'work')).toContain('permanent  tiered');
    expect(await sessfs('tier', 'set', 'work:tiered', 'none')).toContain('it is standard now');
    expect(await json('tier', 'get', 'work:tiered')).toMatchObject({ own: null });
    expect(await sessfs('tier', 'list', 'work')).not.toContain('tiered');
  });

  test('of a directory is inherited; -R changes what has its own', async () => {
    await inMount('mkdir -p inherit; echo x > inherit/before');
    await sessfs('tier', 'set', 'work:inherit/before', 'ephemeral');
    const set = await sessfs('tier', 'set', 'work:inherit', 'persistent');
    expect(set).toContain('1 file below keep');
    expect(set).toContain('sessfs tier set work:inherit persistent -R');
    await inMount('echo x > inherit/after');
    expect(await json('tier', 'get', 'work:inherit/after')).toMatchObject({ own: 'persistent' });
    expect(await json('tier', 'get', 'work:inherit/before')).toMatchObject({ own: 'ephemeral' });
    await sessfs('tier', 'set', 'work:inherit', 'persistent', '-R');
    expect(await json('tier', 'get', 'work:inherit/before')).toMatchObject({ own: 'persistent' });
  });

  test('shows the rule that applies', async () => {
    await inMount('mkdir -p node_modules/a; echo x > node_modules/a/b');
    expect(await sessfs('tier', 'get', 'work:node_modules/a/b')).toContain(
      'by rule node_modules/**',
    );
  });

  test('of a session is chosen when it is created, and can be changed', async () => {
    await sessfs('create', 'tiered', '--tier', 'persistent');
    expect(await json('tier', 'get', 'tiered:')).toMatchObject({ session: 'persistent' });
    expect(await sessfs('show', 'tiered')).toMatch(/^tier +persistent$/m);
    await sessfs('tier', 'set', 'tiered:', 'ephemeral');
    expect(await json('tier', 'get', 'tiered:')).toMatchObject({ session: 'ephemeral' });
    await sessfs('delete', 'tiered', '--yes');
  });

  test('can be seen and chosen as an attribute', async () => {
    await inMount('echo x > attr; setfattr -n user.sessfs.tier -v permanent attr');
    expect(await json('tier', 'get', 'work:attr')).toMatchObject({ own: 'permanent' });
  });
});

describe('why', () => {
  test('tells of the live file and each version until when it is kept, and why', async () => {
    await inMount('echo one > why; echo two > why');
    const lines = (await sessfs('why', `${mount}/why`)).split('\n');
    expect(lines[0]).toMatch(/^why: tier standard/);
    expect(lines.filter((line) => /^(live|r\d+) /.test(line))).toHaveLength(3);
    const reply = await json<{ live: object; versions: { keptUntil: string | null }[] }>(
      'why',
      'work:why',
    );
    expect(reply.live).toMatchObject({ keptUntil: null });
    expect(reply.versions.map(({ keptUntil }) => keptUntil === null)).toEqual([false, true]);
  });

  test('of one version is about that one', async () => {
    await inMount('echo one > why1; echo two > why1');
    const reply = await json<{ versions: unknown[] }>('why', 'work:why1@~1');
    expect(reply.versions).toHaveLength(1);
  });

  test('of what was removed says until when it can be brought back', async () => {
    await inMount('echo one > whygone; rm whygone');
    const reply = await json<{ live?: object; versions: { keptUntil: string | null }[] }>(
      'why',
      'work:whygone',
    );
    expect(reply.live).toBeUndefined();
    expect(reply.versions[0]?.keptUntil).not.toBeNull();
  });
});

describe('renew', () => {
  test('of a directory is of all below it, and moves what was promised', async () => {
    await inMount('mkdir -p renew; echo x > renew/a; echo x > renew/b; rm renew/b');
    await inMount('echo y > renew/a');
    const before = await findEnd('work:renew/a');
    expect(await sessfs('renew', `${mount}/renew`)).toContain('"renew" and 1 other below it');
    expect((await findEnd('work:renew/a')) > before).toBe(true);
    expect(await sessfs('renew', 'work')).toMatch(/^Renewed the session: /);
  });
});

describe('checkpoint', () => {
  test('names a moment that can be looked at and gone back to', async () => {
    await inMount('echo one > point');
    const made = await sessfsHere('checkpoint', 'before');
    expect(made).toContain(`${mount}/.versions/@before/`);
    await inMount('echo two > point; echo x > point-later');
    expect(await inMount('cat .versions/@before/point')).toBe('one\n');
    expect(await sessfs('cat', 'work:point@before')).toBe('one\n');
    const back = /sessfs (rollback .*)$/m.exec(made)?.[1]?.split(' ') ?? [];
    await sessfs(...back);
    expect(await inMount('cat point; ls point-later 2>&1 || true')).toMatch(/^one\n.*No such/);
  });

  test('of an earlier moment is that moment', async () => {
    const { volume } = await json<{ volume: { revision: number } }>('show', 'work');
    await inMount('echo x > later');
    const made = await json('checkpoint', 'earlier', 'work', '--at', `r${volume.revision}`);
    expect(made).toMatchObject({ revision: volume.revision });
    expect(await sessfs('checkpoint', '--list', 'work')).toContain(`earlier  r${volume.revision} `);
  });

  test('is kept until it is removed', async () => {
    await inMount('echo x > pinned');
    await sessfs('checkpoint', 'pin', mount);
    await inMount('rm pinned');
    expect(await sessfs('why', 'work:pinned')).toContain('checkpoint "pin"');
    await sessfs('checkpoint', 'pin', 'work', '--remove');
    expect(await sessfs('why', 'work:pinned')).not.toContain('checkpoint "pin"');
  });
});

describe('hold', () => {
  test.each([
    ['a path', 'work:held'],
    ['a version', 'work:held@~1'],
    ['the session', 'work:'],
  ])('keeps %s until it is released', async (_what, what) => {
    await inMount('echo one > held; echo two > held');
    const before = await json<{ versions: { keptUntil: string | null }[] }>('why', 'work:held');
    expect(before.versions.at(-2)?.keptUntil).not.toBeNull();
    await sessfs('hold', 'add', 'evidence', what, '--reason', 'tax audit');
    expect(await sessfs('hold', 'list', 'work')).toMatch(/^evidence .* tax audit$/m);
    const why = await json<{ versions: { keptUntil: string | null; reasons: string[] }[] }>(
      'why',
      'work:held',
    );
    expect(why.versions.at(-2)).toMatchObject({ keptUntil: null });
    expect(why.versions.at(-2)?.reasons.join(' ')).toContain('hold "evidence": tax audit');
    await sessfsHere('hold', 'release', 'evidence');
    expect(await sessfs('hold', 'list', 'work')).not.toContain('evidence');
    expect(await json('why', 'work:held')).toMatchObject({ versions: before.versions });
  });

  test('keeps a checkpoint also when its name is removed', async () => {
    await inMount('echo x > twice');
    await sessfs('checkpoint', 'kept', 'work');
    await inMount('rm twice');
    await sessfsHere('hold', 'add', 'more', '@kept', '--reason', 'r');
    await sessfs('checkpoint', 'kept', 'work', '--remove');
    expect(await sessfs('why', 'work:twice')).toContain('hold "more": r');
    await sessfs('hold', 'release', 'more', 'work');
  });
});

describe('usage', () => {
  test('tells live from history, and what removing would give back', async () => {
    await inMount(
      'mkdir big; head -c 300000 /dev/urandom > big/a; head -c 300000 /dev/zero > big/a',
    );
    const usage = await json<{ liveBytes: number; historyBytes: number; freedBytes?: number }>(
      'usage',
      'work',
    );
    expect(usage.liveBytes).toBeGreaterThanOrEqual(300_000);
    expect(usage.historyBytes).toBeGreaterThanOrEqual(300_000);
    expect(usage.freedBytes).toBeUndefined();
    const big = await json<{ freedBytes: number }>('usage', `${mount}/big`);
    expect(big.freedBytes).toBeGreaterThanOrEqual(600_000);
    expect(await sessfs('usage', 'work:big', '--shorten', '1h')).toMatch(/^Removing "big" with/m);
  });
});

describe('quota', () => {
  test('is set, shown with what is used, and taken away', async () => {
    await sessfs('create', 'small');
    expect(await sessfs('quota', 'small')).toMatch(/live +0 B +no limit/);
    const set = await sessfs('quota', 'set', 'small', '--live', '10MB', '--inodes', '100');
    expect(set).toMatch(/live +0 B +of 9\.5 MiB \(0 %\)/);
    const { mountPoint } = await json<{ mountPoint: string }>('show', 'small');
    const full = await shell('head -c 20000000 /dev/zero 2>&1 > f || true', { cwd: mountPoint });
    expect(full).toContain('quota');
    expect(await json('quota', 'small')).toMatchObject({
      quota: { liveBytes: 10_000_000, historyBytes: null, inodes: 100, versions: null },
    });
    const below = await daemon.cli(['quota', 'set', 'small', '--live', '1KB']);
    expect(below.code).toBe(27);
    expect(below.stderr).toContain('--force');
    await sessfs('quota', 'set', 'small', '--live', '1KB', '--force');
    await sessfs('quota', 'set', 'small', '--live', 'none', '--inodes', 'none');
    expect(await json('quota', 'small')).toMatchObject({ quota: { liveBytes: null } });
    await sessfs('delete', 'small', '--yes');
  });
});

describe('failures', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['an unknown tier', ['tier', 'set', 'work:f', 'eternal'], 2, /want one of ephemeral/],
    ['an unknown tier of a new session', ['create', '--tier', 'eternal'], 2, /Allowed choices/],
    ['a tier of what is not there', ['tier', 'get', 'work:nothing'], 16, /nothing/],
    ['a command of tier that is none', ['tier', 'put', 'work:f'], 2, /unknown command/],
    ['why of what never was', ['why', 'work:nothing'], 16, /nothing/],
    ['why of an unknown version', ['why', 'work:f@r999999'], 17, /r999999/],
    ['a checkpoint without a name', ['checkpoint'], 2, /it has no name/],
    ['a checkpoint that means a time', ['checkpoint', '10m', 'work'], 2, /10m/],
    ['a checkpoint that means a revision', ['checkpoint', 'r7', 'work'], 2, /r7/],
    ['a checkpoint that means a day', ['checkpoint', 'yesterday', 'work'], 2, /yesterday/],
    ['a checkpoint with a slash', ['checkpoint', 'a/b', 'work'], 2, /a\/b/],
    ['a checkpoint of the future', ['checkpoint', 'x', 'work', '--at', '2999-01-01'], 18, /2999/],
    ['an unknown checkpoint to remove', ['checkpoint', 'no', 'work', '--remove'], 17, /no/],
    ['an unknown checkpoint to go to', ['rollback', 'work:', '--to', 'nope'], 17, /nope/],
    ['--list with --at', ['checkpoint', '--list', 'work', '--at', 'r1'], 2, /Cannot use --at/],
    ['--list of two', ['checkpoint', '--list', 'work', 'x'], 2, /one argument too many/],
    ['a hold without reason', ['hold', 'add', 'h', 'work:f'], 2, /it has no reason/],
    [
      'a hold with an empty reason',
      ['hold', 'add', 'h', 'work:f', '--reason', ' '],
      2,
      /no reason/,
    ],
    ['a hold on what is not there', ['hold', 'add', 'h', 'work:no', '--reason', 'r'], 16, /no/],
    ['an unknown hold', ['hold', 'release', 'nope', 'work'], 17, /nope/],
    ['a malformed duration', ['usage', 'work', '--shorten', '7 days'], 2, /Cannot read duration/],
    ['a duration for ever', ['usage', 'work', '--shorten', 'forever'], 2, /want a time/],
    ['a quota without a limit', ['quota', 'set', 'work'], 2, /no limit is named/],
    ['a quota in no unit', ['quota', 'set', 'work', '--live', '10'], 2, /Cannot read size/],
    ['a quota of nothing', ['quota', 'set', 'work', '--live', '0B'], 2, /Cannot set a quota/],
    ['a quota of no number', ['quota', 'set', 'work', '--inodes', 'few'], 2, /--inodes "few"/],
    ['an audit of none', ['audit', 'work', '-n', '0'], 2, /Cannot use limit "0"/],
    ['a tier taken from the session', ['tier', 'set', 'work:', 'none'], 2, /it always has one/],
    ['a sweep of nobody', ['sweep', 'nobody'], 12, /Cannot find session "nobody"/],
    ['a session nowhere', ['audit'], 15, /the working directory is not on a mount/],
  ];

  test.each(cases)(
    '%s is a sentence, a hint and an exit code',
    async (_what, args, code, message) => {
      await inMount('echo x > f');
      const result = await daemon.cli(args, { cwd: '/' });
      expect(result.stderr).toMatch(message);
      expect(result.code).toBe(code);
      expect(result.stdout).toBe('');
    },
  );

  test('a session that is misspelt is not the one where the caller is', async () => {
    const result = await daemon.cli(['quota', 'set', 'wrok', '--inodes', '1'], { cwd: mount });
    expect(result.code).toBe(12);
    expect(result.stderr).toContain('Cannot find session "wrok"');
    expect(await json('quota', 'work')).toMatchObject({ quota: { inodes: null } });
  });

  test('a checkpoint that is there already is a conflict, and stays what it was', async () => {
    const made = await json<{ revision: number }>('checkpoint', 'once', 'work');
    await inMount('echo y > f');
    const again = await daemon.cli(['checkpoint', 'once', 'work']);
    expect(again.code).toBe(27);
    const list = await json<{ name: string; revision: number }[]>('checkpoint', '--list', 'work');
    expect(list.find(({ name }) => name === 'once')?.revision).toBe(made.revision);
  });

  test('commands of a group are helped with an example, too', async () => {
    const groups = [
      ['tier', 'get'],
      ['tier', 'set'],
      ['tier', 'list'],
      ['hold', 'add'],
      ['hold', 'release'],
      ['hold', 'list'],
      ['quota', 'set'],
    ];
    for (const words of groups) {
      const help = await daemon.cli([...words, '--help']);
      expect(help.stdout).toMatch(/Example:\n {2}sessfs /);
      expect(help.stdout).toContain('--json');
    }
  });
});

describe('a session that ended', () => {
  test('is kept for a time, which can be made longer', async () => {
    const { id, mountPoint } = await json<{ id: string; mountPoint: string }>('create');
    await shell('echo x > f', { cwd: mountPoint });
    await sessfs('end', id);
    expect(await findLiveEnd(`${id}:f`)).toEqual(expect.any(String));
    await sessfs('tier', 'set', `${id}:f`, 'permanent');
    expect(await findLiveEnd(`${id}:f`)).toBeNull();
  });
});
