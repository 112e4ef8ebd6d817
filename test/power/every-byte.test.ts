/**
 * A log that ends at any byte of its tail is the volume after the last whole record, whatever index lies
 * beside it: none, an older one, one that knows more than is left.
 *
 * SESSFS_POWER_EVERY=1 tries each index at each byte; otherwise they take turns.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Space } from '../../src/index/keys.ts';
import { decodeMeta } from '../../src/index/records.ts';
import { Log } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/log.ts';
import { offsetOf, segmentName, segmentOf } from '../../src/log/segment.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { NO_REVISION, ROOT_INO, SYSTEM_ACTOR } from '../../src/shared/brands.ts';
import type { LogPos, Name, Revision } from '../../src/shared/brands.ts';
import { splitPath } from '../../src/shared/names.ts';
import { EPOCH, timeFromMs } from '../../src/shared/time.ts';
import { setAttributes, setXattr } from '../../src/volume/attributes.ts';
import { EVENT_TYPES } from '../../src/volume/events.ts';
import { allocateFile, cloneFileRange } from '../../src/volume/files.ts';
import { makeNode } from '../../src/volume/names.ts';
import { SYSTEM_CALLER } from '../../src/volume/store.ts';
import { Volume } from '../../src/volume/volume.ts';
import { DESK_VOLUME_ID, Desk } from '../volume/desk.ts';

/** Small, so that the tail is in several. */
const SEGMENT_BYTES = 1500;
const TAIL_RECORDS = 22;
const clock = { now: () => timeFromMs(Date.UTC(2026, 10, 22, 11)) };
const tryAll = (process.env['SESSFS_POWER_EVERY'] ?? '') !== '';
const shm = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let base: string;
beforeAll(() => (base = fs.mkdtempSync(join(shm, 'sessfs-every-byte-'))));
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

interface Written {
  /** A log of which nothing was ever synced. */
  readonly dir: string;
  readonly records: readonly Pick<LogRecord, 'revision' | 'pos' | 'end' | 'type'>[];
}

/** Some of everything that a volume can record, the rarer things last. */
async function doEverything(desk: Desk): Promise<void> {
  const { volume, history, caller } = desk;
  desk.mkdir('d');
  desk.save('d/f', 'first');
  desk.save('d/f', 'second');
  desk.save('g', 'x'.repeat(700));
  await volume.cuts.settled();
  await promiseAll(desk);
  const { revision } = volume.status();
  desk.become('two');
  desk.save('d/f', 'second');
  desk.rm('d/f');
  desk.rmdir('d');
  await volume.cuts.settled();
  await history.undelete({ path: splitPath('d'), actor: SYSTEM_ACTOR });
  desk.become('three');
  desk.save('d/f', 'third');
  await history.rollback({ path: splitPath('d/f'), to: revision, actor: SYSTEM_ACTOR });
  desk.ln('d/f', 'h');
  desk.mv('h', 'i');
  desk.mv('i', 'g', 2);
  makeNode(
    volume,
    caller,
    { parent: ROOT_INO, name: 's' as Name },
    { mode: 0o120777, target: 'd/f' },
  );
  setXattr(volume, caller, desk.ino('g'), {
    name: 'user.x',
    value: Buffer.from('value'),
    flags: 0,
  });
  setAttributes(volume, caller, desk.ino('g'), { mode: 0o600 });
  const ino = desk.open('g');
  allocateFile(volume, caller, ino, { offset: 2, length: 900, mode: 0 });
  cloneFileRange(
    volume,
    caller,
    { ino: desk.ino('i'), offset: 0 },
    { ino, offset: 40, length: 50 },
  );
  desk.truncate('g', 30);
  desk.write(ino, 'y'.repeat(60), 10);
  desk.close(ino);
  desk.rm('i');
}

/** Everything that can be promised, and a purge that finds nothing. */
async function promiseAll(desk: Desk): Promise<void> {
  const { volume } = desk;
  const pledges = new Pledges(volume);
  const actor = SYSTEM_ACTOR;
  const ino = desk.ino('g');
  await pledges.setTier(ino, 'permanent', { actor, isRecursive: false });
  await pledges.renew(ino, actor);
  pledges.setSessionTier('persistent', actor);
  await pledges.addCheckpoint('before', { actor });
  const target = { ino, revision: NO_REVISION, path: 'g' };
  pledges.addHold({ name: 'kept', reason: 'a test', target }, actor);
  await volume.flushed();
  const purge = { horizon: NO_REVISION, horizonTime: EPOCH, isConfirmed: false };
  volume.commit({ kind: 'purge', ...purge, inodes: [], names: [] }, SYSTEM_CALLER);
}

/** The same records in a log that was never synced since it was made: any of them may be lost. */
async function writeUnsynced(): Promise<Written> {
  const desk = await Desk.open({ dir: join(base, 'desk'), segmentBytes: SEGMENT_BYTES });
  await doEverything(desk);
  await desk.volume.cuts.settled();
  const { log } = desk.volume;
  const options = {
    volumeId: DESK_VOLUME_ID,
    clock,
    segmentBytes: SEGMENT_BYTES,
    onRecord: () => {},
  };
  const dir = join(base, 'unsynced');
  const copy = await Log.open({ dir: join(base, 'copy', 'log'), create: true, ...options });
  const records: Written['records'][number][] = [];
  for await (const record of log.scan(0 as LogPos)) {
    const { revision, time, unique, actor, type, payload, dataLength, dataPos, pos, end } = record;
    const data = dataLength === 0 ? undefined : await log.read(dataPos, dataLength);
    copy.append({ revision, time, unique, actor, type }, payload, payload.length, data);
    expect(copy.recordPos).toBe(pos);
    records.push({ revision, pos, end, type });
  }
  fs.cpSync(join(base, 'copy'), dir, { recursive: true });
  await copy.close();
  await desk.leave();
  return { dir, records };
}

