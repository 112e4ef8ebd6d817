/**
 * Fuzz of the log's files: opened, a damaged log gives records that were written, in order and from the
 * first, or it is refused with a word on what to do; and then nothing was changed.
 */

import { SessfsError } from '../../src/shared/errors.ts';
import type { ActorId, Revision } from '../../src/shared/brands.ts';
import type { LogRecord } from '../../src/log/log.ts';
import { SEGMENT_HEADER_BYTES, segmentName } from '../../src/log/segment.ts';
import type { SegmentId } from '../../src/shared/brands.ts';
import { DIR, openLog, timeOf } from '../log/fixture.ts';
import { Log } from '../../src/log/log.ts';
import { MemoryDisk } from '../log/memory-disk.ts';
import { demand, Finding } from './finding.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

const COPIES = 60;
const OPEN_MS = 2000;
const VOLUME = '0123456789abcdef0123456789abcdef';
const SYNCED = `${DIR}/synced`;

interface Written {
  readonly disk: MemoryDisk;
  /** What each record says; the index is its revision - 1. */
  readonly records: readonly string[];
  readonly durable: number;
}

export async function fuzzLog(seed: number): Promise<void> {
  const random = new Random(seed);
  const written = await writeLog(random, 0);
  const other = await writeLog(random, 1);
  for (let copy = 0; copy < COPIES; copy++) {
    const disk = written.disk.clone();
    const isSyncedKept = damage(random, disk, other.disk);
    await open(disk, written, isSyncedKept);
  }
}

async function writeLog(random: Random, variant: number): Promise<Written> {
  const disk = new MemoryDisk();
  const segmentBytes = random.pick([1000, 4000, 50_000, 1 << 20]);
  const clock = { now: () => timeOf(variant) };
  const { log } = await openLog(disk, { create: true, segmentBytes, clock });
  const records: string[] = [];
  const last = random.between(1, 60);
  for (let revision = 1; revision <= last; revision++) {
    const payload = random.bytes(random.pick([0, 1, 20, 50, 600]));
    const dataBytes = random.pick([0, 0, 1, 100, 5000, 140_000]);
    const data = dataBytes === 0 ? undefined : Buffer.alloc(dataBytes, `${variant} ${revision} `);
    const header = {
      revision: revision as Revision,
      time: timeOf(revision),
      unique: random.next(),
      actor: random.below(9) as ActorId,
      type: random.below(16),
    };
    log.append(header, payload, payload.length, data);
    const crcs = data === undefined ? [] : [...log.chunkCrcs];
    records.push(JSON.stringify([header, payload.toString('hex'), dataBytes, crcs]));
    if (random.once(12)) await log.sync();
  }
  const durable = log.durableRevision;
  disk.kill();
  return { disk, records, durable };
}

const describe = (record: LogRecord): string => {
  const { revision, time, unique, actor, type, payload, dataLength, chunkCrcs } = record;
  const header = { revision, time, unique, actor, type };
  return JSON.stringify([header, payload.toString('hex'), dataLength, chunkCrcs]);
};

/** @returns Whether what tells how far was synced is as it was. */
function damage(random: Random, disk: MemoryDisk, other: MemoryDisk): boolean {
  const segments = [...disk.files.keys()].filter((path) => path !== SYNCED);
  const path = random.pick(segments);
  const bytes = disk.bytesOf(path);
  const nextPath = `${DIR}/${segmentName(segments.length as SegmentId)}`;
  switch (random.below(12)) {
    case 0:
      disk.remove(path);
      return true;
    case 1: {
      const second = random.pick(segments);
      const swapped = disk.bytesOf(second);
      disk.setBytes(second, bytes);
      disk.setBytes(path, swapped);
      return true;
    }
    case 2:
      disk.setBytes(nextPath, bytes);
      return true;
    case 3:
      disk.setBytes(nextPath, mutate(random, bytes.subarray(0, 128)));
      return true;
    case 4: {
      // Of another log of the same volume; all of it would be a log, and none that was damaged.
      const strange = other.files.has(path) ? other.bytesOf(path) : bytes;
      const at = random.between(SEGMENT_HEADER_BYTES, bytes.length);
      disk.setBytes(path, Buffer.concat([bytes.subarray(0, at), strange.subarray(at)]));
      return true;
    }
    case 5:
      disk.setBytes(`${DIR}/${random.pick(['ffffffff.seg', 'x.seg', '0.seg', 'LOCK'])}`, bytes);
      return true;
    case 6:
      if (disk.files.has(SYNCED)) disk.setBytes(SYNCED, mutate(random, disk.bytesOf(SYNCED)));
      return false;
    case 7:
      disk.setBytes(path, mutateHead(random, bytes));
      return true;
    default:
      disk.setBytes(path, mutate(random, bytes));
      return true;
  }
}

/** Lengths and links are at the beginning of a record, and the first one is behind the header. */
function mutateHead(random: Random, bytes: Buffer): Buffer {
  const at = 128 + 4 * random.below(14);
  const changed = Buffer.from(bytes);
  if (changed.length >= at + 4) changed.writeUInt32LE(random.u32(), at);
  return changed;
}

async function open(disk: MemoryDisk, written: Written, isSyncedKept: boolean): Promise<void> {
  const before = snapshot(disk);
  const seen: string[] = [];
  const beganAt = performance.now();
  const cpuBefore = process.cpuUsage();
  let log: Log | undefined;
  try {
    log = await Log.open({
      dir: DIR,
      volumeId: VOLUME,
      clock: { now: () => timeOf(0) },
      disk,
      onRecord: (record) => {
        seen.push(describe(record));
      },
    });
  } catch (error) {
    checkRefusal(error);
    demand(disk.openCount === 0, 'a log that is refused leaves no file open');
    if (snapshot(disk) !== before) {
      throw new Finding('a log that is refused is as it was', { cause: error });
    }
  }
  if (performance.now() - beganAt > OPEN_MS) {
    const { user, system } = process.cpuUsage(cpuBefore);
    demand((user + system) / 1000 < OPEN_MS, 'opening takes as long as the log is');
  }
  for (const [index, record] of seen.entries()) {
    demand(record === written.records[index], `record ${index + 1} was written: ${record}`);
  }
  if (log === undefined) return;
  demand(seen.length >= written.durable || !isSyncedKept, 'what was synced is there');
  await goOn(log, disk, seen.length);
}

function checkRefusal(error: unknown): void {
  if (!(error instanceof SessfsError)) {
    throw new Finding('a damaged log is refused with a word', { cause: error });
  }
  const isKnown = error.code === 'LOG_CORRUPT' || error.code === 'STORE_FOREIGN';
  if (!isKnown || error.hint === undefined) {
    throw new Finding('a damaged log is refused with what to do', { cause: error });
  }
}

/** What was opened can be written, and opened again. */
async function goOn(log: Log, disk: MemoryDisk, count: number): Promise<void> {
  const revision = (log.lastRevision + 1) as Revision;
  demand(log.lastRevision === count, 'the log goes on behind what it gave');
  const header = { revision, time: timeOf(99), unique: 0, actor: 0 as ActorId, type: 1 };
  log.append(header, Buffer.from('more'), 4);
  await log.close();
  demand(disk.openCount === 0, 'a log that is closed leaves no file open');
  const again = await openLog(disk);
  demand(again.seen.length === count + 1, 'a log that was opened can be opened again');
  await again.log.close();
}

function snapshot(disk: MemoryDisk): string {
  const files = [...disk.files].map(([path, { bytes }]) => `${path} ${bytes.toString('base64')}`);
  return files.toSorted().join('\n');
}
