/**
 * Names and paths: bytes inside (latin1 strings), UTF-8 only at the edges.
 */

import type { Name } from './brands.ts';

export const NAME_MAX_BYTES = 255;

/** From text (UTF-8 or with lone bytes already latin1) to the form inside. */
export function nameFromText(text: string): Name {
  return Buffer.from(text, 'utf8').toString('latin1') as Name;
}

/** For people and JSON: UTF-8; bytes that are not UTF-8 become U+FFFD. */
export function nameToText(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

/** True if the name's bytes are valid UTF-8, so that nameToText loses nothing. */
export function isUtf8Name(name: string): boolean {
  return nameFromText(nameToText(name)) === name;
}

/** The components of a path inside a volume, without empty ones and ".". */
export function splitPath(path: string): Name[] {
  return path.split('/').filter((part) => part !== '' && part !== '.') as Name[];
}
