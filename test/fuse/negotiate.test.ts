/**
 * What is agreed at INIT, alone and as a message.
 */

import { describe, expect, test } from 'vitest';

import { InitFlag, InitFlag2, Opcode } from '../../src/fuse/abi.ts';
import { negotiate } from '../../src/fuse/negotiate.ts';
import { Errno } from '../../src/shared/errno.ts';
import { Bench } from './fake-device.ts';
import { u32 } from './frames.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

const everything = {
  major: 7,
  minor: 45,
  maxReadaheadBytes: 131072,
  flags: 0xffffffff,
  flags2: 0xffffffff,
};

const init = (...fields: number[]): Buffer => Buffer.concat([u32(...fields), Buffer.alloc(44)]);

describe('negotiate', () => {
  test('takes nothing that the kernel did not offer', () => {
    const answer = negotiate({ ...everything, flags: InitFlag.BIG_WRITES, flags2: 0xffffffff }, {});
    expect([answer.flags, answer.flags2]).toEqual([InitFlag.BIG_WRITES, 0]);
    expect(answer.maxWriteBytes).toBe(32 * 4096);
  });

  test('takes no writeback cache, locks, ACLs or export support from a kernel that has all', () => {
    const { flags, flags2 } = negotiate(everything, {});
    const [locks, flock, writeback, acl, exported] = [1 << 1, 1 << 10, 1 << 16, 1 << 20, 1 << 4];
    expect(flags & (locks | flock | writeback | acl | exported)).toBe(0);
    expect(flags2).toBe(InitFlag2.HAS_RESEND | InitFlag2.NO_EXPORT_SUPPORT);
  });

  test('never takes atomic O_TRUNC together with messageless opens', () => {
    const plain = negotiate(everything, {}).flags;
    expect(plain & InitFlag.ATOMIC_O_TRUNC).not.toBe(0);
    expect(plain & InitFlag.NO_OPEN_SUPPORT).toBe(0);
    const messageless = negotiate(everything, { messagelessOpen: true }).flags;
    expect(messageless & InitFlag.ATOMIC_O_TRUNC).toBe(0);
    expect(messageless & InitFlag.NO_OPEN_SUPPORT).not.toBe(0);
  });
});

describe('INIT', () => {
  test('is answered with a message of 1 MiB and the smaller minor', () => {
    const bench = new Bench(new MemoryFileSystem());
    const body = init(7, 38, 131072, 0xffffffff, 0xffffffff);
    const answer = bench.ask({ opcode: Opcode.INIT, body });
    expect([answer.errno, answer.body.length]).toEqual([0, 64]);
    expect(answer.body.readUInt32LE(4)).toBe(38);
    expect(answer.body.readUInt32LE(20)).toBe(1024 * 1024);
    expect(answer.body.readUInt16LE(28)).toBe(256);
    expect(bench.info).toEqual({ maxWriteBytes: 1048576, maxReadBytes: 1048576, minor: 38 });
  });

  test('of a newer major is answered with ours and agrees nothing yet', () => {
    const bench = new Bench(new MemoryFileSystem());
    const { body } = bench.ask({ opcode: Opcode.INIT, body: init(8, 0, 0, 0, 0) });
    expect(body.readUInt32LE(0)).toBe(7);
    expect(bench.info).toBeUndefined();
  });

  test('of a kernel that is too old is refused', () => {
    const bench = new Bench(new MemoryFileSystem());
    const { errno } = bench.ask({ opcode: Opcode.INIT, body: init(7, 12, 0, 0, 0) });
    expect(errno).toBe(Errno.EPROTO);
  });
});

describe('messageless opens', () => {
  test('answer OPEN with ENOSYS, so that the kernel stops asking', () => {
    const bench = new Bench(new MemoryFileSystem(), { messagelessOpen: true });
    expect(bench.ask({ opcode: Opcode.OPEN, body: u32(0, 0) }).errno).toBe(Errno.ENOSYS);
    expect(bench.ask({ opcode: Opcode.OPENDIR, body: u32(0, 0) }).errno).toBe(0);
  });
});
