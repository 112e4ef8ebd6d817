/**
 * Columns, sizes, and what must not reach a terminal; diffs of bytes.
 */

import { describe, expect, test } from 'vitest';

import { compareContent } from '../../src/cli/content-diff.ts';
import type { ContentSide } from '../../src/cli/content-diff.ts';
import { parseOwner } from '../../src/cli/create.ts';
import { formatSize, formatTable, printable } from '../../src/cli/text.ts';

const side = (name: string, content: Buffer): ContentSide => ({
  name,
  content: () => Promise.resolve(content),
  node: {
    text: name,
    revision: 1,
    time: '2026-11-22T10:15:02.000000000Z',
    kind: 'file',
    mode: '0644',
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: '',
    target: undefined,
  },
});

describe('formatTable', () => {
  test('aligns columns and leaves no spaces at the end', () => {
    expect(
      formatTable([
        ['a', 'bb', 'c'],
        ['ää', 'b', ''],
      ]),
    ).toBe('a   bb  c\nää  b');
  });
});

describe('formatSize', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [5 * 1024 ** 3, '5.0 GiB'],
  ])('of %i is %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

describe('printable', () => {
  test('lets no control character through', () => {
    expect(printable('a\u001B[31m\n\u009Bé')).toBe('a\uFFFD[31m\uFFFD\uFFFDé');
  });
});

describe('parseOwner', () => {
  const passwd = 'root:x:0:0::/:/bin/sh\nme:x:1000:100::/home/me:/bin/sh\n';

  test.each([
    ['5:6', { uid: 5, gid: 6 }],
    ['1000', { uid: 1000, gid: 100 }],
    ['77', { uid: 77, gid: 77 }],
  ])('of %s is %o', (text, owner) => {
    expect(parseOwner(text, passwd)).toEqual(owner);
  });
});

describe('compareContent', () => {
  test('keeps bytes that are not UTF-8 as they are', async () => {
    const result = await compareContent(
      side('a', Buffer.from('x\u00ff\n', 'latin1')),
      side('b', Buffer.from('y\u00ff\n', 'latin1')),
    );
    expect(result.patch?.toString('latin1')).toContain('-x\u00ff\n+y\u00ff\n');
  });

  test('says a sentence of what has a NUL', async () => {
    const result = await compareContent(side('a', Buffer.from('\0a')), side('b', Buffer.from('b')));
    expect(result).toMatchObject({ kind: 'binary', isSame: false, patch: undefined });
  });

  test('says that equal contents are the same', async () => {
    const result = await compareContent(side('a', Buffer.from('x')), side('b', Buffer.from('x')));
    expect(result).toMatchObject({ isSame: true, patch: undefined });
  });
});
