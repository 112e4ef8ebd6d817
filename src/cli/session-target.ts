/**
 * Which session a command is about: named by itself, by a path on its mount, or by where the caller is.
 */

import type { ControlClient } from '../control/client.ts';
import type { SessionInfo } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { openClient } from './context.ts';
import type { CommonOptions } from './context.ts';
import { parseTarget } from './target.ts';
import type { Target } from './target.ts';

const SESSION = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * Finds what SESSION|PATH means: a word without a slash may be a session, and is a path otherwise.
 *
 * @param what undefined: the session of the working directory, as a whole.
 * @throws {SessfsError} SESSION_UNKNOWN, NOT_IN_SESSION, DAEMON_UNREACHABLE, PATH_UNKNOWN, USAGE
 */
export async function findTarget(
  what: string | undefined,
  options: CommonOptions,
): Promise<Target> {
  if (what === undefined) return findHere(options);
  if (!SESSION.test(what)) return parseTarget(what, options);
  const client = openClient(options);
  try {
    const session = await client.getSession(what);
    return { client, session: session.id, path: '', at: undefined };
  } catch (error) {
    return findPath(what, options, error);
  }
}

/**
 * Finds a session only: of a path, the session that it is in.
 *
 * A word that names nothing there is more likely a session that is misspelt: what is meant for that one must
 * not happen to the one that the caller is in.
 */
export async function findSession(
  what: string | undefined,
  options: CommonOptions,
): Promise<{ client: ControlClient; session: SessionInfo }> {
  const { client, session, path } = await findTarget(what, options);
  if (path !== '') await assertThere(client, { what, session, path });
  return { client, session: await client.getSession(session) };
}

async function assertThere(
  client: ControlClient,
  { what = '', session, path }: { what: string | undefined; session: string; path: string },
): Promise<void> {
  try {
    await client.node(session, { path });
  } catch (error) {
    if (!SESSION.test(what) || !hasCode(error, 'PATH_UNKNOWN')) throw error;
    throw new SessfsError(
      'SESSION_UNKNOWN',
      `Cannot find session "${what}": no session and no file here is called that`,
      { hint: 'List the sessions with "sessfs list"', cause: error },
    );
  }
}

/** How a person calls a session. */
export const titleOf = ({ id, name }: Pick<SessionInfo, 'id' | 'name'>): string => name ?? id;

function findHere(options: CommonOptions): Target {
  try {
    return { ...parseTarget('.', options), path: '' };
  } catch (error) {
    if (!hasCode(error, 'NOT_IN_SESSION')) throw error;
    throw new SessfsError(
      'NOT_IN_SESSION',
      'Cannot find the session: the working directory is not on a mount of sessfs',
      { hint: 'Name the session, or go to its mount; "sessfs list" shows both', cause: error },
    );
  }
}

/** @param asSession Why it is no session: that is what counts if it is no path either. */
function findPath(what: string, options: CommonOptions, asSession: unknown): Target {
  if (!hasCode(asSession, 'SESSION_UNKNOWN') && !hasCode(asSession, 'DAEMON_UNREACHABLE')) {
    throw asSession;
  }
  try {
    // Its mount may be of another store, whose daemon does answer.
    return parseTarget(what, options);
  } catch {
    throw asSession;
  }
}

const hasCode = (error: unknown, code: ErrorCode): boolean =>
  error instanceof SessfsError && error.code === code;
