/**
 * A connection that is taken over: when the resend is over, what is poison, what is known of INIT, and what
 * the pulse tells meanwhile.
 */

import { describe, expect, test, vi } from 'vitest';

import { Opcode } from '../../src/fuse/abi.ts';
import type { Pulse } from '../../src/fuse/pulse.ts';
import { Errno } from '../../src/shared/errno.ts';
import { Bench } from './fake-device.ts';
import { text, u32, u64 } from './frames.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

const INFO = { maxWriteBytes: 1 << 20, maxReadBytes: 1 << 20, minor: 45 };
const getattr = { opcode: Opcode.GETATTR, body: Buffer.concat([u32(0, 0), u64(0)]) };
const forget = { opcode: Opcode.FORGET, body: u64(1) };
const mkdir = { opcode: Opcode.MKDIR, body: Buffer.concat([u32(0o755, 0), text('d')]) };
const init = { opcode: Opcode.INIT, body: Buffer.concat([u32(7, 40, 0, 0, 0), Buffer.alloc(44)]) };

class Told {
  overs = 0;
  readonly fs = Object.assign(new MemoryFileSystem(), {
    resendOver: (): void => void (this.overs += 1),
  });
}

function takenOver(isInitKnown = true): { bench: Bench; told: Told } {
  const told = new Told();
  const bench = new Bench(told.fs);
  bench.dispatcher.takeOver(isInitKnown ? INFO : undefined);
  return { bench, told };
}

describe('the end of a resend', () => {
  test('is the first request without the bit, and is told once, before that is carried out', () => {
    const { bench, told } = takenOver();
    bench.ask({ ...getattr, unique: 2, resent: true });
    expect(told.overs).toBe(0);
    vi.spyOn(told.fs, 'getattr').mockImplementation(() => {
      expect(told.overs).toBe(1);
      throw new Error('enough');
    });
    bench.ask({ ...getattr, unique: 4 });
    bench.ask({ ...getattr, unique: 6 });
    expect(told.overs).toBe(1);
  });

  test('is not a forget nor an interrupt, which have queues of their own', () => {
    const { bench, told } = takenOver();
    bench.send({ ...forget, unique: 8 });
    bench.send({ opcode: Opcode.BATCH_FORGET, unique: 10, body: u32(0, 0) });
    bench.send({ opcode: Opcode.INTERRUPT, unique: 3, body: u64(2) });
    expect([told.overs, bench.dispatcher.isTakingOver]).toEqual([0, true]);
  });

  test('comes when there is nothing to read', () => {
    const { bench, told } = takenOver();
    bench.dispatcher.allResentRead();
    expect([told.overs, bench.dispatcher.isTakingOver]).toEqual([1, false]);
  });

  test('waits for the answers of what was sent again', async () => {
    const { bench, told } = takenOver();
    told.fs.isAsync = true;
    bench.send({ ...getattr, unique: 2, resent: true });
    bench.dispatcher.allResentRead();
    expect(told.overs).toBe(0);
    await bench.settled();
    expect(bench.device.replies).toHaveLength(1);
    expect(told.overs).toBe(1);
  });

  test('does not wait for the answers of others', () => {
    const { bench, told } = takenOver();
    told.fs.isAsync = true;
    bench.send({ ...getattr, unique: 2 });
    bench.send({ ...getattr, unique: 4 });
    expect(told.overs).toBe(1);
  });
});

