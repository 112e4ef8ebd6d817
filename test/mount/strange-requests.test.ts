/**
 * Requests that no kernel sends, which a volume must not take for others.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { Opcode } from '../../src/fuse/abi.ts';
import { VersionsTree } from '../../src/mount/versions-tree.ts';
import { VolumeFileSystem } from '../../src/mount/volume-file-system.ts';
import { Errno } from '../../src/shared/errno.ts';
import { Bench } from '../fuse/fake-device.ts';
import { text, u32, u64 } from '../fuse/frames.ts';
import { System, TestClock } from '../model/system.ts';

const clock = new TestClock();
let dir = '';
let system: System;
let bench: Bench;

beforeEach(async () => {
  dir = fs.mkdtempSync(join(tmpdir(), 'sessfs-strange-'));
  system = await System.open(dir, clock, { isNew: true });
  const { volume, history } = system;
  const versions = new VersionsTree({ history, clock, status: () => ({}) });
  bench = new Bench(new VolumeFileSystem({ volume, history, versions }));
  const body = Buffer.concat([u32(1, 0o100644, 0, 0), text('a')]);
  bench.ask({ opcode: Opcode.CREATE, body });
  await volume.flushed();
});

afterEach(async () => {
  await system.volume.close();
  fs.rmSync(dir, { recursive: true });
});

const getattr = (nodeid: number): Parameters<Bench['ask']>[0] => ({
  opcode: Opcode.GETATTR,
  nodeid,
  body: Buffer.concat([u32(0, 0), u64(0)]),
});

const symlinkTo = (length: number): Buffer => Buffer.concat([text('s'), text('t'.repeat(length))]);

test.each([2 ** 48 + 1, 2 ** 48 + 2, 2 ** 51 + 1])(
  'a nodeid that has an inode number in its lower 48 bits is no inode: %d',
  (nodeid) => {
    expect(bench.ask(getattr(nodeid)).errno).toBe(Errno.ESTALE);
    const move = Buffer.concat([u64(1), u32(0, 0), text('a'), text('b')]);
    expect(bench.ask({ opcode: Opcode.RENAME2, nodeid, body: move }).errno).not.toBe(0);
    expect(system.volume.status().readOnly).toBeUndefined();
  },
);

test.each([2 ** 52 + 3 * 2 ** 50 + 2 ** 48 + 1, 2 ** 53, 2 ** 63])(
  'a nodeid that no virtual node has is ESTALE: %d',
  async (nodeid) => {
    bench.send(getattr(nodeid));
    await bench.settled();
    expect(bench.device.replies.at(-1)?.readInt32LE(4)).toBe(-Errno.ESTALE);
  },
);

test('a file moved onto itself stays, with every flag', () => {
  for (const flags of [0, 2, 4]) {
    const body = Buffer.concat([u64(1), u32(flags, 0), text('a'), text('a')]);
    expect(bench.ask({ opcode: Opcode.RENAME2, body }).errno).toBe(0);
  }
  expect(bench.ask({ opcode: Opcode.LOOKUP, body: text('a') }).body.readBigUInt64LE(0)).toBe(2n);
});

test.each([0o040755, 0o120777, 0o170644, 0o030644])(
  'mknod makes no %o, and mkdir and create no type but their own',
  (mode) => {
    const body = Buffer.concat([u32(mode, 0, 0, 0), text('n')]);
    expect(bench.ask({ opcode: Opcode.MKNOD, body }).errno).toBe(Errno.EINVAL);
    const mkdir = Buffer.concat([u32(mode + 0x7f000000, 0), text('d')]);
    const made = bench.ask({ opcode: Opcode.MKDIR, body: mkdir });
    expect(made.body.readUInt32LE(40 + 60) & ~0o7777).toBe(0o040000);
  },
);

test('a symlink longer than a path can be is ENAMETOOLONG', () => {
  expect(bench.ask({ opcode: Opcode.SYMLINK, body: symlinkTo(4096) }).errno).toBe(
    Errno.ENAMETOOLONG,
  );
  expect(bench.ask({ opcode: Opcode.SYMLINK, body: symlinkTo(4095) }).errno).toBe(0);
});
