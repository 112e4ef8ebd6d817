/**
 * A copy of a volume as a crash would leave it: cut at a byte, or without its index.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { offsetOf, segmentName, segmentOf } from '../../src/log/segment.ts';
import type { LogPos, Revision } from '../../src/shared/brands.ts';
import { same } from './compare.ts';
import { takeCuts } from './perform-history.ts';
import type { Run } from './run.ts';
import { Difference } from './steps.ts';
import { System } from './system.ts';

interface Record {
  readonly revision: Revision;
  readonly pos: LogPos;
  readonly end: LogPos;
}

async function listRecords(run: Run): Promise<Record[]> {
  const records: Record[] = [];
  for await (const { revision, pos, end } of run.system.volume.log.scan(0 as LogPos)) {
    records.push({ revision, pos, end });
  }
  return records;
}

/**
 * Cuts the last segment of a copy at a byte behind what was synced, and goes on with the copy.
 *
 * The index is missing, or one of an earlier moment: a batch that was not yet written.
 */
export async function crashAt(run: Run, n: number): Promise<void> {
  const { system, model } = run;
  const records = await listRecords(run);
  same('the last record in the log', records.at(-1)?.revision, model.revision);
  const dir = run.newDir();
  system.copyTo(dir, { withIndex: false });
  const synced = system.volume.log.durableRevision;
  await system.volume.close();
  const segment = segmentOf((records.at(-1) as Record).pos);
  const lost = records.filter(
    ({ pos, revision }) => segmentOf(pos) === segment && revision > synced,
  );
  const [first] = lost;
  if (first !== undefined) {
    const [start, end] = [offsetOf(first.pos), offsetOf((lost.at(-1) as Record).end)];
    const cut = start + ((n * 7919) % (end - start + 1));
    fs.truncateSync(join(dir, 'log', segmentName(segment)), cut);
    const whole = records.findLast(
      ({ pos, end: endsAt }) => segmentOf(pos) < segment || offsetOf(endsAt) <= cut,
    );
    if (whole === undefined) throw new Difference('No record is left');
    run.tell(`crash: segment ${segment} cut at ${cut}, r${whole.revision} is the last`);
    model.rewind(whole.revision);
    run.indexes = run.indexes.filter(({ revision }) => revision <= whole.revision);
  }
  const index = run.indexes.findLast(({ revision }) => revision <= model.revision);
  if (n % 3 !== 0 && index !== undefined) {
    run.tell(`crash: with the index of r${index.revision}`);
    fs.cpSync(index.dir, join(dir, 'index'), { recursive: true });
  }
  model.restart();
  run.handles = [];
  await run.replaceSystem(dir, {});
  takeCuts(run);
}

/** The index as it was written bit by bit, and as it is made anew from the log, say the same. */
export async function compareRebuilt(run: Run): Promise<void> {
  const { system } = run;
  const before = await system.dumpIndex();
  const dir = run.newDir();
  system.copyTo(dir, { withIndex: false });
  const rebuilt = await System.open(dir, run.clock, { isResumed: true });
  try {
    const after = await rebuilt.dumpIndex();
    const differences: string[] = [];
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(key) === after.get(key)) continue;
      differences.push(`${describeKey(key)}: ${before.get(key)} became ${after.get(key)}`);
    }
    if (differences.length > 0) {
      throw new Difference(`the rebuilt index differs in ${differences.join('\n  ')}`);
    }
  } finally {
    await rebuilt.volume.close();
    fs.rmSync(dir, { recursive: true });
  }
}

const describeKey = (hex: string): string =>
  `${Buffer.from(hex.slice(0, 2), 'hex').toString('latin1')} ${hex.slice(2)}`;
