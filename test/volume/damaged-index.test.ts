/**
 * A volume whose index was damaged on disk: nothing wrong is given out, the rest lives, and a start
 * makes it anew where it must.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Level } from 'level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Opcode } from '../../src/fuse/abi.ts';
import { dentryKey, hashName, inodeKey, metaKey, regionKey } from '../../src/index/keys.ts';
import { VersionsTree } from '../../src/mount/versions-tree.ts';
import { VolumeFileSystem } from '../../src/mount/volume-file-system.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino, Name } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { writeFile } from '../../src/volume/files.ts';
import { makeNode } from '../../src/volume/names.ts';
import { SYSTEM_CALLER } from '../../src/volume/store.ts';
import { Bench } from '../fuse/fake-device.ts';
import { text, u32, u64 } from '../fuse/frames.ts';
import { System, TestClock } from '../model/system.ts';

const clock = new TestClock();
const names = ['bad', 'good'] as const;
let dir = '';
let inos: Ino[] = [];

beforeEach(async () => {
  dir = fs.mkdtempSync(join(tmpdir(), 'sessfs-damaged-'));
  const { volume } = await System.open(dir, clock, { isNew: true });
  inos = names.map((name) => {
    const place = { parent: ROOT_INO, name: name as Name };
    const { ino } = makeNode(volume, SYSTEM_CALLER, place, { mode: 0o100644 });
    // More pieces than an inode holds itself: region 0 has a key of its own.
    for (let piece = 0; piece < 8; piece++) {
      const data = Buffer.from(`${name} ${piece}`);
      writeFile(volume, SYSTEM_CALLER, ino, { offset: piece * 8192, data, killSuidGid: false });
    }
    return ino;
  });
  await volume.close();
});

afterEach(() => fs.rmSync(dir, { recursive: true }));

async function damage(key: Buffer): Promise<void> {
  const copy = Buffer.from(key);
  const db = new Level<Buffer, Buffer>(join(dir, 'index'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  });
  const value = Buffer.from((await db.get(copy)) ?? '');
  expect(value.length).toBeGreaterThan(0);
  value[value.length - 5] = (value.at(-5) ?? 0) ^ 1;
  await db.put(copy, value);
  await db.close();
}

async function serve(): Promise<{ system: System; bench: Bench }> {
  const system = await System.open(dir, clock, { isResumed: true });
  const { volume, history } = system;
  const versions = new VersionsTree({ history, clock, status: () => ({}) });
  return { system, bench: new Bench(new VolumeFileSystem({ volume, history, versions })) };
}

const lookup = (name: string): Parameters<Bench['ask']>[0] => ({
  opcode: Opcode.LOOKUP,
  body: text(name),
});

const write = (ino: Ino | undefined, unique: number): Parameters<Bench['ask']>[0] => ({
  opcode: Opcode.WRITE,
  unique,
  nodeid: ino ?? 0,
  body: Buffer.concat([u64(0, 8192), u32(4096, 0), u64(0), u32(1, 0), Buffer.alloc(4096, 'n')]),
});

const hint = expect.stringContaining('--rebuild-index');

describe('a damaged value', () => {
  test.each([
    ['a name', () => dentryKey(ROOT_INO, hashName('bad'), 'bad')],
    ['an inode', () => inodeKey(inos[0] as Ino)],
  ])('of %s is EIO and logged with the way out, and all else is served', async (_what, key) => {
    await damage(key());
    const { system, bench } = await serve();
    expect(bench.ask(lookup('bad')).errno).toBe(Errno.EIO);
    expect(bench.log).toMatchObject([
      { level: 'error', fields: { err: { code: 'INDEX_CORRUPT', hint } } },
    ]);
    expect(bench.ask(lookup('good')).errno).toBe(0);
    expect(bench.ask(write(inos[1], 4)).errno).toBe(0);
    expect(bench.ask(lookup('bad')).errno).toBe(Errno.EIO);
    expect(bench.log).toHaveLength(1);
    await system.volume.close();
  });

  test('met while a change is applied stops changes until a start, which makes the index anew', async () => {
    await damage(regionKey(inos[0] as Ino, 0));
    const { system, bench } = await serve();
    const reported: string[] = [];
    system.volume.report = (message) => reported.push(message);
    expect(bench.ask(write(inos[0], 4)).errno).toBe(Errno.EIO);
    expect(reported).toEqual(['Cannot apply a change that was logged']);
    expect(bench.ask(write(inos[1], 6)).errno).toBe(Errno.EROFS);
    expect(bench.ask(lookup('good')).errno).toBe(0);
    await system.volume.close();
    const again = await serve();
    expect(again.system.volume.indexProblem).toContain('checksum');
    expect(again.system.readLive(inos[0] as Ino, 9000).toString('latin1', 8192, 8197)).toBe(
      'nnnnn',
    );
    expect(again.bench.ask(write(inos[1], 8)).errno).toBe(0);
    await again.system.volume.close();
  });

  test('of the state has the index made anew at the start', async () => {
    await damage(metaKey('state'));
    const { system } = await serve();
    expect(system.volume.indexProblem).toContain('damaged');
    expect(system.readLive(inos[1] as Ino, 6).toString()).toBe('good 0');
    await system.volume.close();
  });
});

test('An index that LevelDB cannot open is made anew at the start', async () => {
  fs.writeFileSync(join(dir, 'index', 'CURRENT'), 'nonsense\n');
  const { system } = await serve();
  expect(system.volume.indexProblem).toBeDefined();
  expect(system.readLive(inos[1] as Ino, 6).toString()).toBe('good 0');
  await system.volume.close();
});

test('A command and a label as long as an environment are cut, and can be read back', async () => {
  const { system } = await serve();
  const long = { command: 'c'.repeat(70_000), label: 'l'.repeat(200_000) };
  const id = system.volume.internActor({ uid: 1, gid: 2, pid: 3, ...long });
  await system.volume.close();
  const again = await serve();
  const actor = again.system.volume.state.findActor(id);
  expect(actor).toMatchObject({ uid: 1, gid: 2, pid: 3 });
  expect([actor?.command.length, actor?.label?.length]).toEqual([4096, 4096]);
  await again.system.volume.close();
});
