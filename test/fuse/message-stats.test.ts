/**
 * Counting messages: all of them are counted, some of them timed, whatever the pattern they come in.
 */

import { describe, expect, test } from 'vitest';

import { Opcode } from '../../src/fuse/abi.ts';
import { LATENCY_BOUNDS, MessageStats } from '../../src/fuse/message-stats.ts';

function count(stats: MessageStats, opcodes: readonly number[], rounds: number): void {
  for (let round = 0; round < rounds; round += 1) {
    for (const opcode of opcodes) stats.end(opcode, stats.begin(opcode));
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe('MessageStats', () => {
  test('counts every message, and puts each that it times into one bucket', () => {
    const stats = new MessageStats();
    count(stats, [Opcode.WRITE], 16_000);
    const { count: counted = 0, timed = 0, buckets = [] } = stats.byName()['WRITE'] ?? {};
    expect(counted).toBe(16_000);
    expect(timed).toBeGreaterThan(900);
    expect(timed).toBeLessThan(1100);
    expect(sum(buckets)).toBe(timed);
    expect(buckets).toHaveLength(LATENCY_BOUNDS.length + 1);
  });

  test('times every kind of work that repeats itself', () => {
    const stats = new MessageStats();
    const { CREATE, WRITE, RELEASE, GETATTR } = Opcode;
    count(stats, [CREATE, WRITE, RELEASE, GETATTR], 4000);
    for (const { timed } of Object.values(stats.byName())) {
      expect(timed).toBeGreaterThan(150);
      expect(timed).toBeLessThan(350);
    }
  });

  test('times everything that waits for the disk', () => {
    const stats = new MessageStats();
    count(stats, [Opcode.FSYNC], 100);
    expect(stats.byName()['FSYNC']?.timed).toBe(100);
  });

  test('counts from the beginning to the end of an answer that comes later', async () => {
    const stats = new MessageStats();
    const began = stats.begin(Opcode.FSYNC);
    await new Promise((resolve) => setTimeout(resolve, 12));
    stats.end(Opcode.FSYNC, began);
    const { timedSeconds = 0, buckets = [] } = stats.byName()['FSYNC'] ?? {};
    expect(timedSeconds).toBeGreaterThan(0.01);
    expect(buckets.indexOf(1)).toBeGreaterThan(LATENCY_BOUNDS.indexOf(0.01));
  });
});
