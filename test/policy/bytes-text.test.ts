/**
 * Sizes: every accepted form, what is refused, and that writing is undone by reading.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { formatBytes, parseBytes } from '../../src/policy/bytes-text.ts';

describe('parseBytes', () => {
  test.each([
    ['10GB', 10e9],
    ['500MiB', 500 * 1024 ** 2],
    ['1.5gb', 1.5e9],
    ['2 kib', 2048],
    ['7B', 7],
    ['0B', 0],
    ['1PB', 1e15],
    ['none', Infinity],
  ])('reads %j as %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each([
    ['', 'want for example 10GB, 500MiB or none'],
    ['10', 'want for example'],
    ['10G', 'want for example'],
    ['-1GB', 'want for example'],
    ['GB', 'want for example'],
    ['1e3B', 'want for example'],
    ['1.0001KB', 'want a whole number below 8PiB'],
    ['8PiB', 'want a whole number below 8PiB'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseBytes(text)).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringContaining(`Cannot read size ${JSON.stringify(text)}: ${reason}`),
      }),
    );
  });
});

describe('formatBytes', () => {
  test.each([
    [10e9, '10GB'],
    [500 * 1024 ** 2, '500MiB'],
    [1024, '1KiB'],
    [1536, '1536B'],
    [0, '0B'],
    [Infinity, 'none'],
  ])('writes %d as %j', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test('is undone by parseBytes', () => {
    const units = fc.constantFrom(1, 1000, 1024, 1e6, 1024 ** 2, 1e9, 1024 ** 3, 1e12, 1024 ** 4);
    fc.assert(
      fc.property(
        fc.nat({ max: 8000 }),
        units,
        fc.constantFrom(0, 0, 1, 999),
        (count, unit, more) => {
          const bytes = count * unit + more;
          expect(parseBytes(formatBytes(bytes))).toBe(bytes);
        },
      ),
    );
  });
});
