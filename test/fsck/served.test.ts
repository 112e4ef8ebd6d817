/**
 * sessfs fsck with a real daemon and real mounts: beside a server under load, in its place, without it.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import type { FsckReport } from '../../src/fsck/report.ts';
import { run, startDaemon } from '../harness/daemon.ts';
import type { RunResult, TestDaemon, TestSession } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';
import { flipBit } from './workplace.ts';

const LONG_MS = 60_000;
/** For all checks under load, on a host that does much else. */
const LOAD_MS = 180_000;
const FOUND = 31;
const REPAIRED = 32;

let daemon: TestDaemon;

afterEach(() => daemon.stop());

async function start(): Promise<TestSession> {
  daemon = await startDaemon();
  return daemon.createSession({ name: 'work' });
}

const reportOf = ({ stdout }: RunResult): FsckReport => JSON.parse(stdout) as FsckReport;

const volumeOf = ({ id }: TestSession): string => join(daemon.root, 'volumes', id);

const firstSegment = (session: TestSession): string =>
  join(volumeOf(session), 'log', '00000000.seg');

/** Some seconds of files made, changed, moved and removed, until it is told to stop. */
const LOAD = `
  i=0
  while [ ! -e stop ]; do
    i=$((i+1))
    mkdir -p d$((i%5)) && head -c 3000 /dev/urandom > d$((i%5))/f$((i%17))
    echo $i >> log
    mv d$((i%5))/f$((i%17)) d$((i%5))/g$((i%3))
    [ $((i%7)) != 0 ] || rm -rf d$(((i+1)%5))
  done
  echo $i`;

/**
 * Where content is in the first segment.
 *
 * @param text Not in the command that wrote it: that is in the log too.
 */
async function findInSegment(session: TestSession, text: string): Promise<number> {
  const found = await shell(`grep -obUa -m1 "${text}" "${firstSegment(session)}" | head -1`);
  return Number(found.split(':')[0]);
}

describe('a session that is served', { timeout: 240_000 }, () => {
  test('is clean under load, again and again, and its clients notice nothing', async () => {
    const { mount } = await start();
    const load = run('/bin/sh', ['-ec', LOAD], { cwd: mount, timeoutMs: LOAD_MS });
    const revisions: number[] = [];
    for (let round = 0; round < 3; round++) {
      const result = await daemon.cli(['fsck', 'work', '--json']);
      expect([result.code, result.stderr]).toEqual([0, '']);
      const report = reportOf(result);
      expect(report).toMatchObject({ status: 'clean', problems: [] });
      expect(report.records).toBe(report.revision);
      revisions.push(report.revision);
    }
    await shell('touch stop', { cwd: mount, timeoutMs: LONG_MS });
    expect((await load).code).toBe(0);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    expect(revisions.at(-1)).toBeGreaterThan(revisions[0] ?? 0);
  });

  test('gets a new index while its clients wait, and gives the same answers', async () => {
    const session = await start();
    const { mount } = session;
    await shell('for i in $(seq 30); do echo $i > f$((i%4)); done; mkdir d; mv f1 d', {
      cwd: mount,
    });
    const look = 'find . | sort; cat f0 d/f1; ls .versions/f2; exec 8< f3; sleep 1; cat <&8';
    const before = await shell(look, { cwd: mount, timeoutMs: LONG_MS });
    const during = shell(look, { cwd: mount, timeoutMs: LONG_MS });
    const result = await daemon.cli(['fsck', 'work', '--rebuild-index', '--json']);
    expect(reportOf(result)).toMatchObject({ status: 'clean', repair: { index: 'rebuilt' } });
    expect(result.code).toBe(0);
    expect(await during).toBe(before);
    expect(await shell(look, { cwd: mount, timeoutMs: LONG_MS })).toBe(before);
    expect(readdirSync(volumeOf(session)).toSorted()).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/^fsck-|index\.old/)]),
    );
  });

  test('with damaged content: EIO for that file alone, named, repaired, then known', async () => {
    const session = await start();
    const { mount } = session;
    await shell(
      'echo zzz-zzzzzzz | tr z q > bad; echo good > good; mkdir d; echo own > d/own; cp bad d/shared; sync',
      {
        cwd: mount,
      },
    );
    flipBit(firstSegment(session), await findInSegment(session, 'qqq-qqqqqqq'));
    await daemon.cli(['unmount', 'work']);
    await daemon.cli(['mount', 'work']);
    const read = await run('cat', ['bad'], { cwd: mount, timeoutMs: LONG_MS });
    expect(read.stderr).toContain('Input/output error');
    expect(read.stdout).toBe('');
    const past = await run('cat', ['.versions/bad/latest'], { cwd: mount, timeoutMs: LONG_MS });
    expect([past.stdout, past.code]).toEqual(['', 1]);
    expect(await shell('cat good d/own', { cwd: mount })).toBe('good\nown\n');
    const cat = await daemon.cli(['cat', 'work:bad@latest']);
    expect(cat.stderr).toMatch(/"bad".*segment 0.*\n.*sessfs fsck/s);
    const exported = await daemon.cli(['export', 'work', '-o', join(daemon.root, 'x.tar')]);
    expect(exported.code).not.toBe(0);
    expect(exported.stderr).toContain('"bad"');
    expect(daemon.log()).toContain('Content is damaged');
    expect(daemon.log()).not.toContain('The volume server');

    const found = await daemon.cli(['fsck', 'work']);
    expect(found.code).toBe(FOUND);
    expect(found.stdout).toMatch(/bad +bytes 0 to 12 +now r\d+/);
    const repaired = await daemon.cli(['fsck', 'work', '--repair', '--json']);
    expect(repaired.code).toBe(REPAIRED);
    // A copy shares the bytes of what it was made of.
    const affected = reportOf(repaired).affected.map(({ path }) => path);
    expect(affected).toEqual(['bad', 'd/shared']);
    const again = await daemon.cli(['fsck', 'work', '--json']);
    expect(again.code).toBe(0);
    expect(reportOf(again)).toMatchObject({ status: 'clean', knownCount: 1 });
    expect(await shell('cat good; echo new > bad; cat bad', { cwd: mount })).toBe('good\nnew\n');
  });
});

