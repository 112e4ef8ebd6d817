/**
 * Any volume that somebody worked in is clean; any damage to its log is put right.
 *
 * SESSFS_FSCK_RUNS makes more of both; SESSFS_FSCK_SEED repeats them.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { runFsck } from '../../src/fsck/fsck.ts';
import { commands } from '../model/commands.ts';
import { perform } from '../model/perform.ts';
import { Run } from '../model/run.ts';
import { VOLUME_ID } from '../model/system.ts';
import { bytesOf, copyWorkplace, fsck, makeWorkplace, readContents, reopen } from './workplace.ts';

const RUNS = Number(process.env['SESSFS_FSCK_RUNS'] ?? 8);
const SEED = Number(process.env['SESSFS_FSCK_SEED'] ?? 7);

const base = fs.mkdtempSync(
  join(fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sessfs-fsck-model-'),
);
let count = 0;
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

describe('a volume after any sequence of operations', () => {
  // As in the model test: what a volume does by itself after a while, it does when it is told to.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('is clean, and an index made anew is too', async () => {
    const property = fc.asyncProperty(commands(80), async (sequence) => {
      const run = await Run.start(join(base, String(count++)));
      try {
        for (const command of sequence) await perform(run, command);
        await run.system.volume.flushed();
        const { dir } = run.system;
        await run.system.volume.close();
        const options = { volumeDir: dir, volumeId: VOLUME_ID };
        const report = await runFsck(options);
        expect([report.status, report.problems]).toEqual(['clean', []]);
        await runFsck({ ...options, rebuildIndex: true });
        const again = await runFsck(options);
        expect([again.status, again.problems]).toEqual(['clean', []]);
      } finally {
        await run.system.volume.close().catch(() => undefined);
        fs.rmSync(run.root, { recursive: true, force: true });
      }
    });
    await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
  }, 3_600_000);
});

interface Blow {
  readonly kind: 'remove' | 'truncate' | 'zeros' | 'rubbish' | 'bit' | 'append' | 'swap' | 'copy';
  readonly file: number;
  readonly at: number;
  readonly length: number;
}

const blows = fc.array(
  fc.record<Blow>({
    kind: fc.constantFrom(
      'remove',
      'truncate',
      'zeros',
      'rubbish',
      'bit',
      'append',
      'swap',
      'copy',
    ),
    file: fc.nat(1000),
    at: fc.nat(100_000),
    length: fc.integer({ min: 1, max: 3000 }),
  }),
  { minLength: 1, maxLength: 5 },
);

function strike(dir: string, { kind, file, at, length }: Blow): void {
  const logDir = join(dir, 'log');
  const names = fs.readdirSync(logDir).filter((name) => name.endsWith('.seg'));
  const path = join(logDir, names[file % names.length] ?? '');
  const other = join(logDir, names[at % names.length] ?? '');
  if (!fs.existsSync(path) || path === `${logDir}/`) return;
  const bytes = fs.readFileSync(path);
  const offset = bytes.length === 0 ? 0 : at % bytes.length;
  switch (kind) {
    case 'remove':
      fs.rmSync(path);
      return;
    case 'truncate':
      fs.truncateSync(path, offset);
      return;
    case 'zeros':
      bytes.fill(0, offset, Math.min(bytes.length, offset + length));
      break;
    case 'rubbish':
      bytesOf(at, length).copy(bytes, offset);
      break;
    case 'bit':
      if (bytes.length > 0) bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (length % 8));
      break;
    case 'append':
      fs.appendFileSync(path, bytesOf(at, length));
      return;
    case 'swap': {
      const others = fs.readFileSync(other);
      fs.writeFileSync(other, bytes);
      fs.writeFileSync(path, others);
      return;
    }
    default:
      fs.copyFileSync(other, path);
      return;
  }
  fs.writeFileSync(path, bytes);
}

describe('any damage to a log', () => {
  test.each([true, false])(
    'with its index there: %s, is put right',
    async (hasIndex) => {
      const workplace = await makeWorkplace();
      const property = fc.asyncProperty(blows, async (all) => {
        const dir = copyWorkplace(workplace);
        for (const blow of all) strike(dir, blow);
        if (!hasIndex) fs.rmSync(join(dir, 'index'), { recursive: true });
        const repaired = await fsck(dir, { repair: true });
        const desk = await reopen(dir);
        const seen = await readContents(desk);
        desk.save('after', 'the repair');
        await desk.leave();
        // What the index knew is right or EIO.
        const isKept = hasIndex && repaired.repair?.index !== 'rebuilt';
        const wrong = [...workplace.contents].filter(([what, content]) => {
          const now = seen.get(what);
          return isKept && now !== content && now !== 'EIO';
        });
        expect(wrong).toEqual([]);
        expect(hasIndex && repaired.repair?.index === 'rebuilt').toBe(false);
        const again = await fsck(dir);
        expect([again.status, again.problems]).toEqual(['clean', []]);
        fs.rmSync(dir, { recursive: true });
      });
      await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
    },
    3_600_000,
  );
});
