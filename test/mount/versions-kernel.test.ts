/**
 * What a kernel relies on under `.versions`: nodeids, lookups, directory reading.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import type { Name, NodeId } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { TreeUnderTest, errnoOf } from './versions-under-test.ts';

let t: TreeUnderTest;

beforeEach(() => {
  t = new TreeUnderTest();
});

describe('nodeids', () => {
  it('lie between 2^52 and 2^53, and are the same in every server', async () => {
    t.history.mkdir('d');
    t.history.write('d/a', '1');
    t.history.write('d/a', '2');
    const paths = [
      '',
      'd',
      'd/a',
      'd/a/3',
      'd/a/latest',
      'd/a/index.json',
      '@r3',
      '@r3/d/a',
      '.status.json',
    ];
    const nodeids = await Promise.all(paths.map(async (path) => (await t.at(path)).nodeid));
    for (const nodeid of nodeids) {
      expect(Number.isSafeInteger(nodeid)).toBe(true);
      expect(nodeid).toBeGreaterThanOrEqual(2 ** 52);
      expect(nodeid).toBeLessThan(2 ** 53);
    }
    expect(new Set(nodeids).size).toBe(paths.length);
    t.restart();
    expect(await Promise.all(paths.map(async (path) => (await t.at(path)).nodeid))).toEqual(
      nodeids,
    );
  });

  it('of moments and of every .versions are understood after a restart, others are stale', async () => {
    t.history.mkdir('d');
    t.history.write('d/a', 'text');
    const [moment, root, version] = [await t.at('@r3/d/a'), await t.at(''), await t.at('d/a/3')];
    t.restart();
    expect(String(await t.tree.read(moment.nodeid, 0, 10))).toBe('text');
    expect((await t.tree.getattr(root.nodeid)).attr).toEqual(root.attr);
    expect(await errnoOf(t.tree.getattr(version.nodeid))).toBe(Errno.ESTALE);
    expect((await t.at('d/a/3')).nodeid).toBe(version.nodeid);
  });

  it('are remembered until the kernel has forgotten every lookup', async () => {
    t.history.write('a', '1');
    const { nodeid } = await t.at('a/2');
    await t.at('a/2');
    t.tree.forget(nodeid, 1);
    expect((await t.tree.getattr(nodeid)).attr.size).toBe(1);
    t.tree.forget(nodeid, 1);
    expect(await errnoOf(t.tree.getattr(nodeid))).toBe(Errno.ESTALE);
  });
});

describe('readdir', () => {
  it('goes on where it was, in portions, under a handle or without one it knows', async () => {
    for (let i = 0; i < 20; i++) t.history.write('a', `${i}`);
    const { nodeid } = await t.at('a');
    const whole = await t.list(nodeid, { perReply: 100 });
    const names = whole.map(({ name }) => name);
    expect(names).toHaveLength(2 + 23);
    expect((await t.list(nodeid, { perReply: 1 })).map(({ name }) => name)).toEqual(names);
    expect((await t.list(nodeid, { perReply: 4, fh: 987 })).map(({ name }) => name)).toEqual(names);
    expect(whole.map(({ cookie }) => cookie)).toEqual(names.map((_, i) => i + 1));
  });

  it('is the directory as it was opened, until it is rewound', async () => {
    t.history.write('a', '1');
    const { nodeid } = await t.at('a');
    const { fh } = t.tree.opendir(nodeid);
    expect(await t.list(nodeid, { fh })).toHaveLength(5);
    t.history.write('a', '2');
    expect(await t.list(nodeid, { fh })).toHaveLength(7);
  });

  it('does not take the handle of an earlier server for its own', async () => {
    t.history.write('a', '1');
    t.history.write('b', '1');
    const a = (await t.at('a')).nodeid;
    const root = (await t.at('')).nodeid;
    const { fh } = t.tree.opendir(a);
    await t.list(a, { fh });
    expect((await t.list(root, { fh })).map(({ name }) => name)).toEqual([
      '.',
      '..',
      '.status.json',
      'a',
      'b',
    ]);
  });

  it('plus tells the entries of what never changes, and counts them as lookups', async () => {
    t.history.write('a', '1');
    const { nodeid } = await t.at('a');
    const told = await t.list(nodeid, { plus: true });
    const version = told.find(({ name }) => name.startsWith('r'));
    expect(version?.entry?.attr.size).toBe(1);
    expect(version?.entry?.nodeid).toBe(version?.ino);
    expect(told.filter(({ entry }) => entry !== undefined)).toEqual([version]);
    t.tree.forget(version?.entry?.nodeid as NodeId, 1);
    expect(await errnoOf(t.tree.getattr(version?.entry?.nodeid as NodeId))).toBe(Errno.ESTALE);
    const moment = await t.list((await t.at('@r2')).nodeid, { plus: true });
    expect(moment.find(({ name }) => name === 'a')?.entry?.attr.size).toBe(1);
  });

  it('of many versions with their attributes reads the history once, not once for each', async () => {
    for (let i = 0; i < 50; i++) t.history.write('a', `${i}`);
    const { nodeid } = await t.at('a');
    const told = await t.list(nodeid, { perReply: 1000 });
    for (const { name } of told.slice(2)) await t.tree.lookup(nodeid, name as Name);
    expect(t.history.histories).toBe(1);
  });
});
