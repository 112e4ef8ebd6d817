/**
 * A store on a disk that fails: what was acknowledged is kept or was never called durable, what cannot
 * be done is refused, reading goes on, and nobody waits for ever.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest';

import { Errno } from '../../src/shared/errno.ts';
import { eventually, run, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import type { RunResult } from '../harness/run.ts';
import { makeRandom, takeImage } from './disk-image.ts';
import { RecordingMount, buildRecordingServer, slowSync } from './recording-mount.ts';

const DEADLINE_MS = 30_000;
const SEGMENT = '/log/[0-9a-f]+\\.seg$';
const INDEX = '/index/';
const MIB = 1 << 20;

const mayMount = canRun({ root: true, tools: ['python3'] });
const shm = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
let base: string;
let script: string;
let disk: RecordingMount;
let daemon: TestDaemon;
let session: TestSession;

beforeAll(async () => {
  if (!mayMount) return;
  base = fs.mkdtempSync(join(shm, 'sessfs-faults-'));
  script = await buildRecordingServer('faults');
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

beforeEach(async () => {
  if (!mayMount) return;
  disk = await RecordingMount.start(script, base);
  daemon = await startDaemon({ root: join(disk.mountPoint, 'store') });
  session = await daemon.createSession();
});
afterEach(async () => {
  if (!mayMount) return;
  await disk.behave({});
  await daemon.stop();
  await disk.end();
});

/** Runs a script of the shell in the session. */
const sh = (text: string): Promise<RunResult> =>
  run('bash', ['-c', text], { cwd: session.mount, timeoutMs: DEADLINE_MS });

/** Writes to a file and syncs it; what either call said. */
async function writeAndSync(name: string, text: string): Promise<string> {
  const code = `
import os, sys
try:
    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(fd, sys.argv[2].encode())
except OSError as error:
    print("write", error.errno); sys.exit()
try:
    os.fsync(fd)
    print("ok")
except OSError as error:
    print("fsync", error.errno)
`;
  const result = await run('python3', ['-c', code, name, text], {
    cwd: session.mount,
    timeoutMs: DEADLINE_MS,
  });
  return result.stdout.trim() + result.stderr;
}

async function show(): Promise<{ durableRevision: number; revision: number; readOnly?: string }> {
  const { stdout } = await daemon.cli(['show', session.id, '--json']);
  return (JSON.parse(stdout) as { volume: Awaited<ReturnType<typeof show>> }).volume;
}

/** Directories in d, until the volume takes no more or there are fifty; how many. */
async function makeMany(): Promise<number> {
  const { stdout } = await sh(
    'n=0; for i in $(seq 50); do mkdir d/$i && n=$((n+1)); done; echo $n',
  );
  return Number(stdout);
}

/** Waits until nothing is left for the volume to record, or to sync, by itself. */
function settled(): ReturnType<typeof show> {
  let before = -1;
  return eventually(
    async () => {
      const shown = await show();
      const last = before;
      before = shown.revision;
      expect([shown.durableRevision, last]).toEqual([shown.revision, shown.revision]);
      return shown;
    },
    { timeoutMs: DEADLINE_MS },
  );
}

test.runIf(mayMount)(
  'EIO when the log is written fails that call, and makes it read-only',
  async () => {
    expect((await sh('echo one > a; mkdir d')).code).toBe(0);
    await disk.behave({ faults: [{ on: 'write', path: SEGMENT, errno: Errno.EIO, count: 1 }] });
    const failed = await sh('echo two >> a');
    expect(failed.stderr).toContain('Input/output error');
    const after = await sh('cat a; mkdir e; rm a; cat a; ls');
    expect(after.stdout).toBe('one\none\na\nd\n');
    expect(after.stderr.match(/Read-only file system/g)).toHaveLength(2);
    const human = await daemon.cli(['show', session.id]);
    expect(human.stdout).toMatch(/read-only\s+The log takes no more changes: .*EIO/);
    expect((await sh('cat .versions/.status.json')).stdout).toContain('takes no more changes');
    await daemon.restart();
    expect((await sh('cat a; echo two >> a; cat a; ls')).stdout).toBe('one\none\ntwo\na\nd\n');
  },
);

