/**
 * Every message gets one reply, whatever it holds and whatever its handler does.
 */

import { assert, integer, property, uint8Array } from 'fast-check';
import { describe, expect, test, vi } from 'vitest';

import { Opcode } from '../../src/fuse/abi.ts';
import type { Name, NodeId } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import { Bench } from './fake-device.ts';
import { frame, NOBODYS_PID, parseReply, text, u32, u64 } from './frames.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

const request = { unique: 2, resent: false, uid: 7, gid: 8, pid: 9 };

async function fileSystemWith(name: string, content: string): Promise<MemoryFileSystem> {
  const fs = new MemoryFileSystem();
  const { entry } = await fs.create(request, 1 as NodeId, name as Name, 0o644, 0);
  const bytes = Buffer.from(content);
  await fs.write(request, entry.nodeid, 0, 0, bytes, {
    fromCache: false,
    killSuidGid: false,
    openFlags: 0,
  });
  return fs;
}

const lookup = (name: string): Parameters<Bench['ask']>[0] => ({
  opcode: Opcode.LOOKUP,
  body: text(name),
});

const readAt = (offset: number | bigint, size: number): Buffer =>
  Buffer.concat([u64(7, offset), u32(size, 0), u64(0), u32(0, 0)]);

const readdir = (cookie: number, size: number): Buffer =>
  Buffer.concat([u64(0, cookie), u32(size, 0), u64(0), u32(0, 0)]);

const getxattr = (size: number): Buffer => Buffer.concat([u32(size, 0), text('user.a')]);

const setMtime = (sec: bigint, nsec: number): Parameters<Bench['ask']>[0] => ({
  opcode: Opcode.SETATTR,
  nodeid: 2,
  body: Buffer.concat([u32(1 << 5, 0), u64(0, 0, 0, 0, sec, 0), u32(0, nsec, 0, 0, 0, 0, 0, 0)]),
});

const failing = (error: unknown): Bench => {
  const fs = new MemoryFileSystem();
  vi.spyOn(fs, 'getattr').mockImplementation(() => {
    throw error;
  });
  return new Bench(fs);
};

describe('lookup', () => {
  test('answers an entry with the attributes of the child', async () => {
    const bench = new Bench(await fileSystemWith('a', 'hello'));
    const { errno, unique, body } = bench.ask({ ...lookup('a'), unique: 88 });
    expect([errno, unique, body.length]).toEqual([0, 88n, 128]);
    expect(body.readBigUInt64LE(0)).toBe(2n);
    expect(body.readBigUInt64LE(16)).toBe(3600n);
    expect(body.readBigUInt64LE(40)).toBe(2n);
    expect(body.readBigUInt64LE(48)).toBe(5n);
    expect(body.readUInt32LE(100)).toBe(0o100644);
    expect(body.readUInt32LE(120)).toBe(131072);
  });

  test('answers a name that is missing with a negative entry and its time to live', () => {
    const { errno, body } = new Bench(new MemoryFileSystem()).ask(lookup('nope'));
    expect([errno, body.length]).toEqual([0, 128]);
    expect(body.readBigUInt64LE(0)).toBe(0n);
    expect(body.readBigUInt64LE(16)).toBe(3600n);
  });

  test('passes names on byte by byte', async () => {
    const bench = new Bench(await fileSystemWith('\xff\x80é', ''));
    expect(bench.ask(lookup('\xff\x80é')).body.readBigUInt64LE(0)).toBe(2n);
  });

  test('refuses a name of 256 bytes, takes one of 255', () => {
    const bench = new Bench(new MemoryFileSystem());
    expect(bench.ask(lookup('x'.repeat(256))).errno).toBe(Errno.ENAMETOOLONG);
    expect(bench.ask(lookup('x'.repeat(255))).errno).toBe(0);
  });
});

