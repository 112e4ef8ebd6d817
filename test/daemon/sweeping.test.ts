/**
 * Sweeps of sessions as the daemon does them, on real mounts, with promises that last seconds.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import type { SweepReply, SweepWireRequest } from '../../src/control/promise-protocol.ts';
import { eventually, SESSFS, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';
import { run, shell } from '../harness/run.ts';

const SHORT_MS = 45_000;
const YEAR_MS = 365 * 86_400_000;
const ACTOR = { uid: 0, gid: 0, pid: 0, command: 'a test', label: undefined };
/** What is superseded may go a moment later. */
const BRIEF = { all: 'none', hourly: 'none', daily: 'none', live: 'none', minVersions: 1 };
/** Nothing is swept unless somebody asks. */
const BY_HAND = { grace: '1s', sweepEvery: '7d', tiers: { standard: BRIEF } };

const daemons: TestDaemon[] = [];
const scratch: string[] = [];

async function start(
  retention: object,
  config: Readonly<Record<string, unknown>> = {},
): Promise<TestDaemon> {
  const daemon = await startDaemon({ config: { ...config, retention } });
  daemons.push(daemon);
  return daemon;
}

afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
  for (const dir of scratch.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function sweep(
  daemon: TestDaemon,
  id: string,
  request: Partial<SweepWireRequest> = {},
): Promise<SweepReply> {
  const whole = { apply: true, confirm: false, force: false, actor: ACTOR, ...request };
  return daemon.client.promises.sweep(id, whole);
}

/** Writes a file so many times, one version each. */
async function save(mount: string, name: string, times: number): Promise<void> {
  const script = `i=0; while [ $i -lt ${times} ]; do i=$((i+1)); echo "$i" > ${name}; done`;
  await shell(script, { cwd: mount, timeoutMs: SHORT_MS });
}

async function versionsOf(daemon: TestDaemon, id: string, path: string): Promise<number> {
  return (await daemon.client.log(id, path)).versions.length;
}

/** What a dry run says once that many versions may go. */
function due(daemon: TestDaemon, id: string, versions: number): Promise<SweepReply> {
  return eventually(
    async () => {
      const reply = await sweep(daemon, id, { apply: false });
      expect(reply.versions).toBe(versions);
      return reply;
    },
    { timeoutMs: SHORT_MS },
  );
}

describe('the configuration', () => {
  test('applies to a session that is served, and a bad one leaves the old one in force', async () => {
    const daemon = await start({ rules: [{ match: '*.log', history: '1h' }] });
    const { id, mount } = await daemon.createSession({ name: 'work' });
    await shell('echo x > a.log', { cwd: mount, timeoutMs: SHORT_MS });
    const configFile = join(daemon.root, 'config.json');
    const keeps = async (): Promise<number | null> =>
      (await daemon.client.promises.tier(id, 'a.log')).promise.ladder.all;
    expect(await keeps()).toBe(3_600_000);
    const changed = { retention: { rules: [{ match: '*.log', history: '2h' }] } };
    writeFileSync(configFile, JSON.stringify(changed));
    await eventually(async () => expect(await keeps()).toBe(7_200_000), { timeoutMs: SHORT_MS });
    const wrong = JSON.stringify({ retention: { rules: [{ match: '*.log', history: '3 h' }] } });
    writeFileSync(configFile, wrong.replace('"rules"', '\n"rules"'));
    await eventually(() => expect(daemon.log()).toContain('line 2, column 37'), {
      timeoutMs: SHORT_MS,
    });
    expect(daemon.log()).toContain(String.raw`\"retention.rules[0].history\" is \"3 h\"`);
    expect(await keeps()).toBe(7_200_000);
    // Of a session by its name.
    const own = { ...changed.retention, sessions: { work: { rules: [], tiers: {} } } };
    const ofWork = { ...own, sessions: { work: { rules: [{ match: 'a.*', history: '5h' }] } } };
    writeFileSync(configFile, JSON.stringify({ retention: ofWork }));
    await eventually(async () => expect(await keeps()).toBe(18_000_000), { timeoutMs: SHORT_MS });
  });

  test('that is bad keeps the daemon from starting, and it says where', async () => {
    const root = mkdtempSync(join(tmpdir(), 'sessfs-config-'));
    scratch.push(root);
    writeFileSync(join(root, 'config.json'), '{\n"retention": { "grace": "soon" } }');
    const args = [SESSFS, 'daemon', '--root', root];
    const { code, stderr } = await run(process.execPath, args, { timeoutMs: SHORT_MS });
    expect(code).toBe(26);
    expect(stderr).toContain('line 2, column 25: "retention.grace" is "soon"');
  });

  test('reaches a session that slept meanwhile', async () => {
    const daemon = await start({}, { hibernateAfterSeconds: 1 });
    const { id, mount } = await daemon.createSession();
    await shell('echo x > a', { cwd: mount, timeoutMs: SHORT_MS });
    const state = async (): Promise<string> => (await daemon.client.getSession(id)).server.state;
    await eventually(async () => expect(await state()).toBe('hibernated'), {
      timeoutMs: SHORT_MS,
    });
    const retention = { tiers: { standard: { all: '3h' } } };
    writeFileSync(join(daemon.root, 'config.json'), JSON.stringify({ retention }));
    await eventually(() => expect(daemon.log()).toContain('loaded again'), {
      timeoutMs: SHORT_MS,
    });
    const { promise, earlier } = await daemon.client.promises.tier(id, 'a');
    expect(promise.ladder.all).toBe(10_800_000);
    // What was promised before is not shortened.
    expect(earlier).toMatchObject([{ ladder: { all: 86_400_000 } }]);
  });
});

describe('a sweep', () => {
  test('by hand removes what a dry run told, and the audit knows it', async () => {
    const daemon = await start(BY_HAND);
    const { id, mount } = await daemon.createSession();
    await save(mount, 'a', 20);
    const planned = await due(daemon, id, 19);
    expect(planned).toMatchObject({ applied: false, truncated: false });
    expect(planned.refusal).toBeUndefined();
    expect(planned.files).toMatchObject([
      { path: 'a', what: 'versions', reason: 'tier standard keeps no superseded version' },
    ]);
    expect(await versionsOf(daemon, id, 'a')).toBe(20);
    const done = await sweep(daemon, id);
    expect(done).toMatchObject({ applied: true, versions: 19, files: planned.files });
    expect(await versionsOf(daemon, id, 'a')).toBe(1);
    const audit = await daemon.client.promises.audit(id, { verify: true });
    expect(audit).toMatchObject({
      entries: [{ versions: 19, confirmed: false, actor: { command: 'a test' } }],
      truncated: false,
      check: { entries: audit.entries.length, broken: [] },
    });
    expect((await daemon.client.getSession(id)).sweep).toMatchObject({
      versions: 19,
      removedVersions: 19,
    });
    expect(await daemon.client.metrics()).toMatch(/sessfs_sweep_removed_versions_total\{.*\} 19/);
  });

  test('that would remove too much waits until somebody confirms it', async () => {
    const daemon = await start(BY_HAND);
    const { id, mount } = await daemon.createSession();
    await save(mount, 'a', 1100);
    await due(daemon, id, 1099);
    const refused = await sweep(daemon, id);
    expect(refused).toMatchObject({
      applied: false,
      refusal: expect.stringMatching(/^it would remove 1099 of 1100 versions \(100 %\)/),
    });
    expect(await versionsOf(daemon, id, 'a')).toBe(1100);
    const { ok, problems } = await daemon.client
      .health()
      .catch(() => ({ ok: false, problems: [] }));
    expect(ok).toBe(false);
    const health = await daemon.cli(['status']);
    expect(`${health.stdout}${JSON.stringify(problems)}`).toContain('it would remove 1099');
    expect(daemon.log()).toContain('somebody has to look at it');
    expect(await sweep(daemon, id, { confirm: true })).toMatchObject({
      applied: true,
      versions: 1099,
    });
    expect((await daemon.client.getSession(id)).sweep?.refusal).toBeUndefined();
    expect(await daemon.client.health()).toEqual({ ok: true, problems: [] });
    const { entries } = await daemon.client.promises.audit(id);
    expect(entries.every(({ confirmed }) => confirmed)).toBe(true);
  });

  test('goes on where a server was killed, and the volume is whole', async () => {
    const daemon = await start(BY_HAND);
    const { id, mount } = await daemon.createSession();
    const many = `for d in 1 2 3 4; do mkdir d$d; for f in $(seq 200); do
      echo 1 > d$d/$f; echo 2 > d$d/$f; echo 3 > d$d/$f; done; done`;
    await shell(many, { cwd: mount, timeoutMs: SHORT_MS });
    const before = (await daemon.client.volumeInfo(id)).versions;
    expect(before).toBe(2400);
    await due(daemon, id, 1600);
    const { pid } = await daemon.client.volumeInfo(id);
    const swept = sweep(daemon, id, { confirm: true, force: true }).catch(
      (error: unknown) => error,
    );
    await eventually(
      async () => {
        expect((await daemon.client.volumeInfo(id)).versions).toBeLessThan(before);
      },
      { timeoutMs: SHORT_MS },
    );
    process.kill(pid, 'SIGKILL');
    await swept;
    const again = await eventually(() => sweep(daemon, id, { confirm: true, force: true }), {
      timeoutMs: SHORT_MS,
    });
    expect(again.applied).toBe(true);
    expect(again.versions).toBeLessThan(1600);
    expect((await daemon.client.volumeInfo(id)).versions).toBe(800);
    expect(await shell('cat d1/1 d4/200', { cwd: mount, timeoutMs: SHORT_MS })).toBe('3\n3\n');
    const report = await daemon.client.fsck(id, { repair: false, rebuildIndex: false });
    expect(report.status).toBe('clean');
    expect((await daemon.client.promises.audit(id, { verify: true })).check?.broken).toEqual([]);
  });

  test('does not keep the daemon from stopping', async () => {
    const daemon = await start(BY_HAND);
    const { id, mount } = await daemon.createSession();
    await shell('head -c 60000000 /dev/urandom > big', { cwd: mount, timeoutMs: SHORT_MS });
    const swept = sweep(daemon, id, { force: true }).then(
      () => 'done',
      (error: unknown) => error,
    );
    await eventually(
      async () => {
        const other = await sweep(daemon, id, { apply: false }).catch((error: unknown) => error);
        expect(other).toMatchObject({ code: 'CONFLICT' });
      },
      { timeoutMs: SHORT_MS },
    );
    const beganMs = performance.now();
    expect(await daemon.halt()).toBe(0);
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(await swept).toMatchObject({ code: 'SESSION_STATE' });
    expect(daemon.log()).not.toContain('was killed');
    await daemon.restart();
    expect((await sweep(daemon, id, { force: true })).clean?.packedSegments).toBeGreaterThan(0);
  });
});

describe('sweeps by themselves', () => {
  test('take the files of an ephemeral session after it ended, and not before', async () => {
    const daemon = await start({ grace: '1s', sweepEvery: '1s' });
    const created = await daemon.client.createSession({ tier: 'ephemeral' });
    const { id, mountPoint } = created;
    const script = 'mkdir d; echo one > d/a; echo two > d/a; echo x > b';
    await shell(script, { cwd: mountPoint, timeoutMs: SHORT_MS });
    // The old version goes at once, what is live stays.
    await eventually(async () => expect(await versionsOf(daemon, id, 'd/a')).toBe(1), {
      timeoutMs: SHORT_MS,
    });
    await daemon.client.end(id);
    // Nobody asks for its volume meanwhile: it is woken when something is due.
    await eventually(
      async () => {
        const { sweep: status } = await daemon.client.getSession(id);
        // What one had removed that the end of the session stopped is in no count.
        expect(status?.removedVersions).toBeGreaterThanOrEqual(2);
        expect(status?.problem).toBeUndefined();
      },
      { timeoutMs: SHORT_MS },
    );
    const gone = await daemon.client.node(id, { path: 'd' }).catch((error: unknown) => error);
    expect(gone).toMatchObject({ code: 'PATH_UNKNOWN' });
    expect((await daemon.client.volumeInfo(id)).versions).toBe(0);
    const { entries } = await daemon.client.promises.audit(id);
    expect(entries.flatMap(({ files }) => files.map(({ text }) => text))).toContain('d/a');
  });

  test('leave a session asleep in which nothing is due', async () => {
    const daemon = await start({ sweepEvery: '1s' }, { hibernateAfterSeconds: 1 });
    const { id, mount } = await daemon.createSession();
    await save(mount, 'a', 3);
    const other = await daemon.createSession();
    const server = async (): Promise<{ state: string; wakeups: number }> =>
      (await daemon.client.getSession(id)).server;
    await eventually(
      async () => {
        expect((await daemon.client.getSession(id)).sweep?.last).toBeDefined();
        expect((await server()).state).toBe('hibernated');
      },
      { timeoutMs: SHORT_MS },
    );
    const { wakeups } = await server();
    const swept = async (): Promise<string | undefined> => {
      await shell('echo x >> busy', { cwd: other.mount, timeoutMs: SHORT_MS });
      return (await daemon.client.getSession(other.id)).sweep?.last;
    };
    for (let round = 0; round < 3; round++) {
      const last = await swept();
      await eventually(async () => expect(await swept()).not.toBe(last), { timeoutMs: SHORT_MS });
    }
    expect(await server()).toMatchObject({ state: 'hibernated', wakeups });
  });
});

describe('a session that has ended', () => {
  test('still has its promises changed, and is swept', async () => {
    const daemon = await start(BY_HAND);
    const { id, mount } = await daemon.createSession();
    await save(mount, 'a', 3);
    await daemon.client.end(id);
    const { promises } = daemon.client;
    const rollback = { path: 'a', to: '~1', exact: false, dryRun: false, actor: ACTOR };
    await expect(daemon.client.rollback(id, rollback)).rejects.toMatchObject({
      code: 'SESSION_STATE',
    });
    await promises.addCheckpoint(id, { name: 'last', actor: ACTOR });
    await promises.addHold(id, { name: 'h', reason: 'why', path: 'a', actor: ACTOR });
    expect(await promises.renew(id, { path: 'a', actor: ACTOR })).toEqual({ renewed: 1 });
    const kept = await due(daemon, id, 0);
    expect(kept.liveFiles).toBe(0);
    const { live } = await promises.why(id, { path: 'a' });
    expect(live).toMatchObject({ keptUntil: null, reasons: ['hold "h": why', expect.anything()] });
    await promises.releaseHold(id, 'h', ACTOR);
    await promises.removeCheckpoint(id, 'last', ACTOR);
    await promises.setTier(id, { path: 'a', tier: 'permanent', recursive: false, actor: ACTOR });
    expect(await promises.why(id, { path: 'a' })).toMatchObject({ live: { keptUntil: null } });
    await promises.setTier(id, { path: 'a', tier: 'ephemeral', recursive: false, actor: ACTOR });
    // What was promised for ever is not taken back.
    expect(await promises.why(id, { path: 'a' })).toMatchObject({ live: { keptUntil: null } });
  });
});

describe('a clock that jumped by a year', () => {
  test.each([
    ['forward', -YEAR_MS, '365 days ahead'],
    ['back', YEAR_MS, '365 days behind'],
  ])('%s while no daemon ran removes nothing, and is told', async (_what, shift, reason) => {
    const daemon = await start(BY_HAND);
    const { id, mount } = await daemon.createSession();
    await save(mount, 'a', 5);
    await due(daemon, id, 4);
    await daemon.halt();
    const file = join(daemon.root, 'clock.json');
    expect(Date.parse(JSON.parse(readFileSync(file, 'utf8')).lastSeen)).toBeGreaterThan(0);
    writeFileSync(file, JSON.stringify({ lastSeen: new Date(Date.now() + shift).toISOString() }));
    await daemon.restart();
    const refused = await sweep(daemon, id);
    expect(refused).toMatchObject({ applied: false, refusal: expect.stringContaining(reason) });
    expect(await versionsOf(daemon, id, 'a')).toBe(5);
    expect((await daemon.client.getSession(id)).sweep?.refusal).toContain(reason);
    const health = await daemon.client.health().catch((error: unknown) => error);
    expect(JSON.stringify(health)).toContain(reason);
    expect(daemon.log()).toContain('The clock cannot be believed');
    // Also after another start.
    await daemon.restart();
    expect((await sweep(daemon, id)).applied).toBe(false);
    expect(await sweep(daemon, id, { confirm: true })).toMatchObject({
      applied: true,
      versions: 4,
    });
    expect(await versionsOf(daemon, id, 'a')).toBe(1);
  });
});
