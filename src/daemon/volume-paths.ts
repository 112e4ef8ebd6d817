/**
 * From what a person writes to what the history knows: paths, versions, moments.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { Name, Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { nameToText, NAME_MAX_BYTES, splitPath } from '../shared/names.ts';
import { timeToIso } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { findMoment, parseMomentSpec } from '../history/moment-spec.ts';
import type { MomentSpec } from '../history/moment-spec.ts';
import type { DirectoryLineage, FileHistory, History, Node } from '../history/store.ts';
import { orderVersions, parseVersionSpec, resolveVersion } from '../history/version-spec.ts';
import type { VersionSpec } from '../history/version-spec.ts';

/** Where what a person names is looked up. */
export interface PathSource {
  readonly history: History;
  readonly findCheckpoint: (name: string) => Revision | undefined;
}

/** Something in the volume at one moment. `revision` is the one to read it at. */
export interface Located {
  readonly path: readonly Name[];
  readonly node: Node;
  readonly revision: Revision;
}

/** The components of a path on the wire. */
export function parsePath(path: string): Name[] {
  const names = splitPath(path);
  for (const name of names) {
    if (name === '..' || name.includes('\0')) {
      throw new SessfsError('USAGE', `Cannot use path "${nameToText(path)}": it has a ".." or NUL`);
    }
    if (name.length > NAME_MAX_BYTES) {
      throw new SessfsError(
        'PATH_UNKNOWN',
        `Cannot use path "${nameToText(path)}": a name has ${name.length} bytes, at most ${NAME_MAX_BYTES} are possible`,
      );
    }
    if (name === '.versions') {
      throw new SessfsError(
        'PATH_UNKNOWN',
        `Cannot use path "${nameToText(path)}": it is inside .versions`,
        {
          hint: 'Name the file itself and its version, as in notes.md@r42 or notes.md@10m',
        },
      );
    }
  }
  return names;
}

export function pathText(path: readonly Name[]): string {
  return path.length === 0 ? '.' : nameToText(path.join('/'));
}

/** Every version of a path; undefined if there never was a file of that name. */
export async function findHistoryOf(
  history: History,
  path: readonly Name[],
): Promise<FileHistory | undefined> {
  const name = path.at(-1);
  if (name === undefined) return undefined;
  const dir = await findDirectory(history, path.slice(0, -1));
  if (dir === undefined) return undefined;
  const found = await history.findFileHistory(dir, name);
  if (found === undefined) return undefined;
  return { ...found, versions: orderVersions(found.versions, found.liveIno) };
}

/** The directory that is or once was at a path. */
export async function findDirectory(
  history: History,
  path: readonly Name[],
): Promise<DirectoryLineage | undefined> {
  let dir: DirectoryLineage | undefined = await history.findLineage(ROOT_INO);
  for (const name of path) {
    dir = await history.findChildLineage(dir, name);
    if (dir === undefined) return undefined;
  }
  return dir;
}

/**
 * Finds what a path was at a version or a moment.
 *
 * @param at As a person writes it; undefined is now.
 * @param options.orMoment "r42" that is no version of the file means the moment r42 (for rollback).
 * @throws {SessfsError} USAGE, PATH_UNKNOWN, VERSION_UNKNOWN, TIME_OUT_OF_RANGE
 */
export async function locate(
  source: PathSource,
  request: { path: readonly Name[]; at: string | undefined; now: Time; orMoment?: boolean },
): Promise<Located> {
  const { path, at, now } = request;
  const { history } = source;
  const latest = history.status().latest;
  if (at === undefined) {
    const node = await history.findPath(path, latest);
    if (node !== undefined) return { path, node, revision: latest };
    throw await missing(history, path);
  }
  const spec = parseVersionSpec(at, now);
  if (spec === undefined) {
    throw new SessfsError(
      'USAGE',
      `Cannot understand "${at}": it is neither a version nor a time`,
      {
        hint: 'A version is r42, ~1 or latest; a time is 2026-11-22T10:15Z, 10m or "yesterday 17:00"',
      },
    );
  }
  if (spec.kind === 'moment') return locateMoment(source, { path, at, moment: spec.moment, now });
  return locateVersion(source, { ...request, at, spec });
}

/**
 * Finds the moment of the whole session that is meant.
 *
 * @param at As a person writes it, with or without "@" before it.
 * @returns `checkpoint` is its name, if it was named by one.
 * @throws {SessfsError} USAGE, VERSION_UNKNOWN, TIME_OUT_OF_RANGE
 */
