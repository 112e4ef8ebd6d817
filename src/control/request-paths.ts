/**
 * Where requests about a session go: its daemon answers some itself, and passes on those to its volume.
 */

/** @param session An id or a name. */
export function sessionPath(session: string): string {
  return `/v1/sessions/${encodeURIComponent(session)}`;
}

/** What is below it is answered by the session's volume server. */
export function volumePath(session: string): string {
  return `${sessionPath(session)}/volume`;
}
