/**
 * Where in a JSON text something is, so that a person who is told of a mistake finds it.
 *
 * JSON.parse says what a text means; this says where, and agrees with it on what is JSON.
 */

import { parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node, ParseError } from 'jsonc-parser';

import type { JsonPath } from './json-path.ts';

/** Both count from 1; a column is a UTF-16 unit, as editors count. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

export interface JsonSyntaxError extends TextPlace {
  /** To follow a colon: "a comma is missing". */
  readonly reason: string;
}

const STRICT = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false };

/** By the names of the library's codes: the codes are a const enum, of which nothing is left at run time. */
const REASONS: Readonly<Record<string, string>> = {
  InvalidSymbol: 'what is here is no value',
  InvalidNumberFormat: 'the number is malformed',
  PropertyNameExpected: 'the name of a field is missing, in double quotes',
  ValueExpected: 'a value is missing',
  ColonExpected: 'a colon is missing',
  CommaExpected: 'a comma is missing',
  CloseBraceExpected: 'a closing brace is missing',
  CloseBracketExpected: 'a closing bracket is missing',
  EndOfFileExpected: 'the text goes on after its end',
  InvalidCommentToken: 'JSON has no comments',
  UnexpectedEndOfComment: 'JSON has no comments',
  UnexpectedEndOfString: 'the string does not end on its line',
  UnexpectedEndOfNumber: 'the number is malformed',
  InvalidUnicode: 'the escape is malformed',
  InvalidEscapeCharacter: 'the escape is malformed',
  InvalidCharacter: 'a control character must be escaped',
};

/**
 * Finds where a value begins in its text; of a value that is not there, its nearest parent.
 *
 * @param text JSON; of anything else the answer is its beginning.
 */
export function findJsonPlace(text: string, path: JsonPath): TextPlace {
  let node = parseTree(text, [], STRICT);
  let offset = node?.offset ?? 0;
  for (const part of path) {
    node = findChild(node, part);
    if (node === undefined) break;
    offset = node.offset;
  }
  return placeOf(text, offset);
}

/** The first thing that keeps a text from being JSON; undefined: it is JSON. */
export function findJsonSyntaxError(text: string): JsonSyntaxError | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    // Where is asked below: the message of JSON.parse changes with its engine.
  }
  const errors: ParseError[] = [];
  parseTree(text, errors, STRICT);
  const first = errors[0];
  if (first === undefined) return { ...placeOf(text, 0), reason: 'it is not JSON' };
  return {
    ...placeOf(text, first.offset),
    reason: REASONS[printParseErrorCode(first.error)] ?? 'it is not JSON',
  };
}

/** Of a field that is there twice, the last: JSON.parse takes that one. */
function findChild(node: Node | undefined, part: string | number): Node | undefined {
  const children = node?.children ?? [];
  if (typeof part === 'number') return node?.type === 'array' ? children[part] : undefined;
  if (node?.type !== 'object') return undefined;
  const property = children.findLast((child) => child.children?.[0]?.value === part);
  return property?.children?.[1];
}

function placeOf(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}