/** Everything that the index says, but how it came about. */
async function dump(volume: Volume): Promise<string> {
  await volume.flushed();
  const lines: string[] = [];
  for await (const [key, value] of volume.index.scan({
    gte: Buffer.from([0]),
    lt: Buffer.from([0xff]),
  })) {
    if (key[0] === Space.HASH || key[0] === Space.BATCH) continue;
    if (key[0] === Space.META) {
      const { answered: _, uncut = [], ...meta } = decodeMeta(value) ?? {};
      const sorted = uncut.toSorted((a, b) => a.ino - b.ino);
      lines.push(JSON.stringify({ ...meta, uncut: sorted }));
    } else lines.push(`${key.toString('hex')} ${value.toString('hex')}`);
  }
  return lines.join('\n');
}

/** Opened as by a server that takes over: nothing is cut that was open. */
function open(dir: string): Promise<Volume> {
  return Volume.open({
    dir,
    volumeId: DESK_VOLUME_ID,
    clock,
    segmentBytes: SEGMENT_BYTES,
    resumed: { since: Number.MAX_SAFE_INTEGER as Revision },
  });
}

/** A copy whose log ends before a byte. */
function cutAt(written: Written, at: LogPos, index: string | undefined): string {
  const dir = join(base, 'cut');
  fs.rmSync(dir, { recursive: true, force: true });
  fs.cpSync(written.dir, dir, { recursive: true });
  for (const name of fs.readdirSync(join(dir, 'log'))) {
    if (name > segmentName(segmentOf(at)) && name.endsWith('.seg'))
      fs.rmSync(join(dir, 'log', name));
  }
  fs.truncateSync(join(dir, 'log', segmentName(segmentOf(at))), offsetOf(at));
  if (index !== undefined) fs.cpSync(index, join(dir, 'index'), { recursive: true });
  return dir;
}

test('a log cut at any byte of its tail is the volume after the last whole record', async () => {
  const written = await writeUnsynced();
  const { records } = written;
  const tail = records.slice(-TAIL_RECORDS);
  const first = tail[0];
  const last = tail.at(-1);
  if (first === undefined || last === undefined) throw new Error('no records');
  // A restore is always part of a batch.
  const { restore: _, ...types } = EVENT_TYPES;
  expect(new Set(records.map(({ type }) => type))).toEqual(new Set(Object.values(types)));
  expect(segmentOf(last.pos)).toBeGreaterThan(segmentOf(first.pos));

  const states = new Map<number, string>();
  const indexes: (string | undefined)[] = [undefined];
  for (const [number, { revision, end }] of records.slice(-TAIL_RECORDS - 1).entries()) {
    const dir = cutAt(written, end, undefined);
    const volume = await open(dir);
    expect(volume.status().revision).toBe(revision);
    states.set(revision, await dump(volume));
    await volume.close();
    if (number % 7 !== 0) continue;
    indexes.push(join(base, `index-${revision}`));
    fs.cpSync(join(dir, 'index'), join(base, `index-${revision}`), { recursive: true });
  }

  let tried = 0;
  for (const { id, start, end } of placesOf(tail)) {
    for (let offset = start; offset < end; offset++) {
      const at = (id * 2 ** 32 + offset) as LogPos;
      const kept = records.findLast((record) => record.end <= at)?.revision ?? 0;
      const turn = tryAll ? indexes : [indexes[offset % indexes.length]];
      for (const index of turn) {
        const volume = await open(cutAt(written, at, index));
        const where = { segment: id, offset, index: index ?? 'none' };
        expect({ ...where, revision: volume.status().revision }).toEqual({
          ...where,
          revision: kept,
        });
        expect(await dump(volume)).toBe(states.get(kept));
        tried += 1;
        if (tried % 50 === 0) {
          const place = { parent: ROOT_INO, name: 'after' as Name };
          makeNode(volume, SYSTEM_CALLER, place, { mode: 0o100644 });
        }
        await volume.close();
      }
    }
  }
  console.log(`${tried} logs cut in ${tail.length} records, ${indexes.length} indexes`);
  expect(tried).toBeGreaterThan(1000);
}, 3_600_000);

/** The bytes of some records, and of the headers of segments between them. */
function placesOf(
  records: readonly { readonly pos: LogPos; readonly end: LogPos }[],
): { id: number; start: number; end: number }[] {
  const places = new Map<number, { id: number; start: number; end: number }>();
  for (const { pos, end } of records) {
    const id = segmentOf(pos);
    const place = places.get(id) ?? { id, start: places.size === 0 ? offsetOf(pos) : 0, end: 0 };
    places.set(id, { ...place, end: offsetOf(end) });
  }
  return [...places.values()];
}
