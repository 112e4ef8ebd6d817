/**
 * Clients that are killed in the middle of what they do, with requests under way: what they had begun
 * is done or not done, never half, and whoever comes after them works.
 */

import { spawn } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const processes = 2;

const MAX_LIFE_MS = 30;
/** Names are looked through, and removed, every so many lives. */
const LIVES_EACH = 20;

/** Each for ever. What they print nobody reads. */
const LIVES = {
  append: 'while :; do i=$((i + 1)); echo "line $i ends" >> log; done',
  hold: 'exec >> log; while :; do i=$((i + 1)); echo "line $i ends"; done',
  names:
    'while :; do n=$n.; mkdir d$n; ln log l$n; mv d$n e$n; mv l$n k$n; rmdir e$n; rm k$n; done',
  sync: 'while :; do dd if=/dev/zero of=synced bs=64k count=8 conv=fsync; done',
  copy: 'mkdir from; echo a > from/a; echo b > from/b; while :; do cp -r from to; rm -r to; done',
  look: 'while :; do ls -lR . .versions/log; cat log; done',
};

export async function work(context) {
  const { tally, random, dir, worker } = context;
  const place = join(dir, `mortal-${worker}`);
  tally.attempt('mkdir', () => mkdirSync(place));
  let lines = 0;
  for (let count = 1; !context.isOver(); count += 1) {
    const life = random.pick(Object.keys(LIVES));
    tally.operations += 1;
    await live(`i=${lines}; n=; ${LIVES[life]}`, place, random.whole(1, MAX_LIFE_MS));
    lines = tally.attempt('count', () => checkLines(tally, place, lines)) ?? lines;
    if (count % LIVES_EACH === 0) tally.attempt('look', () => checkNames(tally, place));
  }
  tally.attempt('look', () => checkNames(tally, place));
  context.keep('lines', lines);
}

/** Resolves when all of it is gone. */
async function live(script, cwd, lifeMs) {
  const child = spawn('/bin/sh', ['-c', script], { cwd, stdio: 'ignore', detached: true });
  const gone = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  await delay(lifeMs);
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  await gone;
  // The shell is gone; what it had started may still be in the kernel.
  while (child.pid !== undefined && isGroup(child.pid)) await delay(1);
}

/** Some process of it lives; one that nobody has waited for does not. */
function isGroup(group) {
  return readdirSync('/proc').some((pid) => {
    const [state, , ofGroup] = /^\d+$/.test(pid) ? statOf(pid) : [];
    return ofGroup === String(group) && state !== 'Z';
  });
}

function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  } catch {
    return [];
  }
}

/** @returns {number} How many lines there are, each whole, none missing, none twice. */
function checkLines(tally, place, atLeast) {
  let text = '';
  try {
    text = readFileSync(join(place, 'log'), 'utf8');
  } catch (error) {
    // Nobody has lived long enough to make it.
    if (error.code !== 'ENOENT' || atLeast > 0) throw error;
  }
  const lines = text.split('\n');
  const count = lines.length - 1;
  if (count < atLeast) tally.fail('lines', `got ${count}, had ${atLeast}`);
  const wrong = lines.findIndex((line, index) =>
    index < count ? line !== `line ${index + 1} ends` : line !== '',
  );
  if (wrong >= 0) tally.fail(`line ${wrong + 1} of ${count} in ${place}`, lines[wrong] ?? '');
  return count;
}

/** What is listed is there; and all of it but the log can be removed. */
function checkNames(tally, place) {
  for (const name of readdirSync(place)) {
    const path = join(place, name);
    const stat = lstatSync(path);
    if (name === 'log') continue;
    if (stat.isDirectory() && stat.nlink < 2) tally.fail(path, `has ${stat.nlink} links`);
    rmSync(path, { recursive: true });
  }
  const log = join(place, 'log');
  const links = lstatSync(log, { throwIfNoEntry: false })?.nlink ?? 1;
  tally.expect(`links of ${log}`, links, 1);
}

export async function verify({ tally, dir, recall }) {
  for (let worker = 0; worker < processes; worker += 1) {
    const place = join(dir, `mortal-${worker}`);
    const lines = tally.attempt('count', () => checkLines(tally, place, 0));
    tally.expect(`lines in ${place}`, lines, recall('lines', worker));
  }
}
