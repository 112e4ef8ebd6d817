/**
 * A session as a person reads it.
 */

import type { ServerState, SessionInfo, VolumeInfo } from '../control/protocol.ts';
import type { SweepStatus } from '../control/promise-protocol.ts';
import { count, formatSize, formatTable, formatTime } from './text.ts';

const STATE_WORDS: Record<ServerState, string> = {
  starting: 'starting',
  active: 'active',
  idle: 'idle',
  hibernated: 'hibernated',
  recovering: 'recovering',
  maintenance: 'maintenance',
  stopping: 'stopping',
  unmounted: 'not mounted',
  detached: 'not mounted',
  down: 'down',
};

const MOUNTED: ReadonlySet<ServerState> = new Set([
  'active',
  'idle',
  'hibernated',
  'recovering',
  'maintenance',
]);

/** Whether its files can be reached on its mount, if need be after a moment. */
export const isMounted = ({ server }: SessionInfo): boolean => MOUNTED.has(server.state);

/** Where it is, in a word or two. */
export function describeState(session: SessionInfo): string {
  if (session.state === 'ended') return 'ended';
  return STATE_WORDS[session.server.state];
}

export function formatSessions(sessions: readonly SessionInfo[]): string {
  return formatTable([
    ['SESSION', 'NAME', 'STATE', 'OWNER', 'CREATED', 'MOUNT'],
    ...sessions.map((session) => [
      session.id,
      session.name ?? '-',
      describeState(session),
      `${session.uid}:${session.gid}`,
      formatTime(session.created),
      session.mountPoint,
    ]),
  ]);
}

/** @param details.tier Of its files, as its volume has it; undefined: nobody asked it. */
export function formatSession(
  session: SessionInfo,
  { volume, tier }: { volume?: VolumeInfo | undefined; tier?: string | undefined },
): string {
  const { options, server } = session;
  const flags = [
    options.allowOther ? 'allow-other' : '',
    options.dev ? 'dev' : '',
    options.suid ? 'suid' : '',
    options.listVersions ? 'list-versions' : '',
    options.driver === 'kernel' ? '' : options.driver,
  ].filter((flag) => flag !== '');
  const rows = [
    ['session', session.id],
    ['name', session.name ?? '-'],
    ['state', describeState(session)],
    ['owner', `${session.uid}:${session.gid}`],
    ['created', formatTime(session.created)],
    ...(session.ended === undefined ? [] : [['ended', formatTime(session.ended)]]),
    ...tierRows(session, tier),
    ['mount', session.mountPoint],
    ['options', flags.length === 0 ? '-' : flags.join(', ')],
    ['server', server.pid === undefined ? '-' : `pid ${server.pid}`],
    ['restarts', `${server.restarts}, hibernations ${server.hibernations}`],
    ...(server.problem === undefined ? [] : [['problem', server.problem]]),
    ...(session.sweep === undefined ? [] : sweepRows(session.sweep)),
    ...(volume === undefined ? [] : volumeRows(volume)),
  ];
  return formatTable(rows);
}

/** What was chosen at its creation may have been changed since. */
function tierRows(session: SessionInfo, tier: string | undefined): string[][] {
  if (tier !== undefined) return [['tier', tier]];
  return session.tier === undefined ? [] : [['tier', `${session.tier}, when it was created`]];
}

function sweepRows({ last, nextDue, refusal, problem, ...removed }: SweepStatus): string[][] {
  const { versions, liveFiles, bytes } = removed;
  const what = `${count(versions, 'version')}, ${count(liveFiles, 'live file')}, ${formatSize(bytes)}`;
  return [
    ['last sweep', last === undefined ? '-' : `${formatTime(last)}, removed ${what}`],
    ...(nextDue === null ? [] : [['next due', formatTime(nextDue)]]),
    ...(refusal === undefined ? [] : [['sweep refused', refusal]]),
    ...(problem === undefined ? [] : [['sweep failed', problem]]),
  ];
}

function volumeRows(volume: VolumeInfo): string[][] {
  return [
    ['revision', `r${volume.revision} at ${formatTime(volume.time)}`],
    ['on disk', `r${volume.durableRevision} at ${formatTime(volume.durableTime)}`],
    ['earliest', `r${volume.earliest} at ${formatTime(volume.earliestTime)}`],
    ['inodes', String(volume.inodes)],
    ['versions', String(volume.versions)],
    ['live', formatSize(volume.liveBytes)],
    ['history', formatSize(volume.historyBytes)],
    ['log', formatSize(volume.logBytes)],
    ['memory', formatSize(volume.rssBytes)],
    ...(volume.readOnly === undefined ? [] : [['read-only', volume.readOnly]]),
  ];
}
