/**
 * Fuzz of a volume's directory: any file of it damaged, or its log written by somebody who makes events up.
 *
 * It opens to a tree that is whole, with what cannot be read as EIO; or it is refused with what to do.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { Log } from '../../src/log/log.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError, SessfsError } from '../../src/shared/errors.ts';
import type { LogPos } from '../../src/shared/brands.ts';
import { System, TestClock, VOLUME_ID } from '../model/system.ts';
import { Finding, within } from './finding.ts';
import { makeWorkedVolume } from './kernel-target.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import { checkTree } from './volume-checks.ts';

const COPIES = 12;
const OPEN_MS = 15_000;

const REFUSALS = new Set(['LOG_CORRUPT', 'STORE_FOREIGN', 'INDEX_CORRUPT']);

export async function fuzzVolume(seed: number, dir: string): Promise<void> {
  const random = new Random(seed);
  const whole = join(dir, 'whole');
  const system = await makeWorkedVolume(random, whole);
  await system.volume.close();
  for (let count = 0; count < COPIES; count++) {
    const copy = join(dir, `copy-${count}`);
    if (random.once(3)) {
      await forge(random, whole, copy);
      await tryOpen(copy, false);
    } else {
      fs.cpSync(whole, copy, { recursive: true });
      damageFile(random, copy);
      await tryOpen(copy, true);
    }
    fs.rmSync(copy, { recursive: true });
  }
}

function damageFile(random: Random, dir: string): void {
  const part = random.pick(['log', 'index', 'index']);
  const path = join(dir, part, random.pick(fs.readdirSync(join(dir, part)).toSorted()));
  if (random.once(8)) fs.rmSync(path);
  else fs.writeFileSync(path, mutate(random, fs.readFileSync(path)));
}

/** The same log with other payloads, and right checksums: what a bug or another version may have written. */
async function forge(random: Random, from: string, to: string): Promise<void> {
  const options = { volumeId: VOLUME_ID, clock: new TestClock() };
  const target = await Log.open({
    ...options,
    dir: join(to, 'log'),
    create: fs.mkdirSync(to) === undefined,
    onRecord: () => undefined,
  });
  const source = await Log.open({ ...options, dir: join(from, 'log'), onRecord: () => undefined });
  const times = random.pick([10, 50, 200]);
  for await (const record of source.scan(0 as LogPos)) {
    const data =
      record.dataLength > 0 ? await source.read(record.dataPos, record.dataLength) : undefined;
    const isForged = random.once(times);
    const payload = isForged ? mutate(random, Buffer.from(record.payload)) : record.payload;
    const type = isForged && random.once(4) ? random.below(18) : record.type;
    target.append({ ...record, type }, payload, payload.length, data);
  }
  await source.close();
  await target.close();
}

async function tryOpen(dir: string, isTreeWhole: boolean): Promise<void> {
  const clock = new TestClock();
  let system: System;
  try {
    system = await within(OPEN_MS, 'opening', System.open(dir, clock, {}));
  } catch (error) {
    if (error instanceof SessfsError && REFUSALS.has(error.code) && error.hint !== undefined)
      return;
    throw new Finding(`${dir}: a damaged volume is refused with what to do`, { cause: error });
  }
  system.volume.report = () => undefined;
  try {
    if (isTreeWhole) await checkTree(system.volume);
  } catch (error) {
    // What is damaged inside is told apart when it is met.
    const isTold =
      (error instanceof FsError && error.errno === Errno.EIO) ||
      (error instanceof SessfsError && error.code === 'INDEX_CORRUPT');
    if (!isTold) throw error;
  } finally {
    await within(OPEN_MS, 'closing', system.volume.close());
  }
}
