/**
 * Which store is meant.
 */

import { describe, expect, test } from 'vitest';

import { findStoreRoot } from '../../src/daemon/store-layout.ts';

describe('findStoreRoot', () => {
  test('takes the option before the environment before the default', () => {
    const env = { SESSFS_ROOT: '/env' };
    expect(findStoreRoot('/option', env, 0)).toBe('/option');
    expect(findStoreRoot(undefined, env, 0)).toBe('/env');
    expect(findStoreRoot(undefined, {}, 0)).toBe('/var/lib/sessfs');
  });

  test('of a user is in the XDG data directory, which must be absolute', () => {
    expect(findStoreRoot(undefined, { XDG_DATA_HOME: '/data' }, 1000)).toBe('/data/sessfs');
    expect(findStoreRoot(undefined, { XDG_DATA_HOME: 'data' }, 1000)).toMatch(
      /\/\.local\/share\/sessfs$/,
    );
  });
});
