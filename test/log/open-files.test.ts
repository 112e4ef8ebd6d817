/**
 * Open files: a bounded number of them, none closed under its reader.
 */

import { describe, expect, test } from 'vitest';

import { OpenFiles } from '../../src/log/open-files.ts';

class FakeFile {
  closings = 0;
  close(): void {
    this.closings += 1;
  }
}

interface Gate {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function makeGate(): Gate {
  const resolvers: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => {
    resolvers.push(resolve);
  });
  return { promise, resolve: () => resolvers.forEach((resolve) => resolve()) };
}

function makeFiles(max: number): { files: OpenFiles<number, FakeFile>; opened: FakeFile[] } {
  const opened: FakeFile[] = [];
  const open = (): FakeFile => {
    const file = new FakeFile();
    opened.push(file);
    return file;
  };
  return { files: new OpenFiles(open, max), opened };
}

const closedOf = (opened: readonly FakeFile[]): number[] => opened.map(({ closings }) => closings);

describe('OpenFiles', () => {
  test('closes the one that was not used for the longest time', () => {
    const { files, opened } = makeFiles(2);
    files.get(1);
    files.get(2);
    files.get(1);
    files.get(3);
    expect(closedOf(opened)).toEqual([0, 1, 0]);
    expect(files.get(1)).toBe(opened[0]);
  });

  test('closes none that is pinned, and those that are too many when it is no longer', async () => {
    const { files, opened } = makeFiles(1);
    const gate = makeGate();
    const pinned = files.withPinned(1, () => gate.promise);
    files.get(2);
    expect(closedOf(opened)).toEqual([0, 0]);
    gate.resolve();
    await pinned;
    expect(closedOf(opened)).toEqual([1, 0]);
  });

  test('drops a file at once for who comes, and when its readers have ended for the others', async () => {
    const { files, opened } = makeFiles(4);
    const gate = makeGate();
    const pinned = files.withPinned(1, () => gate.promise);
    const state = { isDropped: false };
    const dropped = files.drop(1).then(() => (state.isDropped = true));
    expect(files.get(1)).not.toBe(opened[0]);
    await Promise.resolve();
    expect(state.isDropped).toBe(false);
    expect(closedOf(opened)).toEqual([0, 0]);
    gate.resolve();
    await Promise.all([pinned, dropped]);
    expect(closedOf(opened)).toEqual([1, 0]);
    await files.dropAll();
    expect(closedOf(opened)).toEqual([1, 1]);
  });
});