describe('the request', () => {
  test('tells who asks', () => {
    const fs = new MemoryFileSystem();
    const seen: unknown[] = [];
    vi.spyOn(fs, 'lookup').mockImplementation((req) => {
      seen.push({ ...req, unique: req.unique, uid: req.uid, gid: req.gid, pid: req.pid });
      return undefined;
    });
    new Bench(fs).ask({ ...lookup('a'), unique: 2 ** 40 + 2 });
    expect(seen).toMatchObject([
      { unique: 2 ** 40 + 2, resent: false, uid: 1000, gid: 1001, pid: NOBODYS_PID },
    ]);
  });

  test('sent again is marked, has the same unique, and its reply echoes the resend bit', () => {
    const fs = new MemoryFileSystem();
    let seen: unknown;
    vi.spyOn(fs, 'lookup').mockImplementation((req) => {
      seen = [req.unique, req.resent];
      return undefined;
    });
    const { unique } = new Bench(fs).ask({ ...lookup('a'), unique: 46, resent: true });
    expect(seen).toEqual([46, true]);
    expect(unique).toBe(46n | (1n << 63n));
  });
});

describe('setattr', () => {
  test('hands on exactly the fields that are marked valid', () => {
    const fs = new MemoryFileSystem();
    const spy = vi.spyOn(fs, 'setattr');
    const body = Buffer.concat([
      u32((1 << 0) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 11), 0),
      u64(9, 1234, 0, -5, 77, 0),
      u32(111, 222, 333, 0o100600, 0, 5, 6, 0),
    ]);
    expect(new Bench(fs).ask({ opcode: Opcode.SETATTR, body }).errno).toBe(0);
    expect(spy.mock.calls[0]?.[2]).toEqual({
      mode: 0o100600,
      atime: { sec: -5, nsec: 111 },
      mtime: 'now',
      killSuidGid: true,
    });
  });

  test('refuses a size that is no exact number', () => {
    const body = Buffer.concat([u32(1 << 3, 0), u64(0, 2n ** 60n, 0, 0, 0, 0), Buffer.alloc(32)]);
    const bench = new Bench(new MemoryFileSystem());
    expect(bench.ask({ opcode: Opcode.SETATTR, body }).errno).toBe(Errno.EFBIG);
  });

  test('takes a time that is no exact number as the last that is, and no second of nanoseconds', async () => {
    const fs = await fileSystemWith('a', '');
    const bench = new Bench(fs);
    const { body } = bench.ask(setMtime(1n << 62n, 7));
    expect(body.readBigInt64LE(16 + 32)).toBe(2n ** 53n - 1n);
    expect(bench.ask(setMtime(1n, 1e9)).errno).toBe(Errno.EINVAL);
  });

  test('answers times before 1970', () => {
    const fs = new MemoryFileSystem();
    fs.setattr(request, 1 as NodeId, { mtime: { sec: -2, nsec: 5 } });
    const { body } = new Bench(fs).ask({ opcode: Opcode.GETATTR, body: Buffer.alloc(16) });
    expect(body.readBigInt64LE(16 + 32)).toBe(-2n);
    expect(body.readUInt32LE(16 + 52)).toBe(5);
  });
});

describe('read and write', () => {
  test('read answers the bytes that are there', async () => {
    const bench = new Bench(await fileSystemWith('a', 'hello world'));
    const answer = bench.ask({ opcode: Opcode.READ, nodeid: 2, body: readAt(6, 4096) });
    expect(answer.body.toString()).toBe('world');
    const beyond = bench.ask({ opcode: Opcode.READ, nodeid: 2, body: readAt(2n ** 60n, 4096) });
    expect([beyond.errno, beyond.body.length]).toEqual([0, 0]);
  });

  test('write hands on the data in place, and its flags', async () => {
    const fs = await fileSystemWith('a', '');
    const spy = vi.spyOn(fs, 'write');
    const data = Buffer.alloc(4096, 'y');
    const body = Buffer.concat([u64(7, 3), u32(4096, 1 | 4), u64(0), u32(0o2001, 0), data]);
    const bench = new Bench(fs);
    const { body: reply } = bench.ask({ opcode: Opcode.WRITE, nodeid: 2, body });
    expect(reply.readUInt32LE(0)).toBe(4096);
    expect(spy.mock.calls[0]?.[5]).toEqual({
      fromCache: true,
      killSuidGid: true,
      openFlags: 0o2001,
    });
    expect(bench.ask({ opcode: Opcode.READ, nodeid: 2, body: readAt(3, 4096) }).body).toEqual(data);
  });

  test('write that claims more data than came is refused and changes nothing', async () => {
    const fs = await fileSystemWith('a', 'old');
    const body = Buffer.concat([u64(7, 0), u32(8192, 0), u64(0), u32(0, 0), Buffer.alloc(100)]);
    expect(new Bench(fs).ask({ opcode: Opcode.WRITE, nodeid: 2, body }).errno).toBe(Errno.EINVAL);
    expect(fs.inodes.get(2)?.size).toBe(3);
  });
});

