/**
 * What is a problem, and what is not.
 */

import { describe, expect, test } from 'vitest';

import type { ServerInfo, SessionInfo, VolumeMetrics } from '../../src/control/protocol.ts';
import { judgeHealth } from '../../src/daemon/health.ts';
import type { Survey } from '../../src/daemon/survey.ts';

const PROCESS = {
  pid: 1,
  startTimeSeconds: 0,
  rssBytes: 0,
  cpuSeconds: 0,
  openDescriptors: 0,
  loopDelaySeconds: 0,
  loopActiveSeconds: 0,
  loopIdleSeconds: 0,
};

const NONE = { lookups: 0, misses: 0 };

const VOLUME: VolumeMetrics = {
  process: PROCESS,
  revision: 1,
  durableRevision: 1,
  syncLagSeconds: 0,
  readOnly: undefined,
  inodes: 1,
  liveBytes: 0,
  historyBytes: 0,
  versions: 0,
  horizon: 0,
  logBytes: 0,
  cache: { inode: NONE, name: NONE, region: NONE },
  operations: undefined,
};

function makeSession(server: Partial<ServerInfo>): SessionInfo {
  return {
    id: 'abc',
    name: undefined,
    volumeId: '0',
    uid: 0,
    gid: 0,
    state: 'active',
    created: '',
    ended: undefined,
    mountPoint: '/m',
    mounted: true,
    options: {
      allowOther: false,
      dev: false,
      suid: false,
      listVersions: false,
      driver: 'kernel',
    },
    tier: undefined,
    sweep: undefined,
    server: {
      state: 'active',
      pid: 2,
      restarts: 0,
      hibernations: 0,
      wakeups: 0,
      problem: undefined,
      ...server,
    },
  };
}

function makeSurvey(
  server: Partial<ServerInfo>,
  volume: VolumeMetrics | undefined,
  availableBlocks = 1,
): Survey {
  const session = makeSession(server);
  return {
    status: {
      pid: 1,
      version: '',
      root: '',
      started: '',
      rssBytes: 0,
      generation: 0,
      toReplace: 0,
      sessions: [session],
    },
    process: PROCESS,
    space: { blockBytes: 1, blocks: 1, freeBlocks: 1, availableBlocks },
    sessions: [
      { session, volume, isSilent: volume === undefined && session.server.pid !== undefined },
    ],
  };
}

const problemsOf = (survey: Survey): string[] =>
  judgeHealth(survey).problems.map(({ problem }) => problem);

describe('judgeHealth', () => {
  test.each([
    ['a session that is served', makeSurvey({}, VOLUME)],
    ['one that hibernates', makeSurvey({ state: 'hibernated', pid: undefined }, undefined)],
    ['one that is unmounted', makeSurvey({ state: 'unmounted', pid: undefined }, undefined)],
    ['one that fsck has', makeSurvey({ state: 'maintenance', pid: undefined }, undefined)],
    ['one whose server starts', makeSurvey({ state: 'starting' }, undefined)],
    ['one whose server stops', makeSurvey({ state: 'stopping' }, undefined)],
    ['a log that is not quite on disk', makeSurvey({}, { ...VOLUME, syncLagSeconds: 2 })],
  ])('has nothing against %s', (_what, survey) => {
    expect(judgeHealth(survey)).toEqual({ ok: true, problems: [] });
  });

  test.each([
    [
      'down',
      makeSurvey({ state: 'down', pid: undefined, problem: 'It fell' }, undefined),
      'It fell',
    ],
    [
      'recovering',
      makeSurvey({ state: 'recovering', pid: undefined, problem: 'It dies' }, undefined),
      'It dies',
    ],
    ['hangs', makeSurvey({}, undefined), 'does not answer in 1000 ms'],
    ['read-only', makeSurvey({}, { ...VOLUME, readOnly: 'The disk failed' }), 'The disk failed'],
    ['slow', makeSurvey({}, { ...VOLUME, syncLagSeconds: 61 }), 'wait for the disk since 61 s'],
    ['full', makeSurvey({}, VOLUME, 0), 'disk of the store is full'],
  ])('tells of one that is %s', (_what, survey, problem) => {
    expect(judgeHealth(survey).ok).toBe(false);
    expect(problemsOf(survey)).toEqual([expect.stringContaining(problem)]);
  });
});
