/**
 * Fuzz of what is decoded from the index and from records: damaged, it is a value or a RangeError, soon.
 */

import { decodePlacedExtents } from '../../src/index/extents.ts';
import { Space } from '../../src/index/keys.ts';
import {
  decodeActor,
  decodeDentry,
  decodeInode,
  decodeMeta,
  decodePastDentry,
  decodeRegion,
  decodeTimeRecord,
  decodeVersion,
} from '../../src/index/records.ts';
import { RunSet } from '../../src/index/run-set.ts';
import { unsealValue } from '../../src/index/sealed-value.ts';
import type { Ino, LogPos } from '../../src/shared/brands.ts';
import { ByteReader } from '../../src/shared/bytes.ts';
import { decodeEvent } from '../../src/volume/events.ts';
import { demand, Finding } from './finding.ts';
import { makeWorkedVolume } from './kernel-target.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

const DECODES = 20_000;
const DECODE_MS = 50;
/** Of what is decoded from some KB. */
const HEAP_GROWTH_BYTES = 64 << 20;

type Decode = (value: Buffer) => unknown;

interface Sample {
  readonly what: string;
  readonly bytes: Buffer;
  readonly decode: Decode;
}

const BY_SPACE: Readonly<Record<number, Decode>> = {
  [Space.INODE]: (value) => decodeInode(2 as Ino, value),
  [Space.INODE_HISTORY]: (value) => decodeInode(2 as Ino, value, false),
  [Space.DENTRY]: decodeDentry,
  [Space.DENTRY_HISTORY]: decodePastDentry,
  [Space.REGION]: (value) => decodeRegion(value, 0),
  [Space.REGION_HISTORY]: (value) => decodeRegion(value, 3),
  [Space.VERSION]: decodeVersion,
  [Space.TIME]: decodeTimeRecord,
  [Space.ACTOR]: decodeActor,
  [Space.META]: decodeMeta,
};

/** One in the other, each in five bytes: a decoder that follows has no stack left. */
const NESTED_BATCHES = Buffer.from('010000000f'.repeat(50_000), 'hex');
const BATCH = 15;

/** Not by themselves in the index. */
const PARTS: readonly Decode[] = [
  (value) => RunSet.decode(new ByteReader(value)),
  (value) => decodePlacedExtents(new ByteReader(value)),
  (value) => unsealValue(value.subarray(0, 7), value.subarray(7)),
];

export async function fuzzCodecs(seed: number, dir: string): Promise<void> {
  const random = new Random(seed);
  const samples = await takeSamples(random, dir);
  const heapBefore = process.memoryUsage().heapUsed;
  for (let left = DECODES; left > 0; left--) {
    const { what, bytes, decode } = random.pick(samples);
    const damaged = mutate(random, bytes);
    tryDecode(what, damaged, random.once(10) ? random.pick(PARTS) : decode);
    if (left % 500 !== 0) continue;
    const growth = process.memoryUsage().heapUsed - heapBefore;
    demand(growth < HEAP_GROWTH_BYTES * 2, `${what}: the heap grew by ${growth}`);
  }
}

async function takeSamples(random: Random, dir: string): Promise<Sample[]> {
  const { volume } = await makeWorkedVolume(random, dir);
  const nested = { what: 'nested batches', bytes: NESTED_BATCHES };
  const samples: Sample[] = [{ ...nested, decode: (bytes) => decodeEvent(BATCH, bytes) }];
  await volume.flushed();
  const range = { gte: Buffer.from([0]), lt: Buffer.from([0xff]) };
  for await (const [key, bytes] of volume.index.scan(range)) {
    const decode = BY_SPACE[key[0] ?? 0];
    if (decode !== undefined) samples.push({ what: `space ${key[0]}`, bytes, decode });
  }
  for await (const { type, payload } of volume.log.scan(0 as LogPos)) {
    const decode = (bytes: Buffer): unknown =>
      decodeEvent(random.once(5) ? random.below(18) : type, bytes);
    samples.push({ what: `event ${type}`, bytes: Buffer.from(payload), decode });
  }
  await volume.close();
  for (const { what, bytes, decode } of samples) {
    try {
      if (what.startsWith('space')) decode(bytes);
    } catch (error) {
      throw new Finding(`${what}: what was encoded is decoded`, { cause: error });
    }
  }
  return samples;
}

function tryDecode(what: string, damaged: Buffer, decode: Decode): void {
  const cpuBefore = process.cpuUsage();
  const beganAt = performance.now();
  try {
    decode(damaged);
  } catch (error) {
    if (
      !(error instanceof RangeError) ||
      /call stack|allocation|Array length/.test(error.message)
    ) {
      throw new Finding(`${what}: ${damaged.toString('hex')}`, { cause: error });
    }
  }
  if (performance.now() - beganAt < DECODE_MS) return;
  const { user, system } = process.cpuUsage(cpuBefore);
  demand((user + system) / 1000 < DECODE_MS, `${what} takes long: ${damaged.toString('hex')}`);
}
