/**
 * Which session a path is on, by a table of mounts.
 */

import { describe, expect, test } from 'vitest';

import { findSessionMount, listMountsBelow, sourceOf } from '../../src/control/session-mounts.ts';
import type { MountEntry } from '../../src/control/session-mounts.ts';

const table: MountEntry[] = [
  { mountPoint: '/', source: '/dev/vda' },
  { mountPoint: '/m', source: sourceOf('one', '/srv/a@b') },
  { mountPoint: '/m/inner', source: 'tmpfs' },
  { mountPoint: '/twice', source: 'tmpfs' },
  { mountPoint: '/twice', source: sourceOf('two', '/r') },
];

describe('findSessionMount', () => {
  test('finds the session and its store', () => {
    expect(findSessionMount('/m/a/b', table)).toEqual({
      sessionId: 'one',
      root: '/srv/a@b',
      mountPoint: '/m',
    });
  });

  test.each(['/', '/mm', '/m/inner/x'])('finds none for %s', (path) => {
    expect(findSessionMount(path, table)).toBeUndefined();
  });

  test('takes the later of two mounts on one point', () => {
    expect(findSessionMount('/twice', table)?.sessionId).toBe('two');
  });
});

describe('listMountsBelow', () => {
  test('lists the deepest first, as they have to be unmounted', () => {
    expect(listMountsBelow('/m', table).map((entry) => entry.mountPoint)).toEqual([
      '/m/inner',
      '/m',
    ]);
  });
});
