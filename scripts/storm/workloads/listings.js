/**
 * Listings of a large directory while names come and go in it: what stays is listed once each time,
 * what was never there never.
 */

import { closeSync, mkdirSync, openSync, opendirSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

export const processes = 2;

const STABLE = 1200;
const MOVING = 200;

export async function prepare({ dir, tally }) {
  tally.attempt('mkdir', () => mkdirSync(join(dir, 'large')));
  for (let index = 0; index < STABLE; index += 1) {
    tally.attempt('make', () => closeSync(openSync(join(dir, 'large', `stable-${index}`), 'wx')));
  }
}

export async function work(context) {
  const large = join(context.dir, 'large');
  if (context.worker === 0) churn(context, large);
  else while (!context.isOver()) check(context, large);
}

function churn({ tally, random, isOver }, large) {
  const present = new Set();
  while (!isOver()) {
    const name = `moving-${random.whole(0, MOVING)}`;
    const path = join(large, name);
    if (present.delete(name)) tally.attempt(`unlink ${name}`, () => unlinkSync(path));
    else {
      tally.attempt(`make ${name}`, () => closeSync(openSync(path, 'wx')));
      present.add(name);
    }
  }
  for (const name of present) tally.attempt('unlink', () => unlinkSync(join(large, name)));
}

/** Small reads, so that a listing takes many calls. */
function list(large, random) {
  if (random.chance(0.3)) return readdirSync(large);
  const names = [];
  const dir = opendirSync(large, { bufferSize: 32 });
  try {
    for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) names.push(entry.name);
  } finally {
    dir.closeSync();
  }
  return names;
}

function check({ tally, random }, large) {
  const names = tally.attempt('list', () => list(large, random));
  if (names === undefined) return;
  const stable = names.filter((name) => name.startsWith('stable-'));
  const moving = names.filter((name) => name.startsWith('moving-'));
  tally.expect('names that stay', stable.length, STABLE);
  tally.expect('different names that stay', new Set(stable).size, STABLE);
  tally.expect('names listed twice', names.length - new Set(names).size, 0);
  tally.expect('names that never were', names.length - stable.length - moving.length, 0);
}

export async function verify({ tally, dir }) {
  const names = tally.attempt('list', () => readdirSync(join(dir, 'large')));
  tally.expect('names at the end', names?.length, STABLE);
}
