/**
 * What a command is about: a path on a mount, or SESSION:path, perhaps with @VERSION behind it.
 *
 * Rule: a path on a mount of ours is never touched; its session is found in the table of mounts. Only
 * what lies outside is looked at, to follow symlinks that lead in.
 */

import { readlinkSync } from 'node:fs';
import { posix } from 'node:path';

import { ControlClient } from '../control/client.ts';
import { findSessionMount, readMountTable } from '../control/session-mounts.ts';
import type { MountEntry } from '../control/session-mounts.ts';
import { findStoreRoot, storeLayout } from '../daemon/store-layout.ts';
import { parseVersionSpec } from '../history/version-spec.ts';
import { SessfsError } from '../shared/errors.ts';
import { nameFromText, nameToText } from '../shared/names.ts';
import { SystemClock } from '../shared/time.ts';
import { bytesOfArgument } from './raw-arguments.ts';

/** As many symlinks as Linux follows before ELOOP. */
const SYMLINKS_MAX = 40;

export interface Target {
  readonly client: ControlClient;
  readonly session: string;
  /** From the root of the session, one char per byte. */
  readonly path: string;
  readonly at: string | undefined;
}

export interface TargetOptions {
  readonly root?: string;
  /** Split off a version; without it an "@" is part of the name. */
  readonly withVersion?: boolean;
}

/** @throws {SessfsError} NOT_IN_SESSION, PATH_UNKNOWN, USAGE */
export function parseTarget(argument: string, options: TargetOptions = {}): Target {
  const bytes = bytesOfArgument(argument);
  const { path, at } =
    options.withVersion === true ? splitVersion(bytes) : { path: bytes, at: undefined };
  if (path === '') {
    throw new SessfsError('USAGE', `Cannot use "${argument}": there is no path before the "@"`);
  }
  const named = /^([A-Za-z0-9][A-Za-z0-9._-]*):(.*)$/s.exec(path);
  if (named !== null) {
    const client = new ControlClient(storeLayout(findStoreRoot(options.root)).controlSocket);
    return { client, session: named[1] ?? '', path: assertLive(named[2] ?? ''), at };
  }
  const found = findOnMount(path);
  const root = options.root ?? nameToText(found.root);
  const client = new ControlClient(storeLayout(findStoreRoot(root)).controlSocket);
  return { client, session: found.sessionId, path: assertLive(found.inside), at };
}

/**
 * Splits PATH@VERSION at its last "@", if what follows can be a version or a time.
 * A name that looks like that itself is reached by naming a version behind it: `me@2@latest`.
 */
export function splitVersion(bytes: string): { path: string; at: string | undefined } {
  const last = bytes.lastIndexOf('@');
  if (last < 0 || bytes.indexOf('/', last) >= 0) return { path: bytes, at: undefined };
  const spec = nameToText(bytes.slice(last + 1));
  const parsed = parseVersionSpec(spec, new SystemClock().now());
  if (parsed === undefined) return { path: bytes, at: undefined };
  // "@@r42" is the moment r42, as inside .versions.
  if (bytes[last - 1] === '@') return { path: bytes.slice(0, last - 1), at: `@${spec}` };
  return { path: bytes.slice(0, last), at: spec };
}

/** Finds the session that a path is on. */
function findOnMount(path: string): { sessionId: string; root: string; inside: string } {
  const table = readMountTable();
  const absolute = posix.resolve(nameFromText(process.cwd()), path);
  const direct = findInside(absolute, table);
  if (direct !== undefined) return direct;
  const followed = followSymlinks(absolute, table);
  const found = followed === undefined ? undefined : findInside(followed, table);
  if (found !== undefined) return found;
  throw new SessfsError(
    'NOT_IN_SESSION',
    `Cannot find the session of "${nameToText(path)}": it is not on a mount of sessfs`,
    { hint: 'Name a path on a mount, or SESSION:path; "sessfs list" shows both' },
  );
}

function findInside(
  absolute: string,
  table: readonly MountEntry[],
): { sessionId: string; root: string; inside: string } | undefined {
  const mount = findSessionMount(absolute, table);
  if (mount === undefined) return undefined;
  const inside = absolute.slice(mount.mountPoint.length).replace(/^\/+/, '');
  return { sessionId: mount.sessionId, root: mount.root, inside };
}

/** Follows symlinks up to where a mount of ours begins; undefined if there are too many. */
function followSymlinks(absolute: string, table: readonly MountEntry[]): string | undefined {
  let left = SYMLINKS_MAX;
  let done = '/';
  const todo = componentsOf(absolute);
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    const next = posix.resolve(done, part);
    if (findSessionMount(next, table) !== undefined) return posix.join(next, ...todo);
    const target = findLinkTarget(next);
    if (target === undefined) {
      done = next;
      continue;
    }
    left -= 1;
    if (left < 0) return undefined;
    todo.unshift(...componentsOf(posix.resolve(done, target)));
    done = '/';
  }
  return done;
}

function componentsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function findLinkTarget(path: string): string | undefined {
  try {
    return readlinkSync(Buffer.from(path, 'latin1'), 'latin1');
  } catch {
    // Not a symlink, or not there: then it leads nowhere else.
    return undefined;
  }
}

function assertLive(path: string): string {
  if (!path.split('/').includes('.versions')) return path;
  throw new SessfsError(
    'PATH_UNKNOWN',
    `Cannot use "${nameToText(path)}": it is inside .versions`,
    {
      hint: 'Name the file itself and its version, as in notes.md@r42 or src@10m',
    },
  );
}
