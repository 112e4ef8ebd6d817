/**
 * What is measured, by name: the list that the README documents.
 *
 * Rule: names never change their meaning; units are seconds and bytes. A session is told apart by its
 * id, which is never used again.
 */

import type { ProcessMetrics, SessionInfo, VolumeMetrics } from '../control/protocol.ts';
import { LATENCY_BOUNDS } from '../fuse/message-stats.ts';
import type { HistogramSample, Labels, MetricFamily, Sample } from './metrics-text.ts';
import { isFailing } from './survey.ts';
import type { Survey, SurveyedSession } from './survey.ts';

type Type = 'counter' | 'gauge';

export function listFamilies(survey: Survey): MetricFamily[] {
  return [
    ...daemonFamilies(survey),
    ...sessionFamilies(survey.sessions),
    ...volumeFamilies(survey.sessions),
    ...requestFamilies(survey.sessions),
    ...processFamilies(survey),
  ];
}

function daemonFamilies({ status, space }: Survey): MetricFamily[] {
  const states = new Map<string, number>();
  for (const { server } of status.sessions) {
    states.set(server.state, (states.get(server.state) ?? 0) + 1);
  }
  return [
    simple('gauge', 'sessfs_build_info', 'The version of the daemon; always 1', [
      { labels: { version: status.version, node: process.versions.node }, value: 1 },
    ]),
    simple(
      'gauge',
      'sessfs_sessions',
      'Sessions, by how they are served',
      [...states].map(([state, value]) => ({ labels: { state }, value })),
    ),
    simple('gauge', 'sessfs_store_size_bytes', 'Size of the disk of the store', [
      { labels: {}, value: space.blocks * space.blockBytes },
    ]),
    simple(
      'gauge',
      'sessfs_store_available_bytes',
      'What is left on that disk for content: without what is kept back',
      [{ labels: {}, value: space.availableBlocks * space.blockBytes }],
    ),
  ];
}

function sessionFamilies(sessions: readonly SurveyedSession[]): MetricFamily[] {
  const each = (valueOf: (surveyed: SurveyedSession) => number | undefined): Sample[] =>
    sessions.flatMap((surveyed) => {
      const value = valueOf(surveyed);
      return value === undefined ? [] : [{ labels: labelsOf(surveyed.session), value }];
    });
  return [
    simple(
      'gauge',
      'sessfs_session_info',
      'The name of a session, and how it is served; always 1',
      sessions.map(({ session }) => ({
        labels: {
          ...labelsOf(session),
          name: session.name ?? '',
          state: session.server.state,
          driver: session.options.driver,
        },
        value: 1,
      })),
    ),
    simple(
      'gauge',
      'sessfs_up',
      'Whether the server of a session answers; none for a session that needs no server now',
      each(({ session, volume, isSilent }) => {
        if (volume !== undefined) return 1;
        return isSilent || isFailing(session) ? 0 : undefined;
      }),
    ),
    simple(
      'counter',
      'sessfs_restarts_total',
      'Volume servers that died',
      each(({ session }) => session.server.restarts),
    ),
    simple(
      'counter',
      'sessfs_hibernations_total',
      'How often the server of an idle session was stopped',
      each(({ session }) => session.server.hibernations),
    ),
    simple(
      'counter',
      'sessfs_wakeups_total',
      'How often a session was woken by a request',
      each(({ session }) => session.server.wakeups),
    ),
    simple(
      'gauge',
      'sessfs_sweep_last_success_time_seconds',
      'When the last sweep of a session came to its end; none before the first since the daemon started',
      each(({ session: { sweep } }) =>
        sweep?.last === undefined ? undefined : Date.parse(sweep.last) / 1000,
      ),
    ),
    simple(
      'gauge',
      'sessfs_sweep_refused',
      '1 if the last sweep removed nothing until somebody confirms it',
      each(({ session: { sweep } }) =>
        sweep === undefined ? undefined : Number(sweep.refusal !== undefined),
      ),
    ),
    simple(
      'counter',
      'sessfs_sweep_removed_versions_total',
      'Versions that sweeps have removed since the daemon started',
      each(({ session }) => session.sweep?.removedVersions),
    ),
  ];
}

