/**
 * The words for versions of a file.
 */

import { describe, expect, it } from 'vitest';
import { orderVersions, parseVersionSpec, resolveVersion } from '../../src/history/version-spec.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';

const NOW = { sec: 1_795_342_502, nsec: 0 };
const versions = [3, 8, 20].map((revision) => ({ revision: revision as Revision }));

const version = (revision: number, ino: number): { revision: Revision; ino: Ino } => ({
  revision: revision as Revision,
  ino: ino as Ino,
});

function resolve(text: string, at?: number): number | undefined {
  const spec = parseVersionSpec(text, NOW);
  return spec && resolveVersion(spec, versions, at as Revision | undefined)?.revision;
}

describe('resolveVersion', () => {
  it.each([
    ['latest', 20],
    ['~0', 20],
    ['previous', 8],
    ['~1', 8],
    ['~2', 3],
    ['~3', undefined],
    ['r8', 8],
    ['8', 8],
    ['r00000008', 8],
    ['r9', undefined],
  ])('finds %s as %s', (text, revision) => {
    expect(resolve(text)).toBe(revision);
  });

  it('takes the version that was current at a moment', () => {
    expect(resolve('@r9', 9)).toBe(8);
    expect(resolve('@r8', 8)).toBe(8);
    expect(resolve('10m', 7)).toBe(3);
    expect(resolve('yesterday 17:00', 2)).toBeUndefined();
  });

  it('has no previous of a single version', () => {
    expect(resolveVersion({ kind: 'back', count: 1 }, versions.slice(0, 1))).toBeUndefined();
  });
});

describe('parseVersionSpec', () => {
  it.each(['', '@', '~', '~x', '@2026-99-01', 'a/b'])('takes %j for nothing', (text) => {
    expect(parseVersionSpec(text, NOW)).toBeUndefined();
  });

  it('reads a name as a checkpoint, perhaps', () => {
    expect(parseVersionSpec('@before-deploy', NOW)).toEqual({
      kind: 'moment',
      moment: { kind: 'name', name: 'before-deploy' },
    });
  });
});

describe('orderVersions', () => {
  it('puts what the name holds now last, though what it replaced was cut later', () => {
    const cut = [version(1, 4), version(5, 9), version(6, 4)];
    const order = orderVersions(cut, 9 as Ino).map(({ revision }) => revision);
    expect(order).toEqual([1, 6, 5]);
  });

  it('leaves the order of a removed name, and of one whose live inode has no version', () => {
    const cut = [version(1, 4), version(5, 9)];
    expect(orderVersions(cut, undefined)).toBe(cut);
    expect(orderVersions(cut, 12 as Ino)).toBe(cut);
  });
});
