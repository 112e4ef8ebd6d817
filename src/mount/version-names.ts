/**
 * The names inside `.versions`: what a version's file is called, and how a user's name is told from ours.
 *
 * Rule: names are bytes (latin1); an extension keeps its bytes, so that tools treat a version as its file.
 */

import type { Name } from '../shared/brands.ts';
import { NAME_MAX_BYTES } from '../shared/names.ts';
import { timeToCompact } from '../shared/time.ts';
import type { Version } from '../history/store.ts';

export const VERSIONS_NAME = '.versions' as Name;
export const STATUS_NAME = '.status.json' as Name;
export const INDEX_NAME = 'index.json' as Name;
export const LATEST_NAME = 'latest' as Name;
export const PREVIOUS_NAME = 'previous' as Name;
export const INCOMPLETE_NAME = '.incomplete' as Name;

/** Longer than this it is no extension but part of a name; the name of a version must fit 255 bytes. */
const MAX_EXTENSION_BYTES = 32;
const REVISION_DIGITS = 8;

/** The last extension with its dot: ".gz" of "a.tar.gz"; "" of "Makefile", ".bashrc" and "a.". */
export function extensionOf(name: string): string {
  const bare = name.replace(/^\.+/, '');
  const dot = bare.lastIndexOf('.');
  if (dot <= 0 || dot === bare.length - 1) return '';
  const extension = bare.slice(dot);
  return extension.length > MAX_EXTENSION_BYTES ? '' : extension;
}

/** "r00000042-20261122T101502Z.md": in byte order as long as revisions have up to 8 digits. */
export function versionName(file: Name, version: Pick<Version, 'revision' | 'time'>): Name {
  const revision = String(version.revision).padStart(REVISION_DIGITS, '0');
  return `r${revision}-${timeToCompact(version.time)}${extensionOf(file)}` as Name;
}

/** The revision in what may be a version's name; compare with versionName to be sure. */
export function revisionInName(name: string): number | undefined {
  const match = /^r(\d{8,15})-/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/**
 * What a user's name is listed as: "@x" is "@@x", because "@…" is a moment.
 *
 * @returns undefined if that would be longer than a name may be: reached through a moment only.
 */
export function escapeName(name: Name): Name | undefined {
  if (!name.startsWith('@')) return name;
  return name.length < NAME_MAX_BYTES ? (`@${name}` as Name) : undefined;
}

/** A name looked up in a list of past names: the user's name, or the text of a moment. */
export function unescapeName(
  name: Name,
): { readonly name: Name; readonly moment?: undefined } | { readonly moment: string } {
  if (!name.startsWith('@')) return { name };
  return name.startsWith('@@') ? { name: name.slice(1) as Name } : { moment: name.slice(1) };
}
