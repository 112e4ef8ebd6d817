/**
 * `index.json`: the versions of one file as data.
 *
 * Rule: its size is known without its hashes. A SHA-256 always has 64 digits, so the text is laid out
 * with blanks for them, and a version whose content is gone ("sha256": null) is made up for by spaces
 * before the last line's end, which JSON allows. Looking at a directory of versions therefore never
 * hashes anything; reading its index.json does.
 */

import { createHash } from 'node:crypto';
import type { Actor, FileHistory, Version } from '../history/store.ts';
import type { Name } from '../shared/brands.ts';
import { isUtf8Name, nameToText } from '../shared/names.ts';
import { timeFromMs, timeToIso } from '../shared/time.ts';
import { versionName } from './version-names.ts';
import { lineageOf } from './versions-past.ts';
import type { KeptVersion } from './versions-past.ts';

/** What is known of a file's index before any content was hashed. */
export interface IndexLayout {
  readonly text: string;
  readonly sizeBytes: number;
  /** Tells this text from that of every other state of the history. */
  readonly digest: string;
}

/** Stands where a hash will be: as long as one, and in no text that JSON.stringify lays out. */
const BLANK_HASH = '?'.repeat(64);
const BLANK = `"sha256": "${BLANK_HASH}"`;
const NO_HASH = '"sha256": null';

/**
 * Lays out the index of a file.
 *
 * @param path From the directory of the `.versions`, the file's name last.
 * @param kept What is promised of its versions, as far as that is known.
 */
export function layOutIndex(
  path: readonly Name[],
  file: FileHistory,
  kept: readonly KeptVersion[],
): IndexLayout {
  const name = path.at(-1) ?? ('' as Name);
  const keptByVersion = new Map(kept.map((each) => [`${each.ino} ${each.revision}`, each]));
  const index = {
    ...describeName(name),
    path: nameToText(path.join('/')),
    lineage: lineageOf(file),
    versions: file.versions.map((version) =>
      describeVersion(name, version, keptByVersion.get(`${version.ino} ${version.revision}`)),
    ),
    removed: file.removed
      ? {
          revision: file.removed.revision,
          time: timeToIso(file.removed.time),
          actor: describeActor(file.removed.actor),
        }
      : null,
  };
  const text = `${JSON.stringify(index, undefined, 2)}\n`;
  const digest = createHash('sha1').update(text).digest('hex');
  return { text, sizeBytes: Buffer.byteLength(text), digest };
}

/**
 * Puts the hashes into the blanks.
 *
 * @param hashes One for each version, oldest first; undefined where the content is gone.
 * @returns layout.sizeBytes bytes.
 */
export function fillInIndex(layout: IndexLayout, hashes: readonly (string | undefined)[]): Buffer {
  const parts = layout.text.split(BLANK);
  let text = parts[0] ?? '';
  for (const [i, hash] of hashes.entries()) {
    text += (hash === undefined ? NO_HASH : `"sha256": "${hash}"`) + (parts[i + 1] ?? '');
  }
  const lacking = hashes.filter((hash) => hash === undefined).length;
  const padding = ' '.repeat(lacking * (BLANK.length - NO_HASH.length));
  return Buffer.from(`${text.slice(0, -1)}${padding}\n`);
}

/** An actor in JSON, as `index.json` and `user.sessfs.actor` show it. */
export function describeActor(actor: Actor): Record<string, unknown> {
  return {
    uid: actor.uid,
    gid: actor.gid,
    pid: actor.pid,
    command: actor.command,
    label: actor.label ?? null,
  };
}

function describeVersion(
  file: Name,
  version: Version,
  kept: KeptVersion | undefined,
): Record<string, unknown> {
  return {
    revision: version.revision,
    ...describeName(versionName(file, version)),
    time: timeToIso(version.time),
    size: version.size,
    mode: `0${(version.mode & 0o7777).toString(8).padStart(3, '0')}`,
    uid: version.uid,
    gid: version.gid,
    mtime: timeToIso(version.mtime),
    sha256: BLANK_HASH,
    actor: describeActor(version.actor),
    cause: version.cause,
    // null is for ever; a version is never kept without a reason.
    keptUntil: kept === undefined ? null : untilToIso(kept.keptUntilMs),
    why: kept?.why ?? null,
  };
}

const untilToIso = (ms: number): string | null =>
  Number.isFinite(ms) ? timeToIso(timeFromMs(ms)) : null;

/** A name in JSON; its bytes besides where they are not UTF-8. */
function describeName(name: Name): { name: string; nameBytes?: string } {
  const text = nameToText(name);
  if (isUtf8Name(name)) return { name: text };
  return { name: text, nameBytes: Buffer.from(name, 'latin1').toString('hex') };
}
