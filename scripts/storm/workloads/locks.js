/**
 * Locks, of both kinds: a counter that is read, changed and written under one loses nothing, and a lock
 * that is held for the whole storm stays held.
 */

import { closeSync, openSync, readSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { flock, LOCK_EX, LOCK_NB, LOCK_UN, recordLock } from '../libc.js';

export const processes = 3;

const KINDS = {
  flock: { lock: (fd) => flock(fd, LOCK_EX), unlock: (fd) => flock(fd, LOCK_UN) },
  record: {
    lock: (fd) => recordLock(fd, { lock: true, wait: true }),
    unlock: (fd) => recordLock(fd, { lock: false, wait: false }),
  },
};

export async function prepare({ dir, tally }) {
  for (const name of [...Object.keys(KINDS), 'held']) {
    tally.attempt('make', () => closeSync(openSync(join(dir, name), 'wx')));
  }
}

export async function work(context) {
  const { tally, dir, worker, random } = context;
  const open = (name) => tally.attempt('open', () => openSync(join(dir, name), 'r+')) ?? -1;
  const fds = { flock: open('flock'), record: open('record') };
  const held = open('held');
  const counts = { flock: 0, record: 0 };
  // The first process holds it; the others, which try from then on, must not get it.
  if (worker === 0) tally.attempt('hold', () => flock(held, LOCK_EX | LOCK_NB));
  const heldFrom = Date.now() + HOLD_AFTER_MS;
  while (!context.isOver()) {
    const kind = random.pick(Object.keys(KINDS));
    tally.attempt(`count under ${kind}`, () => {
      KINDS[kind].lock(fds[kind]);
      increment(fds[kind]);
      KINDS[kind].unlock(fds[kind]);
    });
    counts[kind] += 1;
    // A process that is over earlier lets go of it: not at the very end.
    if (worker !== 0 && Date.now() > heldFrom && Date.now() < context.endsAt - HOLD_AFTER_MS) {
      if (isFree(held)) tally.fail('the lock that is held', 'somebody else got it as well');
    }
  }
  for (const fd of [...Object.values(fds), held]) tally.attempt('close', () => closeSync(fd));
  context.keep('counts', counts);
}

/** Until every process is up, and before the first is over, in milliseconds. */
const HOLD_AFTER_MS = 3000;

function increment(fd) {
  const digits = Buffer.alloc(16);
  const length = readSync(fd, digits, 0, digits.length, 0);
  const count = Number(digits.toString('latin1', 0, length) || '0');
  writeSync(fd, String(count + 1).padStart(16, '0'), 0);
}

function isFree(fd) {
  try {
    flock(fd, LOCK_EX | LOCK_NB);
    return true;
  } catch {
    return false;
  }
}

export async function verify({ tally, dir, recall }) {
  for (const kind of Object.keys(KINDS)) {
    let wanted = 0;
    for (let worker = 0; worker < processes; worker += 1)
      wanted += recall('counts', worker)?.[kind];
    const seen = tally.attempt('read', () => Number(readFileSync(join(dir, kind), 'utf8')));
    tally.expect(`the counter under ${kind}`, seen, wanted);
  }
}
