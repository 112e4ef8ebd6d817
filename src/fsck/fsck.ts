/**
 * Checks a volume and, if asked, puts it right: what commands and the daemon call.
 *
 * Rule: with `entries` nothing of the volume is changed. Without them nobody else has it open: whoever
 * calls holds the store, or has stopped the volume's server. What is written meanwhile lies in a
 * directory of its own beside log and index, and is removed on every way out; what a killed check left
 * there is removed by the next.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { migrateIndex } from '../index/migrate-index.ts';
import { takeBackIndex } from '../index/swap-index.ts';
import { SessfsError } from '../shared/errors.ts';
import { isIndexIrreplaceable } from '../volume/open-parts.ts';
import { checkVolume } from './check.ts';
import { IndexLock } from './index-lock.ts';
import { repairVolume } from './repair.ts';
import type { FsckReport, Progress } from './report.ts';

export interface FsckOptions {
  readonly volumeDir: string;
  readonly volumeId: string;
  readonly session?: string | undefined;
  /** The index of a volume that is being served, as its server sends it. */
  readonly entries?: AsyncIterable<[Buffer, Buffer][]> | undefined;
  readonly rebuildIndex?: boolean;
  readonly repair?: boolean;
  readonly onProgress?: Progress | undefined;
}

const SCRATCH_NAME = /^fsck-(?<pid>\d+)$/;

/** @throws {SessfsError} STORE_LOCKED If somebody has the volume open, and it is to be checked alone. */
export async function runFsck(options: FsckOptions): Promise<FsckReport> {
  const { volumeDir, entries } = options;
  if (entries !== undefined) return checkInScratch(options);
  takeBackIndex(volumeDir);
  // Otherwise it would be made anew from a log that has lost what it knows.
  if (isIndexIrreplaceable(volumeDir)) await migrate(options);
  const lock = await IndexLock.take(join(volumeDir, 'index'));
  try {
    return await checkInScratch(options);
  } finally {
    lock?.release();
  }
}

/** One that is damaged is left to the check. */
async function migrate({ volumeDir, volumeId }: FsckOptions): Promise<void> {
  try {
    await migrateIndex(volumeDir, volumeId);
  } catch (error) {
    if (!(error instanceof SessfsError) || error.code !== 'INDEX_CORRUPT') throw error;
  }
}

async function checkInScratch(options: FsckOptions): Promise<FsckReport> {
  const { volumeDir, entries, repair = false, rebuildIndex = false } = options;
  const scratchDir = join(volumeDir, `fsck-${process.pid}`);
  removeLeftovers(volumeDir);
  fs.mkdirSync(scratchDir, { mode: 0o700 });
  const clean = (): void => fs.rmSync(scratchDir, { recursive: true, force: true });
  // Also when somebody ends this process in the middle.
  process.once('exit', clean);
  try {
    const checked = await checkVolume({ ...options, scratchDir });
    if (entries !== undefined || (!repair && !rebuildIndex)) return checked.report;
    return await repairVolume(checked, { ...options, scratchDir, repair, rebuildIndex });
  } finally {
    process.off('exit', clean);
    clean();
  }
}

function removeLeftovers(volumeDir: string): void {
  for (const name of fs.readdirSync(volumeDir)) {
    const pid = Number(SCRATCH_NAME.exec(name)?.groups?.['pid']);
    if (pid > 0 && (pid === process.pid || !isAlive(pid))) {
      fs.rmSync(join(volumeDir, name), { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
