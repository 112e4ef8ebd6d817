/**
 * Names: bytes inside, text at the edges, nothing lost on the way in.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isUtf8Name, nameFromText, nameToText, splitPath } from '../../src/shared/names.ts';

const texts = fc.string({ unit: 'grapheme', maxLength: 60 });
const byteNames = fc.uint8Array({ maxLength: 80 }).map((b) => Buffer.from(b).toString('latin1'));

describe('nameFromText', () => {
  test('has one char for each byte of the UTF-8', () => {
    expect(nameFromText('é')).toBe('\u00c3\u00a9');
    fc.assert(
      fc.property(texts, (text) => {
        const name = nameFromText(text);
        expect(Buffer.from(name, 'latin1').equals(Buffer.from(text, 'utf8'))).toBe(true);
      }),
    );
  });

  test('is undone by nameToText', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(nameToText(nameFromText(text))).toBe(text);
      }),
    );
  });
});

describe('isUtf8Name', () => {
  test('is true exactly when nothing of the bytes is lost in text', () => {
    fc.assert(
      fc.property(byteNames, (name) => {
        const bytes = Buffer.from(name, 'latin1');
        let isValid = true;
        try {
          new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
        } catch {
          isValid = false;
        }
        expect(isUtf8Name(name)).toBe(isValid);
      }),
    );
    expect(isUtf8Name('\u00ff')).toBe(false);
    expect(isUtf8Name('\u00ef\u00bf\u00bd')).toBe(true);
  });
});

describe('splitPath', () => {
  test('gives the components, without empty ones and dots', () => {
    expect(splitPath('/a//b/./c/')).toEqual(['a', 'b', 'c']);
    expect(splitPath('')).toEqual([]);
    expect(splitPath('/')).toEqual([]);
    expect(splitPath('a/../b')).toEqual(['a', '..', 'b']);
    expect(splitPath('.../..a/.b')).toEqual(['...', '..a', '.b']);
  });
});