function volumeFamilies(sessions: readonly SurveyedSession[]): MetricFamily[] {
  const gauge = (
    name: string,
    help: string,
    valueOf: (volume: VolumeMetrics) => number,
  ): MetricFamily =>
    simple(
      'gauge',
      name,
      help,
      sessions.flatMap(({ session, volume }) =>
        volume === undefined ? [] : [{ labels: labelsOf(session), value: valueOf(volume) }],
      ),
    );
  const cache = (what: 'hits' | 'misses'): Sample[] =>
    sessions.flatMap(({ session, volume }) =>
      Object.entries(volume?.cache ?? {}).map(([name, { lookups, misses }]) => ({
        labels: { ...labelsOf(session), cache: name },
        value: what === 'hits' ? lookups - misses : misses,
      })),
    );
  return [
    gauge('sessfs_revision', 'The last change', (volume) => volume.revision),
    gauge(
      'sessfs_durable_revision',
      'The last change that is on disk',
      (volume) => volume.durableRevision,
    ),
    gauge(
      'sessfs_sync_lag_seconds',
      'How long the oldest change that is not on disk has not been; 0 if all are',
      (volume) => volume.syncLagSeconds,
    ),
    gauge('sessfs_read_only', '1 if the volume cannot be written any more', (volume) =>
      volume.readOnly === undefined ? 0 : 1,
    ),
    gauge('sessfs_log_bytes', 'Size of the log', (volume) => volume.logBytes),
    gauge('sessfs_live_bytes', 'Size of all live files', (volume) => volume.liveBytes),
    gauge(
      'sessfs_history_bytes',
      'Size of what only the past holds; what is shared counts for each',
      (volume) => volume.historyBytes,
    ),
    gauge('sessfs_inodes', 'Live inodes', (volume) => volume.inodes),
    gauge('sessfs_versions', 'Versions that are kept', (volume) => volume.versions),
    simple('counter', 'sessfs_cache_hits_total', 'Look-ups that memory answered', cache('hits')),
    simple(
      'counter',
      'sessfs_cache_misses_total',
      'Look-ups that had to ask the index on disk',
      cache('misses'),
    ),
  ];
}

function requestFamilies(sessions: readonly SurveyedSession[]): MetricFamily[] {
  const operations = sessions.flatMap(({ session, volume }) =>
    Object.entries(volume?.operations ?? {}).map(([name, stats]) => ({
      labels: { ...labelsOf(session), operation: name.toLowerCase() },
      stats,
    })),
  );
  return [
    simple(
      'counter',
      'sessfs_requests_total',
      'Requests of the kernel',
      operations.map(({ labels, stats }) => ({ labels, value: stats.count })),
    ),
    {
      type: 'histogram',
      name: 'sessfs_request_duration_seconds',
      help: 'From reading a request to having answered it: of one in about 16, of every fsync',
      bounds: LATENCY_BOUNDS,
      samples: operations.flatMap(({ labels, stats }): HistogramSample[] =>
        stats.timed === 0 ? [] : [{ labels, buckets: stats.buckets, sum: stats.timedSeconds }],
      ),
    },
  ];
}

function processFamilies({ process: own, sessions }: Survey): MetricFamily[] {
  const processes: { labels: Labels; metrics: ProcessMetrics }[] = [
    { labels: { process: 'supervisor' }, metrics: own },
    ...sessions.flatMap(({ session, volume }) =>
      volume === undefined
        ? []
        : [{ labels: { process: 'volume', ...labelsOf(session) }, metrics: volume.process }],
    ),
  ];
  const family = (
    type: Type,
    name: string,
    help: string,
    valueOf: (metrics: ProcessMetrics) => number,
  ): MetricFamily =>
    simple(
      type,
      `sessfs_process_${name}`,
      help,
      processes.map(({ labels, metrics }) => ({ labels, value: valueOf(metrics) })),
    );
  return [
    family('gauge', 'start_time_seconds', 'When it started', (each) => each.startTimeSeconds),
    family('gauge', 'resident_memory_bytes', 'Memory in use', (each) => each.rssBytes),
    family('counter', 'cpu_seconds_total', 'CPU time used', (each) => each.cpuSeconds),
    family('gauge', 'open_descriptors', 'Open descriptors', (each) => each.openDescriptors),
    family(
      'gauge',
      'event_loop_delay_seconds',
      'How late its timers are right now',
      (each) => each.loopDelaySeconds,
    ),
    family(
      'counter',
      'event_loop_active_seconds_total',
      'How long its event loop has worked; spinning for the next request included',
      (each) => each.loopActiveSeconds,
    ),
    family(
      'counter',
      'event_loop_idle_seconds_total',
      'How long its event loop has slept',
      (each) => each.loopIdleSeconds,
    ),
  ];
}

function simple(type: Type, name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { type, name, help, samples };
}

function labelsOf(session: SessionInfo): Labels {
  return { session: session.id };
}
