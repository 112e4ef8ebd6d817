/**
 * Quotas on real mounts: who is full gets EDQUOT, goes on with whatever makes room, and disturbs nobody.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { eventually, run, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import type { RunResult } from '../harness/run.ts';

const MIB = 1 << 20;
const DEADLINE_MS = 60_000;

const mayMount = canRun({ root: true });

let daemon: TestDaemon;

beforeAll(async () => {
  if (mayMount) daemon = await startDaemon();
});

afterAll(async () => {
  if (mayMount) await daemon.stop();
});

/** Runs a shell command in a session's mount. */
function sh({ mount }: TestSession, script: string): Promise<RunResult> {
  return run('bash', ['-c', `cd ${mount} && ${script}`], { timeoutMs: DEADLINE_MS });
}

const EXCEEDED = /Disk quota exceeded/g;

test.runIf(mayMount)('a full session refuses content, and nothing else', async () => {
  const session = await daemon.createSession();
  const other = await daemon.createSession();
  await daemon.client.setQuota(session.id, { live: 8 * MIB, force: false });
  await sh(session, 'echo first > kept; echo second > kept; mkdir d; echo x > d/x');
  const filled = await sh(
    session,
    '(dd if=/dev/zero of=big bs=64k; cp big copy; dd if=/dev/zero of=big bs=512 oflag=append conv=notrunc) 2>&1; stat -c %s big',
  );
  expect(filled.stdout.match(EXCEEDED)?.length).toBeGreaterThanOrEqual(2);
  const size = Number(filled.stdout.trim().split('\n').at(-1));
  expect(size).toBeGreaterThan(8 * MIB - 1024);
  expect(size).toBeLessThanOrEqual(8 * MIB);
  // What the disk has is another session's all the same.
  expect((await sh(other, 'dd if=/dev/zero of=big bs=1M count=20 2>&1')).code).toBe(0);
  // In place, away, and back.
  const more = await sh(
    session,
    'dd if=/dev/urandom of=big bs=64k count=4 conv=notrunc && rm -r d && mv kept moved && cat moved',
  );
  expect(more).toMatchObject({ code: 0, stdout: 'second\n' });
  const rollback = await daemon.cli(['rollback', `${session.mount}/moved`, '--to', '~1']);
  expect(rollback).toMatchObject({ code: 0, stderr: '' });
  const undelete = await daemon.cli(['undelete', `${session.mount}/d`]);
  expect(undelete.code).toBe(0);
  expect((await sh(session, 'cat moved d/x')).stdout).toBe('first\nx\n');
  const again = await sh(session, 'rm -f big copy && dd if=/dev/zero of=new bs=1M count=4');
  expect(again.code).toBe(0);
});

test.runIf(mayMount)('df tells the quota where it is smaller than the disk', async () => {
  const session = await daemon.createSession();
  const df = async (): Promise<number[]> => {
    const format = '--output=size,used,avail,itotal,iused,iavail';
    const { stdout } = await sh(session, `df -B1 ${format} . | tail -1`);
    return stdout.trim().split(/\s+/).map(Number);
  };
  const before = await df();
  expect(before[0]).toBeGreaterThan(100 * MIB);
  await daemon.client.setQuota(session.id, { live: 8 * MIB, inodes: 10, force: false });
  await sh(session, 'dd if=/dev/zero of=f bs=1M count=2 && touch g');
  expect(await df()).toEqual([8 * MIB, 2 * MIB, 6 * MIB, 10, 3, 7]);
  await sh(session, 'for i in 1 2 3 4 5 6 7 8 9; do touch n$i; done');
  expect(
    (await sh(session, 'touch one-more; mkdir a; ln -s b c')).stderr.match(EXCEEDED),
  ).toHaveLength(3);
  await daemon.client.setQuota(session.id, { live: null, inodes: null, force: false });
  expect((await df())[0]).toBe(before[0]);
  expect((await sh(session, 'touch one-more')).code).toBe(0);
});

