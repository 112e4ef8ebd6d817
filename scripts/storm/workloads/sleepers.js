/**
 * Clients that pause for longer than it takes a session to hibernate, with files open and locks held:
 * what they find afterwards is what they left.
 */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { flock, LOCK_EX, LOCK_NB } from '../libc.js';
import { labelledText } from '../random.js';

export const processes = 2;

/** Around HIBERNATE_AFTER_SECONDS of host.js, in milliseconds. */
const PAUSE_MS = [500, 3000];
const BURST = 20;

const lineOf = (worker, number) => labelledText(`${worker}.${number}`, 20 + ((number * 53) % 2000));

export async function work(context) {
  const { tally, dir, worker, random } = context;
  const path = join(dir, `diary-${worker}`);
  const fd = tally.attempt('open', () => openSync(path, 'wx+')) ?? -1;
  tally.attempt('lock', () => flock(fd, LOCK_EX));
  const { ino } = tally.attempt('stat', () => fstatSync(fd)) ?? {};
  let text = '';
  let number = 0;
  while (!context.isOver()) {
    for (let left = random.whole(1, BURST); left > 0; left -= 1) {
      number += 1;
      const line = lineOf(worker, number);
      const written = tally.attempt('write', () => writeSync(fd, line));
      tally.expect('write', written, line.length);
      text += line;
    }
    await delay(random.whole(...PAUSE_MS));
    tally.expect(
      'the inode',
      tally.attempt('stat', () => fstatSync(fd).ino),
      ino,
    );
    tally.attempt('check the lock', () => checkHeld(tally, path));
    tally.attempt('check the end', () => checkEnd(tally, { fd, path, text, random }));
  }
  tally.attempt('close', () => closeSync(fd));
  context.keep('number', number);
}

function checkHeld(tally, path) {
  const other = openSync(path, 'r');
  try {
    flock(other, LOCK_EX | LOCK_NB);
    tally.fail('the lock', 'somebody else got it as well');
  } catch (error) {
    if (error.code !== 'EWOULDBLOCK') throw error;
  } finally {
    closeSync(other);
  }
}

function checkEnd(tally, { fd, path, text, random }) {
  const bytes = Buffer.alloc(500);
  const isDirect = random.chance(0.5);
  const from = isDirect ? openSync(path, constants.O_RDONLY | constants.O_DIRECT) : fd;
  const count = readSync(from, bytes, 0, bytes.length, Math.max(0, text.length - bytes.length));
  if (isDirect) closeSync(from);
  tally.expect('the end of the diary', bytes.toString('latin1', 0, count), text.slice(-500));
}

export async function verify({ tally, dir, recall }) {
  for (let worker = 0; worker < processes; worker += 1) {
    let wanted = '';
    const count = recall('number', worker);
    for (let number = 1; number <= count; number += 1) wanted += lineOf(worker, number);
    const seen = tally.attempt('read', () => readFileSync(join(dir, `diary-${worker}`), 'utf8'));
    tally.expect(`diary ${worker}`, seen, wanted);
  }
}
