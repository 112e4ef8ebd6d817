/**
 * What statfs(2) says where a session has a quota.
 */

import { expect, test } from 'vitest';

import { measureSpace } from '../../src/mount/volume-space.ts';

const NONE = { liveBytes: Infinity, historyBytes: Infinity, inodes: Infinity, versions: Infinity };
const DISK = { blockBytes: 4096, blocks: 1000, freeBlocks: 600, availableBlocks: 500 };

function measure(
  limits: Partial<typeof NONE>,
  used: { liveBytes: number; inodes: number },
): ReturnType<typeof measureSpace> {
  return measureSpace({
    space: { measure: () => DISK },
    state: used,
    quota: { limits: { ...NONE, ...limits } },
  } as unknown as Parameters<typeof measureSpace>[0]);
}

const USED = { liveBytes: 10 * 4096, inodes: 7 };

test('without a quota it is the disk', () => {
  const space = measure({}, USED);
  expect(space).toMatchObject({ blocks: 1000, freeBlocks: 600, availableBlocks: 500 });
  expect(space).toMatchObject({ files: 607, freeFiles: 600 });
});

test('a live limit is the size, and what is left of it is free', () => {
  const space = measure({ liveBytes: 100 * 4096 }, USED);
  expect(space).toMatchObject({ blocks: 100, freeBlocks: 90, availableBlocks: 90 });
});

test('never more is available than the disk has', () => {
  const space = measure({ liveBytes: 900 * 4096 }, USED);
  expect(space).toMatchObject({ blocks: 900, freeBlocks: 890, availableBlocks: 500 });
});

test('a limit above the size of the disk says nothing', () => {
  expect(measure({ liveBytes: 1001 * 4096 }, USED)).toEqual(measure({}, USED));
});

test('above its limit a session has nothing left, and uses all', () => {
  const space = measure({ liveBytes: 4096 }, USED);
  expect(space).toMatchObject({ blocks: 1, freeBlocks: 0, availableBlocks: 0 });
});

test('what does not fill a block is used, and not available', () => {
  const space = measure({ liveBytes: 4097 }, { liveBytes: 1, inodes: 1 });
  expect(space).toMatchObject({ blocks: 2, freeBlocks: 1 });
});

test('a limit of inodes is their number', () => {
  expect(measure({ inodes: 10 }, USED)).toMatchObject({ files: 10, freeFiles: 3 });
  expect(measure({ inodes: 5 }, USED)).toMatchObject({ files: 5, freeFiles: 0 });
});

test('a history limit does not change what is available for new files', () => {
  expect(measure({ historyBytes: 1 }, USED)).toEqual(measure({}, USED));
});
