/**
 * Bringing back a tree of which retention has removed a part: all or nothing, or what is kept.
 */

import { expect, test } from 'vitest';

import type { Name } from '../../src/shared/brands.ts';
import { splitPath } from '../../src/shared/names.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import { Desk } from '../volume/desk.ts';

const DAY_MS = 24 * 3_600_000;

async function removeProject(desk: Desk): Promise<void> {
  desk.mkdir('project');
  desk.mkdir('project/node_modules');
  desk.save('project/main.ts', 'by hand');
  desk.save('project/node_modules/a.js', 'by npm');
  for (const file of ['project/main.ts', 'project/node_modules/a.js']) desk.rm(file);
  for (const dir of ['project/node_modules', 'project']) desk.rmdir(dir);
  // Of what is made again by itself a day is kept.
  desk.clock.ms += 2 * DAY_MS;
  desk.save('later', 'text');
  const sweeper = new Sweeper(desk.volume, desk.history, undefined);
  await sweeper.run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: false,
    isForced: false,
    clockProblem: undefined,
  });
}

const pathOf = (text: string): readonly Name[] => splitPath(text);

test('a tree does not come back in part unless that is asked for', async () => {
  const desk = await Desk.open();
  await removeProject(desk);
  const actor = desk.caller.actor ?? desk.volume.internActor({ uid: 0, gid: 0, pid: 1 });
  const { revision } = desk.volume.state;
  await expect(desk.history.undelete({ path: pathOf('project'), actor })).rejects.toMatchObject({
    code: 'CONTENT_REMOVED',
  });
  expect(desk.volume.state.revision).toBe(revision);
  const result = await desk.history.undelete({ path: pathOf('project'), actor, partial: true });
  expect(result.leftOut).toEqual(['project/node_modules/a.js']);
  expect(await desk.contents('project/main.ts')).toContain('by hand');
  expect(desk.ino('project/node_modules')).toBeGreaterThan(0);
  expect(() => desk.ino('project/node_modules/a.js')).toThrow('is not there');
});