test.runIf(mayMount)('after a sync that failed nothing more is called durable', async () => {
  expect(await writeAndSync('a', 'first')).toBe('ok');
  const { durableRevision } = await settled();
  await disk.behave({ faults: [{ on: 'sync', path: SEGMENT, errno: Errno.EIO, count: 1 }] });
  expect(await writeAndSync('b', 'second')).toBe(`fsync ${Errno.EIO}`);
  // The disk is sound again, and that does not help: what it lost it does not know.
  const later = await sh('sync a; sync .; sync -d b');
  expect(later.stderr.match(/Input\/output error/g)).toHaveLength(3);
  expect(await writeAndSync('c', 'third')).toBe(`write ${Errno.EROFS}`);
  const shown = await show();
  expect(shown.durableRevision).toBe(durableRevision);
  expect(shown.readOnly).toContain('sync the log');
  expect((await sh('cat a b')).stdout).toBe('firstsecond');
});

test.runIf(mayMount)(
  'what a failed sync left in the page cache is durable once a later start says so',
  async () => {
    expect(await writeAndSync('a', 'first')).toBe('ok');
    await settled();
    await disk.behave({ faults: [{ on: 'sync', path: SEGMENT, errno: Errno.EIO, count: 1 }] });
    expect(await writeAndSync('b', 'second')).toBe(`fsync ${Errno.EIO}`);
    await daemon.restart({ signal: 'SIGKILL' });
    expect((await sh('cat a b')).stdout).toBe('firstsecond');
    expect(await writeAndSync('c', 'third')).toBe('ok');
    const journal = disk.journal();
    const cut = journal.at(-1)?.seq ?? 0;
    const fate = { names: 'posix', writes: 'none', random: makeRandom(1) } as const;
    const image = takeImage(journal, cut, fate);
    const log = image.get(`store/volumes/${session.id}/log/00000000.seg`)?.bytes.toString('latin1');
    expect(log).toContain('first');
    expect(log).toContain('second');
    expect(log).toContain('third');
  },
);

test.runIf(mayMount)('EIO when the index is written loses nothing, and says so', async () => {
  expect((await sh('echo one > a; mkdir d')).code).toBe(0);
  await disk.behave({ faults: [{ on: 'write', path: INDEX, errno: Errno.EIO }] });
  const made = await makeMany();
  await eventually(
    async () => expect((await show()).readOnly).toContain('the index cannot be written'),
    { timeoutMs: DEADLINE_MS },
  );
  expect((await sh('cat a; ls d | wc -l')).stdout).toBe(`one\n${made}\n`);
  expect((await sh('echo x > e')).stderr).toContain('Read-only file system');
  await disk.behave({});
  await daemon.restart();
  expect((await sh('cat a; ls d | wc -l; echo x > e; cat e')).stdout).toBe(`one\n${made}\nx\n`);
});

test.runIf(mayMount)('a sync that takes seconds holds up nobody but who waits for it', async () => {
  await daemon.stop();
  daemon = await startDaemon({ root: join(disk.mountPoint, 'store'), env: slowSync(1500, 1500) });
  // One client goes on and on, and says so where it does not wait for us; another syncs meanwhile.
  const progress = join(base, 'progress');
  const busy = sh(`until [ -e end ]; do echo x > f; mkdir d; rmdir d; echo >> ${progress}; done`);
  const code = `
import os, sys
fd = os.open("slow", os.O_WRONLY | os.O_CREAT, 0o644)
os.write(fd, b"x")
before = os.stat(sys.argv[1]).st_size
os.fsync(fd)
print(os.stat(sys.argv[1]).st_size - before)
`;
  await eventually(() => expect(fs.statSync(progress).size).toBeGreaterThan(5), {
    timeoutMs: DEADLINE_MS,
  });
  const turns = await run('python3', ['-c', code, progress], {
    cwd: session.mount,
    timeoutMs: DEADLINE_MS,
  });
  expect((await sh('touch end')).code).toBe(0);
  expect((await busy).stderr).toBe('');
  expect(Number(turns.stdout)).toBeGreaterThan(10);
  const twice = await Promise.all([writeAndSync('slow', 'y'), writeAndSync('slow2', 'z')]);
  expect(twice).toEqual(['ok', 'ok']);
});

