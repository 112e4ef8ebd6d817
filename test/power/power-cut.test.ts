/**
 * Power cuts at random moments of a busy daemon, by hundreds: what was covered is there, whole.
 *
 * One run is recorded; then the disk is made again as hundreds of cuts would have left it.
 * SESSFS_POWER_IMAGES and SESSFS_POWER_SECONDS make more of both, SESSFS_POWER_SEED repeats the plans.
 * scripts/power-cut.js runs thousands.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { startDaemon } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import { shell } from '../harness/run.ts';
import { makeRandom, takeImage, writeImage } from './disk-image.ts';
import type { Names, Writes } from './disk-image.ts';
import { DatabaseChecker, judgeCut, longestUnsynced } from './judge.ts';
import { RecordingMount, buildRecordingServer } from './recording-mount.ts';
import { recordWork } from './workload.ts';
import type { Recording } from './workload.ts';

const IMAGES = Number(process.env['SESSFS_POWER_IMAGES'] ?? 200);
const SECONDS = Number(process.env['SESSFS_POWER_SECONDS'] ?? 8);
const SEED = Number(process.env['SESSFS_POWER_SEED'] ?? Date.now() % 2 ** 31);
/** One image in so many is looked at by fsck, which reads all of it. */
const THOROUGH_EVERY = 5;
/** Started on an image, by the real command. */
const DAEMONS = Number(process.env['SESSFS_POWER_DAEMONS'] ?? 2);
const SECOND_NS = 1e9;
const HOUR_MS = 3_600_000;

const NAMES: readonly Names[] = ['journal', 'posix'];
const WRITES: readonly Writes[] = ['none', 'prefix', 'any', 'torn', 'torn', 'all'];

const mayMount = canRun({ root: true, tools: ['python3'] });
const shm = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const base = fs.mkdtempSync(join(shm, 'sessfs-power-'));
let recording: Recording;
let checker: DatabaseChecker;

beforeAll(async () => {
  if (!mayMount) return;
  checker = new DatabaseChecker();
  const disk = await RecordingMount.start(await buildRecordingServer('power-cut'), base);
  try {
    recording = await recordWork(disk, base, { seconds: SECONDS, seed: SEED });
  } finally {
    await disk.end();
  }
}, HOUR_MS);

afterAll(() => {
  checker?.end();
  fs.rmSync(base, { recursive: true, force: true });
});

test.runIf(mayMount)(
  'a power cut takes nothing that was covered, and leaves nothing half done',
  async () => {
    const { from, to, sessions } = recording;
    const longest = longestUnsynced(recording);
    const random = makeRandom(SEED);
    const failures: string[] = [];
    const sum = { torn: 0, lost: 0, openMs: 0 };
    for (let number = 0; number < IMAGES; number++) {
      const seq = from + 1 + Math.floor(random() * (to - from));
      const names = NAMES[number % NAMES.length] ?? 'journal';
      const writes = WRITES[number % WRITES.length] ?? 'any';
      const fate = { names, writes, random: makeRandom(SEED + number) };
      const slackNs = Math.max(0, longest - SECOND_NS);
      const verdict = await judgeCut(
        recording,
        { seq, fate, isThorough: number % THOROUGH_EVERY === 0, slackNs },
        { dir: join(base, 'image'), checker },
      );
      if (verdict.tornBytes > 0) sum.torn += 1;
      sum.lost += verdict.lost;
      sum.openMs = Math.max(sum.openMs, verdict.openMs);
      if (verdict.problems.length === 0) continue;
      failures.push(
        `cut ${number} after ${seq} (${names}, ${writes}): ${verdict.problems.slice(0, 5).join('\n')}`,
      );
    }
    const calls = sessions
      .flatMap(({ files }) => files)
      .reduce((n, { notes }) => n + notes.length, 0);
    console.log(
      `SESSFS_POWER_SEED=${SEED}: ${IMAGES} images of ${to - from} disk operations and ${calls} calls; ` +
        `${failures.length} bad; ${sum.torn} with a torn log; ${sum.lost} uncovered calls lost; ` +
        `longest open ${sum.openMs.toFixed(0)} ms; ` +
        `on disk at most ${(longest / 1e6).toFixed(0)} ms after a call`,
    );
    expect(failures.slice(0, 8).join('\n\n')).toBe('');
    // Otherwise this has looked at nothing.
    expect(calls).toBeGreaterThan(50 * SECONDS);
    expect(sum.torn).toBeGreaterThan(IMAGES / 20);
    expect(sum.lost).toBeGreaterThan(0);
    expect(longest).toBeGreaterThan(0);
    // The promise is a second and what the sync itself takes; the rest is for a host under load.
    expect(longest).toBeLessThan(2 * SECOND_NS);
  },
  HOUR_MS,
);

test.runIf(mayMount)(
  'a daemon that is started after a power cut serves every session again',
  async () => {
    const { from, to, journal, root, sessions } = recording;
    const random = makeRandom(SEED + 1);
    for (let number = 0; number < DAEMONS; number++) {
      const seq = from + 1 + Math.floor(random() * (to - from));
      const fate = { names: 'posix', writes: 'torn', random } as const;
      // The same place: a session knows where it is mounted.
      writeImage(takeImage(journal, seq, fate), root, 'store/');
      const daemon = await startDaemon({ root });
      try {
        for (const { id } of sessions) {
          const { mountPoint, server } = await daemon.client.getSession(id);
          expect(server.state).toBe('active');
          const script =
            'find . -type f -exec cat {} + > /dev/null; mkdir after; echo x > after/f; sync after/f; cat after/f';
          expect(await shell(script, { cwd: mountPoint })).toBe('x\n');
        }
      } finally {
        await daemon.stop();
        fs.rmSync(root, { recursive: true, force: true });
      }
    }
  },
  HOUR_MS,
);