describe('readdir', () => {
  test('lays entries out at 8 bytes and stops where the next does not fit', async () => {
    const fs = await fileSystemWith('file', '');
    await fs.mkdir(request, 1 as NodeId, 'directory' as Name, 0o755);
    const { body } = new Bench(fs).ask({ opcode: Opcode.READDIR, body: readdir(0, 100) });
    // "." and ".." take 32 each, "file" 32: the fourth would end at 136.
    expect(body.length).toBe(96);
    expect(body.toString('latin1', 64 + 24, 64 + 28)).toBe('file');
    expect(body.readBigUInt64LE(64 + 8)).toBe(3n);
    expect(body.readUInt32LE(64 + 20)).toBe(8);
  });

  test('with attributes gives the kernel nothing to cache for "." and ".."', async () => {
    const fs = await fileSystemWith('file', 'abc');
    const { body } = new Bench(fs).ask({ opcode: Opcode.READDIRPLUS, body: readdir(0, 4096) });
    expect(body.length).toBe(3 * 160);
    expect(body.readBigUInt64LE(0)).toBe(0n);
    expect(body.readBigUInt64LE(320)).toBe(2n);
    expect(body.readBigUInt64LE(320 + 48)).toBe(3n);
  });

  test('that waits keeps its own buffer while others are answered', async () => {
    const fs = await fileSystemWith('file', 'abc');
    fs.isAsync = true;
    const bench = new Bench(fs);
    bench.send({ opcode: Opcode.READDIR, unique: 10, body: readdir(0, 4096) });
    bench.send({ opcode: Opcode.READDIR, unique: 12, body: readdir(2, 4096) });
    fs.isAsync = false;
    expect(bench.ask({ ...lookup('file'), unique: 14 }).unique).toBe(14n);
    await bench.settled();
    const [, first, second] = bench.device.replies.map(parseReply);
    expect([first?.unique, first?.body.length]).toEqual([10n, 96]);
    expect([second?.unique, second?.body.length]).toEqual([12n, 32]);
  });
});

describe('extended attributes', () => {
  test('tell their size when asked for it, ERANGE when they do not fit, ENODATA when missing', () => {
    const bench = new Bench(new MemoryFileSystem());
    const set = Buffer.concat([u32(5, 0), text('user.a'), Buffer.from('value')]);
    expect(bench.ask({ opcode: Opcode.GETXATTR, body: getxattr(0) }).errno).toBe(Errno.ENODATA);
    expect(bench.ask({ opcode: Opcode.SETXATTR, body: set }).errno).toBe(0);
    expect(bench.ask({ opcode: Opcode.GETXATTR, body: getxattr(0) }).body.readUInt32LE(0)).toBe(5);
    expect(bench.ask({ opcode: Opcode.GETXATTR, body: getxattr(4) }).errno).toBe(Errno.ERANGE);
    expect(bench.ask({ opcode: Opcode.GETXATTR, body: getxattr(5) }).body.toString()).toBe('value');
    const list = bench.ask({ opcode: Opcode.LISTXATTR, body: u32(100, 0) });
    expect(list.body.toString()).toBe('user.a\0');
  });
});

describe('statx', () => {
  test('tells the time of birth', () => {
    const body = Buffer.concat([u32(0, 0), u64(0), u32(0, 0xfff)]);
    const answer = new Bench(new MemoryFileSystem()).ask({ opcode: Opcode.STATX, body });
    expect(answer.body.length).toBe(288);
    expect(answer.body.readUInt32LE(32) & 0x800).toBe(0x800);
    expect(answer.body.readUInt16LE(32 + 28)).toBe(0o40755);
    expect(Number(answer.body.readBigInt64LE(32 + 80))).toBeGreaterThan(1.7e9);
  });
});