export async function findMomentOf(
  source: PathSource,
  at: string,
  now: Time,
): Promise<{ readonly revision: Revision; readonly checkpoint: string | undefined }> {
  const moment = momentOf(at.startsWith('@') ? at.slice(1) : at, now);
  const found = await findMoment(moment, source, now);
  if (found === undefined) throw momentError(source.history, at, moment);
  return {
    revision: found.revision,
    checkpoint: moment.kind === 'name' ? moment.name : undefined,
  };
}

async function locateVersion(
  source: PathSource,
  request: { path: readonly Name[]; at: string; now: Time; spec: VersionSpec; orMoment?: boolean },
): Promise<Located> {
  const { path, at, spec, now } = request;
  const { history } = source;
  const found = await findHistoryOf(history, path);
  const asMoment = (): Promise<Located> =>
    locateMoment(source, { path, at, moment: momentOf(at, now), now });
  if (found === undefined || found.versions.length === 0) {
    // A directory has no versions of its own: a revision is a moment of it.
    if (spec.kind === 'revision') return asMoment();
    const dir = await findDirectory(history, path);
    if (dir === undefined) throw await missing(history, path);
    throw new SessfsError(
      'VERSION_UNKNOWN',
      `Cannot find "${pathText(path)}@${at}": a directory has no versions`,
      {
        hint: 'Name a moment instead, as in @r42, @10m or @2026-11-22T10:15Z',
      },
    );
  }
  const version = resolveVersion(spec, found.versions);
  if (version === undefined) {
    if (request.orMoment === true && spec.kind === 'revision') return asMoment();
    throw new SessfsError(
      'VERSION_UNKNOWN',
      `Cannot find "${pathText(path)}@${at}": it has ${found.versions.length} versions, from r${found.versions[0]?.revision} to r${found.versions.at(-1)?.revision}`,
      { hint: `List them: sessfs log ${pathText(path)}` },
    );
  }
  const node = await history.findNode(version.ino, version.revision);
  if (node === undefined) throw await missing(history, path);
  return { path, node, revision: version.revision };
}

async function locateMoment(
  source: PathSource,
  request: { path: readonly Name[]; at: string; moment: MomentSpec; now: Time },
): Promise<Located> {
  const { path, at, moment, now } = request;
  const { history } = source;
  const found = await findMoment(moment, source, now);
  if (found === undefined) throw momentError(history, at, moment);
  const node = await history.findPath(path, found.revision);
  if (node !== undefined) return { path, node, revision: found.revision };
  throw await missing(history, path, `at ${at} (r${found.revision})`);
}

function momentOf(at: string, now: Time): MomentSpec {
  const moment = parseMomentSpec(at, now);
  if (moment !== undefined) return moment;
  throw new SessfsError('USAGE', `Cannot understand "${at}": it is neither a version nor a time`);
}

function momentError(history: History, at: string, moment: MomentSpec): SessfsError {
  if (moment.kind === 'name') {
    return new SessfsError(
      'VERSION_UNKNOWN',
      `Cannot find "${at}": no version, time or checkpoint is called that`,
      {
        hint: 'A version is r42, ~1 or latest; a time is 2026-11-22T10:15Z, 10m or "yesterday 17:00"',
      },
    );
  }
  const { earliest, earliestTime, latest, latestTime } = history.status();
  const range = `r${earliest} (${timeToIso(earliestTime)}) to r${latest} (${timeToIso(latestTime)})`;
  return new SessfsError(
    moment.kind === 'time' ? 'TIME_OUT_OF_RANGE' : 'VERSION_UNKNOWN',
    `Cannot find the moment "${at}": the session has ${range}`,
    { hint: 'Choose a moment in that range' },
  );
}

/** The error of a path that is not there: whether it was once, or is now, and how to get to it. */
export async function missing(
  history: History,
  path: readonly Name[],
  when = 'now',
): Promise<SessfsError> {
  const text = pathText(path);
  return new SessfsError('PATH_UNKNOWN', `Cannot find "${text}": it does not exist ${when}`, {
    hint: await hintForMissing(history, path, when),
  });
}

async function hintForMissing(
  history: History,
  path: readonly Name[],
  when: string,
): Promise<string> {
  const text = pathText(path);
  const isLive = (await history.findPath(path, history.status().latest)) !== undefined;
  if (isLive && when !== 'now') return `It is there now: sessfs log ${text} tells since when`;
  const isKnown =
    (await findHistoryOf(history, path)) !== undefined ||
    (await findDirectory(history, path)) !== undefined;
  return isKnown
    ? `It once did: sessfs log ${text}, or bring it back with sessfs undelete ${text}`
    : 'No file or directory of that name is known here; paths begin at the root of the session, and sessfs audit tells what retention has removed';
}
