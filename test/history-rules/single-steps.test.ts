/**
 * The moments right before and right after a single change, when one process makes them all.
 *
 * Tools are processes of their own, and the first change of a process has a revision before it that
 * tells who it is: only here is a change the very next revision, where being off by one shows.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { RENAME_EXCHANGE } from '../behaviour/constants.ts';
import { Syscalls } from '../behaviour/syscalls.ts';
import { useWorkspace } from './workspace.ts';

const STEPS = 150;
const NAMES = ['a', 'b', 'c', 'd', 'e'];

const work = useWorkspace();
let sys: Syscalls;

beforeAll(() => {
  sys = new Syscalls();
});

afterAll(() => sys.stop());

/** Names and contents, as text. */
async function look(dir: string): Promise<string> {
  const names = (await sys.readdir(dir)).toSorted();
  const lines = names.map(
    async (name) => `${name}: ${String(await sys.readFile(`${dir}/${name}`))}`,
  );
  return (await Promise.all(lines)).join('\n');
}

async function readRevision(dir: string): Promise<number> {
  const status = String(await sys.readFile(`${dir}/.versions/.status.json`));
  return Number(/"latest": \{\s*"revision": (\d+)/.exec(status)?.[1]);
}

/** What one step does; what cannot be done then, fails and changes nothing. */
async function change(dir: string, step: number): Promise<void> {
  const path = (at: number): string => `${dir}/${NAMES[at % NAMES.length] ?? ''}`;
  const [one, other] = [path(step * 7), path(step * 3 + 1)];
  const steps = [
    () => sys.writeFile(one, `step ${step}`),
    () => sys.unlink(one),
    () => sys.writeFile(other, `step ${step}`),
    () => sys.rename(one, other),
    () => sys.truncate(other, step % 9),
    () => sys.link(other, one),
    () => sys.rename(one, other, RENAME_EXCHANGE),
    () => sys.writeFile(one, ''),
  ];
  await steps[(step * 5 + (step >> 3)) % steps.length]?.().catch(() => undefined);
}

test('every single revision of a directory can be looked at', async () => {
  const { dir } = work;
  const trees = new Map<number, string>();
  for (let step = 0; step < STEPS; step += 1) {
    await change(dir, step);
    trees.set(await readRevision(dir), await look(dir));
  }
  expect(trees.size).toBeGreaterThan(STEPS / 2);
  for (const [revision, tree] of trees) {
    expect(await look(`${dir}/.versions/@r${revision}`), `at revision ${revision}`).toBe(tree);
  }
});

test('the moment before an unlink has the file, the moment after it has not', async () => {
  const { dir } = work;
  await sys.writeFile(`${dir}/f`, 'text');
  const before = await readRevision(dir);
  await sys.unlink(`${dir}/f`);
  const after = await readRevision(dir);
  expect(await look(`${dir}/.versions/@r${before}`)).toBe('f: text');
  expect(await look(`${dir}/.versions/@r${after}`)).toBe('');
});

test('the moment before a rename over has both names', async () => {
  const { dir } = work;
  await sys.writeFile(`${dir}/f`, 'old');
  await sys.writeFile(`${dir}/g`, 'new');
  const before = await readRevision(dir);
  await sys.rename(`${dir}/g`, `${dir}/f`);
  expect(await look(`${dir}/.versions/@r${before}`)).toBe('f: old\ng: new');
  expect(await look(`${dir}/.versions/@now`)).toBe('f: new');
});