describe('what was agreed at INIT', () => {
  test('is what the predecessor told', () => {
    const { bench } = takenOver();
    bench.ask({ ...getattr, unique: 2 });
    expect(bench.info).toBeUndefined();
  });

  test('is agreed now if INIT is sent again', () => {
    const { bench } = takenOver(false);
    const { errno } = bench.ask({ ...init, unique: 2, resent: true });
    expect([errno, bench.info?.minor]).toEqual([0, 40]);
  });

  test.each([
    ['a request comes', (bench: Bench) => void bench.ask({ ...getattr, unique: 4 })],
    ['one comes again', (bench: Bench) => void bench.ask({ ...getattr, unique: 4, resent: true })],
    ['nothing comes', (bench: Bench) => bench.dispatcher.allResentRead()],
  ])('is what we would agree to if %s without it', (_what, act) => {
    const { bench } = takenOver(false);
    bench.send({ ...forget, unique: 2 });
    expect(bench.info).toBeUndefined();
    act(bench);
    expect(bench.info).toEqual(INFO);
  });
});

function poisoned(): { bench: Bench; fs: MemoryFileSystem } {
  const fs = new MemoryFileSystem();
  return { bench: new Bench(fs, {}, { poison: [6] }), fs };
}

describe('poison', () => {
  test('is answered EIO when it is sent again, never carried out, and logged once', () => {
    const { bench, fs } = poisoned();
    const carryOut = vi.spyOn(fs, 'mkdir');
    expect(bench.ask({ ...mkdir, unique: 6, resent: true }).errno).toBe(Errno.EIO);
    expect(bench.ask({ ...mkdir, unique: 6, resent: true }).errno).toBe(Errno.EIO);
    expect(carryOut).not.toHaveBeenCalled();
    expect(bench.log).toMatchObject([
      { level: 'error', fields: { operation: 'MKDIR', unique: 6 } },
    ]);
  });

  test('is no other request, and none that comes for the first time', () => {
    const { bench } = poisoned();
    expect(bench.ask({ ...mkdir, unique: 8, resent: true }).errno).toBe(0);
    expect(bench.ask({ ...getattr, unique: 6 }).errno).toBe(0);
  });
});

describe('the pulse', () => {
  class Notes implements Pulse {
    readonly beats: string[] = [];
    begin(low: number, high: number): void {
      this.beats.push(`begin ${high} ${low}`);
    }
    end(): void {
      this.beats.push('end');
    }
    deferred(low: number, high: number): void {
      this.beats.push(`deferred ${high} ${low}`);
    }
    settled(low: number, high: number): void {
      this.beats.push(`settled ${high} ${low}`);
    }
  }

  test('tells of each request before and after, without the resend bit', () => {
    const pulse = new Notes();
    const bench = new Bench(new MemoryFileSystem(), {}, { pulse });
    bench.ask({ ...getattr, unique: 2 ** 33 + 6, resent: true });
    bench.send({ ...forget, unique: 8 });
    expect(pulse.beats).toEqual(['begin 2 6', 'end', 'begin 0 8', 'end']);
  });

  test('has ended only when the answer was sent', () => {
    const pulse = new Notes();
    const bench = new Bench(new MemoryFileSystem(), {}, { pulse });
    const write = bench.device.write.bind(bench.device);
    vi.spyOn(bench.device, 'write').mockImplementation((reply, length) => {
      pulse.beats.push('sent');
      return write(reply, length);
    });
    bench.ask({ ...getattr, unique: 6 });
    expect(pulse.beats).toEqual(['begin 0 6', 'sent', 'end']);
  });

  test.each([
    ['a request', getattr],
    [
      'a listing',
      { opcode: Opcode.READDIR, body: Buffer.concat([u64(0, 0), u32(4096, 0), u64(0), u32(0, 0)]) },
    ],
  ])('tells of %s that is answered later', async (_what, message) => {
    const pulse = new Notes();
    const fs = new MemoryFileSystem();
    fs.isAsync = true;
    const bench = new Bench(fs, {}, { pulse });
    bench.send({ ...message, unique: 6 });
    expect(pulse.beats).toEqual(['begin 0 6', 'deferred 0 6', 'end']);
    expect(bench.device.replies).toHaveLength(0);
    await bench.settled();
    expect(bench.device.replies).toHaveLength(1);
    expect(pulse.beats.at(-1)).toBe('settled 0 6');
  });
});
