/**
 * Places in JSON: what a person is told to look at.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { formatJsonPath } from '../../src/policy/json-path.ts';
import { findJsonPlace, findJsonSyntaxError } from '../../src/policy/json-place.ts';
import type { JsonPath } from '../../src/policy/json-path.ts';

const TEXT = `{
  "logLevel": "info",
  "retention": {
    "grace": "1h",
    "rules": [
      { "match": "a/**", "history": "24h" },
      {
        "match": ["b",
          "[c"], "tier": "permanent"
      }
    ]
  }
}
`;

describe('findJsonPlace', () => {
  test.each<[JsonPath, string]>([
    [[], '1:1'],
    [['logLevel'], '2:15'],
    [['retention'], '3:16'],
    [['retention', 'rules', 0], '6:7'],
    [['retention', 'rules', 0, 'history'], '6:37'],
    [['retention', 'rules', 1, 'match', 1], '9:11'],
    // What is missing: where it should be.
    [['retention', 'rules', 1, 'history'], '7:7'],
    [['retention', 'rules', 2, 'match'], '5:14'],
    [['retention', 'quota', 'live'], '3:16'],
    [['retention', 'grace', 'deeper'], '4:14'],
    [['retention', 'rules', 'length'], '5:14'],
    [['absent'], '1:1'],
  ])('finds %j at %s', (path, expected) => {
    const { line, column } = findJsonPlace(TEXT, path);
    expect(`${line}:${column}`).toBe(expected);
  });

  test('finds the last of a field that is there twice, as JSON.parse does', () => {
    const text = '{\n"a": 1,\n"a": 2}';
    expect(JSON.parse(text)).toEqual({ a: 2 });
    expect(findJsonPlace(text, ['a'])).toEqual({ line: 3, column: 6 });
  });

  test('counts lines that end in any way', () => {
    expect(findJsonPlace('{\r\n\r\n"a": 1}', ['a']).line).toBe(3);
    expect(findJsonPlace('{\r\r"a": 1}', ['a']).line).toBe(3);
  });

  test('answers for a text that is no JSON', () => {
    expect(findJsonPlace('', ['a'])).toEqual({ line: 1, column: 1 });
    expect(findJsonPlace('nonsense', ['a']).line).toBe(1);
  });
});

describe('findJsonSyntaxError', () => {
  test.each([
    ['{\n  "a": 1\n  "b": 2\n}', '3:3 a comma is missing'],
    ['{\n  "a": 1,\n}', '3:1 the name of a field is missing, in double quotes'],
    ['{\n  a: 1\n}', '2:3 what is here is no value'],
    ['{\n  "a" 1\n}', '2:7 a colon is missing'],
    ['{\n  "a": \n}', '3:1 a value is missing'],
    ['{\n  // why\n  "a": 1\n}', '2:3 JSON has no comments'],
    ['{\n  "a": "x\n}', '2:8 the string does not end on its line'],
    ['{\n  "a": [1, 2\n}', '3:1 a comma is missing'],
    ['{\n  "a": 1\n', '3:1 a closing brace is missing'],
    ['{"a": 1}\n{', '2:1 the text goes on after its end'],
    ['', '1:1 a value is missing'],
    ['\uFEFF{}', '1:1 what is here is no value'],
  ])('says of %j: %s', (text, expected) => {
    const error = findJsonSyntaxError(text);
    expect(error && `${error.line}:${error.column} ${error.reason}`).toBe(expected);
  });

  test('finds one exactly where JSON.parse does', () => {
    const parts = fc.constantFrom('{', '}', '[', ']', '"a"', ':', ',', '1', '-', '0', '.5', 'e3');
    const more = fc.constantFrom('true', 'nul', '\n', ' ', '"', '\\', '\\u12', '/*', '*/', '\t');
    const texts = fc.array(fc.oneof(parts, more), { maxLength: 8 }).map((all) => all.join(''));
    fc.assert(
      fc.property(fc.oneof(texts, fc.json(), fc.string()), (text) => {
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        const error = findJsonSyntaxError(text);
        expect(error === undefined).toBe(isJson);
        expect(error?.line ?? 1).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('formatJsonPath', () => {
  test('reads as one would write it', () => {
    expect(formatJsonPath(['retention', 'rules', 2, 'match'])).toBe('retention.rules[2].match');
    expect(formatJsonPath(['retention', 'sessions', 'my work', 'grace'])).toBe(
      'retention.sessions["my work"].grace',
    );
    expect(formatJsonPath([])).toBe('');
  });
});
