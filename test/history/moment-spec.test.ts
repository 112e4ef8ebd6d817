/**
 * The words for moments: every accepted form, and the slips that must not be taken for something else.
 */

import { describe, expect, it } from 'vitest';
import { findMoment, isRemovedMoment, parseMomentSpec } from '../../src/history/moment-spec.ts';
import type { Revision } from '../../src/shared/brands.ts';
import { timeToIso } from '../../src/shared/time.ts';

const sec = (iso: string): number => Date.parse(iso) / 1000;
const time = (iso: string): { sec: number; nsec: number } => ({ sec: sec(iso), nsec: 0 });
/** A Sunday. */
const NOW = { sec: sec('2026-11-22T10:15:02Z'), nsec: 500 };

function parse(text: string): string | undefined {
  const spec = parseMomentSpec(text, NOW);
  if (spec?.kind === 'revision') return `r${spec.revision}`;
  if (spec?.kind === 'time') return timeToIso(spec.time).replace('.000000000', '');
  return spec && `name ${spec.name}`;
}

describe('parseMomentSpec', () => {
  it.each([
    ['r42', 'r42'],
    ['42', 'r42'],
    [' r7 ', 'r7'],
    ['2026-11-22', '2026-11-22T00:00:00Z'],
    ['2026-11-22T10:15Z', '2026-11-22T10:15:00Z'],
    ['2026-11-22T10:15', '2026-11-22T10:15:00Z'],
    ['2026-11-22 10:15', '2026-11-22T10:15:00Z'],
    ['2026-11-22t10:15:02z', '2026-11-22T10:15:02Z'],
    ['2026-11-22T10:15:02.5Z', '2026-11-22T10:15:02.500000000Z'],
    ['2026-11-22T10:15:02,123456789123Z', '2026-11-22T10:15:02.123456789Z'],
    ['2026-11-22T10:15+02:00', '2026-11-22T08:15:00Z'],
    ['2026-11-22T23:30-0130', '2026-11-23T01:00:00Z'],
    ['2026-11-22T01:00+02', '2026-11-21T23:00:00Z'],
    ['20261122T101502Z', '2026-11-22T10:15:02Z'],
    ['2024-02-29', '2024-02-29T00:00:00Z'],
    ['10m', '2026-11-22T10:05:02.000000500Z'],
    ['45s', '2026-11-22T10:14:17.000000500Z'],
    ['2h30m', '2026-11-22T07:45:02.000000500Z'],
    ['3d', '2026-11-19T10:15:02.000000500Z'],
    ['1w', '2026-11-15T10:15:02.000000500Z'],
    ['2 hours ago', '2026-11-22T08:15:02.000000500Z'],
    ['1 day 1 min ago', '2026-11-21T10:14:02.000000500Z'],
    ['now', '2026-11-22T10:15:02.000000500Z'],
    ['yesterday', '2026-11-21T10:15:02.000000500Z'],
    ['yesterday 17:00', '2026-11-21T17:00:00Z'],
    ['Yesterday 17:00:30+02:00', '2026-11-21T15:00:30Z'],
    ['today', '2026-11-22T00:00:00Z'],
    ['today 09:30', '2026-11-22T09:30:00Z'],
    ['09:30', '2026-11-22T09:30:00Z'],
    // It is already Monday there.
    ['today 00:10+14:00', '2026-11-22T10:10:00Z'],
    ['friday', '2026-11-20T10:15:02.000000500Z'],
    ['sunday', '2026-11-15T10:15:02.000000500Z'],
    ['friday 17:00', '2026-11-20T17:00:00Z'],
    ['sunday 09:00', '2026-11-22T09:00:00Z'],
    ['sunday 17:00', '2026-11-15T17:00:00Z'],
    ['before-deploy', 'name before-deploy'],
    ['10mb', 'name 10mb'],
    ['vor dem Umbau ü', 'name vor dem Umbau ü'],
    ['nowhere', 'name nowhere'],
    ['todays-work', 'name todays-work'],
  ])('reads %j as %s', (text, expected) => {
    expect(parse(text)).toBe(expected);
  });

  it.each([
    '',
    '  ',
    'a/b',
    '2026-13-01',
    '2026-02-30',
    '2025-02-29',
    '2026-11-22T24:00',
    '2026-11-22T10:60',
    '2026-11-22T10:15:60',
    '2026-11-22T10:15+25:00',
    '2026-11-22T10',
    '20261322T101502Z',
    'yesterday 25:00',
    'yesterday noon',
    '25:00',
  ])('takes %j for nothing at all', (text) => {
    expect(parse(text)).toBeUndefined();
  });

  it('tells a time that stays from one that moves', () => {
    expect(parseMomentSpec('2026-11-22', NOW)).toMatchObject({ isFixed: true });
    for (const text of ['10m', 'yesterday 17:00', '09:30', 'friday', 'now']) {
      expect(parseMomentSpec(text, NOW)).toMatchObject({ isFixed: false });
    }
  });
});

describe('findMoment', () => {
  const source = {
    history: {
      status: () => ({
        earliest: 5 as Revision,
        earliestTime: time('2026-11-22T08:00:00Z'),
        latest: 9 as Revision,
        latestTime: time('2026-11-22T10:00:00Z'),
        bornTime: time('2026-11-22T06:00:00Z'),
        pinned: [2 as Revision],
      }),
      findRevision: () => Promise.resolve(6 as Revision),
    },
    findCheckpoint: (name: string) => (name === 'mine' ? (7 as Revision) : undefined),
  };
  const find = async (text: string): Promise<unknown> => {
    const spec = parseMomentSpec(text, NOW);
    return spec && findMoment(spec, source, NOW);
  };

  const isRemoved = (text: string): boolean => {
    const spec = parseMomentSpec(text, NOW);
    return spec !== undefined && isRemovedMoment(spec, source.history.status());
  };

  it('tells what retention has removed from what never was', () => {
    expect(['r1', 'r3', '2026-11-22T07:00Z'].map(isRemoved)).toEqual([true, true, true]);
    const others = ['r0', 'r2', 'r5', 'r99', '2026-11-22T05:00Z', '2026-11-22T09:00Z', 'mine'];
    expect(others.map(isRemoved)).toEqual(others.map(() => false));
  });

  it('finds what is kept', async () => {
    expect(await find('r5')).toEqual({ revision: 5, isFixed: true });
    expect(await find('r9')).toEqual({ revision: 9, isFixed: true });
    expect(await find('r2')).toEqual({ revision: 2, isFixed: true });
    expect(await find('mine')).toEqual({ revision: 7, isFixed: false });
    expect(await find('2026-11-22T09:00')).toEqual({ revision: 6, isFixed: true });
    expect(await find('1h')).toEqual({ revision: 6, isFixed: false });
  });

  it('does not call fixed a time that the volume has not passed', async () => {
    expect(await find('2026-11-22T10:00')).toEqual({ revision: 6, isFixed: false });
    expect(await find('2026-11-22T10:15:02Z')).toEqual({ revision: 6, isFixed: false });
  });

  it.each(['r4', 'r10', 'yours', '2026-11-22T07:59', '2026-11-22T10:16', '1w'])(
    'does not find %s, which is outside what is kept',
    async (text) => {
      expect(await find(text)).toBeUndefined();
    },
  );
});

it('takes nothing that is longer than any moment, however many blanks it has', () => {
  const text = `1m${' '.repeat(1_000_000)}x`;
  const beganAt = performance.now();
  expect(parseMomentSpec(text, { sec: 0, nsec: 0 })).toBeUndefined();
  expect(performance.now() - beganAt).toBeLessThan(1000);
});
