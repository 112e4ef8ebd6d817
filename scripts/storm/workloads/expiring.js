/**
 * Files whose history is promised for seconds, saved all the time while sweeps remove what is over: what
 * is promised is there, and what is there is right. Of what is over, nothing but «removed» may come.
 */

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export const processes = 2;

/** As the storm's configuration promises, in milliseconds; see host.js. */
export const PROMISED_MS = 15_000;
/** The clock of the server, and what is decided while this looks. */
const MARGIN_MS = 5_000;
const FILES = 6;
const LARGEST_BYTES = 400_000;
/** What retention answers for what it has removed, and what is not listed any more. */
const REMOVED = new Set(['ENODATA', 'ENOENT']);

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 20);

export async function work(context) {
  const { tally, random, worker, dir } = context;
  const files = Array.from({ length: FILES }, (_, index) => ({
    name: `short-lived-${worker}-${index}`,
    path: join(dir, `short-lived-${worker}-${index}`),
    /** What was saved, one after the other, and when it was superseded. @type {{ hash: string, endedAt: number }[]} */
    saves: [],
    isLive: false,
  }));
  while (!context.isOver()) {
    const file = random.pick(files);
    if (file.isLive && random.chance(0.05)) {
      end(file);
      tally.attempt(`remove ${file.name}`, () => rmSync(file.path));
      file.isLive = false;
      continue;
    }
    const bytes = makeBytes(random, `${file.name} ${file.saves.length} `);
    end(file);
    tally.attempt(`save ${file.name}`, () => writeFileSync(file.path, bytes));
    file.saves.push({ hash: hash(bytes), endedAt: Infinity });
    file.isLive = true;
    if (random.chance(0.2)) check(context, file);
  }
  context.keep(
    'files',
    files.map(({ name, saves, isLive }) => ({ name, saves, isLive })),
  );
}

/** Before it is superseded: that may come to be at any moment until the operation returns. */
function end(file) {
  const last = file.saves.at(-1);
  if (last !== undefined && last.endedAt === Infinity) last.endedAt = Date.now();
}

/** Nothing that could be made smaller. */
function makeBytes(random, label) {
  const bytes = Buffer.alloc(random.whole(1000, LARGEST_BYTES));
  for (let at = 0; at + 4 <= bytes.length; at += 4)
    bytes.writeUInt32LE(random.whole(0, 2 ** 32), at);
  bytes.write(label);
  return bytes;
}

/** What is listed is what was saved, in that order; all that is promised is listed. */
function check({ tally, dir }, { name, saves }) {
  const place = join(dir, '.versions', name);
  const before = Date.now();
  const known = new Map(saves.map((save, index) => [save.hash, index]));
  const seen = new Set();
  let last = -1;
  for (const version of listVersions(tally, place)) {
    const path = join(place, version);
    const bytes = ifThere(tally, `read ${path}`, () => readFileSync(path));
    if (bytes === undefined) continue;
    const index = known.get(hash(bytes));
    if (index === undefined || index < last) {
      tally.fail(`${version} of ${name}`, `${bytes.length} bytes that were not saved then`);
      return;
    }
    last = index;
    seen.add(index);
  }
  for (const [index, { endedAt }] of saves.entries()) {
    if (endedAt < before - PROMISED_MS + MARGIN_MS || seen.has(index)) continue;
    const age = endedAt === Infinity ? 'live' : `superseded ${before - endedAt} ms ago`;
    tally.fail(
      `${name}, save ${index} of ${saves.length}`,
      `it is promised (${age}), and not there`,
    );
    return;
  }
}

/** A file of which nothing is kept any more has no name there. */
function listVersions(tally, place) {
  const names = ifThere(tally, `list ${place}`, () => readdirSync(place)) ?? [];
  return names.filter((name) => /^r\d+/.test(name)).toSorted();
}

/** @returns undefined if it was removed, perhaps since it was listed. */
function ifThere(tally, what, read) {
  tally.operations += 1;
  try {
    return read();
  } catch (error) {
    if (!REMOVED.has(error.code)) tally.fail(what, error.message);
    return undefined;
  }
}

export async function verify(context) {
  const { tally, dir } = context;
  for (let worker = 0; worker < processes; worker += 1) {
    for (const file of context.recall('files', worker)) {
      // JSON has no infinity.
      const saves = file.saves.map((save) => ({ ...save, endedAt: save.endedAt ?? Infinity }));
      if (saves.length === 0) continue;
      check(context, { ...file, saves });
      if (!file.isLive) continue;
      const bytes = tally.attempt(`read ${file.name}`, () => readFileSync(join(dir, file.name)));
      tally.expect(`${file.name} itself`, bytes && hash(bytes), saves.at(-1)?.hash);
    }
  }
}