test.runIf(mayMount)('an own quota outlives its server, and the daemon', async () => {
  const session = await daemon.createSession();
  const { id } = session;
  await daemon.client.setQuota(id, { live: MIB, versions: 50, force: false });
  expect(await daemon.client.setQuota(id, { versions: null, force: false })).toEqual({
    liveBytes: MIB,
    historyBytes: null,
    inodes: null,
    versions: null,
  });
  const fill = 'dd if=/dev/zero of=f bs=64k count=32 2>&1; rm -f f';
  const { server } = await daemon.client.getSession(id);
  process.kill(server.pid ?? 0, 'SIGKILL');
  expect((await sh(session, fill)).stdout).toMatch(EXCEEDED);
  await daemon.restart();
  expect((await sh(session, fill)).stdout).toMatch(EXCEEDED);
  expect((await daemon.client.getSession(id)).quota).toEqual({ liveBytes: MIB, versions: null });
  await daemon.client.unmount(id);
  await daemon.client.setQuota(id, { live: null, force: false });
  await daemon.client.mount(id);
  expect((await sh(session, fill)).stdout).not.toMatch(EXCEEDED);
});

test.runIf(mayMount)('a quota below what is used has to be forced', async () => {
  const session = await daemon.createSession();
  const { id } = session;
  await sh(session, 'dd if=/dev/zero of=f bs=64k count=32');
  await expect(daemon.client.setQuota(id, { live: MIB, force: false })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: 'Cannot set a quota of 1048576 bytes in live files: there are 2097152',
    hint: expect.stringContaining('--force'),
  });
  expect((await daemon.client.getSession(id)).quota).toBeUndefined();
  expect((await sh(session, 'echo more > more')).code).toBe(0);
  await daemon.client.setQuota(id, { live: MIB, force: true });
  expect((await sh(session, 'echo more > other')).stderr).toMatch(EXCEEDED);
  // Another limit than the one that is exceeded.
  await daemon.client.setQuota(id, { inodes: 100, force: false });
  expect((await sh(session, 'rm f && echo more > other')).code).toBe(0);
});

test.runIf(mayMount)('usage and the log tell who is near a limit', async () => {
  const session = await daemon.createSession();
  await daemon.client.setQuota(session.id, { live: 10 * MIB, force: false });
  await sh(session, 'dd if=/dev/zero of=f bs=1M count=9');
  const usage = await daemon.client.promises.usage(session.id);
  expect(usage).toMatchObject({ liveBytes: 9 * MIB, quota: { liveBytes: 10 * MIB } });
  expect(usage.warnings).toEqual(['Live bytes are at 90 % of the quota: 9437184 of 10485760']);
  await eventually(() => expect(daemon.log()).toContain('Live bytes are at 90 %'), {
    timeoutMs: 10_000,
  });
});

test.runIf(mayMount)(
  'a quota in the configuration counts at once, and less than an own one',
  async () => {
    const session = await daemon.createSession();
    const own = await daemon.createSession();
    await daemon.client.setQuota(own.id, { live: 4 * MIB, force: false });
    const path = join(daemon.root, 'config.json');
    writeFileSync(path, JSON.stringify({ retention: { quota: { live: MIB } } }));
    const fill = 'dd if=/dev/zero of=f bs=64k count=32 2>&1; rm -f f';
    await eventually(async () => expect((await sh(session, fill)).stdout).toMatch(EXCEEDED), {
      timeoutMs: 20_000,
    });
    expect((await sh(own, fill)).stdout).not.toMatch(EXCEEDED);
    expect(readFileSync(path, 'utf8')).toContain('quota');
  },
);

test.runIf(mayMount)('a request that makes no sense changes nothing', async () => {
  const { id } = await daemon.createSession();
  for (const request of [{ live: 0 }, { live: Number.NaN }, { history: -5 }, { bytes: 5 }, {}]) {
    const asked = daemon.client.setQuota(id, { ...request, force: false });
    await expect(asked).rejects.toMatchObject({ code: 'USAGE' });
  }
  expect((await daemon.client.getSession(id)).quota).toBeUndefined();
});
