/**
 * Descriptors that a service manager hands to the next process.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { takeInherited } from '../../src/daemon/inherited.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sessfs-inherited-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const PID = 4711;

function env(change: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { LISTEN_PID: String(PID), LISTEN_FDS: '1', LISTEN_FDNAMES: 'a', OTHER: 'x', ...change };
}

/** Runs with the first of some open descriptors that follow each other. */
function withDescriptors(count: number, work: (first: number, inodes: number[]) => void): void {
  const opened: number[] = [];
  const run = (): number[] => opened.slice(-count);
  const isRun = (): boolean => run().every((fd, index) => fd === (run()[0] ?? 0) + index);
  // Numbers that are free in between are used up first.
  while (opened.length < count || !isRun()) {
    opened.push(openSync(join(dir, `f${opened.length}`), 'w'));
  }
  try {
    work(
      run()[0] ?? 0,
      run().map((fd) => fstatSync(fd).ino),
    );
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

describe('takeInherited', () => {
  test('takes descriptors by the names under which they were stored', () => {
    withDescriptors(2, (first, inodes) => {
      const given = env({ LISTEN_FDS: '2', LISTEN_FDNAMES: 'fuse-abc:fuse-def' });
      const taken = takeInherited(given, PID, first);
      expect([...taken.keys()]).toEqual(['fuse-abc', 'fuse-def']);
      expect([...taken.values()].map((fd) => fstatSync(fd).ino)).toEqual(inodes);
    });
  });

  test('removes the variables, and nothing else', () => {
    const given = env({ LISTEN_FDS: '0' });
    takeInherited(given, PID);
    expect(given).toEqual({ OTHER: 'x' });
  });

  test('takes nothing that is meant for another process', () => {
    withDescriptors(1, (first) => {
      const given = env();
      expect(takeInherited(given, PID + 1, first).size).toBe(0);
      expect(given['LISTEN_PID']).toBeUndefined();
    });
  });

  test('tells apart descriptors of one name, and names those that have none', () => {
    withDescriptors(4, (first) => {
      const taken = takeInherited(env({ LISTEN_FDS: '4', LISTEN_FDNAMES: 'a:a::a' }), PID, first);
      expect([...taken.keys()]).toEqual(['a', 'a#2', 'unknown', 'a#3']);
    });
  });

  test('leaves out a descriptor that is not there', () => {
    expect(takeInherited(env(), PID, 100_000).size).toBe(0);
  });

  test.each(['', 'many', '-1', '0'])('takes nothing where LISTEN_FDS is %j', (count) => {
    expect(takeInherited(env({ LISTEN_FDS: count }), PID).size).toBe(0);
  });

  test('keeps them from children', () => {
    const script = `
      import { takeInherited } from ${JSON.stringify(join(import.meta.dirname, '../../dist/daemon/inherited.js'))};
      import { spawnSync } from 'node:child_process';
      const taken = takeInherited({ LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'a' }, 1);
      const seen = spawnSync('ls', ['/proc/self/fd/3'], { encoding: 'utf8' });
      process.stdout.write(JSON.stringify([...taken, seen.status]));
    `;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit', openSync(join(dir, 'f'), 'w')],
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(JSON.parse(child.stdout)).toEqual([['a', 3], 2]);
  });
});
