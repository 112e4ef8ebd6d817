/**
 * The patterns of rules: globs on the paths of files, much as in .gitignore.
 *
 * Rules:
 * - A pattern without a slash is about a name at any depth; with a slash in front or inside it begins
 *   at the volume's root.
 * - A pattern names files. One that ends in a slash or in a slash and two stars names the directory in
 *   front of it, and means all that is below that, at any depth.
 * - Dot files match. "?" and brackets stand for one byte.
 */

import picomatch from 'picomatch';

import { nameFromText } from '../shared/names.ts';

/** A compiled pattern: the parts of it that are there must all match. */
export interface Pattern {
  /** As it is in the configuration. */
  readonly text: string;
  /** Which directories it is about, as paths from the root without a slash in front; "" is the root. */
  readonly appliesTo: (directory: string) => boolean;
  /** Which names in such a directory; undefined: all. */
  readonly name: RegExp | undefined;
  /** Which paths; only of a pattern whose last slash is inside braces, which has no name of its own. */
  readonly path: RegExp | undefined;
}

/** Longer ones are not written by people, and take long to match. */
const PATTERN_MAX_CHARS = 1024;

const OPTIONS = {
  dot: true,
  nonegate: true,
  strictBrackets: true,
  windows: false,
  // A name may have a newline: the dot in a regular expression must match it.
  flags: 's',
  // Without it, what is no regular expression becomes one that never matches.
  debug: true,
} as const;

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')' };
const OPENING: Readonly<Record<string, string>> = { '}': '{', ')': '(' };

const isEverywhere = (): boolean => true;

/** What is wrong with a pattern, to follow "it"; undefined: nothing. */
export function findPatternProblem(text: string): string | undefined {
  if (text === '') return 'is empty';
  if (text.length > PATTERN_MAX_CHARS) return `is longer than ${PATTERN_MAX_CHARS} characters`;
  if (text.includes('\0')) return 'has a NUL';
  if (/^!(?!\()/.test(text)) {
    return 'cannot be negated: put a rule for the exception in front of it';
  }
  const parts = text.split('/');
  if (parts.includes('..') || parts.includes('.')) {
    return 'has a component "." or "..": a pattern is about a path from the volume\'s root';
  }
  if (text.includes('//')) return 'has an empty component';
  const { problem } = scan(text);
  if (problem !== undefined) return problem;
  try {
    compilePattern(text);
  } catch (error) {
    return `is no pattern: ${error instanceof Error ? error.message : String(error)}`;
  }
  return undefined;
}

/**
 * Compiles a pattern without a problem.
 *
 * @param text UTF-8; what it compiles to matches names as they are inside, as strings of bytes.
 * @throws {Error} If picomatch cannot read it.
 */
export function compilePattern(text: string): Pattern {
  const bytes: string = nameFromText(text);
  const isDirectory = bytes.endsWith('/') || bytes.endsWith('/**');
  const whole = isDirectory ? bytes.slice(0, bytes.lastIndexOf('/')) : bytes;
  const isAnchored = whole.includes('/') || (isDirectory && whole === '');
  const body = whole.startsWith('/') ? whole.slice(1) : whole;
  if (isDirectory) {
    return { text, appliesTo: matchDirectory(body, isAnchored), name: undefined, path: undefined };
  }
  if (!isAnchored) return { text, appliesTo: isEverywhere, name: compile(body), path: undefined };
  const { lastSlash, hasInnerSlash } = scan(body);
  const name = body.slice(lastSlash + 1);
  if (hasInnerSlash || name.includes('**')) {
    return { text, appliesTo: isEverywhere, name: undefined, path: compile(body) };
  }
  if (lastSlash === -1) {
    return { text, appliesTo: (dir) => dir === '', name: compile(name), path: undefined };
  }
  const appliesTo = matchAnyFileIn(body.slice(0, lastSlash));
  return { text, appliesTo, name: compile(name), path: undefined };
}

function matchDirectory(body: string, isAnchored: boolean): Pattern['appliesTo'] {
  if (body === '') return isEverywhere;
  if (isAnchored) return matchAnyFileIn(`${body}/**`);
  const component = compile(body);
  return (directory) => directory.split('/').some((part) => part !== '' && component.test(part));
}

/**
 * Asks about a file in the directory, not about the directory: in picomatch 4.0 "a/**" matches "a", but
 * "*" and two stars behind a slash does not.
 */
function matchAnyFileIn(glob: string): Pattern['appliesTo'] {
  const files = compile(`${glob}/*`);
  return (directory) => files.test(directory === '' ? 'x' : `${directory}/x`);
}

function compile(glob: string): RegExp {
  return picomatch.makeRe(glob, OPTIONS);
}

interface Scan {
  readonly problem: string | undefined;
  /** The last slash outside of brackets and braces; -1: there is none. */
  readonly lastSlash: number;
  /** A slash inside of brackets or braces. */
  readonly hasInnerSlash: boolean;
}

function scan(text: string): Scan {
  const open: string[] = [];
  let lastSlash = -1;
  let hasInnerSlash = false;
  const fail = (problem: string): Scan => ({ problem, lastSlash, hasInnerSlash });
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '\\') {
      at += 1;
      if (at === text.length) return fail('ends in a backslash');
    } else if (char === '[') {
      const end = endOfBrackets(text, at);
      if (end === -1) return fail('has "[" without "]"');
      const set = text.slice(at, end);
      if (/[^\0-\x7f]/.test(set)) {
        return fail('has more than ASCII in brackets, which stand for one byte: use {ä,ö}');
      }
      if (set.includes('/')) hasInnerSlash = true;
      at = end;
    } else if (char in CLOSING) {
      open.push(char);
    } else if (char in OPENING) {
      if (open.pop() !== OPENING[char]) return fail(`has "${char}" without "${OPENING[char]}"`);
    } else if (char === ']') {
      return fail('has "]" without "["');
    } else if (char === '/') {
      if (open.length > 0) hasInnerSlash = true;
      else lastSlash = at;
    }
  }
  const left = open.at(-1);
  return left === undefined
    ? { problem: undefined, lastSlash, hasInnerSlash }
    : fail(`has "${left}" without "${CLOSING[left]}"`);
}

/** A bracket that closes right after the opening one, or after its negation, is a member of the set. */
function endOfBrackets(text: string, start: number): number {
  let at = start + 1;
  if (text.charAt(at) === '!' || text.charAt(at) === '^') at += 1;
  if (text.charAt(at) === ']') at += 1;
  for (; at < text.length; at += 1) {
    if (text.charAt(at) === '\\') at += 1;
    else if (text.charAt(at) === ']') return at;
  }
  return -1;
}
