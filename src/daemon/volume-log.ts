/**
 * The log of a path: the versions of a file, or those of every file that ever was in a directory.
 */

import type { ActorInfo, LogReply, VersionInfo } from '../control/protocol.ts';
import type { Actor, DirectoryLineage, History, Version } from '../history/store.ts';
import type { Name } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { nameToText } from '../shared/names.ts';
import { timeToIso } from '../shared/time.ts';
import { findDirectory, findHistoryOf, pathText } from './volume-paths.ts';

/** @param limit How many of the newest versions. */
export async function readLog(
  history: History,
  path: readonly Name[],
  limit: number,
): Promise<LogReply> {
  const found = await findHistoryOf(history, path);
  if (found !== undefined) {
    const versions = found.versions.map((version) => encodeVersion(path, version));
    const { removed } = found;
    return {
      text: pathText(path),
      kind: 'file',
      versions: versions.slice(-limit),
      removed:
        removed === undefined
          ? undefined
          : {
              revision: removed.revision,
              time: timeToIso(removed.time),
              actor: encodeActor(removed.actor),
            },
      truncated: versions.length > limit,
    };
  }
  const dir = await findDirectory(history, path);
  if (dir === undefined) {
    throw new SessfsError(
      'PATH_UNKNOWN',
      `Cannot find "${pathText(path)}": nothing of that name is known here`,
      { hint: 'Paths begin at the root of the session; names in other case are other names' },
    );
  }
  const versions: VersionInfo[] = [];
  await collect(history, dir, path, versions);
  versions.sort((a, b) => a.revision - b.revision);
  return {
    text: pathText(path),
    kind: 'directory',
    versions: versions.slice(-limit),
    removed: undefined,
    truncated: versions.length > limit,
  };
}

async function collect(
  history: History,
  dir: DirectoryLineage,
  path: readonly Name[],
  into: VersionInfo[],
): Promise<void> {
  for (const past of await history.listPastNames(dir)) {
    const below = [...path, past.name];
    if (past.wasFile) {
      const found = await history.findFileHistory(dir, past.name);
      for (const version of found?.versions ?? []) into.push(encodeVersion(below, version));
    }
    if (past.wasDirectory) {
      const child = await history.findChildLineage(dir, past.name);
      if (child !== undefined) await collect(history, child, below, into);
    }
  }
}

function encodeVersion(path: readonly Name[], version: Version): VersionInfo {
  return {
    path: path.join('/'),
    text: nameToText(path.join('/')),
    revision: version.revision,
    time: timeToIso(version.time),
    size: version.size,
    mode: (version.mode & 0o7777).toString(8).padStart(4, '0'),
    uid: version.uid,
    gid: version.gid,
    mtime: timeToIso(version.mtime),
    actor: encodeActor(version.actor),
    cause: version.cause,
  };
}

export function encodeActor({ uid, gid, pid, command, label }: Actor): ActorInfo {
  return { uid, gid, pid, command, label };
}
