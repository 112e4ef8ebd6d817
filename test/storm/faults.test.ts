/**
 * Hosts that fail under a mount, short of a power cut: volume servers that are stopped or starved,
 * thousands of clients at once, a supervisor that is killed. Clients wait, or are told; nothing is lost.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { readMountTable } from '../../src/control/session-mounts.ts';
import { eventually, isAlive, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import { shell } from '../harness/run.ts';

const CLIENTS = 2000;
const STOPPED_MS = 5000;
const WAIT_MS = 30_000;
const WORK_MS = 60_000;
/** All that a volume server may have beside its code, in bytes: less than it has when this is set. */
const STARVED_BYTES = 32 << 20;

const CONNECTIONS = '/sys/fs/fuse/connections';

/** Leaves files that LOOK describes as SEEN. */
const WORK = `mkdir d; i=0; while [ $i -lt 400 ]; do i=$((i + 1)); echo $i > d/f$i; echo $i >> log; done
mv d e; rm e/f7; echo done`;
const LOOK = `ls e | wc -l; wc -l < log; sum=0; for f in e/*; do read n < $f; sum=$((sum + n)); done; echo $sum`;
const SEEN = '399\n400\n80193\n';

/** Prints the number of each small file that it was told is written. */
const TRY_FILES = `i=0; while [ $i -lt 500 ]; do i=$((i + 1)); (echo $i > t$i) 2> /dev/null && echo $i; done; true`;

let daemon: TestDaemon;
let session: TestSession;

beforeAll(async () => {
  daemon = await startDaemon();
});
beforeEach(async () => {
  session = await daemon.createSession();
});
afterAll(() => daemon.stop());

/** Goes there itself: the one that starts a child waits until that has changed its directory. */
const onMount = (script: string): Promise<string> =>
  shell(`cd ${session.mount}\n${script}`, { cwd: '/', timeoutMs: WORK_MS });

async function serverPid(): Promise<number> {
  const { server } = await daemon.client.getSession(session.id);
  if (server.pid === undefined) throw new Error(`It has no process: ${JSON.stringify(server)}`);
  return server.pid;
}

/** What was done before is there, and the moment of now, out of history, is what is there. */
async function expectWhole(): Promise<void> {
  expect(await onMount(LOOK)).toBe(SEEN);
  expect(await onMount('diff -r --no-dereference .versions/@now . | head -20')).toBe('');
}

async function expectFiles(numbers: readonly string[]): Promise<void> {
  const wanted = numbers.map((number) => `t${number} ${number}\n`).join('');
  const list = numbers.map((number) => `t${number}`).join(' ');
  expect(await onMount(`for f in ${list}; do read n < $f; echo "$f $n"; done`)).toBe(wanted);
}

describe.runIf(canRun({ root: true, tools: ['prlimit'] }))('a volume server', () => {
  test('that is stopped for seconds keeps its clients waiting, and fails none', async () => {
    const pid = await serverPid();
    const work = onMount(WORK);
    process.kill(pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
    // Whoever watches it may have put another in its place.
    if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    expect(await work).toBe('done\n');
    await expectWhole();
  });

  test('without a descriptor to spare refuses or goes on, and loses nothing', async () => {
    await onMount(WORK);
    const pid = await serverPid();
    // The limit is on the number of a descriptor: those of the standard streams are never free.
    await setDescriptorLimit(pid, 3);
    const told = (await onMount(TRY_FILES)).split('\n').slice(0, -1);
    // More than a segment of the log holds, and another cannot be opened.
    const large = 'dd if=/dev/zero of=large bs=1M count=80 2>&1 || true';
    expect(await onMount(large)).toContain('Input/output error');
    if (isAlive(pid)) await setDescriptorLimit(pid, 1024);
    await eventually(() => onMount('echo well > probe'), { timeoutMs: WAIT_MS });
    await expectFiles(told);
    await expectWhole();
    await daemon.restart();
    await expectFiles(told);
    await expectWhole();
  });

  test('that runs out of memory is followed by another, and no client fails', async () => {
    const pid = await serverPid();
    const work = onMount(WORK);
    await shell(`prlimit --pid ${pid} --data=${STARVED_BYTES}:${STARVED_BYTES}`);
    expect(await work).toBe('done\n');
    const hungry = 'dd if=/dev/zero of=large bs=1M count=64 2> /dev/null; ls -lR . > /dev/null';
    await onMount(hungry);
    expect((await daemon.client.getSession(session.id)).server.restarts).toBeGreaterThan(0);
    expect(await onMount('cmp -n 67108864 large /dev/zero; stat -c %s large')).toBe('67108864\n');
    await expectWhole();
  });
});

const setDescriptorLimit = (pid: number, limit: number): Promise<string> =>
  shell(`prlimit --pid ${pid} --nofile=${limit}:1024`);

describe.runIf(canRun({ root: true }))(`${CLIENTS} clients at once`, () => {
  /** Each in a directory of its own: in one directory the kernel makes them wait for one another. */
  const startClients = `i=0; while [ $i -lt ${CLIENTS} ]; do i=$((i + 1))
(echo $i > $i/made && read n < $i/made && test $n = $i && echo $i >> all && ln $i/made $i/linked || echo failed) &
done; wait; sort -n all | uniq | wc -l; wc -l < all; cat */linked | wc -l`;
  const all = `${CLIENTS}\n${CLIENTS}\n${CLIENTS}\n`;

  test('wait for a server that is stopped; it is killed, and none of them fails', async () => {
    await onMount(`mkdir $(seq ${CLIENTS})`);
    const pid = await serverPid();
    // They stop it themselves once they are there, or none would get there.
    const work = onMount(`kill -STOP ${pid}; ${startClients}`);
    try {
      const waiting = join(CONNECTIONS, connectionOf(session.mount), 'waiting');
      await eventually(() => expect(Number(readFileSync(waiting))).toBe(CLIENTS), {
        timeoutMs: WAIT_MS,
      });
    } finally {
      process.kill(pid, 'SIGKILL');
    }
    expect(await work).toBe(all);
  });
});

/** What fusectl calls it: the minor number of its device. */
function connectionOf(mountPoint: string): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((text) => text.split(' ')[4] === mountPoint);
  return line?.split(' ')[2]?.split(':')[1] ?? 'none';
}

describe('a supervisor that is killed under load', () => {
  test('leaves nothing that the next does not clean up, and nothing is lost', async () => {
    await onMount(WORK);
    const pid = await serverPid();
    // Until the mount is gone. What was printed was acknowledged.
    const writing = onMount(
      'i=0; while :; do i=$((i + 1)); echo $i > t$i || break; echo $i; done 2> /dev/null; true',
    );
    await eventually(() => shell(`test -e ${session.mount}/t50`), { timeoutMs: WAIT_MS });
    await daemon.restart({ signal: 'SIGKILL' });
    const told = (await writing).split('\n').slice(0, -1);
    expect(isAlive(pid)).toBe(false);
    const mounts = readMountTable().filter((entry) => entry.mountPoint === session.mount);
    expect(mounts).toHaveLength(1);
    expect(told.length).toBeGreaterThanOrEqual(50);
    await expectFiles(told);
    await expectWhole();
  });
});