test.runIf(mayMount)(
  'a disk that fills up in the middle refuses, and goes on when there is room',
  async () => {
    await disk.behave({ capacity: 24 * MIB });
    expect(await writeAndSync('kept', 'first')).toBe('ok');
    const filled = await sh('dd if=/dev/urandom of=big bs=64k; echo more > other');
    expect(filled.stderr.match(/No space left on device/g)?.length).toBeGreaterThan(0);
    // The rest is somebody else's: not a byte can be written.
    await disk.behave({ capacity: 24 * MIB, foreign: 24 * MIB });
    const none = await sh('mkdir x; rm kept; mv big y; echo z >> kept; cat kept; ls');
    expect(none.stderr.match(/No space left on device/g)).toHaveLength(4);
    expect(none.stdout).toBe('firstbig\nkept\nother\n');
    // Past the second after which the log is synced, and the index is written or fails to be.
    await settled();
    expect((await sh('cat kept')).stdout).toBe('first');
    await disk.behave({ capacity: 256 * MIB });
    await eventually(
      async () =>
        expect((await sh('mkdir -p x && echo second >> kept && rm -f other')).stderr).toBe(''),
      { timeoutMs: DEADLINE_MS },
    );
    expect(await writeAndSync('kept', 'third')).toBe('ok');
    expect((await sh('cat kept; ls')).stdout).toBe('firstsecond\nthirdbig\nkept\nx\n');
    const size = (await sh('stat -c %s big; md5sum big')).stdout;
    await daemon.restart({ signal: 'SIGKILL' });
    expect((await sh('stat -c %s big; md5sum big')).stdout).toBe(size);
  },
);

test.runIf(mayMount)(
  'no room for the index alone is no end: it is written when there is some',
  async () => {
    expect((await sh('echo one > a; mkdir d')).code).toBe(0);
    await disk.behave({ faults: [{ on: 'write', path: INDEX, errno: Errno.ENOSPC }] });
    const made = await makeMany();
    await eventually(async () => expect((await show()).readOnly).toContain('index'), {
      timeoutMs: DEADLINE_MS,
    });
    expect((await sh('cat a; ls d | wc -l')).stdout).toBe(`one\n${made}\n`);
    expect((await sh('echo x > e')).stderr).toContain('No space left on device');
    await disk.behave({});
    await eventually(async () => expect((await sh('echo x > e')).stderr).toBe(''), {
      timeoutMs: DEADLINE_MS,
    });
    expect((await sh('cat a; ls d | wc -l; cat e')).stdout).toBe(`one\n${made}\nx\n`);
    expect((await show()).readOnly).toBeUndefined();
  },
);

test.runIf(mayMount)(
  'a server that dies on a full disk is followed by one when there is room',
  async () => {
    expect(await writeAndSync('kept', 'first')).toBe('ok');
    await disk.behave({ capacity: 24 * MIB, foreign: 24 * MIB });
    const { server } = await daemon.client.getSession(session.id);
    process.kill(server.pid ?? 0, 'SIGKILL');
    // By its path: whoever starts a program in a directory waits until that answers.
    const read = run('cat', [join(session.mount, 'kept')], { timeoutMs: DEADLINE_MS });
    await eventually(async () => expect(await problem()).toMatch(/No space/), {
      timeoutMs: DEADLINE_MS,
    });
    await disk.behave({});
    expect((await read).stdout).toBe('first');
    expect(await writeAndSync('kept', 'second')).toBe('ok');
    expect((await sh('cat kept')).stdout).toBe('firstsecond');
  },
);

/** What `show` says of the session's server. */
async function problem(): Promise<string | undefined> {
  const { server } = await daemon.client.getSession(session.id);
  return server.problem;
}
