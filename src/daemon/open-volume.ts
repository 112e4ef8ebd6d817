/**
 * A session's volume put together for its server: the volume, its history, and both as a file system.
 */

import { join } from 'node:path';

import type { Logger } from 'pino';

import type { FileSystem } from '../fuse/file-system.ts';
import type { History } from '../history/store.ts';
import { VolumeHistory } from '../history/volume-history.ts';
import { NodeMemory } from '../mount/node-memory.ts';
import { OnceFileSystem } from '../mount/once-file-system.ts';
import { VersionsTree } from '../mount/versions-tree.ts';
import { pathOf } from '../mount/volume-file-system.ts';
import { parseTier } from '../policy/tier.ts';
import type { Revision } from '../shared/brands.ts';
import { SystemClock, timeToIso } from '../shared/time.ts';
import type { WriterTable } from '../volume/writers.ts';
import type { VolumeControl } from '../volume/store.ts';
import { describePromises, explainFile, findTier } from '../retention/describe.ts';
import { Retention } from '../retention/retention.ts';
import { makeVolume } from '../volume/make-volume.ts';
import { Volume } from '../volume/volume.ts';
import type { VolumeServerOptions } from './volume-server-options.ts';

/** The root of a new volume: its owner's, as a home directory is. */
const ROOT_MODE = 0o755;

const ROOM_EXIT_CODE = 75;

/** Beside log/ and index/: what the kernel was told of `.versions`. */
const NODES_NAME = 'nodes';

/** Who has what open, where that outlives this process. */
export interface OpenTables {
  readonly writers: WriterTable;
  readonly readers: WriterTable;
}

export interface ServedVolume {
  readonly volume: VolumeControl;
  readonly history: History;
  /** To be stopped before the volume is closed. */
  readonly retention: Retention;
  readonly findCheckpoint: (name: string) => Revision | undefined;
  readonly fileSystem: FileSystem;
}

export interface VolumeSurroundings {
  readonly logger: Logger;
  readonly open: OpenTables | undefined;
  /** How many requests of the mount have been answered so far. */
  readonly countRequests: () => number;
}

/** @throws {SessfsError} LOG_CORRUPT, INDEX_CORRUPT, STORE_FOREIGN */
export async function openVolume(
  options: VolumeServerOptions,
  { logger, open, countRequests }: VolumeSurroundings,
): Promise<ServedVolume> {
  const { predecessor } = options;
  const clock = new SystemClock();
  const { dir, volumeId, uid, gid } = options;
  const owner = { uid, gid, mode: ROOT_MODE };
  // A directory that has lost its log must not become a new volume in silence.
  if (options.isNew) await makeVolume({ dir, volumeId, clock, owner });
  const volume = await Volume.open({
    dir,
    volumeId,
    clock,
    cutIntervalMs: options.cutIntervalSeconds * 1000,
    quota: options.quota,
    // A server that never agreed with the kernel on anything has left nothing to answer.
    ...(predecessor?.connection === undefined ? {} : { resumed: { since: predecessor.since } }),
    ...(open === undefined ? {} : { writers: open.writers, readers: open.readers }),
  });
  volume.report = (message, error) => logger.error({ err: error }, message);
  volume.quota.onWarning = ({ text, kind, percent }) => logger.warn({ kind, percent }, text);
  volume.onRoom = () => {
    // As if it had been killed: the next one replays the log, and clients see a pause.
    logger.warn('The disk has room again: another server takes over, whose index is whole');
    process.exit(ROOM_EXIT_CODE);
  };
  if (volume.indexProblem !== undefined) {
    logger.warn({ problem: volume.indexProblem }, 'The index was made anew from the log');
  }
  if (volume.answersProblem !== undefined) {
    const problem = volume.answersProblem;
    logger.error({ problem }, 'What is sent again may be done twice: the log cannot be read');
  }
  const { tornTail } = volume.log;
  if (tornTail !== undefined) {
    logger.warn({ tornTail }, 'The end of the log was torn, and never on disk: it was cut off');
  }
  const history = new VolumeHistory(volume);
  const { sessionEnded } = options;
  const sessionEndedMs = sessionEnded === undefined ? undefined : Date.parse(sessionEnded);
  const retention = new Retention({ volume, volumeId, history, sessionEndedMs, countRequests });
  takePolicy(retention, options, logger);
  const findCheckpoint = (name: string): Revision | undefined =>
    volume.state.promises.checkpoints.get(name)?.at;
  const isResumed = predecessor?.connection !== undefined;
  const versions = new VersionsTree({
    history,
    clock,
    status: () => describeVolume(options, volume),
    pathOf: (ino) => pathOf(volume, ino),
    findCheckpoint,
    findTier: (ino) => findTier(volume, ino),
    explain: (file) => explainFile(volume, file),
    nodeStore: new NodeMemory(join(dir, NODES_NAME), { isResumed }),
  });
  return {
    volume,
    history,
    retention,
    findCheckpoint,
    fileSystem: new OnceFileSystem({
      volume,
      history,
      versions,
      listVersions: options.options.listVersions,
    }),
  };
}

/** What the configuration says may have changed since the volume was last served. */
function takePolicy(
  { pledges }: Retention,
  { retention, tier }: VolumeServerOptions,
  logger: Logger,
): void {
  try {
    pledges.setPolicy(retention, tier === undefined ? undefined : parseTier(tier));
  } catch (error) {
    // A full disk, say, must not keep files from being read; the next server tries again.
    logger.error({ err: error }, 'The policy stays as it was: it cannot be written down');
  }
}

/** For `.status.json`, beside the moments that can be restored. */
function describeVolume(options: VolumeServerOptions, volume: Volume): object {
  const status = volume.status();
  return {
    session: options.sessionId,
    durable: { revision: status.durableRevision, time: timeToIso(status.durableTime) },
    readOnly: status.readOnly ?? null,
    promises: describePromises(volume),
    usage: {
      inodes: status.inodes,
      liveBytes: status.liveBytes,
      historyBytes: status.historyBytes,
      versions: status.versions,
      logBytes: status.logBytes,
    },
  };
}
