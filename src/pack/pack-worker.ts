/**
 * The worker thread of packer.ts: one job at a time, at a low priority.
 */

import os from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';

import { nodeDisk, systemCode } from '../log/disk.ts';
import { loadZstd } from '../log/zstd.ts';
import { assert } from '../shared/assert.ts';
import type { SegmentId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { ChunkStore } from './chunk-store.ts';
import { collectPacks } from './collect-packs.ts';
import type {
  CollectResult,
  FromWorker,
  Job,
  PackResult,
  PackWorkerData,
  ToWorker,
} from './jobs.ts';
import { packSegment } from './pack-segment.ts';
import { AbortedError, DutyCycle } from './pace.ts';

/** About a tenth of what others get on a busy host; at 19, a hundredth, it would hardly ever end there. */
const PRIORITY = 10;

assert(parentPort !== null, 'this runs as a worker');
const port = parentPort;
const { dir, volumeId, duty } = workerData as PackWorkerData;
const place = { disk: nodeDisk, dir, volumeId };
const cycle = new DutyCycle(duty);
/** Kept from job to job: reading what is in all packs takes its time. */
let store: ChunkStore | undefined;
let onRefreshed: (() => void) | undefined;

// Linux has priorities of threads, and takes "this process" for the calling one.
if (process.platform === 'linux') os.setPriority(PRIORITY);

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'duty':
      cycle.setDuty(message.duty);
      break;
    case 'abort':
      cycle.abort();
      break;
    case 'refreshed':
      onRefreshed?.();
      break;
    default:
      void answer(message);
  }
});

async function answer(job: Job): Promise<void> {
  cycle.begin();
  try {
    await loadZstd();
    post({ kind: 'done', result: await run(job) });
  } catch (error) {
    // It may know of chunks that were never written.
    forgetStore();
    const isAborted = error instanceof AbortedError;
    const code = error instanceof SessfsError ? error.code : codeOfDisk(error);
    const message = error instanceof Error ? error.message : String(error);
    post({ kind: 'failed', failure: { code, message, isAborted } });
  }
}

async function run(job: Job): Promise<PackResult | CollectResult> {
  if (job.kind === 'pack') {
    store ??= ChunkStore.load(place);
    const { id, alive } = job;
    return packSegment({ ...place, id, alive, store, pace: cycle.step });
  }
  forgetStore();
  const { threshold } = job;
  return collectPacks({ ...place, threshold, pace: cycle.step, onRewritten: refresh });
}

/** A full disk passes; whatever else a disk does is told by its message. */
function codeOfDisk(error: unknown): ErrorCode | undefined {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'NO_SPACE' : undefined;
}

/** Has the log read the maps anew. */
function refresh(ids: readonly SegmentId[], oldPacks: readonly number[]): Promise<void> {
  const refreshed = new Promise<void>((resolve) => {
    onRefreshed = resolve;
  });
  post({ kind: 'refresh', ids, oldPacks });
  return refreshed;
}

function forgetStore(): void {
  store?.close();
  store = undefined;
}

function post(message: FromWorker): void {
  port.postMessage(message);
}
