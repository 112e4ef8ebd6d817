/**
 * A store on a disk that fills up: content is refused, everything that frees or brings back goes on, and
 * nothing that was acknowledged is lost.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { run, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import type { RunResult } from '../harness/run.ts';

const DISK_MIB = 96;
const DEADLINE_MS = 60_000;

const mayMount = canRun({ root: true });

let disk: string;
let daemon: TestDaemon;
let mount: string;

/** Runs a shell command in the volume. */
async function sh(script: string): Promise<RunResult> {
  return run('bash', ['-c', script], { cwd: mount, timeoutMs: DEADLINE_MS });
}

beforeAll(async () => {
  if (!mayMount) return;
  disk = mkdtempSync(join(tmpdir(), 'sessfs-full-'));
  const size = `size=${DISK_MIB}m`;
  await run('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', disk], { timeoutMs: DEADLINE_MS });
  daemon = await startDaemon({ root: join(disk, 'store') });
  ({ mount } = await daemon.createSession());
});

afterAll(async () => {
  if (!mayMount) return;
  await daemon.stop();
  await run('umount', ['-l', disk], { timeoutMs: DEADLINE_MS });
  rmSync(disk, { recursive: true, force: true });
});

test.runIf(mayMount)('a full disk refuses content and nothing else', async () => {
  await sh('echo first > kept; echo second > kept; mkdir d; echo x > d/x');
  const fill =
    'dd if=/dev/zero of=big bs=64k; dd if=/dev/zero of=big bs=1 oflag=append conv=notrunc';
  const filled = await sh(`(${fill}) 2>&1; (echo more > other) 2>&1`);
  expect(filled.stdout.match(/No space left on device/g)).toHaveLength(3);
  const more = await sh('cat kept; rm -r d && mv kept moved && cat moved');
  expect(more.stdout).toBe('second\nsecond\n');
  expect(more.code).toBe(0);
  const rollback = await daemon.cli(['rollback', `${mount}/moved`, '--to', '~1']);
  expect(rollback.stderr).toBe('');
  expect(rollback.code).toBe(0);
  const undelete = await daemon.cli(['undelete', `${mount}/d`]);
  expect(undelete.code).toBe(0);
  expect((await sh('cat moved d/x')).stdout).toBe('first\nx\n');
});

test.runIf(mayMount)('what a full disk acknowledged is there after a restart', async () => {
  const before = await sh('stat -c %s big; md5sum big moved d/x; ls .versions/moved');
  await daemon.restart({ signal: 'SIGKILL' });
  const after = await sh('stat -c %s big; md5sum big moved d/x; ls .versions/moved');
  expect(after.stdout).toBe(before.stdout);
  expect(after.code).toBe(0);
});

test.runIf(mayMount)('a server starts on a disk that others have filled', async () => {
  const full = mkdtempSync(join(tmpdir(), 'sessfs-filled-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=320m', 'tmpfs', full], { timeoutMs: DEADLINE_MS });
  const other = await startDaemon({ root: join(full, 'store') });
  try {
    const { id, mount: place } = await other.createSession();
    await run('bash', ['-c', `cd ${place} && echo kept > kept && mkdir d && echo x > d/x`]);
    await run('dd', ['if=/dev/zero', `of=${full}/foreign`, 'bs=64k'], { timeoutMs: DEADLINE_MS });
    const { server } = await other.client.getSession(id);
    process.kill(server.pid ?? 0, 'SIGKILL');
    const work = `cat ${place}/kept && rm -r ${place}/d && ls ${place}`;
    const done = await run('bash', ['-c', work], { timeoutMs: DEADLINE_MS });
    expect(done).toMatchObject({ code: 0, stdout: 'kept\nkept\n' });
    expect(other.log()).toContain('the reserve is given up');
  } finally {
    await other.stop();
    await run('umount', ['-l', full], { timeoutMs: DEADLINE_MS });
    rmSync(full, { recursive: true, force: true });
  }
});
