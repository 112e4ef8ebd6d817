/**
 * Random work under a quota: what is done stays within the limits, and what is refused would not have.
 */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Name } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import { allocateFile, cloneFileRange, FALLOC_FL_ZERO_RANGE } from '../../src/volume/files.ts';
import { QUOTA_KINDS } from '../../src/volume/quota-watch.ts';
import type { QuotaKind } from '../../src/volume/quota.ts';
import { Desk } from './desk.ts';

const LIMITS = { liveBytes: 3000, historyBytes: 4000, inodes: 5, versions: 12 };

type Step =
  | { readonly kind: 'write'; readonly at: number; readonly length: number }
  | { readonly kind: 'clone'; readonly at: number; readonly length: number; readonly to: number }
  | { readonly kind: 'zero'; readonly at: number; readonly length: number }
  | { readonly kind: 'allocate'; readonly at: number; readonly length: number }
  | { readonly kind: 'truncate'; readonly at: number }
  | { readonly kind: 'remove' | 'close' };

const STEP: fc.Arbitrary<{ readonly file: number; readonly step: Step }> = fc.record({
  file: fc.integer({ min: 0, max: 4 }),
  step: fc.oneof(
    fc.record({
      kind: fc.constant('write' as const),
      at: fc.integer({ min: 0, max: 1500 }),
      length: fc.integer({ min: 1, max: 900 }),
    }),
    fc.record({
      kind: fc.constant('clone' as const),
      at: fc.integer({ min: 0, max: 1000 }),
      length: fc.integer({ min: 1, max: 1500 }),
      to: fc.integer({ min: 0, max: 1000 }),
    }),
    fc.record({
      kind: fc.constantFrom('zero' as const, 'allocate' as const),
      at: fc.integer({ min: 0, max: 1000 }),
      length: fc.integer({ min: 1, max: 1500 }),
    }),
    fc.record({ kind: fc.constant('truncate' as const), at: fc.integer({ min: 0, max: 2500 }) }),
    fc.record({ kind: fc.constantFrom('remove' as const, 'close' as const) }),
  ),
});

function perform(desk: Desk, file: number, step: Step): void {
  const { volume, caller } = desk;
  const name = `f${file}`;
  const isThere = volume.state.findDentry(ROOT_INO, name as Name) !== undefined;
  if (step.kind === 'remove') {
    if (isThere) desk.rm(name);
    return;
  }
  const ino = isThere ? desk.ino(name) : desk.open(name);
  if (step.kind === 'write') desk.write(ino, Buffer.alloc(step.length, file + 65), step.at);
  else if (step.kind === 'truncate') desk.truncate(name, step.at);
  else if (step.kind === 'clone') {
    const target = { ino, offset: step.to, length: step.length };
    cloneFileRange(volume, caller, { ino, offset: step.at }, target);
  } else if (step.kind === 'zero') {
    const range = { offset: step.at, length: step.length, mode: FALLOC_FL_ZERO_RANGE };
    allocateFile(volume, caller, ino, range);
  } else if (step.kind === 'allocate') {
    allocateFile(volume, caller, ino, { offset: step.at, length: step.length, mode: 0 });
  } else {
    desk.close(ino);
  }
}

type Totals = Record<QuotaKind, number>;

const totalsOf = ({ volume }: Desk): Totals => {
  const { liveBytes, historyBytes, inodes, versions } = volume.state;
  return { liveBytes, historyBytes, inodes, versions };
};

/** What only grows under a limit that is not yet reached. */
const ASKING: ReadonlySet<Step['kind']> = new Set(['write', 'clone', 'zero']);

/** One step under the quota. @returns "done", "refused", or what is wrong with it. */
function judge(desk: Desk, file: number, step: Step): string {
  const { quota } = desk.volume;
  quota.setOwn(LIMITS);
  const before = totalsOf(desk);
  try {
    perform(desk, file, step);
  } catch (error) {
    if (!(error instanceof FsError) || error.errno !== Errno.EDQUOT) throw error;
    const after = totalsOf(desk);
    if (after.liveBytes !== before.liveBytes) return 'live bytes were left behind';
    if (after.historyBytes !== before.historyBytes) return 'history was left behind';
    // What fallocate(2) is refused for would come later.
    if (step.kind === 'allocate') return 'refused';
    quota.setOwn({});
    perform(desk, file, step);
    const done = totalsOf(desk);
    const exceeds = QUOTA_KINDS.some((kind) => done[kind] > LIMITS[kind]);
    return exceeds || done.versions >= LIMITS.versions
      ? 'refused'
      : 'refused what there is room for';
  }
  const after = totalsOf(desk);
  const grown = (['liveBytes', 'historyBytes'] as const).find(
    (kind) => after[kind] > Math.max(before[kind], LIMITS[kind]),
  );
  return ASKING.has(step.kind) && grown !== undefined ? `${grown} above its limit` : 'done';
}

test('what is done stays within the limits, and what is refused would not have', async () => {
  const told = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 30, maxLength: 80 }), async (steps) => {
      const desk = await Desk.open();
      for (const { file, step } of steps) {
        const verdict = judge(desk, file, step);
        told.set(verdict, (told.get(verdict) ?? 0) + 1);
      }
      await desk.leave();
      return [...told.keys()].every((verdict) => verdict === 'done' || verdict === 'refused');
    }),
    { numRuns: 60 },
  );
  expect(told.get('done')).toBeGreaterThan(100);
  expect(told.get('refused')).toBeGreaterThan(100);
});