describe('a message that must not be answered', () => {
  test.each([
    ['FORGET', { opcode: Opcode.FORGET, body: u64(1) }],
    ['BATCH_FORGET', { opcode: Opcode.BATCH_FORGET, body: Buffer.concat([u32(1, 0), u64(2, 1)]) }],
    ['a short FORGET', { opcode: Opcode.FORGET }],
    ['a BATCH_FORGET that lies', { opcode: Opcode.BATCH_FORGET, body: u32(1000, 0) }],
  ])('%s gets no reply', (_name, options) => {
    const bench = new Bench(new MemoryFileSystem());
    bench.send(options);
    expect(bench.device.replies).toEqual([]);
  });
});

describe('a message that is refused', () => {
  test.each([
    [Opcode.FLUSH, Errno.ENOSYS],
    [Opcode.ACCESS, Errno.ENOSYS],
    [Opcode.SETLK, Errno.ENOSYS],
    [Opcode.POLL, Errno.ENOSYS],
    [Opcode.BMAP, Errno.ENOSYS],
    [Opcode.IOCTL, Errno.ENOTTY],
    [Opcode.INTERRUPT, Errno.ENOSYS],
    [63, Errno.ENOSYS],
    [4096, Errno.ENOSYS],
    [0xffffffff, Errno.ENOSYS],
  ])('operation %i is answered errno %i', (opcode, errno) => {
    const bench = new Bench(new MemoryFileSystem());
    expect(bench.ask({ opcode, body: Buffer.alloc(64) }).errno).toBe(errno);
  });

  test('of an unknown kind is logged once', () => {
    const bench = new Bench(new MemoryFileSystem());
    for (let i = 0; i < 3; i += 1) bench.ask({ opcode: 63 });
    expect(bench.log.length).toBe(1);
  });

  test('any prefix of any message is answered or dropped, never thrown on', () => {
    assert(
      property(integer({ min: 0, max: 64 }), uint8Array({ maxLength: 120 }), (op, body) => {
        const bench = new Bench(new MemoryFileSystem());
        bench.send({ opcode: op, body: Buffer.from(body) });
        const isForget = op === Opcode.FORGET || op === Opcode.BATCH_FORGET;
        const isSilent = isForget || op === Opcode.NOTIFY_REPLY;
        expect(bench.device.replies.length).toBe(isSilent ? 0 : 1);
      }),
      { numRuns: 2000 },
    );
  });

  test('that is shorter than its header says is answered EIO', () => {
    const bench = new Bench(new MemoryFileSystem());
    expect(bench.ask({ ...lookup('a'), claimedBytes: 4000 }).errno).toBe(Errno.EIO);
  });

  test('whose extensions are said to be longer than all of it is answered EIO', () => {
    const bench = new Bench(new MemoryFileSystem());
    const message = frame(lookup('a'));
    message.writeUInt16LE(0xffff, 36);
    bench.sendBytes(message);
    expect(bench.device.replies.map((reply) => parseReply(reply).errno)).toEqual([Errno.EIO]);
  });

  test.each(['.', '..', '/', 'a/b', '../a'])('for "%s", which is no name, is EINVAL', (name) => {
    const bench = new Bench(new MemoryFileSystem());
    expect(bench.ask(lookup(name)).errno).toBe(Errno.EINVAL);
    const mkdir = { opcode: Opcode.MKDIR, body: Buffer.concat([u32(0o755, 0), text(name)]) };
    expect(bench.ask(mkdir).errno).toBe(Errno.EINVAL);
  });

  test('with a wrong length gets no answer when its kind has none', () => {
    const bench = new Bench(new MemoryFileSystem());
    bench.send({ opcode: Opcode.NOTIFY_REPLY, claimedBytes: 99 });
    expect(bench.device.replies).toEqual([]);
  });

  test('that is no message at all is dropped and logged', () => {
    const bench = new Bench(new MemoryFileSystem());
    bench.sendBytes(frame({ opcode: 1 }).subarray(0, 12));
    expect(bench.device.replies).toEqual([]);
    expect(bench.log.length).toBe(1);
  });

  test('for want of a terminator does not read on into an earlier message', () => {
    const bench = new Bench(new MemoryFileSystem());
    bench.ask(lookup('a'.repeat(100)));
    const unterminated = frame({ opcode: Opcode.LOOKUP, body: Buffer.from('aaaa') });
    bench.sendBytes(unterminated);
    expect(bench.device.replies.map(parseReply)[1]?.errno).toBe(Errno.EINVAL);
  });
});

