/**
 * A repair that is killed at any moment leaves a volume that the next one mends, with all that can be read.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { DESK_VOLUME_ID } from '../volume/desk.ts';
import { compare, copyWorkplace, fsck, makeWorkplace, readContents, reopen } from './workplace.ts';

const PROCESS = resolve(import.meta.dirname, '../../dist/daemon/fsck-process.js');
const KILLS = Number(process.env['SESSFS_FSCK_KILLS'] ?? 6);

/** @returns True if it was killed before it was done. */
async function repairAndKill(volumeDir: string, afterMs: number): Promise<boolean> {
  const run = { parent: process.pid, volumeDir, volumeId: DESK_VOLUME_ID, session: 's' };
  const options = JSON.stringify({ ...run, repair: true, rebuildIndex: true });
  const child = spawn(process.execPath, [PROCESS, options], { stdio: 'ignore' });
  const exited = new Promise<boolean>((done) => {
    child.once('exit', (_code, signal) => done(signal !== null));
  });
  // What happens in these milliseconds is the question, not that they pass.
  await Promise.race([setTimeout(afterMs), exited]);
  child.kill('SIGKILL');
  return exited;
}

test('a repair that is killed again and again is done by the next', async () => {
  const workplace = await makeWorkplace();
  // As long as one takes here and now, so that the kills are spread over all of it.
  const startMs = performance.now();
  const timed = copyWorkplace(workplace);
  fs.rmSync(join(timed, 'log', '00000003.seg'));
  await repairAndKill(timed, 60_000);
  const durationMs = performance.now() - startMs;

  for (let kill = 1; kill <= KILLS; kill++) {
    const dir = copyWorkplace(workplace);
    const [a, b, c] = [2, 3, 5].map((id) => join(dir, 'log', `0000000${id}.seg`));
    if (a === undefined || b === undefined || c === undefined) throw new Error('no segments');
    fs.rmSync(b);
    fs.renameSync(a, b);
    fs.renameSync(c, a);
    fs.renameSync(b, c);
    for (let round = 0; round < 2; round++) {
      await repairAndKill(dir, durationMs * (0.5 + (0.5 * kill) / KILLS));
    }
    const report = await fsck(dir, { repair: true });
    expect(['repaired', 'clean']).toContain(report.status);
    const desk = await reopen(dir);
    compare(await readContents(desk), workplace.contents);
    await desk.leave();
    expect((await fsck(dir)).status).toBe('clean');
    const left = fs.readdirSync(dir).filter((name) => /^fsck-|^index\./.test(name));
    expect(left).toEqual([]);
    expect(fs.readdirSync(join(dir, 'log')).filter((name) => name.endsWith('.new'))).toEqual([]);
  }
}, 120_000);