describe('a session that cannot be served', { timeout: 240_000 }, () => {
  test('is checked and repaired through the daemon, and then mounted again', async () => {
    const session = await start();
    const { mount } = session;
    await shell('echo kept > a; echo b > b; sync', { cwd: mount });
    await daemon.cli(['unmount', 'work']);
    flipBit(firstSegment(session), 70);
    const refused = await daemon.cli(['mount', 'work']);
    expect(refused.stderr).toContain('sessfs fsck');
    const found = await daemon.cli(['fsck', 'work', '--json']);
    expect([found.code, reportOf(found).problemCount]).toEqual([FOUND, 1]);
    const repaired = await daemon.cli(['fsck', 'work', '--repair']);
    expect(repaired.code).toBe(REPAIRED);
    expect((await daemon.cli(['mount', 'work'])).code).toBe(0);
    expect(await shell('cat a b', { cwd: mount, timeoutMs: LONG_MS })).toBe('kept\nb\n');
  });

  test('is checked without a daemon too, which then cannot start meanwhile', async () => {
    const session = await start();
    await shell('echo zzz-zzz | tr z q > a; sync', { cwd: session.mount });
    await daemon.halt();
    const clean = await daemon.cli(['fsck', 'work']);
    expect([clean.code, clean.stdout.split('\n')[0]]).toEqual([0, 'Session work: clean']);
    flipBit(firstSegment(session), await findInSegment(session, 'qqq-qqq'));
    expect((await daemon.cli(['fsck', 'work'])).code).toBe(FOUND);
    expect((await daemon.cli(['fsck', 'nobody'])).code).toBe(12);
    // A daemon that is killed leaves its volume servers: one of them has the volume.
    await daemon.restart();
    await daemon.halt('SIGKILL');
    const locked = await daemon.cli(['fsck', 'work', '--repair']);
    expect([locked.code, locked.stderr]).toEqual([25, expect.stringContaining('has it')]);
    await daemon.restart();
    await daemon.halt();
    expect((await daemon.cli(['fsck', 'work', '--repair'])).code).toBe(REPAIRED);
    await daemon.restart();
    const read = await run('cat', ['a'], { cwd: session.mount, timeoutMs: LONG_MS });
    expect(read.stderr).toContain('Input/output error');
  });
});