describe('a handler that fails', () => {
  const getattr = { opcode: Opcode.GETATTR, body: Buffer.alloc(16) };

  test('with an FsError gives its number to the caller', () => {
    const bench = failing(new FsError(Errno.EDQUOT));
    expect(bench.ask(getattr).errno).toBe(Errno.EDQUOT);
    expect(bench.log).toEqual([]);
  });

  test('with anything else is EIO, and logged with its stack once', () => {
    const bench = failing(new TypeError('a bug'));
    expect(bench.ask(getattr).errno).toBe(Errno.EIO);
    expect(bench.ask(getattr).errno).toBe(Errno.EIO);
    expect(bench.log.length).toBe(1);
    expect(bench.log[0]?.fields).toMatchObject({ operation: 'GETATTR' });
  });

  test('later, by a rejected promise, is answered the same', async () => {
    const fs = new MemoryFileSystem();
    vi.spyOn(fs, 'getattr').mockRejectedValue(new FsError(Errno.ENOSPC));
    const bench = new Bench(fs);
    bench.send({ ...getattr, unique: 20 });
    expect(bench.dispatcher.pending).toBe(1);
    await bench.settled();
    const [reply] = bench.device.replies.map(parseReply);
    expect([reply?.unique, reply?.errno]).toEqual([20n, Errno.ENOSPC]);
  });
});

describe('a reply that the kernel refuses', () => {
  test('for a request that was aborted is forgotten', () => {
    const bench = new Bench(new MemoryFileSystem());
    bench.device.failures = [Errno.ENOENT];
    bench.send(lookup('a'));
    expect([bench.device.replies.length, bench.log.length]).toEqual([1, 0]);
  });

  test('because there is no kernel any more ends the connection', () => {
    const bench = new Bench(new MemoryFileSystem());
    bench.device.failures = [Errno.ENODEV];
    bench.send(lookup('a'));
    expect(bench.dispatcher.hasEnded).toBe(true);
  });

  test('for its form is sent again as EIO, so that nobody waits for ever', () => {
    const bench = new Bench(new MemoryFileSystem());
    bench.device.failures = [Errno.EINVAL];
    bench.send(lookup('a'));
    expect(bench.device.replies.map((reply) => parseReply(reply).errno)).toEqual([0, Errno.EIO]);
    expect(bench.log.length).toBe(1);
  });
});

describe('promises', () => {
  test('are answered in the order in which they settle, each to its own request', async () => {
    const fs = await fileSystemWith('a', 'abc');
    fs.isAsync = true;
    const bench = new Bench(fs);
    bench.send({ ...lookup('a'), unique: 2 });
    bench.send({ opcode: Opcode.GETATTR, nodeid: 2, unique: 4, body: Buffer.alloc(16) });
    const read = Buffer.concat([u64(7, 0), u32(4096, 0), u64(0), u32(0, 0)]);
    bench.send({ opcode: Opcode.READ, nodeid: 2, unique: 6, body: read });
    bench.send({ ...lookup('missing'), unique: 8 });
    expect(bench.device.replies).toEqual([]);
    await bench.settled();
    const bodies = new Map(bench.device.replies.map(parseReply).map((r) => [r.unique, r.body]));
    expect(new Set(bodies.keys())).toEqual(new Set([2n, 4n, 6n, 8n]));
    expect(bodies.get(2n)?.readBigUInt64LE(0)).toBe(2n);
    expect(bodies.get(4n)?.length).toBe(104);
    expect(bodies.get(6n)?.toString()).toBe('abc');
    expect(bodies.get(8n)?.readBigUInt64LE(0)).toBe(0n);
  });
});
