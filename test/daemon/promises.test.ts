/**
 * What a volume server answers about promises, each request with what is right and what is not.
 *
 * On a real mount, through the daemon; nothing is swept here.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { callJson } from '../../src/control/http-client.ts';
import type { ActorInfo } from '../../src/control/protocol.ts';
import { volumePath } from '../../src/control/request-paths.ts';
import { startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 15_000;
const ACTOR: ActorInfo = { uid: 7, gid: 8, pid: 0, command: 'a test', label: 'tester' };

let daemon: TestDaemon;
let session: TestSession;
/** The name of a directory of each test's own. */
let dir: string;
let tests = 0;

beforeAll(async () => {
  daemon = await startDaemon({
    config: { retention: { sweepEvery: '7d', rules: [{ match: '*.iso', history: '1h' }] } },
  });
  session = await daemon.createSession({ name: 'work' });
});

afterAll(() => daemon.stop());

beforeEach(async () => {
  dir = `t${(tests += 1)}`;
  await inMount(`mkdir ${dir}`);
});

function inMount(script: string): Promise<string> {
  return shell(script, { cwd: session.mount, timeoutMs: SHORT_MS });
}

const promises = (): TestDaemon['client']['promises'] => daemon.client.promises;

function ask(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const { socketPath } = daemon.client;
  return callJson({
    socketPath,
    method,
    path: volumePath('work') + path,
    body,
    timeoutMs: SHORT_MS,
  });
}

