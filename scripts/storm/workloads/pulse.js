/**
 * One small operation again and again: how long a client waits, by the clock.
 */

import { closeSync, lstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const processes = 1;

const PAUSE_MS = 5;

export async function work(context) {
  const { tally, dir } = context;
  const path = join(dir, 'pulse');
  const fd = tally.attempt('open', () => openSync(path, 'w'));
  if (fd === undefined) return;
  let number = 0;
  while (!context.isOver()) {
    number += 1;
    const beganAt = performance.now();
    tally.attempt('write', () => writeSync(fd, String(number).padStart(10, '0'), 0));
    tally.noteLatency(performance.now() - beganAt);
    // A name that was never asked for, so that the kernel has to ask.
    const found = tally.attempt('lookup', () =>
      lstatSync(`${path}-${number}`, { throwIfNoEntry: false }),
    );
    if (found !== undefined) tally.fail('lookup', 'found what was never made');
    await delay(PAUSE_MS);
  }
  tally.attempt('close', () => closeSync(fd));
  context.keep('number', number);
}

export async function verify({ tally, dir, recall }) {
  const seen = tally.attempt('read', () => Number(readFileSync(join(dir, 'pulse'), 'utf8')));
  tally.expect('the last number', seen, recall('number', 0));
}
