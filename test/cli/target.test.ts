/**
 * What stands before and behind the "@", and the bytes of arguments.
 */

import { describe, expect, test } from 'vitest';

import { bytesOfArgument } from '../../src/cli/raw-arguments.ts';
import { parseTarget, splitVersion } from '../../src/cli/target.ts';

describe('splitVersion', () => {
  test.each([
    ['notes.md', 'notes.md', undefined],
    ['notes.md@r42', 'notes.md', 'r42'],
    ['notes.md@~1', 'notes.md', '~1'],
    ['notes.md@latest', 'notes.md', 'latest'],
    ['src@10m', 'src', '10m'],
    ['a@yesterday 17:00', 'a', 'yesterday 17:00'],
    ['a@2026-11-22T10:15Z', 'a', '2026-11-22T10:15Z'],
    ['a@@r42', 'a', '@r42'],
    ['me@2@latest', 'me@2', 'latest'],
    ['dir@1/file', 'dir@1/file', undefined],
    ['mail@2026-13-45', 'mail@2026-13-45', undefined],
  ])('of %s is %s and %s', (text, path, at) => {
    expect(splitVersion(text)).toEqual({ path, at });
  });
});

describe('parseTarget', () => {
  test('takes SESSION:path without looking at any mount', () => {
    const target = parseTarget('work:src/a.ts@~1', { root: '/r', withVersion: true });
    expect(target).toMatchObject({ session: 'work', path: 'src/a.ts', at: '~1' });
    expect(target.client.socketPath).toBe('/r/run/control.sock');
  });

  test('takes the whole session for SESSION:', () => {
    expect(parseTarget('work:', { root: '/r' })).toMatchObject({ session: 'work', path: '' });
  });

  test('keeps an "@" in the name where no version is expected', () => {
    expect(parseTarget('work:a@r1', { root: '/r' }).path).toBe('a@r1');
  });

  test.each([
    ['/etc/passwd', 'not on a mount of sessfs'],
    ['work:a/.versions/b', 'inside .versions'],
    ['@r42', 'no path before the "@"'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseTarget(text, { root: '/r', withVersion: true })).toThrow(reason);
  });
});

describe('bytesOfArgument', () => {
  test('is the UTF-8 of a text', () => {
    expect(bytesOfArgument('é')).toBe('\u00c3\u00a9');
  });

  test('is what the kernel has where the text lost bytes', () => {
    const cmdline = Buffer.from('node\0sessfs\0cat\0caf\u00e9\0', 'latin1');
    expect(bytesOfArgument('caf\uFFFD', cmdline)).toBe('caf\u00e9');
  });
});
