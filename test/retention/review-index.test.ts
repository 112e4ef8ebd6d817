/**
 * What a sweep and a cleaning read of the index: whole, of one moment, and never less than there is.
 */

import { expect, test } from 'vitest';

import type { ScanOptions } from '../../src/index/index.ts';
import { inodeKey, Space, versionKey } from '../../src/index/keys.ts';
import { surveyInodes } from '../../src/retention/inode-survey.ts';
import { findLiveness } from '../../src/retention/liveness.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';
import { Desk } from '../volume/desk.ts';

const DAY_MS = 24 * 3_600_000;

function sweep(desk: Desk): Promise<unknown> {
  return new Sweeper(desk.volume, desk.history, undefined).run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: true,
    isForced: false,
    clockProblem: undefined,
  });
}

/** From now on a scan finds that the value of a key fails its checksum. */
function damage({ volume: { index } }: Desk, key: Buffer): void {
  const damaged = Buffer.from(key);
  const scanBatches = index.scanBatches.bind(index);
  index.scanBatches = async function* (options: ScanOptions) {
    for await (const entries of scanBatches(options)) {
      const left = entries.filter(([seen]) => !seen.equals(damaged));
      const isHit = left.length < entries.length;
      if (isHit && options.onDamaged === undefined) throw new Error('its checksum fails');
      yield left;
    }
  };
}

async function countAlive(desk: Desk): Promise<number> {
  const { all } = await findLiveness(desk.volume);
  return [...all.values()].reduce((sum, list) => sum + list.size, 0);
}

test('content of an inode that cannot be read is not taken for dead', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'precious');
  expect(await countAlive(desk)).toBe(8);
  damage(desk, inodeKey(ino));
  await expect(findLiveness(desk.volume)).rejects.toThrow('checksum');
});

test('a version that cannot be read is not one that is not there', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'one');
  await desk.volume.flushed();
  const revision = desk.volume.state.findInode(ino)?.cutRevision as Revision;
  damage(desk, versionKey(ino, revision));
  const survey = surveyInodes(desk.volume.index);
  await expect(
    (async () => {
      for await (const { inode } of survey) expect(inode.ino).toBeGreaterThan(0);
    })(),
  ).rejects.toThrow('checksum');
});

test('content that moves from one key to another while it is looked for is found', async () => {
  const desk = await Desk.open();
  const { volume } = desk;
  const ino = desk.open('f');
  // Six pieces that do not join: more than an inode's record has room for.
  for (let i = 0; i < 6; i++) desk.write(ino, Buffer.alloc(5000, i + 1), i * 10_000);
  desk.close(ino);
  await volume.flushed();
  const { index } = volume;
  const scanBatches = index.scanBatches.bind(index);
  let hasMoved = false;
  index.scanBatches = async function* (options: ScanOptions) {
    if (options.gte[0] === Space.REGION && !hasMoved) {
      hasMoved = true;
      desk.truncate('f', 5000);
      await volume.flushed();
    }
    yield* scanBatches(options);
  };
  const { all } = await findLiveness(volume);
  expect(hasMoved).toBe(true);
  const extent = volume.state.findInode(ino)?.inline?.[0];
  expect(extent).toBeDefined();
  const alive = [...all.values()].reduce((sum, list) => sum + list.size, 0);
  expect(alive).toBe(30_000);
});

test('an inode that is forgotten is not found again before the index is written', async () => {
  const desk = await Desk.open();
  const { volume } = desk;
  const ino = desk.save('f', 'x');
  desk.rm('f');
  desk.clock.ms += 100 * DAY_MS;
  desk.save('g', 'x');
  desk.clock.ms += 100 * DAY_MS;
  const seen: (Ino | undefined)[] = [];
  const commit = volume.commit.bind(volume);
  volume.commit = (event, ...rest): void => {
    commit(event, ...rest);
    const isForgotten = event.kind === 'purge' && event.inodes.some(({ last }) => last === 'all');
    if (isForgotten) seen.push(volume.state.findInode(ino)?.ino);
  };
  await sweep(desk);
  await volume.flushed();
  expect(seen).toEqual([undefined]);
  expect(volume.state.findInode(ino)).toBeUndefined();
});