describe('a request about promises', () => {
  test.each<[string, 'GET' | 'POST' | 'PUT' | 'DELETE', string, unknown, string, string | RegExp]>([
    ['a tier of nothing', 'GET', '/tier?path=nowhere', undefined, 'PATH_UNKNOWN', 'Cannot find'],
    ['an unknown tier', 'PUT', '/tier', { path: '', tier: 'eternal' }, 'USAGE', 'want one of eph'],
    ['no tier', 'PUT', '/tier', { path: '' }, 'USAGE', '"tier" is missing'],
    ['no path', 'PUT', '/tier', { tier: 'standard' }, 'USAGE', '"path" is missing'],
    ['a tier that is a number', 'PUT', '/tier', { path: '', tier: 1 }, 'USAGE', 'is 1, want text'],
    [
      'a recursion that is a text',
      'PUT',
      '/tier',
      { path: '', tier: 'standard', recursive: 'yes' },
      'USAGE',
      'is "yes", want true or false',
    ],
    ['a session without a tier', 'PUT', '/tier', { path: '', tier: null }, 'USAGE', 'one always'],
    ['a renewal of nothing', 'POST', '/renew', { path: 'nowhere' }, 'PATH_UNKNOWN', 'Cannot find'],
    ['a renewal without a path', 'POST', '/renew', {}, 'USAGE', '"path" is missing'],
    ['why of nothing', 'GET', '/why?path=nowhere', undefined, 'PATH_UNKNOWN', 'Cannot find'],
    ['why of a path that leads out', 'GET', '/why?path=../x', undefined, 'USAGE', '".."'],
    ['a checkpoint without a name', 'POST', '/checkpoints', {}, 'USAGE', '"name" is missing'],
    [
      'a checkpoint that is a time',
      'POST',
      '/checkpoints',
      { name: 'yesterday' },
      'USAGE',
      'means a version or a time',
    ],
    [
      'a checkpoint of the future',
      'POST',
      '/checkpoints',
      { name: 'x', at: 'r99999999' },
      'VERSION_UNKNOWN',
      'Cannot find the moment',
    ],
    [
      'a checkpoint of another that is not there',
      'POST',
      '/checkpoints',
      { name: 'x', at: 'no-such' },
      'VERSION_UNKNOWN',
      'no version, time or checkpoint',
    ],
    [
      'the removal of no checkpoint',
      'DELETE',
      '/checkpoints?name=no-such',
      undefined,
      'VERSION_UNKNOWN',
      'there is none',
    ],
    ['a removal without a name', 'DELETE', '/checkpoints', undefined, 'USAGE', '"name" is missing'],
    ['a hold without a reason', 'POST', '/holds', { name: 'x', path: '' }, 'USAGE', 'no reason'],
    [
      'a hold with an empty reason',
      'POST',
      '/holds',
      { name: 'x', path: '', reason: ' ' },
      'USAGE',
      'no reason',
    ],
    [
      'a hold without a path',
      'POST',
      '/holds',
      { name: 'x', reason: 'y' },
      'USAGE',
      '"path" is missing',
    ],
    [
      'a hold of nothing',
      'POST',
      '/holds',
      { name: 'x', reason: 'y', path: 'nowhere' },
      'PATH_UNKNOWN',
      'Cannot find',
    ],
    [
      'a hold whose name is a revision',
      'POST',
      '/holds',
      { name: 'r42', reason: 'y', path: '' },
      'USAGE',
      'Cannot name a hold',
    ],
    [
      'the release of no hold',
      'DELETE',
      '/holds?name=no-such',
      undefined,
      'VERSION_UNKNOWN',
      'there is none',
    ],
    ['a sweep that is maybe', 'POST', '/sweep', { apply: 'maybe' }, 'USAGE', 'want true or false'],
    ['an audit of nothing', 'GET', '/audit?limit=0', undefined, 'USAGE', 'Cannot use limit "0"'],
    ['a usage of nothing', 'GET', '/usage?path=nowhere', undefined, 'PATH_UNKNOWN', 'Cannot find'],
    ['a usage shortened to what', 'GET', '/usage?shorten=-1', undefined, 'USAGE', 'shorten "-1"'],
    ['a usage shortened to no number', 'GET', '/usage?shorten=', undefined, 'USAGE', 'shorten ""'],
  ])('that is for %s is refused', async (_what, method, path, body, code, message) => {
    const failure = await ask(method, path, body).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('a tier', () => {
  test('of a session is the one that it was created with', async () => {
    const created = await daemon.client.createSession({ tier: 'persistent' });
    expect(await promises().tier(created.id, '')).toMatchObject({
      text: '.',
      own: null,
      session: 'persistent',
      promise: { tier: 'persistent', rule: null, ladder: { live: 31_536_000_000 } },
    });
    expect(await daemon.client.getSession(created.id)).toMatchObject({ tier: 'persistent' });
    await daemon.client.deleteSession(created.id);
  });

  test('that is unknown lets no session be made', async () => {
    const before = (await daemon.client.listSessions()).length;
    await expect(daemon.client.createSession({ tier: 'eternal' })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('want one of ephemeral, standard'),
    });
    expect(await daemon.client.listSessions()).toHaveLength(before);
  });

  test('tells the rule that it comes from, and what is for ever', async () => {
    await inMount(`echo x > ${dir}/image.iso; echo x > ${dir}/file`);
    expect(await promises().tier('work', `${dir}/image.iso`)).toMatchObject({
      promise: { tier: 'standard', rule: '*.iso', ladder: { all: 3_600_000, hourly: 0 } },
    });
    const path = `${dir}/file`;
    const { tier, changed } = await promises().setTier('work', {
      path,
      tier: 'permanent',
      recursive: false,
      actor: ACTOR,
    });
    expect(changed).toBe(1);
    expect(tier).toMatchObject({ own: 'permanent', promise: { ladder: { all: null } } });
    expect(tier.earlier).toMatchObject([{ tier: 'standard' }]);
    expect(tier).toEqual(await promises().tier('work', path));
  });

  test('of a directory is for what comes; of what is there, only if that is said', async () => {
    await inMount(`cd ${dir}; echo x > before; echo x > other; mkdir sub; echo x > sub/deep`);
    const set = (
      path: string,
      tier: string | null,
      recursive: boolean,
    ): ReturnType<TestDaemon['client']['promises']['setTier']> =>
      promises().setTier('work', { path, tier, recursive, actor: ACTOR });
    await set(`${dir}/other`, 'ephemeral', false);
    await set(`${dir}/sub/deep`, 'persistent', false);
    expect(await set(dir, 'persistent', false)).toMatchObject({ changed: 1, others: 1 });
    await inMount(`echo x > ${dir}/after`);
    const own = async (name: string): Promise<string | null> =>
      (await promises().tier('work', `${dir}/${name}`)).own;
    expect([await own('after'), await own('before'), await own('other')]).toEqual([
      'persistent',
      null,
      'ephemeral',
    ]);
    expect((await set(dir, 'persistent', true)).changed).toBe(3);
    const { session: ofSession, tiers } = await promises().listTiers('work');
    expect(ofSession).toBe('standard');
    expect(tiers.filter(({ path }) => path.startsWith(`${dir}/`)).map(({ text }) => text)).toEqual(
      ['after', 'before', 'other', 'sub', 'sub/deep'].map((name) => `${dir}/${name}`),
    );
    expect(await set(dir, null, true)).toMatchObject({ changed: 6, others: 0 });
  });
});

describe('why', () => {
  test('tells of each version until when, by what, and what would change it', async () => {
    const path = `${dir}/a`;
    await inMount(`echo 1 > ${path}; echo 2 > ${path}; echo 3 > ${path}`);
    const why = await promises().why('work', { path });
    expect(why).toMatchObject({
      text: path,
      live: { keptUntil: null, reasons: ['the session is active'], expired: false },
      graceMs: 3_600_000,
      tier: { session: 'standard' },
    });
    expect(why.versions.map(({ keptUntil }) => keptUntil === null)).toEqual([false, false, true]);
    expect(why.versions.map(({ size }) => size)).toEqual([2, 2, 2]);
    expect(why.versions[0]?.reasons).toEqual(['tier standard keeps 1d']);
    expect(why.hints).toContain(`sessfs renew ${path} starts the clock of all of it anew`);
    expect(why.hints).toContain(`sessfs tier set ${path} permanent keeps all of it for ever`);
    const one = await promises().why('work', { path, at: '~1' });
    expect(one.live).toBeUndefined();
    expect(one.versions).toEqual([why.versions[1]]);
  });

  test('is the hold, and what its release would do, and no more than that', async () => {
    const path = `${dir}/a`;
    await inMount(`echo 1 > ${path}; echo 2 > ${path}`);
    const hold = { name: `hold-${dir}`, reason: 'review', path, at: '~1', actor: ACTOR };
    expect(await promises().addHold('work', hold)).toMatchObject({
      name: `hold-${dir}`,
      reason: 'review',
      target: expect.stringMatching(new RegExp(`^${path}@r\\d+$`)),
      actor: { uid: 7, command: 'a test', label: 'tester' },
    });
    const { versions, hints } = await promises().why('work', { path, at: '~1' });
    expect(versions).toMatchObject([
      { keptUntil: null, reasons: [`hold "hold-${dir}": review`, 'tier standard keeps 1d'] },
    ]);
    expect(hints).toEqual([`It goes earlier if hold "hold-${dir}" is released`]);
    await promises().releaseHold('work', `hold-${dir}`, ACTOR);
    expect((await promises().why('work', { path, at: '~1' })).versions).toMatchObject([
      { reasons: ['tier standard keeps 1d'] },
    ]);
  });

  test('begins anew with a renewal', async () => {
    const path = `${dir}/a`;
    await inMount(`echo 1 > ${path}; echo 2 > ${path}`);
    const before = await promises().why('work', { path, at: '~1' });
    expect(await promises().renew('work', { path: dir, actor: ACTOR })).toEqual({ renewed: 2 });
    const after = await promises().why('work', { path, at: '~1' });
    expect(Date.parse(after.versions[0]?.keptUntil ?? '')).toBeGreaterThan(
      Date.parse(before.versions[0]?.keptUntil ?? ''),
    );
  });

  test('of what is gone tells of its versions, and of a directory of its tier', async () => {
    const path = `${dir}/a`;
    await inMount(`echo 1 > ${path}; rm ${path}`);
    const gone = await promises().why('work', { path });
    expect(gone).toMatchObject({ versions: [{ expired: false }], tier: { session: 'standard' } });
    expect(gone.live).toBeUndefined();
    // It cannot be found to be renewed.
    expect(gone.hints.filter((hint) => hint.includes('renew'))).toEqual([]);
    expect(await promises().why('work', { path: dir })).toMatchObject({ versions: [] });
  });
});

describe('a checkpoint', () => {
  test('names a moment, of which everything can be asked by that name', async () => {
    const path = `${dir}/a`;
    const name = `cp-${dir}`;
    await inMount(`echo 1 > ${path}`);
    const made = await promises().addCheckpoint('work', { name, actor: ACTOR });
    expect(made).toMatchObject({ name, actor: { label: 'tester' } });
    await inMount(`echo 2 > ${path}; echo x > ${dir}/later`);
    expect(await promises().checkpoints('work')).toContainEqual(made);
    const { node, stream } = await daemon.client.content('work', { path, at: name });
    expect(node.size).toBe(2);
    stream.destroy();
    expect(
      await daemon.client.compare('work', { path: dir, at: `@${name}` }, { path: dir }),
    ).toMatchObject({
      differences: [
        { text: 'a', change: 'content' },
        { text: 'later', change: 'added' },
      ],
    });
    const request = { path: dir, to: name, exact: true, dryRun: false, actor: ACTOR };
    await daemon.client.rollback('work', request);
    expect(await inMount(`cat ${path}; ls ${dir}`)).toBe('1\na\n');
    expect(await inMount(`cat .versions/@${name}/${path}`)).toBe('1\n');
    await promises().removeCheckpoint('work', name, ACTOR);
    expect((await promises().checkpoints('work')).map((each) => each.name)).not.toContain(name);
  });

  test('can be of a moment that was, and its name is taken then', async () => {
    const name = `cp-${dir}`;
    const { revision } = await daemon.client.volumeInfo('work');
    await inMount(`echo x > ${dir}/a`);
    const request = { name, at: `r${revision}`, actor: ACTOR };
    expect(await promises().addCheckpoint('work', request)).toMatchObject({ revision });
    await expect(promises().addCheckpoint('work', request)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    const other = { name: `${name}-too`, at: name, actor: ACTOR };
    expect(await promises().addCheckpoint('work', other)).toMatchObject({ revision });
  });
});

describe('a hold', () => {
  test('is on the session, a moment of it, a path, or what a path was', async () => {
    const path = `${dir}/a`;
    await inMount(`echo 1 > ${path}; rm ${path}`);
    await promises().addCheckpoint('work', { name: `cp-${dir}`, actor: ACTOR });
    const { revision } = await promises().addCheckpoint('work', { name: `x-${dir}`, actor: ACTOR });
    let holds = 0;
    const add = async (at: { path: string; at?: string }): Promise<string> => {
      const name = `h${(holds += 1)}`;
      const hold = await promises().addHold('work', { name, reason: 'why', actor: ACTOR, ...at });
      return hold.target;
    };
    expect(await add({ path: '' })).toBe('the session');
    expect(await add({ path: '', at: `cp-${dir}` })).toBe(`checkpoint cp-${dir}`);
    expect(await add({ path: '', at: `r${revision}` })).toBe(`moment r${revision}`);
    expect(await add({ path: dir })).toBe(dir);
    expect(await add({ path })).toBe(path);
    expect(await add({ path, at: '~0' })).toMatch(/^t\d+\/a@r\d+$/);
    const names = (await promises().holds('work')).map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
    for (const name of names) await promises().releaseHold('work', name, ACTOR);
    expect(await promises().holds('work')).toEqual([]);
  });
});

describe('usage', () => {
  test('is what there is, and what asking for less would give back', async () => {
    const path = `${dir}/big`;
    await inMount(`head -c 100000 /dev/urandom > ${path}; head -c 50000 /dev/urandom > ${path}`);
    const all = await promises().usage('work');
    expect(all).toMatchObject({
      quota: { liveBytes: null, historyBytes: null, inodes: null, versions: null },
      warnings: [],
    });
    expect(all.freedBytes).toBeUndefined();
    expect(all.liveBytes).toBeGreaterThanOrEqual(50_000);
    expect(all.historyBytes).toBeGreaterThanOrEqual(100_000);
    expect((await promises().usage('work', { path })).freedBytes).toBe(150_000);
    expect((await promises().usage('work', { path: dir })).freedBytes).toBe(150_000);
    const shortened = await promises().usage('work', { shortenMs: 0 });
    expect(shortened.freedBytes).toBeTypeOf('number');
  });
});
