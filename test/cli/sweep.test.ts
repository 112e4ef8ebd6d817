/**
 * sessfs sweep and audit against a real daemon whose promises are over in a moment.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 30_000;
/** From so many versions on a sweep can be too large: see src/retention/sweep.ts. */
const MANY = 1100;

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startDaemon({
    config: {
      retention: {
        tiers: { standard: { all: '1ms', hourly: '0', daily: '0' } },
        grace: '0',
        sweepEvery: '7d',
      },
    },
  });
});

afterAll(() => daemon.stop());

async function sessfs(...args: string[]): Promise<string> {
  const result = await daemon.cli(args);
  expect(result.stderr).toBe('');
  expect(result.code).toBe(0);
  return result.stdout;
}

interface SweptJson {
  readonly name: string;
  readonly applied: boolean;
  readonly versions: number;
  readonly bytes: number;
  readonly files: { readonly text: string; readonly reason: string }[];
}

async function sweep(...args: string[]): Promise<SweptJson[]> {
  return JSON.parse(await sessfs('sweep', ...args, '--json'));
}

async function createWith(name: string, script: string): Promise<string> {
  const { mount } = await daemon.createSession({ name });
  await shell(script, { cwd: mount, timeoutMs: SHORT_MS });
  return mount;
}

describe('sweep', () => {
  test('shows without --apply what it removes with it, and the audit remembers', async () => {
    const mount = await createWith('one', 'echo 1 > a; echo 22 > a; echo 333 > a; echo x > b');
    const [plan] = await eventually(
      async () => {
        const planned = await sweep('one');
        expect(planned[0]?.versions).toBe(2);
        return planned;
      },
      { timeoutMs: SHORT_MS },
    );
    expect(plan).toMatchObject({ applied: false, files: [{ text: 'a' }] });
    expect(await sessfs('sweep', 'one')).toContain('To do it now: sessfs sweep one --apply');
    expect(await sessfs('cat', 'one:a@~2')).toBe('1\n');
    const [done] = await sweep('one', '--apply');
    expect(done).toMatchObject({ applied: true, versions: 2, bytes: plan?.bytes });
    expect(await shell('cat a b', { cwd: mount })).toBe('333\nx\n');
    const gone = await daemon.cli(['cat', 'one:a@~1']);
    expect([17, 29]).toContain(gone.code);
    expect(await sessfs('sweep', 'one')).toContain('Session one: nothing is due');
    const audit = await sessfs('audit', 'one', '--verify');
    expect(audit).toMatch(/^r\d+ .* sessfs sweep one --apply --json .*: 2 versions, /m);
    expect(audit).toMatch(/^ {2}a +r\d+ r\d+ +tier standard keeps 1ms$/m);
    expect(audit).toMatch(/^The chain of 1 removal is whole$/m);
    expect(JSON.parse(await sessfs('audit', 'one', '-n', '1', '--json'))).toMatchObject({
      entries: [{ versions: 2, confirmed: false }],
    });
  });

  test('without a session is about all of them', async () => {
    await createWith('two', 'echo 1 > a; echo 2 > a');
    await eventually(
      async () => {
        const all = await sweep();
        expect(all.find(({ name }) => name === 'two')?.versions).toBe(1);
        expect(all.map(({ name }) => name)).toContain('one');
      },
      { timeoutMs: SHORT_MS },
    );
  });

  test('of too much is refused until it is confirmed', async () => {
    const script = `i=0; while [ $i -lt ${MANY} ]; do i=$((i+1)); echo $i > a; done`;
    await createWith('many', script);
    const dry = await sessfs('sweep', 'many');
    expect(dry).toContain('A sweep would be refused: it would remove');
    const refused = await daemon.cli(['sweep', 'many', '--apply']);
    expect(refused.code).toBe(33);
    expect(refused.stdout).toContain('refused, nothing was removed');
    expect(refused.stderr).toContain('sessfs sweep many --apply --confirm');
    expect(await sessfs('audit', 'many')).toBe('Nothing was ever removed from many\n');
    const asJson = await daemon.cli(['sweep', 'many', '--apply', '--json']);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: 'SWEEP_REFUSED' } });
    expect(JSON.parse(asJson.stdout)).toMatchObject([{ name: 'many', applied: false }]);
    expect(await sessfs('sweep', 'many', '--apply', '--confirm')).toContain('Session many: swept');
    expect(await sessfs('audit', 'many')).toContain('confirmed');
  });

  test('with --all packs what was written lately', async () => {
    const mount = await createWith('packed', 'seq 100000 > a; seq 100001 > a; seq 100002 > a');
    expect(await sessfs('sweep', 'packed', '--apply', '--all')).toMatch(/^Packed \d+ segment/m);
    expect(await shell('seq 100002 | cmp - a', { cwd: mount })).toBe('');
  });
});
